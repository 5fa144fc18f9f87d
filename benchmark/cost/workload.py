"""The work that a cost is measured on: random full-length batches, a pass, a training step."""

import copy
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import torch

from benchmark.batch import Batch, Stream
from benchmark.config import TrainConfig
from benchmark.datasets.dataset import Split
from benchmark.model import Model
from benchmark.training.batches import SplitBatches
from benchmark.training.step import Step


def duplicate(model: Model) -> Model:
    """A copy with weights of its own, recurrent ones in one block again as a GPU wants them."""
    copied = copy.deepcopy(model)
    for module in copied.modules():
        if isinstance(module, torch.nn.RNNBase):
            module.flatten_parameters()
    return copied


def training_steps(
    model: Model, batches: SplitBatches, config: TrainConfig, precision: str
) -> Iterator[Callable[[], object]]:
    """Training steps of a model, one an epoch, endlessly; none where it has nothing to train.

    Yields:
        A function that runs the step, to be called once. The hook before an epoch runs before it,
        so that losses which sleep in the first epoch wake up.
    """
    step = Step.begin(model, batches, config, precision=precision, epochs=config.epochs)
    model.train()
    epoch = 0
    while step is not None:
        for batch in batches:
            epoch += 1
            model.start_epoch(epoch, batches)
            yield partial(step, batch)


def random_batch(
    split: Split, size: int, *, seed: int, device: torch.device, centre: float = 0.0
) -> Batch:
    """The first samples of a split with random features of full length, repeated if it is smaller.

    Labels and tokens are real, because a loss or a vocabulary may allow few values; `index` counts
    from 0, as if these samples were the whole split.
    """
    chosen = split.select(np.arange(size) % len(split))
    return full_length(chosen.batch(device, centre=centre), seed)


def full_length(batch: Batch, seed: int) -> Batch:
    """The batch with every stream filled by normal values to its last step."""
    generator = torch.Generator().manual_seed(seed)
    for name in batch.modalities:
        stream = batch.modalities[name]
        values = torch.randn(stream.values.shape, generator=generator).to(stream.values)
        batch = batch.with_stream(name, Stream(values, torch.ones_like(stream.mask)))
    return batch


def seconds(function: Callable[[], Any], device: torch.device) -> float:
    """Wall time of a call, with nothing of the device's other work before or after it."""
    synchronise(device)
    start = time.perf_counter()
    function()
    synchronise(device)
    return time.perf_counter() - start


def synchronise(device: torch.device) -> None:
    """Wait until an accelerator has nothing left to do."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
