import os
import pickle

import numpy as np
import pytest

from benchmark.datasets.convert import import_dataset
from benchmark.datasets.files.unpickle import read_pickle
from benchmark.datasets.load import load_dataset
from benchmark.errors import UserError

SPLITS = ("train", "valid", "test")
MODALITIES = ("text", "audio", "vision")


def make_mmsa(*, left=False, lengths=None, unimodal=False, samples=4, steps=6):
    content = {}
    for number, split in enumerate(SPLITS):
        generator = np.random.default_rng(number)
        valid = np.array([3, 4, 5, 6])
        place = np.arange(steps)
        keep = place >= steps - valid[:, None] if left else place < valid[:, None]
        token_mask = place < valid[:, None]
        ids = np.where(token_mask, 200 + place, 0)
        ids[:, 0] = 101
        ids[np.arange(samples), valid - 1] = 102
        fields = {
            "id": [f"{split}video{sample // 2}$_${sample}" for sample in range(samples)],
            "raw_text": [f"text of {sample}" for sample in range(samples)],
            "text": generator.normal(size=(samples, steps, 8)).astype(np.float32),
            "text_bert": np.stack([ids, token_mask, np.zeros_like(ids)], axis=1).astype(float),
            "audio": generator.normal(size=(samples, steps, 3)) * keep[..., None],
            "vision": generator.normal(size=(samples, steps, 2)) * keep[..., None],
            "annotations": ["Neutral"] * samples,
            "classification_labels": np.zeros(samples),
            "regression_labels": np.linspace(-1, 1 if unimodal else 3, samples),
        }
        if lengths is not None:
            fields["audio_lengths"] = fields["vision_lengths"] = list(lengths)
        if unimodal:
            for letter in "TAV":
                fields[f"regression_labels_{letter}"] = np.linspace(-1, 1, samples)
        content[split] = fields
    return content


def write_pickle(path, content, protocol=4):
    path.write_bytes(pickle.dumps(content, protocol=protocol))
    return path


@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_mmsa_import(tmp_path, protocol):
    content = make_mmsa()
    said = import_dataset(
        write_pickle(tmp_path / "a.pkl", content, protocol), tmp_path / "mosi", "mosi"
    )
    assert said[0] == "read an unknown file: 4/4/4 samples"
    dataset = load_dataset("mosi", data=tmp_path, standardise=())
    split = dataset.open_test()
    assert (dataset.task.low, dataset.task.high) == (-3, 3)
    assert split.audio.lengths.tolist() == split.text.lengths.tolist() == [3, 4, 5, 6]
    np.testing.assert_allclose(split.audio.values, content["test"]["audio"], rtol=1e-6)
    assert not split.text.values[~split.text.mask].any()
    assert split.tokens.ids[0].tolist() == [101, 201, 102, 0, 0, 0]
    assert split.tokens.words[0].tolist() == [-1, 1, -1, -1, -1, -1]
    assert split.groups.tolist() == ["testvideo0"] * 2 + ["testvideo1"] * 2
    assert dataset.vocabulary.size == 30522
    assert dataset.encoder == "bert-base-uncased"


def test_mmsa_left_padding_is_moved_and_reported(tmp_path):
    content = make_mmsa(left=True, lengths=[1, 1, 1, 6])
    said = import_dataset(write_pickle(tmp_path / "a.pkl", content), tmp_path / "mosi", "mosi")
    assert any("audio was padded on the left" in note for note in said)
    audio = load_dataset("mosi", data=tmp_path, standardise=()).train.audio
    assert audio.lengths.tolist() == [3, 4, 5, 6]
    np.testing.assert_allclose(audio.values[0, :3], content["train"]["audio"][0, 3:], rtol=1e-6)


