"""The context of every evaluation, and the evaluation `accuracy`."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmark.config import Protocol, TrainConfig
from benchmark.datasets.dataset import Dataset, Split
from benchmark.metrics import evaluate_metrics
from benchmark.model import Model
from benchmark.registry import register_evaluation
from benchmark.task import Task
from benchmark.training.predict import predict


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
