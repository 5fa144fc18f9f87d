"""Best and second of every column, and which models cannot be told from the best."""

from collections.abc import Sequence

import numpy as np

from leaderboard import comparisons
from leaderboard.comparisons import Comparison, Unit, compare
from leaderboard.numbers import number
from leaderboard.table import Column, Entry, Mark, Row

LEVEL = 0.05
LEAST_RUNS = 5
Marks = dict[tuple[str, str], Mark]


def rank(
    columns: Sequence[Column], rows: Sequence[Row], *, table: str = "", unit: Unit = "seed"
) -> tuple[Marks, str, list[Comparison]]:
    """Standing of every entry, the sentence that explains † or its absence, and all comparisons.

    Values that print alike share their place; where all do, none is marked.

    Args:
        columns: to rank.
        rows: of one table.
        table: its id.
        unit: what the runs of a row differ in.

    Returns:
        (row label, column key) -> mark of the entries that have one; the sentence, empty where
        there are fewer than five seeds or folds; the comparisons that † follows from.
    """
    marks: Marks = {}
    compared: list[Comparison] = []
    sentences: dict[bool, str] = {}  # by whether any † is given; the first speaks for all columns
    for column in columns:
        ranked = ranked_rows(column, rows)
        if len(ranked) < 2:
            continue
        family = _compare(table, column, ranked, unit) if column.of_runs else []
        compared += family
        shown = list(dict.fromkeys(number(column, entry.mean) for _, entry in ranked))
        if len(shown) == 1:
            continue
        similar, sentence = _similar(family, len(ranked) - 1, unit)
        if sentence and "page" in column.places:
            sentences.setdefault(sentence.startswith("†"), sentence)
        for row, entry in ranked:
            place = shown.index(number(column, entry.mean))
            if place < 2 or row.label in similar:
                marks[row.label, column.key] = Mark(
                    "best" if place == 0 else "second" if place == 1 else "", row.label in similar
                )
    return marks, " ".join(sentences.values()), compared


def ranked_rows(column: Column, rows: Sequence[Row]) -> list[tuple[Row, Entry]]:
    """The rows that are ranked in a column, the best first.

    A row is if it was trained, each of its runs has a result, and the value is defined for each.
    """
    complete = [(row, entry) for row in rows if (entry := _complete(row, column)) is not None]
    return sorted(complete, key=lambda pair: _worse(column, pair[1]))


def _complete(row: Row, column: Column) -> Entry | None:
    """The entry, if the row is ranked in this column."""
    entry = row.entries.get(column.key)
    if entry is None or entry.mean is None or not row.ranked:
        return None
    return entry if len(entry.values) == len(row.records) or not column.of_runs else None


def _worse(column: Column, entry: Entry) -> float:
    value = entry.mean if entry.mean is not None else 0.0
    return -value if column.higher_is_better else value


def _compare(
    table: str, column: Column, ranked: Sequence[tuple[Row, Entry]], unit: Unit
) -> list[Comparison]:
    """The best row against each of the others over the runs that both have."""
    (best, entry), *others = ranked
    own = {run: value for run, value, _ in entry.scores}
    pairs = {
        row.label: np.array([(own[run], v) for run, v, _ in other.scores if run in own])
        for row, other in others
    }
    return compare(table, column.metric, column.split, best.label, unit, pairs)


def _similar(family: Sequence[Comparison], others: int, unit: Unit) -> tuple[set[str], str]:
    """Labels of models whose paired difference to the best over common runs is not significant.

    Nothing is marked unless every model could be tested and the test could reach significance at
    all: an unmarked model would look different from the best without any evidence.
    """
    test = comparisons.TEST
    fewest = min((comparison.count for comparison in family), default=0)
    if len(family) < others or fewest < LEAST_RUNS:
        return set(), ""
    smallest = others * test.least(fewest)
    if smallest > LEVEL:
        return set(), (
            f"No † is given: with {fewest} common {unit}s and {others + 1} models the smallest "
            f"possible p-value of a paired test over {unit}s is {min(smallest, 1):.2g}, so that no "
            f"difference to the best could be significant."
        )
    return {comparison.second for comparison in family if comparison.adjusted > LEVEL}, (
        f"† marks models whose difference to the best of the column is not significant "
        f"({test.name} over {unit}s, Holm-adjusted, {100 * LEVEL:g} %)."
    )