def test_mmsa_lengths_full_of_ones_are_recovered_and_reported(tmp_path):
    content = make_mmsa(lengths=[1, 1, 1, 6])
    said = import_dataset(write_pickle(tmp_path / "a.pkl", content), tmp_path / "mosi", "mosi")
    assert any("vision_lengths says 1 for 75%" in note for note in said)
    train = load_dataset("mosi", data=tmp_path, standardise=()).train
    assert train.vision.lengths.tolist() == [3, 4, 5, 6]


def test_mmsa_plausible_lengths_keep_trailing_zero_frames(tmp_path):
    content = make_mmsa(lengths=[4, 4, 5, 6])
    import_dataset(write_pickle(tmp_path / "a.pkl", content), tmp_path / "mosi", "mosi")
    train = load_dataset("mosi", data=tmp_path, standardise=()).train
    assert train.audio.lengths.tolist() == [4, 4, 5, 6]


def test_mmsa_infinite_values_become_zero_and_are_counted(tmp_path):
    content = make_mmsa()
    content["train"]["audio"][1, 0, :2] = -np.inf
    content["train"]["vision"][1, 0, 0] = np.nan
    said = import_dataset(write_pickle(tmp_path / "a.pkl", content), tmp_path / "mosi", "mosi")
    assert "2 values -inf of audio in train became 0" in said
    assert "1 values NaN of vision in train became 0" in said
    assert (
        not load_dataset("mosi", data=tmp_path, standardise=()).train.audio.values[1, 0, :2].any()
    )


def test_sims_has_its_scale_and_unimodal_labels(tmp_path):
    path = write_pickle(tmp_path / "a.pkl", make_mmsa(unimodal=True))
    import_dataset(path, tmp_path / "sims", "sims")
    dataset = load_dataset("sims", data=tmp_path)
    assert dataset.task.convention == "sims"
    assert set(dataset.train.unimodal_labels) == set(MODALITIES)
    assert dataset.vocabulary.size == 21128


@pytest.mark.parametrize("field", ["audio", "regression_labels", "text"])
def test_mmsa_missing_field_is_named(tmp_path, field):
    content = make_mmsa()
    del content["valid"][field]
    with pytest.raises(UserError, match=f"no field '{field}'"):
        import_dataset(write_pickle(tmp_path / "a.pkl", content), tmp_path / "mosi", "mosi")
    assert not (tmp_path / "mosi").exists()


class Malicious:
    def __reduce__(self):
        return os.system, ("touch owned",)


def test_malicious_pickle_is_refused_by_name_and_not_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = write_pickle(tmp_path / "bad.pkl", {"train": Malicious()})
    with pytest.raises(UserError, match=r"(posix|nt)\.system"):
        read_pickle(path)
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize("name", ["builtins\neval", "numpy\nsave", "numpy.f2py\nrun_main"])
def test_only_listed_names_are_found(tmp_path, name):
    path = tmp_path / "bad.pkl"
    path.write_bytes(f"c{name}\n.".encode())
    with pytest.raises(UserError, match=name.replace("\n", ".")):
        read_pickle(path)


def test_other_codecs_are_refused(tmp_path):
    path = tmp_path / "bad.pkl"
    path.write_bytes(b"c_codecs\nencode\n(X\x01\x00\x00\x00aX\x05\x00\x00\x00rot13tR.")
    with pytest.raises(UserError, match="rot13"):
        read_pickle(path)


def test_truncated_and_foreign_files_are_refused(tmp_path):
    path = write_pickle(tmp_path / "a.pkl", make_mmsa())
    content = path.read_bytes()
    for size in (0, 1, 50, len(content) // 2, len(content) - 1):
        path.write_bytes(content[:size])
        with pytest.raises(UserError, match="truncated"):
            read_pickle(path)
    path.write_bytes(b"PK\x03\x04 no pickle")
    with pytest.raises(UserError, match="truncated or no pickle"):
        read_pickle(path)
    with pytest.raises(UserError, match="no file"):
        read_pickle(tmp_path / "none.pkl")
    with pytest.raises(UserError, match="no MMSA pickle"):
        import_dataset(write_pickle(path, [1]), tmp_path / "mosi", "mosi")
