"""Corruptions of text by the word: the same words in the feature rows and among the tokens."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from benchmark.datasets.dataset import Dataset, Integers, Sequences, Split, Tokens, Vocabulary
from benchmark.errors import UserError

Flags = NDArray[np.bool_]


def word_counts(split: Split) -> Integers:
    """Words of each sample, int64 `(N,)`: rows of the text stream or words that tokens name.

    The larger of the two counts, because either may have been cut.
    """
    rows = split.text.lengths
    if split.tokens is None:
        return np.asarray(rows, dtype=np.int64)
    named = split.tokens.words.max(axis=1, initial=-1) + 1  # (N,)
    return np.asarray(np.maximum(rows, named), dtype=np.int64)


def unknown_words(split: Split, chosen: Flags, dataset: Dataset) -> Split:
    """Make words unreadable: tokens become the unknown one, feature rows become zero.

    Start and end marks, lengths and masks stay.

    Args:
        split: the samples.
        chosen: bool `(words,)`, the words of all samples one after the other, `word_counts` each.
        dataset: for the unknown token of its vocabulary.

    Raises:
        UserError: there are tokens but no vocabulary.
    """
    counts = word_counts(split)
    starts = np.cumsum(counts) - counts  # (N,)
    values = np.array(split.text.values)
    places = starts[:, None] + np.arange(values.shape[1])  # (N, L)
    hit = np.zeros(places.shape, dtype=bool)
    mask = split.text.mask
    hit[mask] = chosen[places[mask]]
    values[hit] = 0
    changed = split.with_sequences("text", Sequences(values, split.text.lengths))
    if split.tokens is None:
        return changed
    return replace(changed, tokens=_unknown_tokens(split.tokens, chosen, starts, dataset))


def _unknown_tokens(tokens: Tokens, chosen: Flags, starts: Integers, dataset: Dataset) -> Tokens:
    of_word = tokens.mask & (tokens.words >= 0)  # (N, K): neither marks nor padding
    ids = np.array(tokens.ids)
    hit = np.zeros(ids.shape, dtype=bool)
    hit[of_word] = chosen[(starts[:, None] + tokens.words)[of_word]]
    ids[hit] = vocabulary_of(dataset).unknown
    return Tokens(ids, tokens.lengths, tokens.words)


def vocabulary_of(dataset: Dataset) -> Vocabulary:
    """The special token ids of a dataset that has tokens.

    Raises:
        UserError: it declares none.
    """
    if dataset.vocabulary is None:
        raise UserError(
            f"dataset {dataset.name!r} has tokens but no vocabulary; give it one, so that words "
            f"can be replaced by its unknown token"
        )
    return dataset.vocabulary
