"""The work that a cost is measured on: random full-length batches, a pass, a training step."""

import copy
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmark.batch import Batch, Stream
from benchmark.config import TrainConfig
from benchmark.datasets.dataset import Sequences, Split, Tokens
from benchmark.model import Model, Output


@dataclass(frozen=True)
class Pool:
    """Training samples that hooks see instead of the split; `index` runs over them."""

    split: Batch
    batch_size: int

    @property
    def samples(self) -> int:
        """Samples of the pool."""
        return len(self.split)

    def whole(self) -> Batch:
        """All of them."""
        return self.split

    def __iter__(self) -> Iterator[Batch]:
        for start in range(0, self.samples, self.batch_size):
            yield self.split.select(self.split.index[start : start + self.batch_size])


def duplicate(model: Model) -> Model:
    """A copy with weights of its own, recurrent ones in one block again as a GPU wants them."""
    copied = copy.deepcopy(model)
    for module in copied.modules():
        if isinstance(module, torch.nn.RNNBase):
            module.flatten_parameters()
    return copied


def infer(model: Model, batch: Batch, precision: str) -> None:
    """One forward pass in evaluation mode."""
    model.eval()
    with torch.inference_mode(), autocast(batch.index.device, precision):
        model(batch)


def training_steps(
    model: Model, pool: Pool, config: TrainConfig, precision: str
) -> Iterator[Callable[[], None]]:
    """Training steps of a model with Adam over its own parameter groups, one an epoch, endlessly.

    Yields:
        A function that runs forward, backward and the optimiser's step, to be called once. Hooks
        run around it, so that losses which sleep in the first epoch wake up.
    """
    model.train()
    optimizer = torch.optim.Adam(model.param_groups(config))
    outputs: list[Output] = []

    def step(batch: Batch) -> None:
        optimizer.zero_grad(set_to_none=True)
        with autocast(batch.index.device, precision):
            output: Output = model(batch)
            loss = model.loss(output, batch)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        outputs[:] = [output]

    model.start_training(pool)
    epoch = 0
    while True:
        for batch in pool:
            epoch += 1
            model.start_epoch(epoch, pool)
            yield partial(step, batch)
            model.after_step(outputs.pop(), batch)


def random_batch(
    split: Split, size: int, *, seed: int, device: torch.device, centre: float = 0.0
) -> Batch:
    """The first samples of a split with random features of full length, repeated if it is smaller.

    Labels and tokens are real, because a loss or a vocabulary may allow few values; `index` counts
    from 0, as if these samples were the whole split.
    """
    chosen = take(split, np.arange(size) % len(split))
    return full_length(chosen.batch(device, centre=centre), seed)


def full_length(batch: Batch, seed: int) -> Batch:
    """The batch with every stream filled by normal values to its last step."""
    generator = torch.Generator().manual_seed(seed)
    for name in ("text", "audio", "vision", *batch.extra):
        stream = batch.stream(name)
        values = torch.randn(stream.values.shape, generator=generator).to(stream.values)
        batch = batch.with_stream(name, Stream(values, torch.ones_like(stream.mask)))
    return batch


def take(split: Split, index: NDArray[np.int64]) -> Split:
    """Some samples of a split, so that the others are never copied to the device."""

    def sequences(values: Sequences) -> Sequences:
        return Sequences(values.values[index], values.lengths[index])

    tokens = split.tokens
    return replace(
        split,
        ids=split.ids[index],
        label=split.label[index],
        text=sequences(split.text),
        audio=sequences(split.audio),
        vision=sequences(split.vision),
        tokens=tokens and Tokens(tokens.ids[index], tokens.lengths[index], tokens.words[index]),
        groups=None,
        transcripts=None,
        unimodal_labels={name: value[index] for name, value in split.unimodal_labels.items()},
        extra={name: sequences(values) for name, values in split.extra.items()},
        oracle=None,
    )


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """The context of the protocol's precision."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16")


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
