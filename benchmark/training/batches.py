"""The training split in batches: what the loop trains on and what a model's hooks are given."""

from collections.abc import Iterator

import torch
from torch import Tensor

from benchmark.batch import Batch


class SplitBatches:
    """A split on its device, in batches.

    A last batch of a single sample joins its neighbour, so that batch statistics exist.

    Args:
        split: all samples.
        batch_size: of a full batch; a larger one than the split is the whole split.
        seed: of the order that `shuffle` draws; before it is called, samples come as they are.
    """

    def __init__(self, split: Batch, batch_size: int, seed: int = 0):
        self._split = split
        self._generator = torch.Generator().manual_seed(seed)
        self._order = torch.arange(len(split))
        self.batch_size = min(batch_size, len(split))

    @property
    def samples(self) -> int:
        """Number of samples."""
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
