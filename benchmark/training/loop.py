"""The one training loop: it is handed the training and validation splits and nothing else."""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmark.batch import Batch
from benchmark.config import Protocol, TrainConfig
from benchmark.evaluation import predict
from benchmark.metrics import evaluate_metrics, get_metric
from benchmark.model import Model
from benchmark.records.record import Epoch, Training


class TrainBatches:
    """The training split on its device, shuffled anew each epoch; what hooks are given.

    A last batch of a single sample joins its neighbour, so that batch statistics exist.
    """

    def __init__(self, split: Batch, batch_size: int, seed: int):
        self._split = split
        self._generator = torch.Generator().manual_seed(seed)
        self._order = torch.arange(len(split))
        self.batch_size = min(batch_size, len(split))

    @property
    def samples(self) -> int:
        """Number of training samples."""
        return len(self._split)

    def whole(self) -> Batch:
        """The whole split in its own order."""
        return self._split

    def shuffle(self) -> Tensor:
        """Draw the order of the next epoch, int64 `(N,)` on the host."""
        self._order = torch.randperm(self.samples, generator=self._generator)
        return self._order

    def __len__(self) -> int:
        return len(self._parts())

    def __iter__(self) -> Iterator[Batch]:
        order = self._order.to(self._split.index.device)
        start = 0
        for size in self._parts():
            yield self._split.select(order[start : start + size])
            start += size

    def _parts(self) -> list[int]:
        sizes = [self.batch_size] * (self.samples // self.batch_size)
        rest = self.samples % self.batch_size
        if rest == 1 and sizes:
            sizes[-1] += 1
        elif rest:
            sizes.append(rest)
        return sizes


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
    batches = TrainBatches(train_split, config.batch_size, seed)
    epochs = min(config.epochs, protocol.max_epochs)
    patience = min(config.patience, protocol.max_patience) if config.patience else epochs
    model.start_training(batches)

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
    groups = model.param_groups(config)
    history: list[Epoch] = []
    orders: list[Tensor] = []
    best_prediction, _, best_value = validate()
    best_epoch, steps = 0, 0
    stopped: Literal["patience", "epochs", "untrainable", "diverged"]
    stopped = "epochs" if groups else "untrainable"
    best_state = _copy(model)
    optimiser = _Optimiser(groups, config, len(batches), epochs) if groups else None
    for epoch in range(1, epochs + 1 if optimiser else 1):
        assert optimiser is not None
        orders.append(batches.shuffle())
        model.start_epoch(epoch, batches)
        model.train()
        loss, seconds = _run_epoch(model, batches, optimiser, config, protocol)
        steps += optimiser.steps_per_epoch
        prediction, metrics, value = validate()
        finite = math.isfinite(loss) and not math.isnan(value)
        history.append(
            Epoch(
                epoch=epoch,
                train_loss=loss if math.isfinite(loss) else None,
                valid=metrics,
                seconds=seconds,
                lr=optimiser.lr,
            )
        )
        if on_epoch is not None:
            on_epoch(history[-1], epochs)
        if not finite:
            stopped = "diverged"
            break
        optimiser.end_epoch(-value if selection.higher_is_better else value)
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


def _run_epoch(
    model: Model,
    batches: TrainBatches,
    optimiser: "_Optimiser",
    config: TrainConfig,
    protocol: Protocol,
) -> tuple[float, float]:
    """One pass; returns the mean loss and the seconds of all steps, device work included."""
    device = batches.whole().index.device
    total = torch.zeros((), device=device)
    started = time.perf_counter()
    groups = math.ceil(len(batches) / config.accumulate)
    for place, batch in enumerate(batches):
        last = place // config.accumulate == groups - 1
        size = len(batches) - (groups - 1) * config.accumulate if last else config.accumulate
        with torch.autocast(device.type, torch.bfloat16, enabled=protocol.precision == "bf16"):
            output = model(batch)
            loss = model.loss(output, batch)
        (loss / size if size > 1 else loss).backward()  # type: ignore[no-untyped-call]
        if place % config.accumulate == size - 1:
            optimiser.step()
        model.after_step(output, batch)
        total += loss.detach() * len(batch)
    mean = total.item() / batches.samples  # the only wait for the device
    return mean, time.perf_counter() - started


class _Optimiser:
    """An optimiser with its clipping and schedule, counted in steps."""

    def __init__(
        self, groups: list[dict[str, Any]], config: TrainConfig, batches: int, epochs: int
    ):
        classes = {
            "adam": torch.optim.Adam,
            "adamw": torch.optim.AdamW,
            "rmsprop": torch.optim.RMSprop,
            "sgd": torch.optim.SGD,
        }
        options: dict[str, Any] = {} if config.optimizer == "rmsprop" else {"fused": True}
        self.optimiser = classes[config.optimizer](groups, lr=config.lr, **options)
        self.parameters = [p for group in self.optimiser.param_groups for p in group["params"]]
        self.config = config
        self.steps_per_epoch = math.ceil(batches / config.accumulate)
        total = max(1, self.steps_per_epoch * epochs)
        moving = config.warmup > 0 or config.schedule in ("linear", "cosine")
        self.schedule = (
            torch.optim.lr_scheduler.LambdaLR(
                self.optimiser, lambda step: _rate(step, total, config)
            )
            if moving
            else None
        )
        self.plateau = (
            torch.optim.lr_scheduler.ReduceLROnPlateau(
                self.optimiser, factor=config.plateau_factor, patience=config.plateau_patience
            )
            if config.schedule == "plateau"
            else None
        )

    @property
    def lr(self) -> float:
        """Current rate of the first group."""
        return float(self.optimiser.param_groups[0]["lr"])

    def step(self) -> None:
        """Clip, step, clear the gradients and advance the schedule."""
        if self.config.clip_norm:
            torch.nn.utils.clip_grad_norm_(self.parameters, self.config.clip_norm)
        if self.config.clip_value:
            torch.nn.utils.clip_grad_value_(self.parameters, self.config.clip_value)
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        if self.schedule is not None:
            self.schedule.step()

    def end_epoch(self, value: float) -> None:
        """Tell the plateau schedule the validation value of the epoch, smaller is better."""
        if self.plateau is not None:
            self.plateau.step(value)


def _rate(step: int, total: int, config: TrainConfig) -> float:
    """Factor on every group's rate before step `step`, counted from 0."""
    warm = math.ceil(config.warmup * total)
    if step < warm:
        return (step + 1) / (warm + 1)
    progress = (step - warm) / max(1, total - warm)
    if config.schedule == "linear":
        return max(0.0, 1 - progress)
    if config.schedule == "cosine":
        return 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))
    return 1.0


def _copy(model: Model) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in model.state_dict().items()}
