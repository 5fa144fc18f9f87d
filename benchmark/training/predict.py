"""Prediction: one batch, or a whole split that is sealed against its labels."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmark.batch import Batch
from benchmark.errors import UserError
from benchmark.model import Model, Output


def forward(model: Model, batch: Batch) -> Output:
    """What the model says of a batch, in the mode it is in.

    Raises:
        UserError: it returns something else than an `Output`.
    """
    output = model(batch)
    if not isinstance(output, Output):
        raise UserError(
            f"forward returns {type(output).__name__}, expected benchmark.Output(prediction)"
        )
    return output


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """The context of the protocol's precision."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16")


@contextmanager
def evaluating(model: Model, device: torch.device, precision: str = "fp32") -> Iterator[None]:
    """Evaluation mode without gradients, in the protocol's precision; the old mode comes back."""
    training = model.training
    model.eval()
    try:
        with torch.inference_mode(), autocast(device, precision):
            yield
    finally:
        model.train(training)


def predict_batch(model: Model, batch: Batch, *, precision: str = "fp32") -> Tensor:
    """The model's own prediction of one batch, `(B,)` or logits `(B, C)`, labels and all.

    Raises:
        UserError: the model returns something else than an `Output`.
    """
    with evaluating(model, batch.device, precision):
        return forward(model, batch).prediction


def predict(
    model: Model, split: Batch, *, batch_size: int = 128, precision: str = "fp32"
) -> NDArray[np.float32]:
    """Predictions of a whole split in its own order, float32 `(N,)` or logits `(N, C)`.

    Those of a regression are deviations from the neutral label. The model never sees labels or
    places of the samples.

    Args:
        model: on the device of the split.
        split: all samples.
        batch_size: samples of a forward pass.
        precision: as in the protocol.

    Raises:
        UserError: the model reads what is sealed while it predicts.
    """
    places = torch.arange(len(split), device=split.device)
    with evaluating(model, split.device, precision):
        parts = [
            forward(model, split.select(index).sealed()).prediction.float()
            for index in torch.split(places, batch_size)
        ]
    return torch.cat(parts).cpu().numpy()
