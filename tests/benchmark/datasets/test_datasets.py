import errno
import io
import json
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest

from benchmark.datasets.dataset import Sequences
from benchmark.datasets.load import list_datasets, load_dataset
from benchmark.datasets.native import read_dataset, write_dataset
from benchmark.datasets.readers import files
from benchmark.datasets.source import padded_left
from benchmark.datasets.synthetic import make_synthetic
from benchmark.datasets.tokens import encoder_identity, split_words
from benchmark.errors import UserError

ROOT = Path(__file__).parents[3]
DATA = Path(os.environ.get("AFFECTBENCH_DATA", ROOT / "../shared/data"))
real_data = pytest.mark.skipif(not DATA.is_dir(), reason="the real datasets are not there")
SPLITS = ("train", "valid", "test")
MODALITIES = ("text", "audio", "vision")


# Native folders


@pytest.fixture
def native(tmp_path):
    dataset = make_synthetic(0, (20, 8, 10))
    splits = {"train": dataset.train, "valid": dataset.valid, "test": dataset.open_test()}
    folder = write_dataset(
        tmp_path / "tiny",
        name="tiny",
        task=dataset.task,
        splits=splits,
        vocabulary=dataset.vocabulary,
        encoder="synthetic",
        licence="none",
    )
    return folder, splits


