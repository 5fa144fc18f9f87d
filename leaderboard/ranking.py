"""Best and second of every column, and which models cannot be told from the best."""

from collections.abc import Sequence

import numpy as np

from benchmark.stats import holm, permutation_test
from leaderboard.numbers import number
from leaderboard.table import Column, Entry, Mark, Row

LEVEL = 0.05
LEAST_SEEDS = 5


def rank(
    columns: Sequence[Column], rows: Sequence[Row], unit: str = "seed"
) -> tuple[dict[tuple[str, str], Mark], str]:
    """Standing of every entry, and the sentence that explains † or its absence.

    Values that print alike share their place; where all do, none is marked. A row is ranked in a
    column if it was trained, each of its seeds has a result, and the value is defined for each.

    Returns:
        (row label, column key) -> mark of the entries that have one; the sentence, empty where
        there are fewer than five seeds or folds.
    """
    marks: dict[tuple[str, str], Mark] = {}
    sentences: dict[bool, str] = {}  # by whether any † is given; the first speaks for all columns
    for column in columns:
        ranked = sorted(
            ((row, entry) for row in rows if (entry := _complete(row, column)) is not None),
            key=lambda pair: _worse(column, pair[1]),
        )
        if len(ranked) < 2:
            continue
        shown = list(dict.fromkeys(number(column, entry.mean) for _, entry in ranked))
        if len(shown) == 1:
            continue
        similar, sentence = _similar(ranked, unit) if column.of_runs else (set(), "")
        if sentence and "page" in column.places:
            sentences.setdefault(sentence.startswith("†"), sentence)
        for row, entry in ranked:
            place = shown.index(number(column, entry.mean))
            if place < 2 or row.label in similar:
                marks[row.label, column.key] = Mark(
                    "best" if place == 0 else "second" if place == 1 else "", row.label in similar
                )
    return marks, " ".join(sentences.values())


def _complete(row: Row, column: Column) -> Entry | None:
    """The entry, if the row is ranked in this column."""
    entry = row.entries.get(column.key)
    if entry is None or entry.mean is None or not row.ranked:
        return None
    return entry if len(entry.values) == len(row.records) or not column.of_runs else None


def _worse(column: Column, entry: Entry) -> float:
    value = entry.mean if entry.mean is not None else 0.0
    return -value if column.higher_is_better else value


def _similar(ranked: Sequence[tuple[Row, Entry]], unit: str) -> tuple[set[str], str]:
    """Labels of models whose paired difference to the best over common seeds is not significant.

    Source: permutation tests, adjusted for their number (Holm, 1979). Nothing is marked unless
    every model could be tested and the test could reach significance at all: an unmarked model
    would look different from the best without any evidence.
    """
    (_, best), *others = ranked
    own = {seed: value for seed, value, _ in best.scores}
    pairs = [
        [(own[seed], value) for seed, value, _ in entry.scores if seed in own]
        for _, entry in others
    ]
    fewest = min(len(pair) for pair in pairs)
    if fewest < LEAST_SEEDS:
        return set(), ""
    smallest = len(pairs) * 2 / 2**fewest
    if smallest > LEVEL:
        return set(), (
            f"No † is given: with {fewest} common {unit}s and {len(pairs) + 1} models the smallest "
            f"possible p-value of a paired test over {unit}s is {min(smallest, 1):.2g}, so that no "
            f"difference to the best could be significant."
        )
    p_values = holm(
        [
            permutation_test(
                [first for first, _ in pair],
                [second for _, second in pair],
                generator=np.random.default_rng(0),
            )
            for pair in pairs
        ]
    )
    alike = {row.label for (row, _), p in zip(others, p_values, strict=True) if p > LEVEL}
    return alike, (
        f"† marks models whose difference to the best of the column is not significant (paired "
        f"permutation test over {unit}s, Holm-adjusted, 5 %)."
    )
