"""The one training loop: it is handed the training and validation splits and nothing else."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmark.batch import Batch
from benchmark.config import Protocol, TrainConfig
from benchmark.metrics import evaluate_metrics, get_metric
from benchmark.model import Model
from benchmark.records.record import Epoch, Training
from benchmark.training.batches import SplitBatches
from benchmark.training.predict import predict
from benchmark.training.step import Step


@dataclass(frozen=True)
class TrainingResult:
    """A finished training; the model holds the best state.

    Attributes:
        training: how it ended.
        history: one entry an epoch.
        seen: samples of every optimiser step in order, int32 `(epochs, N)` of places in the
            training split.
        valid_prediction: predictions of the best state on the validation split.
    """

    training: Training
    history: list[Epoch]
    seen: NDArray[np.int32]
    valid_prediction: NDArray[np.float32]


def train(
    model: Model,
    train_split: Batch,
    valid_split: Batch,
    *,
    config: TrainConfig,
    protocol: Protocol,
    seed: int,
    on_epoch: Callable[[Epoch, int], None] | None = None,
) -> TrainingResult:
    """Optimise a model, select the epoch with the best validation metric and restore it.

    Nothing inside an epoch waits for the device: losses are summed there and read once.

    Args:
        model: on its device.
        train_split: the whole training split on the same device.
        valid_split: the whole validation split, likewise.
        config: optimiser, schedule, batch.
        protocol: caps, selection metric, precision.
        seed: of the order of the samples.
        on_epoch: called with each epoch and the number of epochs allowed.
    """
    started = time.perf_counter()
    task = model.task
    selection = get_metric(protocol.selection[task.kind], task.convention)
    batches = SplitBatches(train_split, config.batch_size, seed)
    epochs = min(config.epochs, protocol.max_epochs)
    patience = min(config.patience, protocol.max_patience) if config.patience else epochs
    step = Step.begin(model, batches, config, precision=protocol.precision, epochs=epochs)

    def validate() -> tuple[NDArray[np.float32], dict[str, float | None], float]:
        prediction = predict(
            model,
            valid_split,
            batch_size=protocol.evaluation_batch,
            precision=protocol.precision,
        )
        if not np.isfinite(prediction).all():
            return prediction, {}, math.nan
        metrics = evaluate_metrics(task, label=label, prediction=prediction)
        value = metrics[selection.key]
        worst = -math.inf if selection.higher_is_better else math.inf
        return prediction, metrics, worst if value is None else value

    label = valid_split.label.cpu().numpy()
    history: list[Epoch] = []
    orders: list[Tensor] = []
    best_prediction, _, best_value = validate()
    best_epoch, steps = 0, 0
    stopped: Literal["patience", "epochs", "untrainable", "diverged"]
    stopped = "epochs" if step else "untrainable"
    best_state = _copy(model)
    for epoch in range(1, epochs + 1):
        if step is None:
            break
        orders.append(batches.shuffle())
        model.start_epoch(epoch, batches)
        model.train()
        loss, seconds = run_epoch(step, batches, config.accumulate)
        steps += math.ceil(len(batches) / config.accumulate)
        prediction, metrics, value = validate()
        finite = math.isfinite(loss) and not math.isnan(value)
        history.append(
            Epoch(
                epoch=epoch,
                train_loss=loss if math.isfinite(loss) else None,
                valid=metrics,
                seconds=seconds,
                lr=step.optimiser.lr,
            )
        )
        if on_epoch is not None:
            on_epoch(history[-1], epochs)
        if not finite:
            stopped = "diverged"
            break
        step.optimiser.end_epoch(-value if selection.higher_is_better else value)
        better = value > best_value if selection.higher_is_better else value < best_value
        if best_epoch == 0 or better:
            best_epoch, best_value, best_prediction = epoch, value, prediction
            best_state = _copy(model)
        elif epoch - best_epoch >= patience:
            stopped = "patience"
            break
    model.load_state_dict(best_state)
    model.eval()
    times = [entry.seconds for entry in history]
    return TrainingResult(
        Training(
            selection=selection.key,
            best_epoch=best_epoch,
            best_value=best_value if math.isfinite(best_value) else None,
            epochs=len(history),
            steps=steps,
            seconds=time.perf_counter() - started,
            seconds_per_epoch=float(np.median(times)) if times else 0.0,
            samples_per_second=batches.samples * len(times) / sum(times) if times else 0.0,
            stopped=stopped,
        ),
        history,
        torch.stack(orders).numpy().astype(np.int32)
        if orders
        else np.zeros((0, batches.samples), np.int32),
        best_prediction,
    )


def run_epoch(step: Step, batches: SplitBatches, accumulate: int = 1) -> tuple[float, float]:
    """One pass; returns the mean loss and the seconds of all steps, device work included."""
    total = torch.zeros((), device=batches.whole().device)
    started = time.perf_counter()
    full = len(batches) // accumulate * accumulate
    for place, batch in enumerate(batches):
        of = accumulate if place < full else len(batches) - full
        total += step(batch, place % accumulate, of) * len(batch)
    mean = total.item() / batches.samples  # the only wait for the device
    return mean, time.perf_counter() - started


def _copy(model: Model) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in model.state_dict().items()}
