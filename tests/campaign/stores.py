"""Small grids for the campaign, and what of their records must be the same every time."""

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.records.store import read_arrays, read_record

PROTOCOL = "short.json"
RULES = {"max_epochs": 1, "max_patience": 1, "evaluations": ["accuracy"]}
TIMES = ("seconds", "seconds_per_epoch", "samples_per_second")
SAME_GROUPS = ("score", "robustness")  # of runs.csv; all other numbers are times and sizes


def write_protocol(folder: Path, **changes: Any) -> None:
    (folder / PROTOCOL).write_text(json.dumps({**RULES, **changes}), encoding="utf-8")


def grid(models: Sequence[str], seeds: int, *more: str) -> list[str]:
    """Arguments of a run of some models into the folder `out`."""
    chosen = ["--model", ",".join(models), "--seeds", str(seeds), "--protocol", PROTOCOL]
    return ["run", *chosen, "--output", "out", *more]


def record_bytes(out: Path) -> dict[str, bytes]:
    """Name -> content of all files of records."""
    return {
        path.relative_to(out).as_posix(): path.read_bytes()
        for path in sorted(out.glob("records/*/*/*.json"))
        if path.is_file()
    }


def finished_bytes(out: Path) -> dict[str, bytes]:
    """The same of records with a result."""
    found = record_bytes(out)
    return {name: content for name, content in found.items() if _status(content) == "done"}


def _status(content: bytes) -> Any:
    return json.loads(content).get("status")


def scores(out: Path) -> dict[str, Any]:
    """Name of a score's record -> all of it that does not depend on time, arrays byte by byte."""
    found = {}
    for path in sorted(out.glob("records/*/*/*.json")):
        record = read_record(path)
        if record.cell.part != "score":
            continue
        arrays = {
            name: (str(array.dtype), array.shape, np.ascontiguousarray(array).tobytes())
            for name, array in (read_arrays(path) if record.training else {}).items()
        }
        training = {} if record.training is None else record.training.model_dump(exclude={*TIMES})
        history = [epoch.model_dump(exclude={*TIMES}) for epoch in record.history]
        name = path.relative_to(out).as_posix()
        found[name] = (record.status, record.measurements, training, history, arrays)
    return found


def same_scores(found: dict[str, Any], wanted: dict[str, Any]) -> list[str]:
    """A sentence for each record of `wanted` that is not there or is another one."""
    missing = [f"lost {name}" for name in wanted if name not in found]
    # As text: NaN is not equal to itself.
    other = [name for name in wanted if name in found and repr(found[name]) != repr(wanted[name])]
    return missing + [f"other numbers in {name}" for name in other]


def table(out: Path) -> list[tuple[str, ...]]:
    """The lines of runs.csv that are the same whenever the grid is run."""
    with (out / "runs.csv").open(encoding="utf-8", newline="") as stream:
        rows = csv.DictReader(stream)
        return sorted(tuple(row.values()) for row in rows if row["group"] in SAME_GROUPS)


def unreadable(out: Path) -> list[str]:
    """A sentence for each file below `out` that bears the name of a record and is none."""
    sentences = []
    for path in sorted(out.glob("records/*/*/*.json")):
        try:
            read_record(path)
        except Exception as error:
            sentences.append(f"lost {path.relative_to(out)}: {error}")
    return sentences
