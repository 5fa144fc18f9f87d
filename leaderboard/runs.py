"""Every number of every run, one line each: for statistics of one's own."""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.errors import UserError
from benchmark.records.measurements import Accuracy
from benchmark.records.record import Record
from benchmark.records.store import find_records
from leaderboard.columns import measured_columns
from leaderboard.grouping import comparable, identity
from leaderboard.names import describe_settings
from leaderboard.table import Column, Run, Source

if TYPE_CHECKING:
    from pandas import DataFrame

FIELDS = (
    *("model", "kind", "variant", "settings", "changed", "recipe"),
    *("dataset", "fingerprint", "fold", "seed", "protocol", "harness", "cell", "hardware"),
    *("group", "split", "metric", "value", "status"),
)


def to_rows(records: Iterable[Source]) -> list[dict[str, Any]]:
    """A line for each metric of each cell, at full precision, with `FIELDS` as keys.

    Accuracies on validation and test, robustness and costs under the names and in the units of
    `leaderboard.csv`. `settings` are those that rows of the table name, `changed` all that are not
    the registered defaults, as JSON; `cell` names the record. A cell without a result has one line
    without metric and value; undefined metrics have no value (None).

    Args:
        records: paths and records, of any number of runs; a cell that occurs twice counts once.
    """
    return [row for _, pairs in comparable(records, "") for row in _lines(pairs)]


def to_frame(folder: str | Path) -> "DataFrame":
    """The lines of `to_rows` for all records below an output folder, as a pandas DataFrame.

    Raises:
        UserError: the folder holds no records. One that cannot be read is left out with a warning.
    """
    from pandas import DataFrame

    if not (Path(folder) / "records").is_dir():
        raise UserError(f"{folder} holds no records; give the output folder of a run")
    frame = DataFrame(to_rows(find_records(Path(folder))), columns=list(FIELDS))
    return frame.astype({"value": "float64", "fold": "Int64"})


def _lines(runs: Sequence[Run]) -> Iterator[dict[str, Any]]:
    """The lines of comparable records."""
    records = [run.record for run in runs]
    groups: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        groups[identity(record.cell)].append(record)
    settings = describe_settings(groups)
    columns = measured_columns(records)
    for run in runs:
        record = run.record
        head = _head(record, settings[identity(record.cell)])
        if record.status != "done":
            yield head
            continue
        accuracy = record.measurements.accuracy or Accuracy()
        for split, found in (("valid", accuracy.valid), ("test", accuracy.test)):
            for name, value in found.items():
                yield head | {"group": "score", "split": split, "metric": name, "value": value}
        for column in columns:
            value = column.read(run)
            if value is not None or _measured(record, column):
                place = {"group": column.group, "split": column.split}
                yield head | place | {"metric": column.key, "value": value}


def _measured(record: Record, column: Column) -> bool:
    """Whether the column was measured, so that no value means an undefined one."""
    if column.group == "robustness":
        return record.measurements.robustness is not None
    extra = record.measurements.extra.get(column.group)
    return extra is not None and any(
        f"{column.group}.{declared.key}" == column.key for declared in extra.columns
    )


def _head(record: Record, settings: str) -> dict[str, Any]:
    cell = record.cell
    return dict.fromkeys(FIELDS) | {
        "model": cell.model,
        "kind": cell.kind,
        "variant": cell.variant,
        "settings": settings,
        "changed": json.dumps(record.changed, sort_keys=True) if record.changed else "",
        "recipe": record.recipe,
        "dataset": cell.dataset,
        "fingerprint": cell.fingerprint,
        "fold": cell.fold,
        "seed": cell.seed,
        "protocol": cell.protocol.get("name", ""),
        "harness": cell.harness,
        "cell": cell.key,
        "hardware": cell.hardware,
        "status": record.status,
    }
