"""RAVEN: frames shared out among words, the length of a shift, what each variant trains."""

import math

import pytest
import torch

from baselines.raven import RAVEN, split_by_words
from benchmark.batch import Batch, Stream
from benchmark.errors import UserError
from benchmark.task import Dims

DIMS = Dims({"text": 4, "audio": 3, "vision": 2})
SIZES = {"projection": 5, "cell": 4, "hidden": 6, "dropout": 0.0, "words": 5}


def make_stream(lengths: list[int], steps: int, width: int, seed: int = 0) -> Stream:
    generator = torch.Generator().manual_seed(seed)
    mask = torch.arange(steps) < torch.tensor(lengths).unsqueeze(1)
    values = torch.randn(len(lengths), steps, width, generator=generator)
    return Stream(values * mask.unsqueeze(2), mask)


def make_batch() -> Batch:
    return Batch(
        {
            "text": make_stream([5, 2, 4], 5, 4),
            "audio": make_stream([11, 9, 0], 11, 3, seed=1),
            "vision": make_stream([3, 7, 7], 7, 2, seed=2),
        },
        torch.tensor([1.0, -2.0, 0.5]),
        torch.arange(3),
    )


def test_every_word_gets_the_frames_of_its_window() -> None:
    frames, words = [12, 3, 7, 0, 1], [4, 5, 2, 3, 3]
    stream = make_stream(frames, 12, 2)
    mask = torch.arange(6) < torch.tensor(words).unsqueeze(1)
    split = split_by_words(stream, mask, 12)
    for sample, (n, m) in enumerate(zip(frames, words, strict=True)):
        for j in range(6):
            row = split.values[sample * 6 + j]
            start, end = math.floor(j * n / m), math.ceil((j + 1) * n / m)
            window = stream.values[sample, start:end] if j < m else stream.values[sample, :0]
            assert torch.equal(row[: len(window)], window)
            assert not row[len(window) :].any()
            assert split.lengths[sample * 6 + j] == len(window)


def test_long_words_keep_frames_from_all_their_parts() -> None:
    values = torch.arange(1.0, 21.0).view(1, 20, 1)
    stream = Stream(values, torch.ones(1, 20, dtype=torch.bool))
    split = split_by_words(stream, torch.ones(1, 2, dtype=torch.bool), 4)
    assert split.values.squeeze(2).tolist() == [[1, 3, 6, 8], [11, 13, 16, 18]]


@pytest.mark.parametrize("beta", [0.2, 0.01])
def test_a_shift_is_at_most_beta_lengths_of_its_word(beta: float) -> None:
    torch.manual_seed(0)
    model = RAVEN(DIMS, shift=beta, **SIZES).eval()
    with torch.no_grad():
        model.shift.weight.mul_(50)
        batch = make_batch()
        shifted = model(batch).features["shifted"]
    length = (shifted - batch.text.values).norm(dim=2)[batch.text.mask]
    word = batch.text.values.norm(dim=2)[batch.text.mask]
    torch.testing.assert_close(length, beta * word, rtol=1e-4, atol=1e-6)


def test_the_released_cut_leaves_the_nonverbal_part_untrained() -> None:
    trained = {}
    for variant in ("paper", "attached", "released"):
        torch.manual_seed(0)
        model = RAVEN(DIMS, variant=variant, **SIZES)
        batch = make_batch()
        model.loss(model(batch), batch).backward()
        trained[variant] = {
            name.split(".")[0] for name, value in model.named_parameters() if value.grad is not None
        }
    assert trained["released"] == {"words", "head"}
    assert trained["attached"] == trained["paper"] | {"audio_norm"}
    assert {"projections", "frames", "gates", "shift"} < trained["paper"]


def test_a_single_frame_freezes_what_could_not_learn() -> None:
    model = RAVEN(DIMS, frames_per_word=1, **SIZES)
    frozen = [name for name, value in model.named_parameters() if not value.requires_grad]
    assert frozen == [f"frames.{name}.forwards.0.weight_hh_l0" for name in ("audio", "vision")]


def test_another_text_length_than_the_norm_was_built_for_is_refused() -> None:
    model = RAVEN(DIMS, variant="released", **{**SIZES, "words": 6})
    with pytest.raises(UserError, match="built for 6 text steps and got 5; set words=5"):
        model(make_batch())
