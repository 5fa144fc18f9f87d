"""What the contract's checks do not see of TETFN, ALMT and CENET."""

import pytest
import torch
from torch import nn

from baselines.cenet import Codebook, Reader, cluster, nearest
from baselines.layers.convolution import convolve
from baselines.tetfn import peak
from benchmark.batch import Batch, Stream
from benchmark.conformance.promises import CHECKS
from benchmark.conformance.tiny_data import build, pad, tiny_batch, tiny_batches, tiny_dims
from benchmark.errors import UserError
from benchmark.registry import create_model, get_model
from benchmark.task import Dims
from benchmark.training.predict import predict_batch


def make_stream(lengths: list[int], steps: int, width: int) -> Stream:
    generator = torch.Generator().manual_seed(0)
    mask = torch.arange(steps) < torch.tensor(lengths).unsqueeze(1)
    values = torch.randn(len(lengths), steps, width, generator=generator)
    return Stream(values * mask.unsqueeze(-1), mask)


def test_peak_reads_valid_steps_only() -> None:
    stream = make_stream([3, 1, 0], 5, 2)
    negative = Stream(stream.values.abs().neg(), stream.mask)
    found = peak(negative)
    assert torch.equal(found[0], negative.values[0, :3].amax(dim=0))
    assert torch.equal(found[1], negative.values[1, 0])
    assert torch.equal(found[2], torch.zeros(2))


@pytest.mark.parametrize("kernel", [1, 3, 6])
def test_convolution_keeps_whole_windows(kernel: int) -> None:
    torch.manual_seed(0)
    stream = make_stream([5, 3, 1, 0], 5, 2)
    convolved = convolve(nn.Conv1d(2, 4, kernel, bias=False), stream)
    expected = [max(1, length - kernel + 1) for length in (5, 3, 1)]
    assert convolved.lengths.tolist() == [*expected, 0]
    assert (convolved.values[3] == 0).all()


def test_positions_of_almt_do_not_see_padding() -> None:
    CHECKS["padding"](get_model("almt"))


def test_almt_reads_beyond_the_longest_training_sequence() -> None:
    entry = get_model("almt")
    dims = tiny_dims(entry.cls)
    model, batch = build(entry, dims), tiny_batch(dims)
    longer = pad(batch, "audio", 3)
    longer = longer.with_stream(
        "audio", Stream(longer.audio.values, torch.ones_like(longer.audio.mask))
    )
    assert torch.isfinite(predict_batch(model, longer)).all()
    assert not torch.allclose(predict_batch(model, longer), predict_batch(model, batch))


def test_almt_asks_for_lengths() -> None:
    with pytest.raises(UserError, match="not told how many there are of audio, vision"):
        create_model("almt", Dims({"text": 4, "audio": 3, "vision": 2}, lengths={"text": 5}))


@pytest.mark.parametrize("layer", [-1, 2])
def test_cenet_refuses_a_layer_that_is_not_there(layer: int) -> None:
    with pytest.raises(UserError, match=f"injection {layer} is no layer .* 0 to 1"):
        create_model(
            "cenet",
            Dims({"text": 4, "audio": 3, "vision": 2}, vocabulary=9),
            text_encoder="scratch",
            injection=layer,
        )


def test_clusters_are_found() -> None:
    generator = torch.Generator().manual_seed(1)
    truth = torch.tensor([[0.0, 0.0], [9.0, 0.0], [0.0, 9.0], [9.0, 9.0]])
    points = truth.repeat(50, 1) + 0.1 * torch.randn(200, 2, generator=generator)
    centres = cluster(points, 4)
    assert torch.cdist(truth, centres).amin(dim=1).max() < 0.1
    assert torch.equal(nearest(points, centres), torch.cdist(points, centres).argmin(dim=1))
    assert torch.equal(cluster(points, 4), centres)


def test_fewer_points_than_clusters() -> None:
    points = torch.tensor([[1.0, 2.0], [1.0, 2.0], [3.0, 4.0]])
    centres = cluster(points, 5)
    assert torch.isfinite(centres).all()
    assert torch.equal(centres[nearest(points, centres)], points)


def test_the_codebook_is_fitted_on_valid_steps_and_kept_in_the_state() -> None:
    entry = get_model("cenet")
    dims = tiny_dims(entry.cls)
    model, batch = build(entry, dims), tiny_batch(dims)
    audio = Stream(
        batch.audio.values.masked_fill(~batch.audio.mask.unsqueeze(-1), 99.0), batch.audio.mask
    )
    model.start_training(tiny_batches(batch.with_stream("audio", audio)))
    codebook = model.enhancement.transforms["audio"]
    assert isinstance(codebook, Codebook)
    assert codebook.centres.max() < 99
    assert "enhancement.transforms.audio.centres" in model.state_dict()


def test_a_codebook_without_data_stays() -> None:
    torch.manual_seed(0)
    codebook = Codebook(3, 4, 5)
    before = codebook.centres.clone()
    codebook.fit(make_stream([0, 0], 6, 3))
    assert torch.equal(codebook.centres, before)


def test_a_word_that_finds_nothing_gets_zeros() -> None:
    torch.manual_seed(0)
    answer = Reader(4, None)(make_stream([3, 2], 3, 4), make_stream([5, 0], 5, 4))
    assert answer[0].abs().sum() > 0
    assert (answer[1] == 0).all()


@pytest.mark.parametrize("name", ["tetfn", "almt", "cenet"])
def test_the_literal_variant_reads_padding(name: str) -> None:
    entry = get_model(name)
    dims = tiny_dims(entry.cls)
    torch.manual_seed(0)
    model = entry.cls(dims, **{**entry.smoke, "variant": "mmsa"})
    batch: Batch = tiny_batch(dims)
    expected = predict_batch(model, batch)
    values = batch.audio.values + 1.0 * ~batch.audio.mask.unsqueeze(-1)
    changed = batch.with_stream("audio", Stream(values, batch.audio.mask))
    assert not torch.allclose(predict_batch(model, changed), expected, atol=1e-6)
