"""The CTC baselines: what reaches the model behind the modules, and the loss."""

from dataclasses import replace

import pytest
import torch

from baselines.ctc import CTCEFLSTM, CTCMCTN, CTCRAVEN, CTCModel
from baselines.layers.ctc import ctc_loss
from benchmark.batch import Batch
from benchmark.conformance.tiny_data import build, tiny_batch, tiny_dims
from benchmark.registry import get_model
from benchmark.task import multiclass

NAMES = ("ctc-ef-lstm", "ctc-raven", "ctc-mctn")


def trial(name: str) -> tuple[CTCModel, Batch]:
    entry = get_model(name)
    dims = tiny_dims(entry.cls)
    return build(entry, dims), tiny_batch(dims)


@pytest.mark.parametrize("name", NAMES)
def test_the_loss_is_that_of_the_model_and_two_sums(name: str) -> None:
    model, batch = trial(name)
    output = model(batch)
    aligned = model._aligned(batch, output.features)
    expected = model.model.loss(output, aligned)
    for modality in ("audio", "vision"):
        logits, frames = output.features[f"ctc_{modality}"], batch.modalities[modality].lengths
        for row in range(len(batch)):
            one = slice(row, row + 1)
            words = batch.text.lengths[one]
            expected = expected + ctc_loss(logits[one], frames[one], words)
    torch.testing.assert_close(model.loss(output, batch), expected)


@pytest.mark.parametrize("name", NAMES)
def test_a_missing_text_or_stream_adds_no_alignment_loss(name: str) -> None:
    model, batch = trial(name)
    for gone in (batch.without("text"), batch.without("audio", "vision")):
        output = model(gone)
        expected = model.model.loss(output, model._aligned(gone, output.features))
        torch.testing.assert_close(model.loss(output, gone), expected)


def test_aligned_streams_have_a_step_for_each_word() -> None:
    model, batch = trial("ctc-ef-lstm")
    mixed = batch.without("audio")
    output = model(batch)
    aligned = model._aligned(batch, output.features)
    assert torch.equal(aligned.audio.lengths, batch.text.lengths)
    assert torch.equal(aligned.vision.values[0, :6], output.features["aligned_vision"][0, :6])
    assert not model._aligned(mixed, model(mixed).features).audio.mask.any()
    silent = batch.without("text")
    lengths = model._aligned(silent, model(silent).features).audio.lengths
    assert torch.equal(lengths, batch.audio.lengths.clamp(max=7))


def test_words_beyond_the_last_place_have_no_sound() -> None:
    dims = tiny_dims(CTCEFLSTM)
    torch.manual_seed(0)
    model, batch = CTCEFLSTM(dims, hidden=4, steps=4), tiny_batch(dims)
    output = model(batch)
    audio = model._aligned(batch, output.features).audio
    assert torch.equal(audio.values[:, :4].any(2), audio.mask[:, :4])
    assert not audio.values[:, 4:].any()
    assert torch.isfinite(model.loss(output, batch))


def test_translation_does_not_move_the_alignment() -> None:
    torch.manual_seed(0)
    dims = tiny_dims(CTCMCTN)
    batch = tiny_batch(dims)
    model = CTCMCTN(dims, hidden=4, steps=7, ctc_weight=0.0)
    model.loss(model(batch), batch).backward()
    assert all(not value.grad.any() for value in model.alignments.parameters())
    model = CTCRAVEN(dims, projection=4, cell=4, hidden=4, steps=7, ctc_weight=0.0)
    model.loss(model(batch), batch).backward()
    assert all(value.grad.any() for value in model.alignments.parameters())


def test_the_model_behind_knows_the_task() -> None:
    dims = replace(tiny_dims(CTCEFLSTM), task=multiclass("a", "b", "c"), outputs=3)
    assert CTCEFLSTM(dims, hidden=4).model.task is dims.task
