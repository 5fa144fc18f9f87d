"""Losses that several models use."""

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmark import Task

EPSILON = 1e-12  # inside the roots, whose gradient is infinite at 0


def squared_error(task: Task, prediction: Tensor, label: Tensor) -> Tensor:
    """Mean squared error of a regression, the loss of any other task; a scalar."""
    if task.kind == "regression":
        return F.mse_loss(prediction, label)
    return task.loss(prediction, label)


def central_moment_discrepancy(first: Tensor, second: Tensor, moments: int = 5) -> Tensor:
    """Distance of two samples' means plus those of their central moments, a scalar.

    Zellinger et al. Central Moment Discrepancy for Domain-Invariant Representation Learning. ICLR
    2017, without the scaling by the interval:

        ‖E x - E y‖ + Σ_{k=2..K} ‖E (x - E x)^k - E (y - E y)^k‖

    Args:
        first: rows x, `(N, D)`.
        second: rows y, `(M, D)`.
        moments: the highest order K.
    """
    means = first.mean(dim=0), second.mean(dim=0)
    centred = first - means[0], second - means[1]
    gaps = [means[0] - means[1]]
    powers = centred
    for _ in range(moments - 1):
        powers = powers[0] * centred[0], powers[1] * centred[1]
        gaps.append(powers[0].mean(dim=0) - powers[1].mean(dim=0))
    return (torch.stack(gaps).square().sum(dim=1) + EPSILON).sqrt().sum()
