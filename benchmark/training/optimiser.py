"""An optimiser with its clipping and its schedule, counted in steps."""

import math
from typing import Any

import torch

from benchmark.config import TrainConfig

CLASSES = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "rmsprop": torch.optim.RMSprop,
    "sgd": torch.optim.SGD,
}


class Optimiser:
    """What a training configuration says, over a model's parameter groups.

    Args:
        groups: of `Model.param_groups`.
        config: optimiser, rates, clipping, schedule.
        steps: of the whole training, over which a warm-up, linear or cosine schedule runs.
    """

    def __init__(self, groups: list[dict[str, Any]], config: TrainConfig, steps: int):
        options: dict[str, Any] = {} if config.optimizer == "rmsprop" else {"fused": True}
        self.optimiser = CLASSES[config.optimizer](groups, lr=config.lr, **options)
        self.parameters = [p for group in self.optimiser.param_groups for p in group["params"]]
        self.config = config
        moving = config.warmup > 0 or config.schedule in ("linear", "cosine")
        self.schedule = (
            torch.optim.lr_scheduler.LambdaLR(
                self.optimiser, lambda step: rate(step, max(1, steps), config)
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

    def clear(self) -> None:
        """Drop the gradients of the step before."""
        self.optimiser.zero_grad(set_to_none=True)

    def step(self) -> None:
        """Clip, step and advance the schedule; the gradients stay until they are cleared."""
        if self.config.clip_norm:
            torch.nn.utils.clip_grad_norm_(self.parameters, self.config.clip_norm)
        if self.config.clip_value:
            torch.nn.utils.clip_grad_value_(self.parameters, self.config.clip_value)
        self.optimiser.step()
        if self.schedule is not None:
            self.schedule.step()

    def end_epoch(self, value: float) -> None:
        """Tell the plateau schedule the validation value of the epoch, smaller is better."""
        if self.plateau is not None:
            self.plateau.step(value)


def rate(step: int, total: int, config: TrainConfig) -> float:
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
