"""What the fixtures of sequence models share: batches with full masks, names of LSTM weights."""

import torch

from benchmark.batch import Batch, Stream
from benchmark.task import MODALITIES, Dims
from tests.parity.harness import Fixture

LSTM_WEIGHTS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


def full_batch(fixture: Fixture) -> Batch:
    """The stored inputs, every step valid."""
    streams = {}
    for name in MODALITIES:
        values = fixture.input(name)
        streams[name] = Stream(values, torch.ones(values.shape[:2], dtype=torch.bool))
    label = fixture.input("label")
    return Batch(streams, label=label, index=torch.arange(len(label)))


def dims_of(fixture: Fixture) -> Dims:
    configuration = fixture.configuration
    return Dims(configuration["width"], outputs=configuration.get("outputs", 1))


def stored_inputs(fixture: Fixture) -> dict[str, torch.Tensor]:
    return {name: fixture.input(name) for name in MODALITIES}


def linear(own: str, reference: str) -> dict[str, str]:
    return {f"{own}.{kind}": f"{reference}.{kind}" for kind in ("weight", "bias")}
