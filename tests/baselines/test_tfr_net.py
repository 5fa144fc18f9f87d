"""TFR-Net: what is missing in training, and the GRU of its fusion."""

from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from baselines.layers.gru import MaskedGRU
from baselines.tfr_net import TFRNet, unknown_token_of
from benchmark.batch import Batch, Stream
from benchmark.conformance.tiny_data import (
    START,
    VOCABULARY,
    build,
    tiny_batch,
    tiny_batches,
    tiny_dims,
)
from benchmark.errors import UserError
from benchmark.registry import get_model
from benchmark.task import MODALITIES
from benchmark.training.predict import predict_batch

SAMPLES = 12


@pytest.fixture
def model() -> TFRNet:
    model = build(get_model("tfr-net"), tiny_dims(TFRNet))
    assert isinstance(model, TFRNet)
    return model


@pytest.fixture
def batch() -> Batch:
    return tiny_batch(tiny_dims(TFRNet), SAMPLES)


def started(model: TFRNet, batch: Batch, epoch: int = 2) -> TFRNet:
    batches = tiny_batches(batch, SAMPLES)
    model.start_training(batches)
    model.start_epoch(epoch, batches)
    model.train()
    model.encoder.eval()  # its dropout would draw anew at each call
    return model


def test_missing_steps_stay_the_same_whatever_the_batch(model: TFRNet, batch: Batch) -> None:
    features = started(model, batch)(batch).features
    part = torch.tensor([7, 2, 5])
    again = started(model, batch)(batch.select(part)).features
    for name in MODALITIES:
        lost = features[f"lost_{name}"]
        assert lost.any()
        assert not lost.all()
        assert torch.equal(lost[part], again[f"lost_{name}"])


def test_another_seed_misses_other_steps(batch: Batch) -> None:
    lost = []
    for seed in (1, 2):
        torch.manual_seed(0)
        model = TFRNet(tiny_dims(TFRNet), width=6, heads=2, missing_seed=seed)
        features = started(model, batch)(batch).features
        lost.append(torch.cat([features[f"lost_{name}"] for name in MODALITIES], dim=1))
    assert not torch.equal(*lost)


def test_prediction_in_training_does_not_read_what_is_missing(model: TFRNet, batch: Batch) -> None:
    output = started(model, batch)(batch)
    lost = output.features["lost_audio"].unsqueeze(-1)
    changed = Stream(
        torch.where(lost, batch.audio.values + 1, batch.audio.values), batch.audio.mask
    )
    torch.testing.assert_close(
        model(batch.with_stream("audio", changed)).prediction, output.prediction
    )


def test_the_first_epoch_does_not_rebuild(model: TFRNet, batch: Batch) -> None:
    output = started(model, batch, epoch=1)(batch)
    assert model.loss(output, batch) == model.task.loss(output.prediction, batch.label)
    model.start_epoch(2, tiny_batches(batch))
    assert model.loss(output, batch) > model.task.loss(output.prediction, batch.label)


def test_nothing_missing_costs_nothing(batch: Batch) -> None:
    model = TFRNet(tiny_dims(TFRNet), width=6, heads=2, missing_rate=0.0)
    output = started(model, batch)(batch)
    assert model.generation_loss(output) == 0


def test_evaluation_takes_the_input_as_it_is(model: TFRNet, batch: Batch) -> None:
    before = predict_batch(model, batch)
    started(model, batch)
    assert torch.equal(predict_batch(model, batch), before)
    assert not [name for name in model.state_dict() if "missing" in name]


def test_the_unknown_token_follows_from_the_start_mark(batch: Batch) -> None:
    assert START == 2
    assert unknown_token_of(batch) == 1
    ids = batch.token_ids
    bert = replace(batch, token_ids=torch.where(ids == START, 101, ids))
    assert unknown_token_of(bert) == 100
    strange = replace(batch, token_ids=torch.where(ids == START, 77, ids))
    with pytest.raises(UserError, match="start mark 77; give unknown_token"):
        unknown_token_of(strange)


def test_an_unknown_token_outside_the_vocabulary_is_refused() -> None:
    with pytest.raises(UserError, match=f"has {VOCABULARY} tokens"):
        TFRNet(tiny_dims(TFRNet), unknown_token=VOCABULARY)


def test_the_literal_variant_needs_lengths() -> None:
    with pytest.raises(UserError, match="fixed lengths"):
        TFRNet(replace(tiny_dims(TFRNet), vocabulary=0), variant="mmsa")


def test_masked_gru_equals_packing() -> None:
    torch.manual_seed(0)
    own, reference = (
        MaskedGRU(5, 3, layers=2),
        nn.GRU(5, 3, 2, batch_first=True, bidirectional=True),
    )
    with torch.no_grad():
        for suffix, cells in (("", own.forwards), ("_reverse", own.backwards)):
            for layer, cell in enumerate(cells):
                for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
                    source = getattr(reference, f"{kind}_l{layer}{suffix}")
                    getattr(cell, f"{kind}_l0").copy_(source)
    lengths = torch.tensor([7, 1, 4])
    mask = torch.arange(7) < lengths.unsqueeze(1)
    values = torch.randn(3, 7, 5) * mask.unsqueeze(-1)
    packed = pack_padded_sequence(values, lengths, batch_first=True, enforce_sorted=False)
    expected, _ = pad_packed_sequence(reference(packed)[0], batch_first=True)
    torch.testing.assert_close(own(Stream(values, mask)).values, expected)


def test_a_vector_for_a_whole_sample_is_never_taken_away(batch: Batch) -> None:
    one = batch.with_stream("audio", Stream(batch.audio.values[:, :1], batch.audio.mask[:, :1]))
    torch.manual_seed(0)
    model = TFRNet(tiny_dims(TFRNet), width=6, heads=2, missing_rate=0.9)
    features = started(model, one)(one).features
    assert not features["lost_audio"].any()
    assert features["lost_vision"].any()
