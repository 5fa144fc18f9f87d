"""MCTN: the decoder step by step, what attention reads, which errors count."""

import pytest
import torch
import torch.nn.functional as F

from baselines.mctn import MCTN, Decoder, KerasLSTM
from benchmark.batch import Batch, Stream
from benchmark.task import Dims

DIMS = Dims({"text": 4, "audio": 3, "vision": 6})


def make_stream(lengths: list[int], steps: int, width: int, seed: int = 0) -> Stream:
    generator = torch.Generator().manual_seed(seed)
    mask = torch.arange(steps) < torch.tensor(lengths).unsqueeze(1)
    values = torch.randn(len(lengths), steps, width, generator=generator)
    return Stream(values * mask.unsqueeze(2), mask)


def make_batch() -> Batch:
    return Batch(
        {
            "text": make_stream([5, 2, 4], 5, 4),
            "audio": make_stream([5, 9, 0], 9, 3, seed=1),
            "vision": make_stream([5, 7, 7], 7, 6, seed=2),
        },
        torch.tensor([1.0, -2.0, 0.5]),
        torch.arange(3),
    )


class Whole:
    samples, batch_size = 3, 3

    def whole(self) -> Batch:
        return make_batch()


def decode(decoder: Decoder, encoded: torch.Tensor) -> torch.Tensor:
    """The equations as the paper states them, for one sample without padding."""
    hidden = cell = torch.zeros(encoded.shape[1])
    outputs = []
    for _ in encoded:
        scores = [decoder.score(torch.cat([step, cell])) for step in encoded]
        scores = torch.cat(scores)
        weights = (scores if decoder.released else scores.tanh()).softmax(0)
        gates = decoder.context(weights @ encoded) + decoder.state(hidden)
        z0, z1, z2, z3 = gates.chunk(4)
        cell = (z0 if decoder.released else z1).sigmoid() * cell + z0.sigmoid() * z2.tanh()
        hidden = z3.sigmoid() * cell.tanh()
        outputs.append(decoder.out(hidden).tanh())
    return torch.stack(outputs)


@pytest.mark.parametrize("released", [False, True])
def test_the_decoder_follows_its_equations(released: bool) -> None:
    torch.manual_seed(0)
    decoder, encoded = Decoder(3, 4, released), make_stream([5, 3], 5, 3)
    translated = decoder(encoded)
    torch.testing.assert_close(translated[0], decode(decoder, encoded.values[0]))
    torch.testing.assert_close(translated[1, :3], decode(decoder, encoded.values[1, :3]))


@pytest.mark.parametrize("released", [False, True])
def test_a_linear_score_leaves_the_state_of_the_decoder_unread(released: bool) -> None:
    torch.manual_seed(0)
    decoder, encoded = Decoder(3, 4, released), make_stream([5, 3], 5, 3)
    decoder(encoded)[:, :3].square().sum().backward()
    largest = decoder.score.weight.grad[:, 3:].abs().max()
    assert (largest < 1e-8) == released


def test_one_bias_is_the_sum_of_the_two_of_torch() -> None:
    torch.manual_seed(0)
    own, torchs = KerasLSTM(3, 4), torch.nn.LSTM(3, 4, batch_first=True)
    with torch.no_grad():
        torchs.weight_hh_l0.copy_(own.lstm.weight_hh_l0)
        torchs.weight_ih_l0.copy_(own.lstm.weight_ih_l0[:, :3])
        torchs.bias_ih_l0.copy_(own.lstm.weight_ih_l0[:, 3])
        torchs.bias_hh_l0.zero_()
    values = make_stream([5, 5], 5, 3).values
    torch.testing.assert_close(own(values), torchs(values)[0])


def test_errors_count_present_steps_against_scaled_targets() -> None:
    torch.manual_seed(0)
    model, batch = MCTN(DIMS, hidden=4), make_batch()
    model.start_training(Whole())
    largest = batch.audio.values.abs().amax(dim=(0, 1))
    torch.testing.assert_close(model.scale_audio, largest)
    output = model(batch)
    expected = (output.prediction - batch.label).abs().mean()
    expected = expected + 0.01 * model.head.weight.square().sum()
    text = F.pad(batch.text.values, (0, 2))
    error = (output.features["cycle"] - text).square().mean(2)[batch.text.mask]
    expected = expected + 0.1 * error.mean()
    for name, width in (("audio", 3), ("vision", 0)):
        stream = batch.modalities[name]
        scaled = F.pad(stream.values / getattr(model, f"scale_{name}"), (0, width))
        errors = []
        for sample, words in enumerate(batch.text.lengths.tolist()):
            frames = int(stream.lengths[sample])
            for j in range(words if frames else 0):
                window = scaled[sample, j * frames // words : -(-(j + 1) * frames // words)]
                translated = output.features[f"text_to_{name}"][sample, j]
                errors.append((translated - window.mean(0)).square().mean())
        expected = expected + 0.1 * torch.stack(errors).mean()
    torch.testing.assert_close(model.loss(output, batch), expected)


def test_prediction_decodes_nothing() -> None:
    model = MCTN(DIMS, hidden=4).eval()
    assert set(model(make_batch()).features) == {"summary"}
    assert model.training_only() == ("decoders",)
