"""A native folder and the arrays of a plain one, both small."""

import pytest

from benchmark.datasets.native import write_dataset
from benchmark.datasets.synthetic import make_synthetic
from tests.benchmark.datasets.small import SPLITS, make_arrays


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


@pytest.fixture
def arrays():
    return {split: make_arrays(split) for split in SPLITS}
