"""Benchmarks, run by `make bench`: ratios of two things measured in turn, in one process.

Without `--benchmark-enable` each runs once as a smoke test and asserts nothing about time.
"""

import time
from collections.abc import Callable
from statistics import median
from types import SimpleNamespace

import pytest
import torch

from benchmark.batch import Batch, Stream
from benchmark.config import TrainConfig
from benchmark.datasets.load import load_dataset
from benchmark.model import Model
from benchmark.registry import create_model, get_model
from benchmark.task import MODALITIES, Dims
from benchmark.training.batches import SplitBatches
from benchmark.training.loop import run_epoch
from benchmark.training.step import Step
from tests.plain_models import PLAIN_MODELS, Sample

ROUNDS = 7
LIMIT = 1.05
STEP_ROUNDS = 13
STEP_LIMIT = 1.10  # 1, and what single steps differ by from one run to the next


@pytest.fixture(autouse=True)
def _one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def in_turn(*functions: Callable[[], None], rounds: int) -> list[float]:
    """Median seconds of each function, called in turn so that a slow moment hits all alike."""
    times: list[list[float]] = [[] for _ in functions]
    for function in functions:
        function()
    for _ in range(rounds):
        for place, function in enumerate(functions):
            started = time.perf_counter()
            function()
            times[place].append(time.perf_counter() - started)
    return [median(values) for values in times]


def make(name: str) -> tuple[Model, Batch, object]:
    dataset = load_dataset("synthetic")
    settings, config = get_model(name).resolve("synthetic")
    torch.manual_seed(0)
    return create_model(name, dataset.dims, **settings), dataset.train.batch(), config


@pytest.mark.parametrize("name", ["late-fusion", "tfn", "lmf", "mult", "self-mm"])
def test_our_loop_against_a_plain_one(name: str, benchmark) -> None:
    """An epoch of our trainer, against forward, loss, backward and step over the same model."""
    model, split, config = make(name)
    batches = SplitBatches(split, config.batch_size, seed=0)
    step = Step.begin(model, batches, config)
    assert step is not None
    model.start_epoch(1, batches)
    torch.manual_seed(0)
    twin, _, _ = make(name)
    twin.start_training(batches)
    twin.start_epoch(1, batches)
    plain_optimiser = torch.optim.Adam(twin.param_groups(config), lr=config.lr)

    def ours() -> None:
        batches.shuffle()
        model.train()
        run_epoch(step, batches, config.accumulate)

    def plain() -> None:
        twin.train()
        order = torch.randperm(len(split))
        for index in torch.split(order, config.batch_size):
            batch = split.select(index)
            plain_optimiser.zero_grad()
            output = twin(batch)
            loss = twin.loss(output, batch)
            loss.backward()
            plain_optimiser.step()
            twin.after_step(output, batch)

    rounds = ROUNDS if benchmark.enabled else 1
    own, other = benchmark.pedantic(in_turn, (ours, plain), {"rounds": rounds}, rounds=1)
    benchmark.extra_info["ratio ours / plain"] = own / other
    if not benchmark.enabled:
        return
    print(f"\n{name}: our loop takes {own / other:.3f} of a plain one")
    assert own <= LIMIT * other


@pytest.mark.parametrize("name", PLAIN_MODELS)
def test_our_model_against_a_plain_one(name: str, benchmark) -> None:
    """A step of our model, in the settings of MOSI, against a transcription of its equations.

    Forward, loss, backward, the same Adam for both. Lengths are those of aligned data: from a few
    steps to all, at the end zeros that ours never reads and only the packed LSTMs leave out.
    """
    real = benchmark.enabled
    dims, steps, samples = (
        (Dims({"text": 768, "audio": 5, "vision": 20}), 50, 1284)
        if real
        else (Dims({"text": 8, "audio": 5, "vision": 6}), 8, 40)
    )
    entry = get_model(name)
    settings, config = entry.resolve("mosi", None if real else entry.smoke)
    split, batch, sample = aligned(dims, steps, samples, min(config.batch_size, 32) if real else 6)
    torch.manual_seed(0)
    model = create_model(name, dims, **settings).train()
    twin = PLAIN_MODELS[name](dims, SimpleNamespace(**settings)).train()
    assert size(model) == size(twin)
    batches = SplitBatches(split, len(batch), seed=0)
    step = Step.begin(model, batches, TrainConfig(lr=config.lr))
    assert step is not None
    model.start_epoch(2, batches)
    if name == "self-mm":
        twin.start(split.label, epoch=2)
    plain_optimiser = torch.optim.Adam(twin.parameters(), lr=config.lr, fused=True)

    def ours() -> None:
        step(batch)

    def plain() -> None:
        plain_optimiser.zero_grad()
        twin.loss(sample).backward()
        plain_optimiser.step()
        twin.after_step(sample)

    rounds = STEP_ROUNDS if real else 1
    own, other = benchmark.pedantic(in_turn, (ours, plain), {"rounds": rounds}, rounds=1)
    benchmark.extra_info["ratio ours / plain"] = own / other
    if not real:
        return
    print(f"\n{name}: our step takes {1e3 * own:.1f} ms, {own / other:.3f} of a plain one")
    assert own <= STEP_LIMIT * other


def size(model: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def aligned(dims: Dims, steps: int, samples: int, size: int) -> tuple[Batch, Batch, Sample]:
    """Labels of a split whose streams stay empty, one batch of it, and that as plain tensors."""
    generator = torch.Generator().manual_seed(0)
    label = torch.empty(samples).uniform_(-3, 3, generator=generator)
    empty = Stream(torch.zeros(samples, 1, 1), torch.zeros(samples, 1, dtype=torch.bool))
    split = Batch({"text": empty, "audio": empty, "vision": empty}, label, torch.arange(samples))
    index = torch.randperm(samples, generator=generator)[:size]
    lengths = torch.linspace(steps // 5, steps, size).long()
    mask = torch.arange(steps) < lengths.unsqueeze(1)  # (B, T)
    values = [
        torch.randn(size, steps, width, generator=generator) * mask.unsqueeze(2)
        for width in dims.inputs
    ]
    batch = Batch(
        {name: Stream(value, mask) for name, value in zip(MODALITIES, values, strict=True)},
        label[index],
        index,
    )
    return split, batch, Sample(*values, lengths, label[index], index)