def assert_same(first, second):
    for name in MODALITIES:
        np.testing.assert_array_equal(
            first.sequences(name).values, second.sequences(name).values, strict=True
        )
        np.testing.assert_array_equal(
            first.sequences(name).lengths, second.sequences(name).lengths, strict=True
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
    manifest["arrays"][path.name]["blake2"] = files.file_digest(path)
    (folder / "dataset.json").write_text(json.dumps(manifest))
    with pytest.raises(UserError, match=words):
        read_dataset(folder)


def test_existing_folder_is_not_overwritten(native):
    with pytest.raises(UserError, match="already there"):
        write_dataset(native[0], name="x", task=read_dataset(native[0]).task, splits=native[1])


# Plain npz folders


def test_a_file_unpacks_to_no_more_than_its_size_pays_for(tmp_path, monkeypatch):
    path = tmp_path / "train.npz"
    np.savez_compressed(path, audio=np.zeros((100, 10, 100), np.float32))  # 400 kB in 1 kB
    assert files.read_npz(path)["audio"].shape == (100, 10, 100)
    monkeypatch.setattr(files, "FREE", 2**16)
    with pytest.raises(UserError, match="would unpack to 400128, more than"):
        files.read_npz(path)
    np.savez(path, audio=np.zeros((100, 10, 100), np.float32))
    assert files.read_npz(path)["audio"].shape == (100, 10, 100)


def test_numbers_count_as_the_floats_they_become(tmp_path, monkeypatch):
    path = tmp_path / "train.npz"
    np.savez_compressed(path, audio=np.zeros((100, 10, 100), np.int8))
    monkeypatch.setattr(files, "FREE", 2**17)
    with pytest.raises(UserError, match="would unpack to 400000"):
        files.read_npz(path)


def test_rows_take_room_in_the_file(tmp_path):
    path = tmp_path / "train.npz"
    np.savez_compressed(path, label=np.zeros(files.ROWS, np.int8))
    assert len(files.read_npz(path)["label"]) == files.ROWS
    np.savez_compressed(path, label=np.zeros(files.ROWS + 1, np.int8))
    with pytest.raises(UserError, match="16385 rows in a file of"):
        files.read_npz(path)


@pytest.mark.parametrize(
    ("shape", "words"),
    [(b"(9**9,)", "no header that numpy wrote"), (b"(4999,)", "16 bytes for float32 of shape")],
)
def test_what_a_header_claims_is_compared_with_what_is_there(tmp_path, shape, words):
    stream = io.BytesIO()
    np.save(stream, np.zeros(4, np.float32))
    with zipfile.ZipFile(tmp_path / "train.npz", "w") as archive:
        archive.writestr("audio.npy", stream.getvalue().replace(b"(4,), }   ", shape + b", }"))
    with pytest.raises(UserError, match=words):
        files.read_npz(tmp_path / "train.npz")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b'{"a": 1, "a": 2}', "'a' is there more than once"),
        (b'{"a": NaN}', "no finite number"),
        (b'{"a": "\\ud800"}', "no Unicode"),
        (b"[" * 10**5, "within each other"),
        (b'{"a": ' + b"[" * 40 + b"]" * 40 + b"}", "within each other"),
        (b"\xff\xfe{\x00}\x00", "cannot be read"),
    ],
)
def test_a_manifest_that_no_one_would_write_is_one_sentence(tmp_path, content, words):
    (tmp_path / "dataset.json").write_bytes(content)
    with pytest.raises(UserError, match=words) as caught:
        files.read_manifest(tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("file", ["train.npz", "dataset.json"])
def test_a_pipe_is_not_waited_for(tmp_path, arrays, file):
    path = write_npz(tmp_path / "own", arrays) / file
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(UserError, match="is no file but a folder, pipe or device"):
        load_dataset(str(path.parent))


def test_a_folder_that_no_dataset_can_be_called_after_needs_a_name(tmp_path, arrays):
    folder = write_npz(tmp_path / "my data", arrays)
    with pytest.raises(UserError, match='give it another as "name" in its'):
        load_dataset(str(folder))
    (folder / "dataset.json").write_text('{"name": "mine", "labels": {"range": [-3, 3]}}')
    assert load_dataset(str(folder)).name == "mine"


@pytest.mark.parametrize(
    ("extra", "words"),
    [(["../x"], "a modality cannot be called"), (["audio"], "stands for"), ("x", "a list of")],
)
def test_further_modalities_have_names_of_their_own(tmp_path, arrays, extra, words):
    manifest = {"labels": {"range": [-3, 3]}, "extra": extra}
    with pytest.raises(UserError, match=words):
        load_dataset(str(write_npz(tmp_path / "own", arrays, manifest)))


def make_arrays(split, samples=6, *, steps=5, seed=0):
    generator = np.random.default_rng([seed, SPLITS.index(split)])
    return {
        "id": np.array([f"{split}{place}" for place in range(samples)]),
        "text": generator.normal(size=(samples, 7)).astype(np.float32),
        "audio": generator.normal(size=(samples, steps, 3)).astype(np.float32),
        "vision": generator.normal(size=(samples, steps, 2)).astype(np.float32),
        "label": generator.uniform(-3, 3, size=samples).astype(np.float32),
    }


def write_npz(folder, arrays, manifest=None):
    folder.mkdir()
    for split, values in arrays.items():
        np.savez(folder / f"{split}.npz", **values)
    manifest = {"labels": {"range": [-3, 3]}} if manifest is None else manifest
    (folder / "dataset.json").write_text(json.dumps(manifest))
    return folder


@pytest.fixture
def arrays():
    return {split: make_arrays(split) for split in SPLITS}


def test_npz_folder_loads_with_vectors_as_one_step(tmp_path, arrays):
    dataset = load_dataset(str(write_npz(tmp_path / "own", arrays)), standardise=())
    assert dataset.name == "own"
    assert dataset.dims.inputs == (7, 3, 2)
    assert dataset.train.text.values.shape == (6, 1, 7)
    np.testing.assert_array_equal(dataset.open_test().label, arrays["test"]["label"])
    assert dataset.train.tokens is None
    assert dataset.dims.vocabulary == 0


def test_npz_missing_modality_is_an_all_false_mask(tmp_path, arrays):
    for values in arrays.values():
        del values["vision"]
    dataset = load_dataset("own", data=write_npz(tmp_path / "own", arrays).parent)
    assert dataset.dims.vision == 1
    assert not dataset.train.batch().vision.mask.any()


@pytest.mark.parametrize("left", [True, False])
def test_npz_padding_on_either_side_is_moved_to_the_back(tmp_path, arrays, left):
    full = {split: values["audio"].copy() for split, values in arrays.items()}
    for values in arrays.values():
        audio = values["audio"]
        audio[1, 2] = 0  # a dropped frame inside stays
        for sample in range(len(audio)):
            audio[sample, slice(None, sample % 3) if left else slice(5 - sample % 3, None)] = 0
    dataset = load_dataset(str(write_npz(tmp_path / "own", arrays)), standardise=())
    audio = dataset.train.audio
    assert audio.lengths.tolist() == [5, 4, 3, 5, 4, 3]
    assert not audio.values[~audio.mask].any()
    inside = full["train"][2, 2:] if left else full["train"][2, :3]
    np.testing.assert_array_equal(audio.values[2, :3], inside)
    assert not audio.values[1, 1 if left else 2].any()


def test_npz_lengths_and_masks_are_obeyed(tmp_path, arrays):
    for values in arrays.values():
        values["audio_lengths"] = np.array([1, 2, 3, 4, 5, 5])
        values["vision_mask"] = np.arange(5) >= np.array([4, 3, 2, 1, 0, 0])[:, None]
    dataset = load_dataset(str(write_npz(tmp_path / "own", arrays)), standardise=())
    assert dataset.valid.audio.lengths.tolist() == [1, 2, 3, 4, 5, 5]
    assert dataset.valid.vision.lengths.tolist() == [1, 2, 3, 4, 5, 5]
    np.testing.assert_array_equal(
        dataset.valid.vision.values[1, :2], arrays["valid"]["vision"][1, 3:]
    )


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"label": np.full(6, 4.0)}, "outside"),
        ({"label": np.full(6, np.nan)}, "NaN or infinite labels"),
        ({"audio": np.full((6, 5, 3), np.nan)}, "NaN or infinite audio"),
        ({"audio": np.full((6, 5, 4), 1.0)}, "training split"),
        ({"vision": np.full((5, 5, 2), 1.0)}, "every array needs one row"),
        ({"audio": np.full((6, 5, 3, 1), 1.0)}, "must be numbers"),
        ({"audio": np.zeros((6, 0, 3))}, "one step and one feature"),
        ({"audio": np.full((6, 5, 3), 1e300)}, "NaN or infinite audio"),
        ({"audio": np.array(1.0)}, "is one value"),
        ({"audio_lengths": np.array([1, 2, 3, 4, 5, 6])}, "one whole number from 0 to 5"),
        ({"audio_lengths": np.array(["5"] * 6)}, "one whole number from 0 to 5"),
        ({"audio_lengths": np.array([1, 2])}, "one whole number from 0 to 5"),
        ({"audio_mask": np.ones((6, 4))}, "do not fit"),
        ({"audio_mask": np.full((6, 5), "yes")}, "must be true or false"),
        ({"video_id": np.array([["a", "b"]] * 6)}, "one text a sample"),
        ({"label_text": np.array(["a"] * 6)}, "one number a sample"),
        ({"label_text": np.zeros(6)}, "in only one of"),
        ({"raw_text": np.array(["a"] * 6)}, "in only one of"),
        ({"id": np.array(["a"] * 6)}, "more than once"),
        ({"id": np.array([f"train{place}" for place in range(6)])}, "both the train and the valid"),
        ({"label": np.zeros(0), "id": np.array([], dtype=str)}, "empty|one row"),
    ],
)
def test_broken_npz_is_refused_in_one_sentence(tmp_path, arrays, change, sentence):
    arrays["valid"] |= change
    folder = write_npz(tmp_path / "own", arrays)
    with pytest.raises(UserError, match=sentence) as caught:
        load_dataset(str(folder))
    assert "\n" not in str(caught.value)


