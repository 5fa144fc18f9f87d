"""The tables as one long CSV at full precision, and the records behind each of its lines."""

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, fields
from functools import lru_cache
from pathlib import Path
from typing import Any

from leaderboard.comparisons import Comparison
from leaderboard.table import Column, Entry, Row, Table

FIELDS = (
    *("table", "dataset", "fingerprint", "protocol", "harness"),
    *("row", "model", "kind", "variant", "settings", "recipe"),
    *("group", "metric", "split", "unit", "higher_is_better", "hardware"),
    *("mean", "sd", "low", "high", "n"),
    *("runs", "folds", "seeds", "diverged", "failed", "interrupted"),
)
FORMULA = ("=", "+", "-", "@", "\t", "\r")
QUOTED = frozenset(',"\r\n')
UNITS = {"%": "share", "": ""}


def csv_text(rows: Sequence[Mapping[str, Any]], fields: Sequence[str] | None = None) -> str:
    """Rows as CSV; numbers so that they are read back exactly, undefined ones empty.

    A text that a spreadsheet would take for a formula begins with an apostrophe.
    """
    heads = fields or list(rows[0])
    return "".join(
        ",".join(
            [
                _text(value) if isinstance(value, str) else "" if value is None else str(value)
                for value in line
            ]
        )
        + "\n"
        for line in (heads, *(map(row.get, heads) for row in rows))
    )


@lru_cache(maxsize=10_000)  # names of rows and columns come again in every line
def _text(value: str) -> str:
    """A text as CSV; the module csv leaves a carriage return without quotes."""
    text = f"'{value}" if value.startswith(FORMULA) else value
    text = text.encode("utf-8", "backslashreplace").decode()  # half of a surrogate pair
    return '"' + text.replace('"', '""') + '"' if QUOTED & set(text) else text


def tidy(tables: Sequence[Table]) -> str:
    """`leaderboard.csv`: a line for each defined number of each row, in raw units.

    Scores are there for the validation and the test split (`split`), costs for none. A share is a
    share and not a percentage; `low` and `high` end the 95 % interval; `n` counts the values,
    `runs` the cells of the row, `folds` the folds that they are of (empty without any), `seeds` the
    seeds, of each fold where there are folds. Rows without a result have one line.
    """
    lines = []
    for table in tables:
        for row in table.rows:
            own = list(_numbers(table, row))
            for hardware, column, entry in own:
                lines.append(_line(table, row, hardware, column, entry))
            if not own:
                lines.append(_line(table, row))
    return csv_text(lines, FIELDS)


def comparisons(tables: Sequence[Table], over_samples: Iterable[Comparison] = ()) -> str:
    """`comparisons.csv`: a line for each pair of rows that was tested, at full precision.

    Args:
        tables: with comparisons over runs.
        over_samples: further ones.
    """
    found = [*(one for table in tables for one in table.comparisons), *over_samples]
    order = {table.id: place for place, table in enumerate(tables)}
    found.sort(key=lambda one: order[one.table])
    return csv_text([asdict(one) for one in found], [field.name for field in fields(Comparison)])


def sources(tables: Sequence[Table], output: Path) -> str:
    """`leaderboard.sources.json`: table -> row -> metric -> record files, relative to `output`.

    Scores on validation are under `metric @ valid`, costs measured on other hardware than the
    table's under `metric @ hardware`; `runs` lists all score records of the row, those without a
    result too.
    """
    relative = _Relative(output)
    found: dict[str, dict[str, dict[str, list[str]]]] = {}
    for table in tables:
        rows = found.setdefault(table.id, {})
        for row in table.rows:
            cells = rows.setdefault(row.label, {})
            for hardware, column, entry in _numbers(table, row):
                away = hardware if hardware != table.hardware else ""
                place = column.split if column.split == "valid" else away
                key = f"{column.metric} @ {place}" if place else column.metric
                cells[key] = [relative[path] for path in entry.sources]
            cells["runs"] = [relative[path] for path, _ in row.records]
    text = json.dumps(found, indent=1, ensure_ascii=False) + "\n"
    return text.encode("utf-8", "backslashreplace").decode()  # as JSON writes half of a pair


def _numbers(table: Table, row: Row) -> Iterator[tuple[str, Column, Entry]]:
    for hardware, entries in {table.hardware: row.entries, **row.elsewhere}.items():
        for column in table.columns:
            if column.key in entries:
                yield hardware if column.timed else "", column, entries[column.key]


def _line(
    table: Table,
    row: Row,
    hardware: str = "",
    column: Column | None = None,
    entry: Entry | None = None,
) -> dict[str, Any]:
    line: dict[str, Any] = {
        "table": table.id,
        "dataset": table.dataset,
        "fingerprint": table.fingerprint,
        "protocol": table.protocol.get("name", ""),
        "harness": table.harness,
        "row": row.label,
        "model": row.model,
        "kind": row.kind,
        "variant": row.variant,
        "settings": row.settings,
        "recipe": row.recipe,
        "runs": row.extent.runs,
        "folds": row.extent.folds or None,
        "seeds": row.extent.seeds,
        "diverged": row.count("diverged"),
        "failed": row.count("failed"),
        "interrupted": row.count("interrupted"),
    }
    if column is None or entry is None:
        return line
    interval = entry.interval
    return line | {
        "group": column.group,
        "metric": column.metric,
        "split": column.split,
        "unit": UNITS.get(column.unit, column.unit),
        "higher_is_better": column.higher_is_better,
        "hardware": hardware,
        "mean": entry.mean,
        "sd": entry.deviation,
        "low": interval.low if interval else None,
        "high": interval.high if interval else None,
        "n": len(entry.values),
    }


class _Relative(dict[Path, str]):
    """Paths as they are called from a folder, each found out once."""

    def __init__(self, folder: Path):
        self.folder = folder.resolve()

    def __missing__(self, path: Path) -> str:
        self[path] = Path(os.path.relpath(path.resolve(), self.folder)).as_posix()
        return self[path]
