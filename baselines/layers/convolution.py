"""Convolutions over time: without padding and masks to match, or as long as what they read."""

import torch
import torch.nn.functional as F
from torch import nn

from benchmark import Stream, UserError


def convolve(convolution: nn.Conv1d, stream: Stream) -> Stream:
    """Apply an unpadded convolution of kernel k to a stream `(B, L, D)`.

    A step stays valid if its whole window is, and the first one always, so that a stream shorter
    than the kernel still gives one step.

    Returns:
        `(B, max(L - k, 0) + 1, width)`, zero beyond the mask.
    """
    kernel = convolution.kernel_size[0]
    missing = max(0, kernel - stream.mask.shape[1])
    mask = F.pad(stream.mask, (0, missing))
    mask = torch.cat([mask[:, :1], mask[:, kernel:]], dim=1)
    values = F.pad(stream.values, (0, 0, 0, missing)).transpose(1, 2)  # (B, D, L)
    values = convolution(values).transpose(1, 2)
    return Stream(values * mask.unsqueeze(-1), mask)


def same_length(inputs: int, width: int, kernel: int) -> nn.Conv1d:
    """A convolution without bias that keeps the number of steps, `(B, inputs, L)`.

    Raises:
        UserError: the kernel has no middle.
    """
    if kernel < 1 or kernel % 2 == 0:
        raise UserError(
            f"a convolution that keeps the number of steps has an odd kernel, got {kernel}; use "
            f"{kernel + 1}"
        )
    return nn.Conv1d(inputs, width, kernel, padding=kernel // 2, bias=False)
