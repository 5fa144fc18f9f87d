"""Drops on tensors do what the corruptions of a split do."""

import numpy as np
import pytest
import torch

from benchmark.batch import Batch
from benchmark.datasets.dataset import Dataset, Split
from benchmark.datasets.load import load_dataset
from robustness.tensors import (
    chosen_tokens,
    draw_drops,
    drop_steps,
    unknown_words,
    word_slots,
)
from robustness.text import unknown_words as unknown_words_of_split
from robustness.text import word_counts


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return load_dataset("synthetic")


@pytest.fixture(scope="module")
def split(dataset: Dataset) -> Split:
    return dataset.valid


@pytest.fixture(scope="module")
def batch(split: Split) -> Batch:
    return split.batch()


def draw(batch: Batch, steps: int, rate: float = 0.4) -> torch.Tensor:
    return draw_drops(len(batch), steps, rate, torch.Generator().manual_seed(3))


def test_drops_are_repeatable_and_nested(batch: Batch) -> None:
    few, many = draw(batch, 20, 0.2), draw(batch, 20, 0.5)
    assert torch.equal(few, draw(batch, 20, 0.2))
    assert bool((many | ~few).all())
    assert few.float().mean().item() == pytest.approx(0.2, abs=0.03)
    assert many.float().mean().item() == pytest.approx(0.5, abs=0.03)


def test_dropped_steps_are_zero_under_the_same_mask(batch: Batch) -> None:
    chosen = draw(batch, batch.audio.mask.shape[1] + 3)
    dropped = drop_steps(batch.audio, chosen)
    hit = chosen[:, : batch.audio.mask.shape[1]] & batch.audio.mask
    assert hit.any()
    assert torch.equal(dropped.mask, batch.audio.mask)
    assert not dropped.values[hit].any()
    assert torch.equal(dropped.values[~hit], batch.audio.values[~hit])


def test_unknown_words_are_those_of_the_corruption(
    dataset: Dataset, split: Split, batch: Batch
) -> None:
    chosen = draw(batch, word_slots(batch))
    assert dataset.vocabulary is not None
    changed = unknown_words(batch, chosen, dataset.vocabulary.unknown)
    counts = word_counts(split)
    flags = np.concatenate([chosen[row, :count].numpy() for row, count in enumerate(counts)])
    expected = unknown_words_of_split(split, flags, dataset).batch()
    assert changed.token_ids is not None
    assert expected.token_ids is not None
    assert not torch.equal(changed.token_ids, batch.token_ids)
    assert torch.equal(changed.token_ids, expected.token_ids)
    assert torch.equal(changed.token_mask, expected.token_mask)
    assert torch.equal(changed.text.values, expected.text.values)
    assert torch.equal(changed.text.mask, expected.text.mask)


def test_marks_and_padding_are_never_chosen(batch: Batch) -> None:
    everything = torch.ones(len(batch), word_slots(batch), dtype=torch.bool)
    hit = chosen_tokens(batch, everything)
    assert torch.equal(hit, batch.token_mask & (batch.token_words >= 0))
    assert not hit[:, 0].any()
    assert torch.equal(hit.sum(dim=1), batch.token_mask.sum(dim=1) - 2)


def test_a_missing_text_has_no_words(batch: Batch) -> None:
    everything = torch.ones(len(batch), word_slots(batch), dtype=torch.bool)
    assert not chosen_tokens(batch.without("text"), everything).any()
