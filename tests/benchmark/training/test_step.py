"""The one training step: what it does once, and that everybody takes it."""

import ast
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from benchmark.batch import Batch
from benchmark.config import TrainConfig
from benchmark.conformance.tiny_data import tiny_batch, tiny_batches, tiny_dims
from benchmark.errors import UserError
from benchmark.model import Model, Output
from benchmark.task import Dims
from benchmark.training.predict import predict_batch
from benchmark.training.step import Step

ROOT = Path(__file__).parents[3]


class Small(Model):
    def __init__(self, dims: Dims):
        super().__init__()
        self.head = nn.Linear(sum(dims.inputs), 1)
        self.told: list[Tensor] = []

    def forward(self, batch: Batch) -> Output:
        return Output(self.head(torch.cat([stream.mean() for stream in batch.streams], dim=1)))

    def after_step(self, output: Output, batch: Batch) -> None:
        self.told.append(self.head.weight.detach().clone())


def begin(config: TrainConfig, model: type[Small] = Small) -> tuple[Small, Step, Batch]:
    torch.manual_seed(0)
    dims = tiny_dims(Small)
    built = model(dims)
    batch = tiny_batch(dims)
    step = Step.begin(built, tiny_batches(batch), config)
    assert step is not None
    return built, step, batch


def test_a_step_moves_the_weights_and_the_hook_sees_them_moved() -> None:
    model, step, batch = begin(TrainConfig(lr=0.1))
    before = model.head.weight.detach().clone()
    expected = model.task.loss(predict_batch(model, batch), batch.label)
    assert torch.equal(step(batch), expected)
    assert not torch.equal(model.head.weight, before)
    assert torch.equal(model.told[0], model.head.weight)
    assert model.head.weight.grad is not None


def test_two_halves_of_one_update_are_one_step_on_the_whole() -> None:
    model, step, batch = begin(TrainConfig(lr=0.1, optimizer="sgd"))
    twin, other, _ = begin(TrainConfig(lr=0.1, optimizer="sgd"))
    before = model.head.weight.detach().clone()
    first, second = batch.select(batch.index[:3]), batch.select(batch.index[3:])
    step(first, place=0, of=2)
    assert torch.equal(model.head.weight, before)
    step(second, place=1, of=2)
    other(batch)
    assert torch.allclose(model.head.weight, twin.head.weight, atol=1e-7)


def test_gradients_of_one_update_do_not_reach_the_next() -> None:
    model, step, batch = begin(TrainConfig(lr=0.1, optimizer="sgd"))
    step(batch)
    model.head.weight.data.zero_()
    model.head.bias.data.zero_()
    step(batch)
    twin, other, _ = begin(TrainConfig(lr=0.1, optimizer="sgd"))
    twin.head.weight.data.zero_()
    twin.head.bias.data.zero_()
    other(batch)
    assert torch.equal(model.head.weight, twin.head.weight)


def test_a_loss_for_each_sample_is_refused() -> None:
    class Several(Small):
        def loss(self, output: Output, batch: Batch) -> Tensor:
            return (output.prediction - batch.label).abs()

    _, step, batch = begin(TrainConfig(), Several)
    with pytest.raises(UserError, match=r"loss returns shape \(6,\), expected a scalar"):
        step(batch)


def test_a_forward_that_returns_a_tensor_is_refused() -> None:
    class Bare(Small):
        def forward(self, batch: Batch) -> Output:
            return super().forward(batch).prediction  # type: ignore[return-value]

    _, step, batch = begin(TrainConfig(), Bare)
    with pytest.raises(UserError, match=r"forward returns Tensor, expected benchmark\.Output"):
        step(batch)


def test_a_model_without_parameters_has_no_step() -> None:
    class Nothing(Small):
        def param_groups(self, config: TrainConfig) -> list[dict[str, object]]:
            return []

    dims = tiny_dims(Nothing)
    batches = tiny_batches(tiny_batch(dims))
    assert Step.begin(Nothing(dims), batches, TrainConfig()) is None


def test_nobody_else_differentiates_a_loss() -> None:
    """A second `backward()` in the harness or its scripts would be a second step."""
    found = {
        path.relative_to(ROOT).as_posix()
        for folder in ("benchmark", "robustness", "scripts")
        for path in (ROOT / folder).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and node.attr == "backward"
    }
    assert found == {"benchmark/training/step.py"}
