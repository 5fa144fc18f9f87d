"""Missing modalities: what is taken from a sample is as if it had never been recorded."""

from dataclasses import replace

import numpy as np

from benchmark.datasets.dataset import Dataset, Sequences, Split, Tokens
from robustness.text import vocabulary_of


def remove(split: Split, modalities: tuple[str, ...], dataset: Dataset) -> Split:
    """Take modalities from every sample: zero values, length 0; with the text go its tokens.

    Raises:
        UserError: there are tokens but no vocabulary.
    """
    for name in modalities:
        gone = split.modalities[name]
        split = split.with_sequences(
            name,
            Sequences(
                np.zeros(gone.values.shape, gone.values.dtype),
                np.zeros(gone.lengths.shape, gone.lengths.dtype),
            ),
        )
    tokens = split.tokens
    if "text" in modalities and tokens is not None:
        empty = Tokens(
            np.full(tokens.ids.shape, vocabulary_of(dataset).pad, dtype=tokens.ids.dtype),
            np.zeros(tokens.lengths.shape, dtype=tokens.lengths.dtype),
            np.full(tokens.words.shape, -1, dtype=tokens.words.dtype),
        )
        split = replace(split, tokens=empty)
    return split
