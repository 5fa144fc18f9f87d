"""Benchmarks, run by `make bench`: ratios of two things measured in turn, in one process.

Without `--benchmark-enable` each runs once as a smoke test and asserts nothing about time.
"""

import time
from collections.abc import Callable
from statistics import median

import pytest
import torch

from benchmark.batch import Batch
from benchmark.config import PROTOCOLS
from benchmark.datasets.load import load_dataset
from benchmark.model import Model
from benchmark.registry import create_model, get_model
from benchmark.train import TrainBatches, _Optimiser, _run_epoch

ROUNDS = 7
LIMIT = 1.05


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
    batches = TrainBatches(split, config.batch_size, seed=0)
    model.start_training(batches)
    model.start_epoch(1, batches)
    optimiser = _Optimiser(model.param_groups(config), config, len(batches), 1)
    torch.manual_seed(0)
    twin, _, _ = make(name)
    twin.start_training(batches)
    twin.start_epoch(1, batches)
    plain_optimiser = torch.optim.Adam(twin.param_groups(config), lr=config.lr)

    def ours() -> None:
        batches.shuffle()
        model.train()
        _run_epoch(model, batches, optimiser, config, PROTOCOLS["quick"])

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