def test_a_modality_that_training_lacks_is_not_dropped_in_silence(tmp_path, arrays):
    del arrays["train"]["vision"]
    with pytest.raises(UserError, match="has vision but the training split has none"):
        load_dataset(str(write_npz(tmp_path / "own", arrays)))


def test_an_extra_modality_must_be_there(tmp_path, arrays):
    manifest = {"labels": {"range": [-3, 3]}, "extra": ["poster"]}
    with pytest.raises(UserError, match="no array 'poster'"):
        load_dataset(str(write_npz(tmp_path / "own", arrays, manifest)))
    with pytest.raises(UserError, match="must be a list of names"):
        load_dataset(str(write_npz(tmp_path / "two", arrays, manifest | {"extra": "poster"})))


def test_ids_are_made_where_there_are_none(tmp_path, arrays):
    for values in arrays.values():
        del values["id"]
    dataset = load_dataset(str(write_npz(tmp_path / "own", arrays)))
    assert dataset.open_test().ids.tolist()[:2] == ["test-00000", "test-00001"]


def test_tokens_alone_are_enough(tmp_path, arrays):
    for values in arrays.values():
        for name in ("text", "audio", "vision"):
            del values[name]
        values["raw_text"] = np.array(["good film"] * 6)
    dataset = load_dataset(str(write_npz(tmp_path / "own", arrays)))
    assert dataset.dims.inputs == (0, 1, 1)
    assert dataset.open_test().tokens.lengths.tolist() == [4] * 6


def test_empty_split_is_refused(tmp_path, arrays):
    arrays["train"] = {key: value[:0] for key, value in arrays["train"].items()}
    with pytest.raises(UserError, match="is empty"):
        load_dataset(str(write_npz(tmp_path / "own", arrays)))


