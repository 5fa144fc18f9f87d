"""Load a golden fixture, run our implementation through an adapter, compare everything."""

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

ROOT = Path(__file__).parents[2]
SHARED = ROOT.parent / "shared" / "parity"
OWN = ROOT / "tests" / "fixtures" / "parity"  # the smallest files, for a clone that stands alone
FOLDER = Path(os.environ.get("AFFECTBENCH_PARITY", SHARED if SHARED.is_dir() else OWN))


@dataclass(frozen=True)
class Fixture:
    """One golden file: its index entry and its arrays as float32/int64 tensors."""

    entry: Mapping[str, Any]
    arrays: Mapping[str, Tensor]

    @property
    def configuration(self) -> dict[str, Any]:
        return dict(self.entry["configuration"])

    def input(self, name: str) -> Tensor:
        """A stored input; float inputs require a gradient where one is stored for them."""
        return self.arrays[f"input/{name}"]

    def weight(self, name: str) -> Tensor:
        return self.arrays[f"weight/{name}"]


@dataclass
class Result:
    """What an adapter returns.

    Attributes:
        model: ours, with the fixture's weights loaded.
        outputs: name without `output/` -> tensor.
        losses: name without `loss/` -> scalar; `task` is differentiated.
        parameters: reference weight name -> our tensor whose gradient norm must agree. A callable
            returns the norm from gradients already computed (split or merged weights).
        inputs: input name -> our leaf tensor whose gradient must agree.
        buffers: reference buffer name -> our tensor (running statistics of train mode).
        train: for batch-norm models, a function that returns the Result of train mode.
    """

    model: nn.Module
    outputs: Mapping[str, Tensor] = field(default_factory=dict)
    losses: Mapping[str, Tensor] = field(default_factory=dict)
    parameters: Mapping[str, Tensor | Callable[[], Tensor]] = field(default_factory=dict)
    inputs: Mapping[str, Tensor] = field(default_factory=dict)
    buffers: Mapping[str, Tensor] = field(default_factory=dict)
    train: Callable[[], "Result"] | None = None


Adapter = Callable[[Fixture], Result]
ADAPTERS: dict[tuple[str, str], Adapter] = {}


def adapter(model: str, variant: str) -> Callable[[Adapter], Adapter]:
    """Register how fixtures of (index `model`, index `variant`) run through our code."""

    def register(function: Adapter) -> Adapter:
        ADAPTERS[model, variant] = function
        return function

    return register


def entries() -> list[dict[str, Any]]:
    """Index entries of the fixtures at hand; empty where the folder is absent."""
    index = FOLDER / "index.json"
    return json.loads(index.read_text())["fixtures"] if index.is_file() else []


def load_fixture(entry: Mapping[str, Any]) -> Fixture:
    """Read one file; floats become leaf tensors so that gradients can be compared."""
    with np.load(FOLDER / entry["file"], allow_pickle=False) as arrays:
        tensors = {name: torch.from_numpy(np.array(arrays[name])) for name in arrays.files}
    for name, tensor in tensors.items():
        if f"grad_input/{name.removeprefix('input/')}" in tensors:
            tensor.requires_grad_(True)
    return Fixture(entry, tensors)


def load_weights(model: nn.Module, fixture: Fixture, names: Mapping[str, str]) -> dict[str, Tensor]:
    """Copy weights by a map our name -> reference name; returns reference name -> our tensor.

    Every parameter of the model must be named; buffers may be.
    """
    own = dict(model.named_parameters()) | dict(model.named_buffers())
    missing = {name for name, _ in model.named_parameters()} - set(names)
    assert not missing, f"no fixture weight for {sorted(missing)}"
    with torch.no_grad():
        for name, reference in names.items():
            source = fixture.weight(reference)
            assert own[name].shape == source.shape, (name, own[name].shape, source.shape)
            own[name].copy_(source)
    return {reference: own[name] for name, reference in names.items()}


def compare(fixture: Fixture, result: Result, prefix: str = "") -> dict[str, float]:
    """Relative error of every stored array; asserts the tolerance of the index entry.

    Returns:
        Largest relative error by group: `outputs`, `losses`, `gradients`, `input gradients`.
    """
    tolerance = fixture.entry["tolerance"]
    exceptions = tolerance.get("exceptions", {})
    errors = {"outputs": 0.0, "losses": 0.0, "gradients": 0.0, "input gradients": 0.0}

    def near(group: str, name: str, got: Tensor, expected: Tensor, default: float) -> None:
        allowed = float(exceptions.get(f"{prefix}{name}", default))
        got, expected = got.detach().double(), expected.detach().double()
        got = got.reshape(expected.shape) if got.numel() == expected.numel() else got
        assert got.shape == expected.shape, f"{name}: {got.shape} against {expected.shape}"
        scale = expected.abs().max().item() if expected.numel() else 0.0
        error = (got - expected).abs().max().item() if expected.numel() else 0.0
        assert error <= allowed * scale + 1e-12, f"{name}: off by {error:.2e} at scale {scale:.2e}"
        errors[group] = max(errors[group], error / scale if scale else 0.0)

    stored = {
        name.removeprefix(prefix): value
        for name, value in fixture.arrays.items()
        if name.startswith(prefix) and (prefix or not name.startswith("train/"))
    }
    for name, expected in stored.items():
        group, _, key = name.partition("/")
        if group == "output":
            assert key in result.outputs, f"the adapter returns no output {key!r}"
            near("outputs", name, result.outputs[key], expected, tolerance["outputs"])
        elif group == "loss":
            assert key in result.losses, f"the adapter returns no loss {key!r}"
            near("losses", name, result.losses[key], expected, tolerance["losses"])
        elif group == "buffer":
            near("outputs", name, result.buffers[key], expected, tolerance["outputs"])
    norms = {key[5:]: float(value) for key, value in stored.items() if key.startswith("grad/")}
    gradients = {key[11:]: value for key, value in stored.items() if key.startswith("grad_input/")}
    if norms or gradients:
        result.losses["task"].backward()
    largest = max(norms.values(), default=0.0)
    for name, expected_norm in norms.items():
        assert name in result.parameters, f"the adapter maps no weight {name!r}"
        own = result.parameters[name]
        if callable(own) and not isinstance(own, Tensor):
            got = float(own())
        else:
            got = 0.0 if own.grad is None else float(own.grad.norm())
        allowed = float(exceptions.get(f"{prefix}grad/{name}", tolerance["gradients"]))
        error = abs(got - expected_norm)
        scale = expected_norm + 0.01 * largest
        assert error <= allowed * scale, f"grad/{name}: {got:.6e} against {expected_norm:.6e}"
        errors["gradients"] = max(errors["gradients"], error / scale if scale else 0.0)
    for name, expected in gradients.items():
        own = result.inputs[name]
        got = torch.zeros_like(own) if own.grad is None else own.grad
        near("input gradients", f"grad_input/{name}", got, expected, 1e-4)
    return errors
