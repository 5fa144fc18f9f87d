"""The cross-modal encoder of MulT, and MulT around it."""

import pytest
import torch
from torch import Tensor

from baselines.layers.crossmodal import (
    CrossModalEncoder,
    attention_mask,
    sinusoids,
    unmasked,
)
from baselines.layers.recurrent import last_valid
from baselines.mult import MulT
from benchmark.batch import Batch, Stream
from benchmark.errors import UserError
from benchmark.task import MODALITIES, Dims

WIDTH = 6


def make_stream(seed: int, lengths: list[int], steps: int, width: int = WIDTH) -> Stream:
    generator = torch.Generator().manual_seed(seed)
    mask = torch.arange(steps) < torch.tensor(lengths).unsqueeze(1)
    values = torch.randn(len(lengths), steps, width, generator=generator)
    return Stream(values * mask.unsqueeze(-1), mask)


def make_encoder(**options: object) -> CrossModalEncoder:
    torch.manual_seed(0)
    return CrossModalEncoder(WIDTH, 2, 2, **options).eval()


def row(stream: Stream, place: int) -> Stream:
    """One sample without its padding."""
    length = max(int(stream.lengths[place]), 1)
    return Stream(
        stream.values[place : place + 1, :length], stream.mask[place : place + 1, :length]
    )


@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("positions", ["valid", "none"])
@pytest.mark.parametrize("own", [True, False])
def test_a_sample_alone_without_padding_gives_the_same(
    causal: bool, positions: str, own: bool
) -> None:
    encoder = make_encoder(causal=causal, positions=positions)
    target, source = make_stream(1, [4, 7, 2], 8), make_stream(2, [9, 3, 5], 11)
    encoded = encoder(target, None if own else source)
    for place in range(3):
        alone = encoder(row(target, place), None if own else row(source, place)).values[0]
        torch.testing.assert_close(encoded.values[place, : len(alone)], alone)
        assert not encoded.values[place, len(alone) :].any()


def test_last_is_the_last_valid_step_of_forward() -> None:
    encoder, target = make_encoder(), make_stream(1, [4, 7, 0], 8)
    whole = encoder(target)
    torch.testing.assert_close(encoder.last(target), last_valid(whole.values, target.lengths))


def test_own_sequences_are_read_without_looking_ahead() -> None:
    encoder, stream = make_encoder(), make_stream(1, [8], 8)
    values = stream.values.clone()
    values[:, 5:] *= -1
    before, after = encoder(stream).values, encoder(Stream(values, stream.mask)).values
    torch.testing.assert_close(before[:, :5], after[:, :5])
    assert (before[:, 5:] - after[:, 5:]).abs().amax(dim=2).min() > 1e-4


def test_the_offset_counts_valid_steps() -> None:
    target = make_stream(1, [2], 5).mask
    source = make_stream(1, [3], 7).mask
    allowed = attention_mask(target, source, True, torch.float32).bias[0, 0] == 0
    assert allowed[0].tolist() == [True, True] + [False] * 5  # up to its own place plus 3 - 2
    assert allowed[1].tolist() == [True, True, True] + [False] * 4


def test_a_missing_source_has_no_say() -> None:
    encoder, target = make_encoder(), make_stream(1, [4, 3], 5)
    gone = torch.zeros(2, 6, dtype=torch.bool)
    values = torch.zeros(2, 6, WIDTH, requires_grad=True)
    encoded = encoder(target, Stream(values, gone)).values
    encoded.sum().backward()
    assert values.grad is not None
    assert not values.grad.any()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in encoder.parameters())
    longer = Stream(torch.zeros(2, 9, WIDTH), torch.zeros(2, 9, dtype=torch.bool))
    torch.testing.assert_close(encoder(target, longer).values, encoded)
    assert not encoder(Stream(values.detach(), gone), target).values.any()


def test_positions_tell_steps_apart_except_zero_frames_of_the_reference() -> None:
    stream = unmasked(Stream(torch.zeros(1, 4, WIDTH), torch.zeros(1, 4, dtype=torch.bool)))
    for positions, distinct in (("valid", 4), ("nonzero", 1), ("none", 1)):
        encoded = make_encoder(positions=positions)(stream).values[0]
        assert len(torch.unique(encoded.round(decimals=4), dim=0)) == distinct, positions


def test_sinusoids_follow_the_formula() -> None:
    place = torch.tensor([[0, 1, 7]])
    embedding = sinusoids(place, 7)[0]
    frequency = 10_000 ** (-torch.arange(3) / 2)
    expected = torch.cat([(7 * frequency).sin(), (7 * frequency).cos(), torch.zeros(1)])
    torch.testing.assert_close(embedding[2], expected)
    assert not embedding[0].any()


def test_keys_and_values_are_dropped_independently() -> None:
    encoder = make_encoder(embedding_dropout=0.5).train()
    target, source = make_stream(1, [4], 4), make_stream(2, [50], 50)
    _, keys, values, _ = encoder._embed(target, source)
    assert keys is not None
    assert values is not None
    assert ((keys == 0) != (values == 0)).any()
    _, keys, values, _ = encoder.eval()._embed(target, source)
    assert keys is values


def test_heads_must_divide_the_width() -> None:
    with pytest.raises(UserError, match="width 6 does not split into 4 heads"):
        CrossModalEncoder(6, 4, 1)


def make_batch(*streams: Stream) -> Batch:
    count = len(streams[0].mask)
    return Batch(
        dict(zip(MODALITIES, streams, strict=True)),
        label=torch.zeros(count),
        index=torch.arange(count),
    )


def test_mult_keeps_streams_shorter_than_their_kernels() -> None:
    torch.manual_seed(0)
    model = MulT(
        Dims({"text": 6, "audio": 6, "vision": 6}), width=4, heads=2, layers=1, kernel_audio=3
    ).eval()
    streams = [make_stream(seed, [5, 4], 5) for seed in range(3)]
    predictions: list[Tensor] = []
    for steps in (1, 2, 6):
        audio = make_stream(3, [1, 1], 1)
        pad = (0, 0, 0, steps - 1)
        values = torch.nn.functional.pad(audio.values, pad)
        audio = Stream(values, torch.arange(steps).expand(2, -1) < 1)
        predictions.append(model(make_batch(streams[0], audio, streams[2])).prediction)
    torch.testing.assert_close(predictions[0], predictions[1])
    torch.testing.assert_close(predictions[0], predictions[2])
    gone = Stream(torch.zeros(2, 6, 6), torch.zeros(2, 6, dtype=torch.bool))
    without = model(make_batch(streams[0], gone, streams[2])).prediction
    assert (without - predictions[0]).abs().min() > 1e-5
