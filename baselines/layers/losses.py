"""Losses between two sets of representations that several models use."""

import torch
from torch import Tensor

EPSILON = 1e-12


def central_moment_discrepancy(
    first: Tensor, second: Tensor, moments: int = 5, epsilon: float = EPSILON
) -> Tensor:
    """Distance of two samples' means plus those of their central moments, a scalar.

    Zellinger et al. Central Moment Discrepancy for Domain-Invariant Representation Learning. ICLR
    2017, without the scaling by the interval:

        ‖E x - E y‖ + Σ_{k=2..K} ‖E (x - E x)^k - E (y - E y)^k‖

    Args:
        first: rows x, `(N, D)`.
        second: rows y, `(M, D)`.
        moments: the highest order K.
        epsilon: inside each root, whose gradient is infinite at 0.
    """
    means = first.mean(dim=0), second.mean(dim=0)
    centred = first - means[0], second - means[1]
    gaps = [means[0] - means[1]]
    powers = centred
    for _ in range(moments - 1):
        powers = powers[0] * centred[0], powers[1] * centred[1]
        gaps.append(powers[0].mean(dim=0) - powers[1].mean(dim=0))
    return (torch.stack(gaps).square().sum(dim=1) + epsilon).sqrt().sum()
