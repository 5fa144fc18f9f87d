"""Drops on the tensors of a batch, for models that train on incomplete input.

They mean the same as the corruptions of a split under `time.drop` and `text.word_unk`.
"""

from dataclasses import replace

import torch
from torch import Tensor

from benchmark.batch import Batch, Stream


def draw_drops(samples: int, steps: int, rate: float, generator: torch.Generator) -> Tensor:
    """Choose each step of each sample with probability `rate`, bool `(samples, steps)`.

    A higher rate from a generator in the same state chooses a superset.
    """
    return torch.rand(samples, steps, generator=generator) < rate


def drop_steps(stream: Stream, chosen: Tensor) -> Stream:
    """Zero the chosen steps, the mask stays.

    Args:
        stream: values `(B, L, D)`.
        chosen: bool `(B, S)` with S >= L; what lies beyond a sample's length has no effect.
    """
    kept = ~chosen[:, : stream.mask.shape[1]].unsqueeze(-1)  # (B, L, 1)
    return Stream(stream.values * kept, stream.mask)


def word_slots(batch: Batch) -> int:
    """How many words the longest sample can have: rows of the text or words that tokens name."""
    rows = batch.text.mask.shape[1]
    return rows if batch.token_words is None else max(rows, int(batch.token_words.max()) + 1)


def chosen_tokens(batch: Batch, chosen: Tensor) -> Tensor:
    """The tokens of the chosen words, bool `(B, K)`: neither marks nor padding.

    Args:
        batch: with tokens.
        chosen: bool `(B, W)` by word, W at least `word_slots`.
    """
    words, mask = batch.token_words, batch.token_mask
    assert words is not None  # tokens come with their mask and their words
    assert mask is not None
    return chosen.gather(1, words.clamp(min=0)) & (words >= 0) & mask


def unknown_words(batch: Batch, chosen: Tensor, unknown: int) -> Batch:
    """Make the chosen words unreadable: tokens become the unknown one, feature rows zero.

    Args:
        batch: with or without tokens.
        chosen: bool `(B, W)` by word, W at least `word_slots`.
        unknown: id of the unknown token.
    """
    batch = batch.with_stream("text", drop_steps(batch.text, chosen))
    if batch.token_ids is None:
        return batch
    hit = chosen_tokens(batch, chosen)
    return replace(batch, token_ids=batch.token_ids.masked_fill(hit, unknown))
