"""Bring audio and vision to the steps of the text, for models that read word-aligned streams."""

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmark import Stream

FALLBACK_STEPS = 20


def align(stream: Stream, target_mask: Tensor) -> Stream:
    """Average a stream over the windows that belong to each target step.

    Of n valid source steps, target step j of m valid ones averages the steps floor(j n / m) to
    ceil((j + 1) n / m) - 1. One step is repeated m times, m steps stay as they are, and an empty
    source gives zeros.

    Args:
        stream: the source, values `(B, L, D)`.
        target_mask: bool `(B, T)`, a prefix of each row.

    Returns:
        Values `(B, T, D)` under the target mask.
    """
    mask = target_mask.to(stream.values.dtype).unsqueeze(-1)  # (B, T, 1)
    source = stream.lengths.unsqueeze(1)  # (B, 1)
    target = target_mask.sum(dim=1, keepdim=True).clamp(min=1)  # (B, 1)
    step = torch.arange(target_mask.shape[1], device=target_mask.device)
    start = (step * source) // target  # (B, T)
    end = ((step + 1) * source + target - 1) // target
    place = torch.arange(stream.mask.shape[1], device=target_mask.device)
    window = (place >= start.unsqueeze(-1)) & (place < end.unsqueeze(-1))  # (B, T, L)
    window = window & stream.mask.unsqueeze(1)
    weights = window.to(mask.dtype) * mask / (end - start).clamp(min=1).unsqueeze(-1)
    return Stream(weights @ stream.values, target_mask)


def align_mmsa(values: Tensor, length: int) -> Tensor:
    """Average pooling to `length` steps as in MMSA, blind to masks.

    The last frame is repeated up to a multiple of the length, then windows are averaged.

    Args:
        values: `(B, L, D)`.
        length: steps to reach.

    Returns:
        `(B, length, D)`.
    """
    missing = -values.shape[1] % length
    padding = values[:, -1:].expand(-1, missing, -1)
    return torch.cat([values, padding], dim=1).unflatten(1, (length, -1)).mean(dim=2)


def align_to_text(text: Stream, audio: Stream, vision: Stream) -> tuple[Stream, Stream, Stream]:
    """The three streams on one time axis, that of the text.

    Where the text is missing, the longer of the other two sets the length, at most
    `FALLBACK_STEPS` (the sequence length of the word-aligned models), so that it counts and loops
    stay short.

    Returns:
        Text, audio, vision with one mask `(B, T)`, T at least the steps of the text.
    """
    others = max(audio.mask.shape[1], vision.mask.shape[1])
    steps = max(text.mask.shape[1], min(others, FALLBACK_STEPS))
    longest = torch.maximum(audio.lengths, vision.lengths).clamp(max=FALLBACK_STEPS)
    lengths = torch.where(text.lengths > 0, text.lengths, longest)
    mask = torch.arange(steps, device=lengths.device) < lengths.unsqueeze(1)  # (B, T)
    values = F.pad(text.values, (0, 0, 0, steps - text.mask.shape[1]))
    return Stream(values, mask), align(audio, mask), align(vision, mask)


def align_to_text_mmsa(
    text: Stream, audio: Stream, vision: Stream
) -> tuple[Stream, Stream, Stream]:
    """The three streams pooled to the padded length of the text, every step valid, as in MMSA."""
    length = text.mask.shape[1]
    mask = torch.ones_like(text.mask)
    return (
        Stream(text.values, mask),
        Stream(align_mmsa(audio.values, length), mask),
        Stream(align_mmsa(vision.values, length), mask),
    )
