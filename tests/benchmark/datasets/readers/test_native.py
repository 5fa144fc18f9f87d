"""Native folders: as they were written, or refused in one sentence."""

import errno
import json
import os
from pathlib import Path

import numpy as np
import pytest

from benchmark.datasets.dataset import Sequences
from benchmark.datasets.files.regular import file_digest
from benchmark.datasets.load import load_dataset
from benchmark.datasets.native import write_dataset
from benchmark.errors import UserError

MODALITIES = ("text", "audio", "vision")


def read_dataset(folder):
    """A native folder as it was written."""
    return load_dataset(str(folder), standardise=())


def assert_same(first, second):
    for name in MODALITIES:
        np.testing.assert_array_equal(
            first.modalities[name].values, second.modalities[name].values, strict=True
        )
        np.testing.assert_array_equal(
            first.modalities[name].lengths, second.modalities[name].lengths, strict=True
        )
    for name in ("ids", "label", "groups", "transcripts", "oracle"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name), strict=True)
    for name in ("ids", "lengths", "words"):
        np.testing.assert_array_equal(getattr(first.tokens, name), getattr(second.tokens, name))
    assert first.unimodal_labels.keys() == second.unimodal_labels.keys()
    for name, value in first.unimodal_labels.items():
        np.testing.assert_array_equal(value, second.unimodal_labels[name])


def test_native_round_trip_is_exact(native):
    folder, splits = native
    dataset = read_dataset(folder)
    assert_same(dataset.train, splits["train"])
    assert_same(dataset.valid, splits["valid"])
    assert_same(dataset.open_test(), splits["test"])
    assert dataset.vocabulary.size == 60
    assert dataset.encoder == "synthetic"
    assert load_dataset("tiny", data=folder.parent).fingerprint == dataset.fingerprint


def test_native_arrays_stay_mapped_until_a_batch_copies_them(native):
    dataset = read_dataset(native[0])
    assert isinstance(dataset.train.audio.values, np.memmap)
    assert not dataset.train.audio.values.flags.writeable
    batch = dataset.train.batch()
    batch.audio.values.add_(1)
    np.testing.assert_array_equal(dataset.train.audio.values, native[1]["train"].audio.values)


def test_test_features_are_not_read_before_the_seal_is_opened(native):
    folder, _ = native
    for path in folder.glob("test.*.npy"):
        if path.name != "test.ids.npy":
            path.unlink()
    dataset = load_dataset("tiny", data=folder.parent)
    with pytest.raises(UserError, match="missing"):
        dataset.open_test()


def test_fingerprint_covers_the_test_split(native, tmp_path):
    folder, splits = native
    values = splits["test"].audio.values.copy()
    values[0, 0, 0] += 1
    changed = splits["test"].with_sequences(
        "audio", Sequences(values, splits["test"].audio.lengths)
    )
    dataset = read_dataset(folder)
    other = write_dataset(
        tmp_path / "other",
        name="tiny",
        task=dataset.task,
        splits={**splits, "test": changed},
        vocabulary=dataset.vocabulary,
        encoder="synthetic",
    )
    assert read_dataset(other).fingerprint != dataset.fingerprint


def truncate(path):
    path.write_bytes(path.read_bytes()[:-8])


def flip(path):
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(bytes(content))


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [(truncate, "truncated"), (flip, "hash differs"), (Path.unlink, "is missing")],
)
def test_damaged_array_is_refused_in_one_sentence(native, damage, sentence):
    damage(native[0] / "train.audio.npy")
    with pytest.raises(UserError, match=sentence) as caught:
        read_dataset(native[0])
    assert "\n" not in str(caught.value)
    assert str(native[0].parent) not in str(caught.value)


def test_array_that_the_manifest_does_not_list_is_missed(native):
    manifest = json.loads((native[0] / "dataset.json").read_text())
    del manifest["arrays"]["valid.vision.npy"]
    (native[0] / "dataset.json").write_text(json.dumps(manifest))
    with pytest.raises(UserError, match="no array 'vision'"):
        read_dataset(native[0])


@pytest.mark.parametrize("content", ["{", "[]", '{"format": "affectbench-9"}'])
def test_broken_manifest_is_refused(native, content):
    (native[0] / "dataset.json").write_text(content)
    with pytest.raises(UserError, match=r"dataset\.json|format"):
        load_dataset("tiny", data=native[0].parent)


def test_manifest_without_a_key_is_refused(native):
    (native[0] / "dataset.json").write_text('{"format": "affectbench-1"}')
    with pytest.raises(UserError, match="lacks or garbles"):
        read_dataset(native[0])


def test_full_disk_leaves_nothing_behind(native, tmp_path, monkeypatch):
    dataset = read_dataset(native[0])
    real, calls = np.lib.format.write_array, []

    def full(stream, array, **options):
        calls.append(1)
        if len(calls) > 5:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(stream, array, **options)

    monkeypatch.setattr(np.lib.format, "write_array", full)
    before = sorted(os.listdir(tmp_path))
    with pytest.raises(UserError, match="No space left"):
        write_dataset(tmp_path / "big", name="big", task=dataset.task, splits=native[1])
    assert sorted(os.listdir(tmp_path)) == before


def test_a_writer_removes_what_a_dead_one_of_its_name_left(native, tmp_path):
    dead, other = tmp_path / ".big-abcd.part", tmp_path / ".small-abcd.part"
    for path in (dead, other):
        path.mkdir()
    task = read_dataset(native[0]).task
    write_dataset(tmp_path / "big", name="big", task=task, splits=native[1])
    assert not dead.exists()
    assert other.exists()
    assert (tmp_path / "big" / "dataset.json").exists()


def test_a_name_that_no_folder_can_have_is_not_written(native, tmp_path):
    task = read_dataset(native[0]).task
    with pytest.raises(UserError, match="cannot be called"):
        write_dataset(tmp_path / "big", name="../big", task=task, splits=native[1])
    assert not (tmp_path / "big").exists()


def test_an_array_that_lies_outside_of_its_folder_is_not_read(native, tmp_path):
    path = native[0] / "train.audio.npy"
    path.rename(tmp_path / "elsewhere.npy")
    path.symlink_to(tmp_path / "elsewhere.npy")
    with pytest.raises(UserError, match="leads out of"):
        read_dataset(native[0])


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("token_ids", 60, "token_ids of tiny/train reach from 60 to 60, allowed are 0 to 59"),
        ("token_lengths", -1, "token_lengths of tiny/train reach from -1"),
        ("token_words", -2, "token_words of tiny/train reach from -2"),
        ("audio_lengths", 21, "allowed are 0 to 20"),
    ],
)
def test_numbers_that_point_nowhere_are_refused(native, key, value, words):
    folder = native[0]
    path = folder / f"train.{key}.npy"
    array = np.full_like(np.load(path), value)
    np.save(path, array)
    manifest = json.loads((folder / "dataset.json").read_text())
    manifest["arrays"][path.name]["blake2"] = file_digest(path)
    (folder / "dataset.json").write_text(json.dumps(manifest))
    with pytest.raises(UserError, match=words):
        read_dataset(folder)


def test_existing_folder_is_not_overwritten(native):
    with pytest.raises(UserError, match="already there"):
        write_dataset(native[0], name="x", task=read_dataset(native[0]).task, splits=native[1])
