"""The best row against every other one over the test samples, from predictions beside records."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from benchmark.metrics import Metric, get_metric, sample_scores
from benchmark.records.store import read_arrays
from leaderboard.comparisons import Comparison, compare
from leaderboard.ranking import ranked_rows
from leaderboard.table import Run, Table

Floats = NDArray[np.float64]
Strings = NDArray[np.str_]

NEEDED = ("test_id", "test_label", "test_prediction")


def compare_samples(table: Table) -> list[Comparison]:
    """Comparisons by the selecting metric, one pair a test sample.

    The value of a sample is the mean over all runs of a row that predict it. There are none where
    the metric is no mean over samples, or where predictions or labels are missing beside a record.
    """
    column = table.column(table.selection)
    if column is None or column.group != "score":
        return []
    metric = get_metric(table.selection, table.convention)
    ranked = [row for row, _ in ranked_rows(column, table.rows)]
    if metric.samples is None or len(ranked) < 2:
        return []
    values = []
    for row in ranked:
        found = _values(row.done, metric)
        if found is None:
            return []
        values.append(found)
    (names, best), *others = values
    pairs = {}
    for row, (own, scores) in zip(ranked[1:], others, strict=True):
        if np.array_equal(names, own):
            pairs[row.label] = np.stack([best, scores], axis=1)
            continue
        _, one, two = np.intersect1d(names, own, return_indices=True)
        pairs[row.label] = np.stack([best[one], scores[two]], axis=1)
    return compare(table.id, column.metric, column.split, ranked[0].label, "sample", pairs)


def _values(runs: Sequence[Run], metric: Metric) -> tuple[Strings, Floats] | None:
    """Ids of the samples that count, each once, and their mean scores over the runs."""
    ids, scores = [], []
    for run in runs:
        try:
            arrays = read_arrays(run.path, NEEDED)
            found = sample_scores(
                metric,
                label=arrays["test_label"],
                prediction=arrays["test_prediction"],
                neutral=float(run.record.task.get("neutral", 0.0)),
            )
            ids.append(np.asarray(arrays["test_id"], np.str_)[~np.isnan(found)])
        except (ValueError, TypeError, KeyError, IndexError):  # not what a run writes
            return None
        scores.append(found[~np.isnan(found)])
    if all(np.array_equal(ids[0], others) for others in ids):  # one test split for all runs
        return ids[0], np.mean(scores, axis=0)
    names, places = np.unique(np.concatenate(ids), return_inverse=True)
    totals = np.bincount(places, weights=np.concatenate(scores), minlength=len(names))
    return names, totals / np.bincount(places, minlength=len(names))
