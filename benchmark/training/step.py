"""One training step: forward, loss, backward, clipping, optimiser, hook.

It is the only one: the training loop, the promises of a model, the evaluation of costs and the
report on GPUs take it, so that what is checked and measured is what trains.
"""

import math
from typing import Self

from torch import Tensor

from benchmark.batch import Batch
from benchmark.config import TrainConfig
from benchmark.errors import UserError
from benchmark.model import Model, Output
from benchmark.training.batches import SplitBatches
from benchmark.training.optimiser import Optimiser
from benchmark.training.predict import autocast, forward


class Step:
    """What happens to a model with each batch.

    Args:
        model: on its device.
        optimiser: over the model's parameter groups.
        precision: as in the protocol.
    """

    def __init__(self, model: Model, optimiser: Optimiser, precision: str = "fp32"):
        self.model = model
        self.optimiser = optimiser
        self.precision = precision

    @classmethod
    def begin(
        cls,
        model: Model,
        batches: SplitBatches,
        config: TrainConfig,
        *,
        precision: str = "fp32",
        epochs: int = 1,
    ) -> Self | None:
        """Call the hook before the first epoch, then make the optimiser.

        Args:
            model: on its device.
            batches: the training split.
            config: optimiser, schedule, batch.
            precision: as in the protocol.
            epochs: over which a schedule runs.

        Returns:
            None where the model has no parameter groups: there is nothing to train.
        """
        model.start_training(batches)
        groups = model.param_groups(config)
        if not groups:
            return None
        steps = math.ceil(len(batches) / config.accumulate) * epochs
        return cls(model, Optimiser(groups, config, steps), precision)

    def __call__(self, batch: Batch, place: int = 0, of: int = 1) -> Tensor:
        """Train on a batch; the gradients stay until the next step.

        Args:
            batch: of the training split.
            place: among the batches whose gradients are averaged for one update, from 0.
            of: how many these are.

        Returns:
            The loss of the batch, a scalar without gradient, still on the device.

        Raises:
            UserError: `forward` returns no `Output`, or the loss is no scalar.
        """
        if place == 0:
            self.optimiser.clear()
        output, loss = self.differentiate(batch, of)
        if place == of - 1:
            self.optimiser.step()
        self.model.after_step(output, batch)
        return loss.detach()

    def differentiate(self, batch: Batch, of: int = 1) -> tuple[Output, Tensor]:
        """Forward, loss and backward of one of so many averaged batches.

        Raises:
            UserError: `forward` returns no `Output`, or the loss is no scalar.
        """
        with autocast(batch.device, self.precision):
            output = forward(self.model, batch)
            loss = self.model.loss(output, batch)
        if loss.ndim:
            raise UserError(f"loss returns shape {tuple(loss.shape)}, expected a scalar")
        (loss / of if of > 1 else loss).backward()  # type: ignore[no-untyped-call]
        return output, loss
