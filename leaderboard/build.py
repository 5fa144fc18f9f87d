"""From records to tables."""

from collections import Counter
from collections.abc import Iterable, Sequence

from benchmark.records.harness import harness_version
from benchmark.records.record import Cell, Record
from benchmark.records.store import uncollected
from leaderboard.columns import (
    SELECTION,
    TRAINING_TIMES,
    find_convention,
    measured_columns,
    score_columns,
)
from leaderboard.grouping import comparable
from leaderboard.names import Names, unit_of
from leaderboard.notes import left_out, make_notes
from leaderboard.ranking import rank
from leaderboard.rows import make_rows
from leaderboard.source import FOLDED, Run, Source
from leaderboard.table import Table


def build_tables(
    records: Iterable[Source], *, names: Names = "registered", harness: str | None = None
) -> list[Table]:
    """One table for each dataset, fingerprint, protocol and harness; numbers at full precision.

    Args:
        records: paths and records, of any number of runs. A cell that occurs twice counts once,
            the first with a result.
        names: how models are called: as registered, or as in their papers where records know.
        harness: the version whose tables are current, today's by default.
    """
    current = harness_version() if harness is None else harness
    with uncollected():
        groups = [(name, *_taken(pairs)) for name, pairs in comparable(records, current)]
        return [_build(name, pairs, left, names, current) for name, pairs, left in groups if pairs]


def _taken(pairs: list[Run]) -> tuple[list[Run], list[Run]]:
    """Runs of models that take the data, and those of models that were left out."""
    declined = [run for run in pairs if run.record.status == "declined"]
    return [run for run in pairs if run.record.status != "declined"], declined


def _build(name: str, pairs: list[Run], left: list[Run], names: Names, current: str) -> Table:
    pairs, notes = _one_suite(pairs)
    records = [record for _, record in pairs]
    cell = records[0].cell
    convention = find_convention(records)
    selection = _selection(cell, convention)
    columns = [*score_columns(convention), *measured_columns(records)]
    hardware = _main_hardware(records)
    rows = make_rows(pairs, columns, hardware, selection, names)
    training = _training_devices(records)
    unit = unit_of(row.extent for row in rows if row.records)
    notes += make_notes(pairs, rows, columns, unit)
    present = {record.cell.model for record in records}
    notes += left_out([run for run in left if run.record.cell.model not in present])
    ranked = [column for column in columns if column.split != "valid"]
    if len(training) > 1 and any(column.key in TRAINING_TIMES for column in columns):
        ranked = [column for column in ranked if column.key not in TRAINING_TIMES]
        notes.append("Models were trained on different devices: training times are not ranked.")
    marks, significance, comparisons = rank(
        ranked, rows, table=name, unit="fold" if unit == "fold" else "seed"
    )
    return Table(
        id=name,
        dataset=cell.dataset,
        fingerprint=cell.fingerprint,
        protocol=cell.protocol,
        convention=convention,
        selection=selection,
        columns=tuple(columns),
        rows=tuple(rows),
        hardware=hardware,
        training=training,
        notes=tuple(notes),
        marks=marks,
        comparisons=tuple(comparisons),
        significance=significance,
        harness=cell.harness,
        current=cell.harness == current,
        folds=_count_folds(pairs),
    )


def _count_folds(runs: Sequence[Run]) -> int:
    """The folds that there are scores of, of a cross-validated dataset one at least; else 0."""
    found = {run.fold for run in runs if run.record.cell.seeded} - {None}
    crossed = any(run.record.cell.dataset.endswith(FOLDED) for run in runs)
    return max(len(found), int(crossed))


def _one_suite(pairs: list[Run]) -> tuple[list[Run], list[str]]:
    """Leave robustness out where it was measured with other corruptions than most records'."""
    suites = Counter(
        record.measurements.robustness.suite
        for _, record in pairs
        if record.measurements.robustness is not None
    )
    if len(suites) < 2:
        return pairs, []
    chosen = max(suites, key=lambda suite: (suites[suite], suite))
    kept = []
    for run in pairs:
        robustness = run.record.measurements.robustness
        if robustness is not None and robustness.suite != chosen:
            rest = run.record.measurements.model_copy(update={"robustness": None})
            run = Run(run.path, run.record.model_copy(update={"measurements": rest}))
        kept.append(run)
    left = sum(suites.values()) - suites[chosen]
    return kept, [
        f"Robustness of {left} records is left out: it was measured with another version of the "
        f"corruptions than {chosen}."
    ]


def _selection(cell: Cell, convention: str) -> str:
    if not convention:
        return ""
    kind, usual = SELECTION[convention]
    return str(cell.protocol.get("selection", {}).get(kind, usual))


def _main_hardware(records: Sequence[Record]) -> str:
    """What most costs were measured on."""
    counts = Counter(
        record.cell.hardware for record in records if record.cell.timed and record.status == "done"
    )
    return min(counts, key=lambda name: (-counts[name], name)) if counts else ""


def _training_devices(records: Sequence[Record]) -> tuple[str, ...]:
    devices = set()
    for record in records:
        facts = record.environment
        if record.training is None or not facts:
            continue
        threads = f"{facts.get('threads')} thread{'s' if facts.get('threads') != 1 else ''}"
        device = facts.get("gpu") or f"{facts.get('processor')}, {threads}"
        devices.add(f"{device}, {facts.get('precision')}, torch {facts.get('torch')}")
    return tuple(sorted(devices))
