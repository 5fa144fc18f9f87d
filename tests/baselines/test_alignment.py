"""Alignment of audio and vision to the text: averaging over windows, and the CTC module."""

import math

import pytest
import torch

from baselines.layers.align import align, align_to_text
from baselines.layers.ctc import CTCAlignment, ctc_loss
from benchmark.batch import Stream


def make_stream(lengths: list[int], steps: int, width: int = 3, seed: int = 0) -> Stream:
    generator = torch.Generator().manual_seed(seed)
    mask = torch.arange(steps) < torch.tensor(lengths).unsqueeze(1)
    values = torch.randn(len(lengths), steps, width, generator=generator)
    return Stream(values * mask.unsqueeze(-1), mask)


def test_every_target_step_averages_its_window() -> None:
    sources, targets = [1, 2, 3, 5, 7, 12, 12, 12], [4, 4, 3, 2, 5, 5, 12, 1]
    stream = make_stream(sources, 14)
    mask = torch.arange(13) < torch.tensor(targets).unsqueeze(1)
    aligned = align(stream, mask)
    assert aligned.mask is mask
    for sample, (n, m) in enumerate(zip(sources, targets, strict=True)):
        for j in range(m):
            window = stream.values[sample, math.floor(j * n / m) : math.ceil((j + 1) * n / m)]
            torch.testing.assert_close(aligned.values[sample, j], window.mean(dim=0))
        assert not aligned.values[sample, m:].any()


def test_equal_lengths_stay_exactly_as_they_are() -> None:
    stream = make_stream([5, 3, 0], 6)
    assert torch.equal(align(stream, stream.mask).values, stream.values)


def test_one_step_is_repeated_and_a_missing_one_is_zero() -> None:
    mask = torch.ones(2, 4, dtype=torch.bool)
    aligned = align(make_stream([1, 0], 1), mask).values
    assert torch.equal(aligned[0], aligned[0, :1].expand(4, -1))
    assert aligned[0].any()
    assert not aligned[1].any()


def test_missing_text_leaves_the_length_to_the_longest_other_up_to_a_limit() -> None:
    text, audio = make_stream([3, 0, 0, 0], 5), make_stream([9, 7, 40, 0], 40)
    vision = make_stream([2, 8, 4, 0], 8)
    aligned = align_to_text(text, audio, vision)
    assert all(torch.equal(stream.mask, aligned[0].mask) for stream in aligned)
    assert aligned[0].lengths.tolist() == [3, 8, 20, 0]
    assert not aligned[0].values[1:].any()
    assert aligned[1].values[2, :20].any(dim=1).all()


@pytest.mark.parametrize(
    ("width", "expected"), [(5, 33_048), (20, 36_108), (74, 47_124), (35, 39_168)]
)
def test_the_ctc_module_has_the_size_of_the_reference(width: int, expected: int) -> None:
    with torch.device("meta"):
        module = CTCAlignment(width, 50)
    assert sum(parameter.numel() for parameter in module.parameters()) == expected


def test_the_ctc_module_is_blind_to_padding() -> None:
    torch.manual_seed(0)
    module, short = CTCAlignment(3, 4), make_stream([6, 9, 0], 9)
    padded = Stream(
        torch.cat([short.values, torch.zeros(3, 5, 3)], dim=1),
        torch.cat([short.mask, torch.zeros(3, 5, dtype=torch.bool)], dim=1),
    )
    (aligned, logits), (same, longer) = module(short), module(padded)
    torch.testing.assert_close(aligned, same)
    assert not aligned[2].any()
    lengths = torch.tensor([4, 2, 4])
    torch.testing.assert_close(
        ctc_loss(logits, short.lengths, lengths), ctc_loss(longer, short.lengths, lengths)
    )


def test_a_source_too_short_for_its_target_adds_nothing_to_the_ctc_loss() -> None:
    torch.manual_seed(0)
    module, stream = CTCAlignment(3, 4), make_stream([6, 3], 6)
    _, logits = module(stream)
    loss = ctc_loss(logits, stream.lengths, torch.tensor([4, 4]))
    alone = ctc_loss(logits[:1], stream.lengths[:1], torch.tensor([4]))
    torch.testing.assert_close(loss, alone)
    loss.backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in module.parameters())
