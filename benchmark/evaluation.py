"""The evaluation `accuracy`, how evaluations are run, and prediction over a split."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmark.batch import Batch
from benchmark.config import Protocol, TrainConfig
from benchmark.datasets.dataset import Dataset, Split
from benchmark.metrics import evaluate_metrics
from benchmark.model import Model
from benchmark.records.measurements import Measurements, collect
from benchmark.registry import get_evaluation, register_evaluation
from benchmark.task import Task


def predict(
    model: Model, batch: Batch, *, batch_size: int = 128, precision: str = "fp32"
) -> NDArray[np.float32]:
    """Predictions of a whole split in its own order, float32 `(N,)` or logits `(N, C)`.

    Those of a regression are deviations from the neutral label: `in_label_units` gives scores.
    The model is in evaluation mode during the call and comes back in the mode it had. It never
    sees labels or places of the samples.

    Args:
        model: on the device of the batch.
        batch: the split.
        batch_size: samples of a forward pass.
        precision: as in the protocol.

    Raises:
        UserError: the model reads what is sealed while it predicts.
    """
    training = model.training
    model.eval()
    device = batch.text.mask.device
    with (
        torch.inference_mode(),
        torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"),
    ):
        parts = [
            model(batch.select(index).sealed()).prediction.float()
            for index in torch.split(torch.arange(len(batch), device=device), batch_size)
        ]
    model.train(training)
    return torch.cat(parts).cpu().numpy()


def in_label_units(prediction: NDArray[np.float32], task: Task) -> NDArray[np.float32]:
    """What a model predicts as scores on the scale of the labels; classes as they are."""
    return prediction + np.float32(task.centre) if task.centre else prediction


@dataclass(frozen=True)
class EvaluationContext:
    """What an evaluation is given.

    Attributes:
        model: the selected checkpoint, which predicts deviations from the neutral label, or for a
            timed evaluation the model as initialised.
        dataset: with the training and validation splits.
        test: the opened test split; None for a timed evaluation.
        prediction: the model's predictions on `test`, from which every metric is computed.
        valid_prediction: its predictions on the validation split; None for a timed evaluation.
        config: how the model was optimised.
        protocol: the rules of the comparison.
        device: where the model lives.
        settings: the constructor's arguments.
        name: the registered name of the model.
        seed: seed of the cell.
    """

    model: Model
    dataset: Dataset
    test: Split | None
    prediction: NDArray[np.float32] | None
    valid_prediction: NDArray[np.float32] | None
    config: TrainConfig
    protocol: Protocol
    device: torch.device
    settings: dict[str, Any]
    name: str
    seed: int

    def predict(self, split: Split) -> NDArray[np.float32]:
        """Predict a split, a corrupted one for instance, under the protocol's precision."""
        prediction = predict(
            self.model,
            split.batch(self.device),
            batch_size=self.protocol.evaluation_batch,
            precision=self.protocol.precision,
        )
        return in_label_units(prediction, self.dataset.task)


def measure(context: EvaluationContext, *, timed: bool) -> Measurements:
    """What the timed or the other evaluations of the protocol say, one after the other.

    Raises:
        UserError: an evaluation does not exist, or returns what no record can hold.
    """
    entries = [get_evaluation(name) for name in context.protocol.evaluations]
    return collect(
        {
            entry.name: (entry.function(context), entry.columns)
            for entry in entries
            if entry.timed is timed
        }
    )


@register_evaluation("accuracy")
def accuracy(context: EvaluationContext) -> dict[str, Any]:
    """Every metric of the task on the validation and test splits, and the oracle's where known."""
    test, task = context.test, context.dataset.task
    if test is None or context.prediction is None or context.valid_prediction is None:
        raise ValueError("accuracy needs the opened test split and its predictions")
    measured: dict[str, Any] = {
        "valid": evaluate_metrics(
            task, label=context.dataset.valid.label, prediction=context.valid_prediction
        ),
        "test": evaluate_metrics(task, label=test.label, prediction=context.prediction),
    }
    if test.oracle is not None:
        measured["oracle"] = evaluate_metrics(task, label=test.label, prediction=test.oracle)
    return measured
