"""Sequences from arrays that are padded on either side."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.datasets.dataset import Floats, Sequences


def missing(samples: int, width: int = 1) -> Sequences:
    """A modality that no sample has: one zero step, all of it masked."""
    return Sequences(np.zeros((samples, 1, width), np.float32), np.zeros(samples, np.int64))


def padded_left(content: NDArray[np.bool_]) -> bool:
    """Whether the padding of a modality is at the front, judged over all samples.

    Args:
        content: bool `(N, L)`, True on steps that hold something.
    """
    some = content.any(axis=1)
    leading = content.argmax(axis=1)[some].sum()
    trailing = content[:, ::-1].argmax(axis=1)[some].sum()
    return bool(leading > trailing)


def right_padded(
    values: NDArray[Any], content: NDArray[np.bool_], *, left: bool | None = None
) -> Sequences:
    """Move the valid steps of each sample to the front; zero steps between them stay.

    Args:
        values: `(N, L, D)`, padded on either side.
        content: bool `(N, L)`, True on steps that hold something; it says where a sample begins
            and ends, and may have gaps.
        left: the padding is at the front, so that trailing zero steps belong to the sample; False:
            at the back; None: cut on both sides.
    """
    steps = values.shape[1]
    some = content.any(axis=1)
    first = np.where(some & (left is not False), content.argmax(axis=1), 0)
    last = np.where(left is True, steps, steps - content[:, ::-1].argmax(axis=1))
    lengths = np.where(some, last - first, 0).astype(np.int64)
    place = np.arange(steps)
    if first.any():
        values = np.take_along_axis(
            values, np.minimum(first[:, None] + place, steps - 1)[..., None], axis=1
        )
    result = single(values)
    result[place >= lengths[:, None]] = 0
    return Sequences(result, lengths)


def single(values: NDArray[Any]) -> Floats:
    """As float32; a number too large for it becomes infinite, which is refused later."""
    with np.errstate(over="ignore"):
        return values.astype(np.float32)
