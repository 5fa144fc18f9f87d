"""The rows of a table: runs and costs of one model with one choice of settings."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

from leaderboard.grouping import identity, short_hash
from leaderboard.names import (
    Names,
    describe_models,
    describe_recipe,
    describe_settings,
    one_line,
)
from leaderboard.source import Run
from leaderboard.table import KINDS, Column, Entry, Row


def make_rows(
    pairs: Sequence[Run],
    columns: Sequence[Column],
    hardware: str,
    selection: str,
    names: Names = "registered",
) -> list[Row]:
    """Rows of comparable records, with one for the oracle where records know it.

    Args:
        pairs: paths and records of one dataset and protocol.
        columns: what to read from them.
        hardware: whose costs go into the entries; those of others are kept apart.
        selection: key of the column that orders the rows within a kind.
        names: how models are called.
    """
    rows = _rows(pairs, columns, hardware, names)
    oracle = _oracle(pairs, columns)
    return _ordered([*rows, *([oracle] if oracle else [])], columns, selection)


def _rows(
    pairs: Sequence[Run], columns: Sequence[Column], hardware: str, names: Names
) -> list[Row]:
    scores: dict[str, list[Run]] = defaultdict(list)
    costs: dict[str, list[Run]] = defaultdict(list)
    for run in pairs:
        kept = scores if run.record.cell.seeded else costs
        kept[identity(run.record.cell)].append(run)
    groups = {
        key: [record for _, record in (*scores[key], *costs[key])] for key in {**scores, **costs}
    }
    settings = describe_settings(groups)
    shown = describe_models((record for _, record in pairs), names)
    rows = {}
    for key, records in groups.items():
        cell = records[0].cell
        by_hardware: dict[str, list[Run]] = defaultdict(list)
        for run in costs[key]:
            by_hardware[run.record.cell.hardware].append(run)
        here = by_hardware.pop(hardware, [])
        runs = sorted(scores[key], key=lambda pair: (pair[1].cell.seed, str(pair[0])))
        rows[key] = Row(
            model=cell.model,
            kind=cell.kind,
            variant=cell.variant,
            settings=settings[key],
            records=tuple(runs),
            entries=_entries([*runs, *here], columns),
            elsewhere={
                name: entries
                for name, found in sorted(by_hardware.items())
                if (entries := _entries(found, columns))
            },
            cost_failed=any(record.status != "done" for _, record in here),
            name=shown[cell.model],
            recipe=describe_recipe(records),
        )
    return _told_apart(rows)


def _told_apart(rows: Mapping[str, Row]) -> list[Row]:
    """Rows whose labels differ, also as printed: marks and sources go by them."""
    counts = Counter(one_line(row.label) for row in rows.values())
    found = []
    for key, row in rows.items():
        if counts[one_line(row.label)] > 1:
            parts = [row.settings, f"#{short_hash(key)}"]
            row = replace(row, settings=", ".join(part for part in parts if part))
        found.append(row)
    return found


def _entries(pairs: Sequence[Run], columns: Sequence[Column]) -> dict[str, Entry]:
    """Values of the records that have a result, by column; undefined columns are absent."""
    entries = {}
    for column in columns:
        scores = [
            (run.pairing, value, run.path)
            for run in pairs
            if run.record.status == "done" and (value := column.read(run)) is not None
        ]
        if scores:
            entries[column.key] = Entry(tuple(scores))
    return entries


def _oracle(pairs: Sequence[Run], columns: Sequence[Column]) -> Row | None:
    """The best possible score, where records know it; all know the same one."""
    for run in pairs:
        accuracy = run.record.measurements.accuracy
        entries = {
            column.key: Entry(((run.pairing, best, run.path),))
            for column in columns
            if accuracy is not None
            and column.group == "score"
            and (best := accuracy.oracle.get(column.key)) is not None
        }
        if entries:
            return Row("oracle", "oracle", "", "ceiling", (), entries)
    return None


def _ordered(rows: list[Row], columns: Sequence[Column], selection: str) -> list[Row]:
    column = next((column for column in columns if column.key == selection), None)

    def place(row: Row) -> tuple[int, int, float, str]:
        kind = KINDS.index(row.kind) if row.kind in KINDS else len(KINDS)
        entry = row.entries.get(selection)
        if column is None or entry is None or entry.mean is None:
            return kind, 1, 0.0, row.label
        return kind, 0, -entry.mean if column.higher_is_better else entry.mean, row.label

    return sorted(rows, key=place)
