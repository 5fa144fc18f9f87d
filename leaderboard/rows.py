"""The rows of a table: seeds and costs of one model with one choice of settings."""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from benchmark.results import Cell
from leaderboard.entries import KINDS, Column, Entry, Row, Source


def make_rows(
    pairs: Sequence[Source], columns: Sequence[Column], hardware: str, selection: str
) -> list[Row]:
    """Rows of comparable records, with one for the oracle where records know it.

    Args:
        pairs: paths and records of one dataset and protocol.
        columns: what to read from them.
        hardware: whose costs go into the entries; those of others are kept apart.
        selection: key of the column that orders the rows within a kind.
    """
    rows = _rows(pairs, columns, hardware)
    oracle = _oracle(pairs, columns)
    return _ordered([*rows, *([oracle] if oracle else [])], columns, selection)


def _rows(pairs: Sequence[Source], columns: Sequence[Column], hardware: str) -> list[Row]:
    scores: dict[str, list[Source]] = defaultdict(list)
    costs: dict[str, list[Source]] = defaultdict(list)
    for path, record in pairs:
        kept = scores if record.cell.part == "score" else costs
        kept[_identity(record.cell)].append((path, record))
    cells = {key: (scores[key] or costs[key])[0][1].cell for key in {**scores, **costs}}
    settings = _telling_settings(cells)
    rows = []
    for key, cell in cells.items():
        records = sorted(scores[key], key=lambda pair: (pair[1].cell.seed, str(pair[0])))
        by_hardware: dict[str, list[Source]] = defaultdict(list)
        for path, record in costs[key]:
            by_hardware[record.cell.hardware].append((path, record))
        here = by_hardware.pop(hardware, [])
        rows.append(
            Row(
                model=cell.model,
                kind=cell.kind,
                variant=cell.variant,
                settings=settings[key],
                records=tuple(records),
                entries=_entries([*records, *here], columns),
                elsewhere={
                    name: entries
                    for name, found in sorted(by_hardware.items())
                    if (entries := _entries(found, columns))
                },
                cost_failed=any(record.status != "done" for _, record in here),
            )
        )
    return rows


def _entries(pairs: Sequence[Source], columns: Sequence[Column]) -> dict[str, Entry]:
    """Values of the records that have a result, by column; undefined columns are absent."""
    entries = {}
    for column in columns:
        scores = [
            (record.cell.seed, value, path)
            for path, record in pairs
            if record.status == "done" and (value := column.read(record)) is not None
        ]
        if scores:
            entries[column.key] = Entry(tuple(scores))
    return entries


def _oracle(pairs: Sequence[Source], columns: Sequence[Column]) -> Row | None:
    """The best possible score, where records know it; all know the same one."""
    for path, record in pairs:
        best: Mapping[str, Any] = record.measurements.get("accuracy", {}).get("oracle") or {}
        entries = {
            column.key: Entry(((record.cell.seed, float(best[column.key]), path),))
            for column in columns
            if column.group == "score" and best.get(column.key) is not None
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


def _telling_settings(cells: Mapping[str, Cell]) -> dict[str, str]:
    """For each row the settings in which it differs from others of its model and variant."""
    texts = {}
    for key, cell in cells.items():
        alike = [
            _flat(other)
            for other in cells.values()
            if (other.model, other.variant) == (cell.model, cell.variant)
        ]
        own = _flat(cell)
        names = sorted({name for values in alike for name in values})
        texts[key] = ", ".join(
            f"{name}={own[name]}"
            for name in names
            if name in own and len({values.get(name) for values in alike}) > 1
        )
    return texts


def _flat(cell: Cell) -> dict[str, str]:
    values = {**cell.settings, **cell.config, "source": cell.source[:6], "kind": cell.kind}
    return {
        name: value if isinstance(value, str) else json.dumps(value, sort_keys=True)
        for name, value in values.items()
    }


def _identity(cell: Cell) -> str:
    """What the seeds and the cost of a row have in common."""
    parts = [cell.model, cell.kind, cell.variant, cell.settings, cell.config, cell.source]
    return json.dumps(parts, sort_keys=True, default=str)
