"""Sentences that a reader of a table must know."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from benchmark.records.measurements import SLOW
from benchmark.records.record import Record
from leaderboard.table import Column, Row, Run


def make_notes(
    pairs: Sequence[Run], rows: Sequence[Row], columns: Sequence[Column], unit: str
) -> list[str]:
    """All notes of a table whose runs differ in `unit`: seed, fold, or both in `run`."""
    records = [record for _, record in pairs]
    notes = []
    others = sorted({name for row in rows for name in row.elsewhere})
    if others:
        notes.append(f"Costs on {' and '.join(others)} are in the CSV only.")
    lost = [row.label for row in rows if row.cost_failed]
    if lost:
        notes.append(f"The cost measurement failed for {', '.join(lost)}.")
    notes += _disturbances(rows, pairs)
    notes += _twins(rows, columns, unit)
    notes += _neutral(records)
    notes += _promises(records, {row.model: row.name or row.model for row in rows})
    return notes


def left_out(declined: Sequence[Run]) -> list[str]:
    """Which models do not take the data, and why."""
    reasons = {
        (record.cell.model, record.error.message if record.error else "") for _, record in declined
    }
    return [
        f"{model} is left out: {reason.rstrip('.') or 'it does not take such data'}."
        for model, reason in sorted(reasons)
    ]


def recipe_notes(rows: Sequence[Row]) -> list[str]:
    """How settings were found, as far as recipes say more than a word; equal ones together."""
    groups: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        if row.recipe.partition(":")[2].strip():
            groups[row.recipe].append(row.label)
    return [
        f"{recipe[:1].upper()}{recipe[1:].rstrip('. ')} ({', '.join(labels)})."
        for recipe, labels in sorted(groups.items())
    ]


def _disturbances(rows: Sequence[Row], pairs: Sequence[Run]) -> list[str]:
    """Which rows were timed while a fixed workload beside them took much longer than elsewhere."""
    records = dict(pairs)
    beside: dict[str, float] = {}
    best = float("inf")
    for row in rows:
        entry = row.entries.get("latency_p50")
        for path in entry.sources if entry else []:
            cost = records[path].measurements.cost
            for found in (cost.latency, cost.throughput) if cost else ():
                if found.workload_ms is not None and found.workload_best_ms is not None:
                    worst = max(beside.get(row.label, 0.0), found.workload_ms)
                    beside[row.label] = worst
                    best = min(best, found.workload_best_ms)
    slowed = [label for label, worst in beside.items() if worst > SLOW * best]
    if not slowed:
        return []
    factor = max(beside.values()) / best
    return [
        f"Something slowed the processor while {', '.join(slowed)} were timed (a fixed workload "
        f"beside them took up to {factor:.1f} of its best time): their latency and throughput are "
        f"bounds; a run with --overwrite costs measures again."
    ]


def _twins(rows: Sequence[Row], columns: Sequence[Column], unit: str) -> list[str]:
    """Which trained rows cannot be told apart by any test score of any run."""
    alike: dict[tuple[Any, ...], list[str]] = defaultdict(list)
    for row in rows:
        scores = tuple(
            (column.key, run, value)
            for column in columns
            if column.group == "score" and column.split == "test" and column.key in row.entries
            for run, value, _ in row.entries[column.key].scores
        )
        if row.ranked and scores:
            alike[scores].append(row.label)
    return [
        f"{' and '.join(labels)} have the same scores in every {unit}: "
        f"on this data they are one model."
        for labels in alike.values()
        if len(labels) > 1
    ]


def _neutral(records: Sequence[Record]) -> list[str]:
    """Where signs are not about 0."""
    tasks = [record.task for record in records if record.task.get("kind") == "regression"]
    found = {tuple(task.get(key, 0.0) for key in ("neutral", "low", "high")) for task in tasks}
    return [
        f"Neutral label {neutral:g} on [{low:g}, {high:g}]: signs and Acc-2 are about it."
        for neutral, low, high in sorted(found)
        if neutral != 0
    ]


def _promises(records: Sequence[Record], names: Mapping[str, str]) -> list[str]:
    """What models do not promise, or promise and break; a class task is no matter for scores."""
    excused: dict[tuple[str, str], str] = {}
    broken: dict[tuple[str, str], str] = {}
    for record in records:
        name = names[record.cell.model]
        excused |= {
            (name, promise): reason
            for promise, reason in record.exempt.items()
            if promise != "classification"
        }
        broken |= {(name, promise): seen for promise, seen in record.broken.items()}
    return [
        *(
            f"{name} is exempt from the promise {promise!r}: {reason.rstrip('.')}."
            for (name, promise), reason in sorted(excused.items())
        ),
        *(
            f"{name} breaks the promise {promise!r}: {seen.rstrip('.')}."
            for (name, promise), seen in sorted(broken.items())
        ),
    ]