def test_broken_test_split_is_refused_when_opened(tmp_path, arrays):
    arrays["test"]["audio"][0, 0, 0] = np.inf
    dataset = load_dataset(str(write_npz(tmp_path / "own", arrays)))
    with pytest.raises(UserError, match="test split"):
        dataset.open_test()
    with pytest.raises(UserError, match="test split"):
        dataset.verify_test()


def test_test_ids_are_compared_before_the_seal_is_opened(tmp_path, arrays):
    arrays["test"]["id"] = arrays["train"]["id"]
    with pytest.raises(UserError, match="both the train and the test"):
        load_dataset(str(write_npz(tmp_path / "own", arrays)))


def test_truncated_or_pickled_npz_is_refused(tmp_path, arrays):
    folder = write_npz(tmp_path / "own", arrays)
    content = (folder / "valid.npz").read_bytes()
    (folder / "valid.npz").write_bytes(content[: len(content) // 2])
    with pytest.raises(UserError, match="truncated"):
        load_dataset(str(folder))
    np.savez(folder / "valid.npz", **{**arrays["valid"], "audio": np.array([{}] * 6)})
    with pytest.raises(UserError, match="pickled objects"):
        load_dataset(str(folder))


def test_label_meaning_comes_from_the_manifest(tmp_path, arrays):
    with pytest.raises(UserError, match="does not say what its labels mean"):
        load_dataset(str(write_npz(tmp_path / "none", arrays, {})))
    for values in arrays.values():
        values["emotion"] = np.arange(6) % 3
    classes = {"labels": {"key": "emotion", "names": ["sad", "calm", "glad"]}}
    dataset = load_dataset(str(write_npz(tmp_path / "classes", arrays, classes)))
    assert dataset.task.kind == "multiclass"
    assert dataset.train.label.dtype == np.int64
    shifted = {"labels": {"range": [-3, 5], "neutral": 0}}
    assert load_dataset(str(write_npz(tmp_path / "shifted", arrays, shifted))).task.neutral == 0


def test_npz_fingerprint_covers_test_bytes_and_not_notes(tmp_path, arrays):
    first = load_dataset(str(write_npz(tmp_path / "a", arrays))).fingerprint
    noted = {"labels": {"range": [-3, 3]}, "trust": "high"}
    assert load_dataset(str(write_npz(tmp_path / "b", arrays, noted))).fingerprint == first
    arrays["test"]["audio"][0, 0, 0] += 1
    assert load_dataset(str(write_npz(tmp_path / "c", arrays))).fingerprint != first


def test_word_vectors_of_a_sibling_folder_become_the_text(tmp_path, arrays):
    vectors = tmp_path / "glove_subset"
    vectors.mkdir()
    words = np.array(["good", "bad", "film"])
    np.savez(vectors / "v.npz", word=words, vector=np.arange(1, 7).reshape(3, 2).astype(float))
    for values in arrays.values():
        del values["text"]
        values["raw_text"] = np.array(["GOOD FILM", "Bad, film.", "x good", "bad", "", "GOOD"])
    folder = str(write_npz(tmp_path / "own", arrays))
    assert load_dataset(folder).train.tokens is None  # vectors are there and nobody asked
    dataset = load_dataset(folder, text_encoder="scratch", standardise=())
    text, tokens = dataset.train.text, dataset.train.tokens
    assert text.lengths.tolist() == [2, 2, 2, 1, 0, 1]
    np.testing.assert_array_equal(text.values[0, :2], [[1, 2], [5, 6]])
    np.testing.assert_array_equal(text.values[2, :2], [[0, 0], [1, 2]])
    assert (tokens.words.max(axis=1) + 1 == text.lengths).all()
    assert dataset.provenance["word_vectors"]["covered"] == pytest.approx(7 / 8)


def test_unknown_names_are_answered_with_the_nearest(native, monkeypatch):
    with pytest.raises(UserError, match="did you mean 'tiny'"):
        load_dataset("tinny", data=native[0].parent)
    monkeypatch.delenv("AFFECTBENCH_DATA", raising=False)
    with pytest.raises(UserError, match="AFFECTBENCH_DATA"):
        load_dataset("mosi")
    with pytest.raises(UserError, match="data folder"):
        load_dataset("mosi", data=native[0] / "nowhere")
    with pytest.raises(UserError, match="unknown stream"):
        load_dataset("synthetic", standardise=("visual",))
    (native[0].parent / "hollow").mkdir()
    with pytest.raises(UserError, match="is no dataset"):
        load_dataset("hollow", data=native[0].parent)


def test_listing_names_every_dataset_and_its_problem(native, arrays):
    root = native[0].parent
    write_npz(root / "own", arrays, {})
    found = {info.name: info for info in list_datasets(root)}
    assert list(found) == ["synthetic", "own", "tiny"]
    assert found["tiny"].sizes == {"train": 20, "valid": 8, "test": 10}
    assert found["tiny"].dims == {"text": 16, "audio": 6, "vision": 8}
    assert "does not say" in found["own"].problem


# Tokens


@pytest.fixture
def spoken(tmp_path, arrays):
    for values in arrays.values():
        values["raw_text"] = np.array(
            ["GOOD FILM", "good film!", "a bad film", "bad", "", "rare good"]
        )
    return write_npz(tmp_path / "own", arrays)


def test_scratch_vocabulary_comes_from_the_training_split_only(spoken, arrays):
    arrays["valid"]["raw_text"] = np.array(["VALID VALID"] * 6)
    np.savez(spoken / "valid.npz", **arrays["valid"])
    dataset = load_dataset(str(spoken), text_encoder="scratch", max_tokens=4)
    assert dataset.encoder == "scratch"
    assert dataset.vocabulary.size == 5 + 3  # bad, film, good occur twice; a and rare do not
    tokens = dataset.train.tokens
    assert tokens.ids[0].tolist() == [2, 7, 6, 3]
    assert tokens.ids[1].tolist() == [2, 7, 6, 3]
    assert tokens.ids[2].tolist() == [2, 1, 5, 3]  # the third word is cut, the end mark is not
    assert tokens.ids[4].tolist() == [2, 3, 0, 0]
    assert tokens.words[5].tolist() == [-1, 0, 1, -1]
    assert (dataset.valid.tokens.ids[:, 1:3] == 1).all()


def test_chinese_characters_are_words():
    assert split_words("这个 ok的") == ["这", "个", "ok", "的"]


@pytest.fixture
def encoder(tmp_path):
    transformers = pytest.importorskip("transformers")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "fil", "##m", "bad", "a"]
    vocabulary = tmp_path / "vocab.txt"
    vocabulary.write_text("\n".join(words))
    folder = tmp_path / "tiny-bert"
    transformers.BertTokenizerFast(vocab=str(vocabulary), do_lower_case=True).save_pretrained(
        folder
    )
    (folder / "config.json").write_text(
        json.dumps({"model_type": "bert", "vocab_size": len(words), "hidden_size": 8})
    )
    return folder


def test_pretrained_tokens_point_to_their_words(spoken, encoder):
    dataset = load_dataset(str(spoken), text_encoder=str(encoder), max_tokens=5)
    vocabulary, tokens = dataset.vocabulary, dataset.train.tokens
    assert vocabulary.size == 10
    assert (vocabulary.pad, vocabulary.unknown, vocabulary.start) == (0, 1, 2)
    assert tokens.ids[0].tolist() == [2, 5, 6, 7, 3]
    assert tokens.words[0].tolist() == [-1, 0, 1, 1, -1]
    assert tokens.ids[2].tolist() == [2, 9, 8, 6, 3]
    assert tokens.lengths.tolist() == [5, 5, 5, 3, 2, 4]
    assert dataset.encoder.startswith("tiny-bert#")


def test_identity_follows_content_and_hides_the_path(spoken, encoder):
    first = encoder_identity(str(encoder))
    assert str(encoder.parent) not in first
    before = load_dataset(str(spoken), text_encoder=str(encoder)).fingerprint
    (encoder / "notes.md").write_text("no part of the encoder")
    assert encoder_identity(str(encoder)) == first
    (encoder / "model.safetensors").write_bytes(b"other weights")
    assert encoder_identity(str(encoder)) != first
    assert load_dataset(str(spoken), text_encoder=str(encoder)).fingerprint != before
    assert (encoder_identity(""), encoder_identity("scratch")) == ("", "scratch")


def test_absent_encoder_is_named_without_a_download(spoken, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    for name in ("no-such-encoder", "no/such-encoder", "/no/such/folder"):
        with pytest.raises(UserError, match="is not there: give a local folder"):
            load_dataset(str(spoken), text_encoder=name)
    (tmp_path / "hollow").mkdir()
    with pytest.raises(UserError, match="no tokeniser that can be read"):
        load_dataset(str(spoken), text_encoder=str(tmp_path / "hollow"))


# Real data


@real_data
@pytest.mark.shared_data
@pytest.mark.parametrize(
    ("name", "sizes", "inputs"),
    [
        ("mosi_utterance", (1209, 238, 752), (100, 73, 100)),
        ("mosi_std", (1284, 229, 686), (300, 73, 1)),
        ("mmmo_mini", (64, 16, 40), (300, 74, 36)),
        ("youtube_mini", (48, 12, 36), (300, 74, 36)),
        ("sims_text", (1368, 456, 457), (0, 1, 1)),
    ],
)
def test_real_data_loads(name, sizes, inputs):
    dataset = load_dataset(name, data=DATA)
    test = dataset.open_test()
    assert (len(dataset.train), len(dataset.valid), len(test)) == sizes
    assert dataset.dims.inputs == inputs
    for modality in MODALITIES:
        sequences = test.sequences(modality)
        assert not sequences.values[~sequences.mask].any()


@real_data
@pytest.mark.shared_data
def test_real_front_padding_is_moved():
    raw = np.load(DATA / "mmmo_mini/train.npz")
    dataset = load_dataset("mmmo_mini", data=DATA, standardise=())
    assert dataset.task.neutral == 3
    np.testing.assert_array_equal(dataset.train.text.lengths, raw["mask"].sum(axis=1))
    np.testing.assert_array_equal(
        dataset.train.text.values[0, :17], raw["text"][0, 3:]
    )  # three steps of padding
    assert dataset.train.text.lengths[0] == 17


@real_data
@pytest.mark.shared_data
def test_real_word_rows_match_the_words_of_tokens():
    split = load_dataset("mosi_std", data=DATA, text_encoder="scratch").valid
    counts = split.tokens.words.max(axis=1) + 1
    short = split.tokens.lengths < split.tokens.ids.shape[1]
    np.testing.assert_array_equal(counts[short], split.text.lengths[short])


def test_padding_side_is_judged_over_all_samples():
    content = np.array([[0, 1, 1], [0, 0, 1], [1, 1, 0], [0, 0, 0]], dtype=bool)
    assert padded_left(content)
    assert not padded_left(content[:, ::-1])


def test_folds_partition_all_samples_and_share_one_fingerprint(tmp_path, arrays):
    for place, values in enumerate(arrays.values()):
        values["cv_fold"] = (np.arange(len(values["label"])) + place) % 3
    folder = write_npz(tmp_path / "own", arrays)
    everything = sorted(str(name) for values in arrays.values() for name in values["id"])
    tested = []
    datasets = [load_dataset(f"{folder}@{fold}") for fold in range(3)]
    for fold, dataset in enumerate(datasets):
        splits = {"train": dataset.train, "valid": dataset.valid, "test": dataset.open_test()}
        ids = [str(name) for split in splits.values() for name in split.ids]
        assert sorted(ids) == everything
        assert dataset.name.endswith("@folds")
        tested += splits["test"].ids.tolist()
        following = datasets[(fold + 1) % 3].open_test()
        assert splits["valid"].ids.tolist() == following.ids.tolist()
    assert sorted(tested) == everything
    assert len({dataset.fingerprint for dataset in datasets}) == 1


def test_folds_keep_every_array_with_its_sample(tmp_path, arrays):
    for values in arrays.values():
        values["cv_fold"] = np.arange(len(values["label"])) % 3
    folder = write_npz(tmp_path / "own", arrays)
    whole = load_dataset(str(folder), standardise=())
    label = {}
    for split in (whole.train, whole.valid, whole.open_test()):
        for name, value, audio in zip(split.ids, split.label, split.audio.values, strict=True):
            label[str(name)] = (float(value), float(audio[0].sum()))
    dataset = load_dataset(f"{folder}@1", standardise=())
    for split in (dataset.train, dataset.valid, dataset.open_test()):
        for name, value, audio in zip(split.ids, split.label, split.audio.values, strict=True):
            assert label[str(name)] == (float(value), float(audio[0].sum()))


@pytest.mark.parametrize(("fold", "words"), [("9", "folds 0 to 2"), ("x", "a fold is a number")])
def test_an_unknown_fold_is_refused(tmp_path, arrays, fold, words):
    for values in arrays.values():
        values["cv_fold"] = np.arange(len(values["label"])) % 3
    folder = write_npz(tmp_path / "own", arrays)
    with pytest.raises(UserError, match=words):
        load_dataset(f"{folder}@{fold}")


def test_a_dataset_without_folds_says_so(tmp_path, arrays):
    folder = write_npz(tmp_path / "own", arrays)
    with pytest.raises(UserError, match="declares no folds"):
        load_dataset(f"{folder}@0")
