"""Datasets by name, and the real ones."""

import os
from pathlib import Path

import numpy as np
import pytest

from benchmark.datasets.load import list_datasets, load_dataset
from benchmark.errors import UserError
from tests.benchmark.datasets.small import write_npz

ROOT = Path(__file__).parents[3]
DATA = Path(os.environ.get("AFFECTBENCH_DATA", ROOT / "../shared/data"))
real_data = pytest.mark.skipif(not DATA.is_dir(), reason="the real datasets are not there")
MODALITIES = ("text", "audio", "vision")


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
        sequences = test.modalities[modality]
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
