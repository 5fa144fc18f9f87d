"""Missing modalities: every non-empty subset may be all that remains of a sample."""

from dataclasses import replace
from itertools import combinations

import numpy as np

from benchmark.batch import MODALITIES
from benchmark.datasets.dataset import Dataset, Sequences, Split, Tokens
from robustness.text import vocabulary_of

# Name -> what is missing. The full set is left out: nothing remains to predict from,
# and its skill is that of the prior, 0.
REMOVALS: dict[str, tuple[str, ...]] = {
    f"missing.{''.join(name[0] for name in gone) or 'none'}": gone
    for size in range(len(MODALITIES))
    for gone in combinations(MODALITIES, size)
}


def present(name: str) -> frozenset[str]:
    """The modalities that remain under a removal such as `missing.av`."""
    return frozenset(MODALITIES) - frozenset(REMOVALS[name])


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
