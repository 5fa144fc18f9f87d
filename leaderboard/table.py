"""From records to tables, and a table as it is printed on a terminal."""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from benchmark.results import Cell, Record
from leaderboard.columns import (
    PAIRS,
    SELECTION,
    TRAINING_TIMES,
    cost_columns,
    find_convention,
    robustness_columns,
    score_columns,
)
from leaderboard.entries import Column, Row, Source, Table
from leaderboard.numbers import UNDEFINED, number, spread
from leaderboard.ranking import rank
from leaderboard.rows import make_rows

if TYPE_CHECKING:
    from rich.table import Table as RichTable

TERMINAL = (
    *("acc2_neg_nonneg", "f1_neg_nonneg", "acc7", "acc2", "f1", "acc5"),
    *("accuracy", "f1_weighted", "f1_macro", "balanced_accuracy", "weighted_accuracy", "auroc"),
    *("mae", "corr", "mean_skill", "parameters", "latency_p50", "training_seconds"),
)
SLOW = 1.25  # as in benchmark.quiet
ROOM = 16  # letters of a label beside wide gaps in 120 columns
MEANS_ONLY = ("mean_skill",)  # room for a deviation is lacking; the written tables have it
NOT_REGRESSION = ("acc5", "acc2", "f1")  # `sims` prints these where `mosi` prints pairs and Acc-7


def build_tables(records: Iterable[Source]) -> list[Table]:
    """One table for each dataset, fingerprint and protocol; numbers at full precision.

    Args:
        records: paths and records, of any number of runs. A cell that occurs twice counts once,
            the first with a result.
    """
    groups: dict[tuple[str, str, str], list[Source]] = defaultdict(list)
    for path, record in _once(records):
        cell = record.cell
        groups[cell.dataset, cell.fingerprint, _plain(cell.protocol)].append((path, record))
    bases = Counter(_slug(pairs[0][1].cell) for pairs in groups.values())
    tables = []
    for key in sorted(groups):
        base = _slug(groups[key][0][1].cell)
        # Same names, other contents: the hash keeps the files of the two apart.
        suffix = "" if bases[base] == 1 else f"-{_digest(key)}"
        pairs = sorted(groups[key], key=lambda pair: str(pair[0]))
        tables.append(_build(base + suffix, pairs))
    return tables


def terminal_table(table: Table) -> "RichTable":
    """A compact rendering for 120 columns: means ± standard deviation, pairs as means only."""
    from rich import box
    from rich.table import Table as RichTable
    from rich.text import Text

    pairs = PAIRS.get(table.convention, {})
    firsts = {pair[0]: (title, pair) for title, pair in pairs.items()}
    shown = _terminal_columns(table)
    labels = [_terminal_label(row) for row in table.rows]
    printed = RichTable(
        title=f"{table.title}, {table.seeds}",
        caption=_terminal_caption(table, bool(firsts)),
        box=box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        padding=(0, 1 if max(map(len, labels), default=0) > ROOM else 2, 0, 0),
        header_style="bold",
        title_style="bold",
        title_justify="left",
        caption_justify="left",
    )
    printed.add_column("Model", overflow="fold")
    for column in shown:
        title = firsts[column.key][0] if column.key in firsts else column.header
        arrow = "↑" if column.higher_is_better else "↓"
        unit = f"{column.unit} " if column.unit else ""
        printed.add_column(
            f"{title}\n{unit}{arrow}",
            justify="right",
            overflow="ellipsis",
            no_wrap=column.group != "score" or column.key in firsts,
        )
    for index, row in enumerate(table.rows):
        cells = [
            _joined(Text, [_styled(Text, table, row, key) for key in firsts[column.key][1]])
            if column.key in firsts
            else _styled(Text, table, row, column.key, deviation=column.key not in MEANS_ONLY)
            for column in shown
        ]
        last = index + 1 == len(table.rows) or table.rows[index + 1].kind != row.kind
        printed.add_row(Text(labels[index]), *cells, end_section=last)
    return printed


def _terminal_columns(table: Table) -> list[Column]:
    pairs = PAIRS.get(table.convention, {})
    hidden = NOT_REGRESSION if pairs else ()
    columns = (table.column(key) for key in TERMINAL if key not in hidden)
    return [column for column in columns if column is not None]


def _terminal_label(row: Row) -> str:
    """The label, with the seeds that have no result."""
    complete = row.runs in (UNDEFINED, str(len(row.records)))
    return row.label if complete else f"{row.label} {row.runs}"


def _terminal_caption(table: Table, pairs: bool) -> str:
    several = any(len(row.records) > 1 for row in table.rows)
    parts = [
        "mean ± standard deviation over seeds" if several else "",
        "best bold, second underlined" if table.marks else "",
        "Acc-2 and F1: -/0+ and -/+" if pairs else "",
        f"costs on {table.hardware}" if table.hardware else "",
    ]
    return "; ".join(part for part in parts if part)


def _styled(text: Any, table: Table, row: Row, key: str, *, deviation: bool = False) -> Any:
    """One value with its mark; `text` is rich's class, imported only where it is needed."""
    column, entry = table.column(key), row.entries.get(key)
    if column is None:
        return text(UNDEFINED)
    shown = (
        spread(column, entry).replace("± ", "±")  # breaks before ± where it is narrow
        if deviation
        else number(column, entry.mean if entry else None)
    )
    mark = table.mark(row, key)
    style = {"best": "bold", "second": "underline", "": ""}[mark.place]
    return text.assemble((shown, style), "†" if mark.similar else "")


def _joined(text: Any, parts: Sequence[Any]) -> Any:
    """A pair; one dash where neither is defined."""
    undefined = all(part.plain == UNDEFINED for part in parts)
    return parts[0] if undefined else text("/").join(parts)


def _once(records: Iterable[Source]) -> list[Source]:
    """Every cell once, the first with a result."""
    found: dict[str, Source] = {}
    for path, record in records:
        key = record.cell.key
        if key not in found or (found[key][1].status != "done" and record.status == "done"):
            found[key] = (path, record)
    return list(found.values())


def _build(name: str, pairs: list[Source]) -> Table:
    pairs, notes = _one_suite(pairs)
    records = [record for _, record in pairs]
    cell = records[0].cell
    convention = find_convention(records)
    selection = _selection(cell, convention)
    columns = [
        *score_columns(convention),
        *robustness_columns(records),
        *cost_columns(records),
    ]
    hardware = _main_hardware(records)
    rows = make_rows(pairs, columns, hardware, selection)
    others = sorted({name for row in rows for name in row.elsewhere})
    if others:
        notes.append(f"Costs on {' and '.join(others)} are in the CSV only.")
    lost = [row.label for row in rows if row.cost_failed]
    if lost:
        notes.append(f"The cost measurement failed for {', '.join(lost)}.")
    notes += _disturbances(rows, pairs)
    notes += _twins(rows, columns)
    notes += _exemptions(records)
    training = _training_devices(records)
    ranked = [column for column in columns if len(training) < 2 or column.key not in TRAINING_TIMES]
    if len(ranked) < len(columns):
        notes.append("Models were trained on different devices: training times are not ranked.")
    marks, significance = rank(ranked, rows)
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
        significance=significance,
    )


def _disturbances(rows: Sequence[Row], pairs: Sequence[Source]) -> list[str]:
    """Which rows were timed while a fixed workload beside them took much longer than elsewhere."""
    records = dict(pairs)
    beside: dict[str, float] = {}
    best = float("inf")
    for row in rows:
        entry = row.entries.get("latency_p50")
        for path in entry.sources if entry else []:
            cost = records[path].measurements["cost"]
            for found in (cost["latency"], cost["throughput"]):
                if "workload_ms" in found:
                    worst = max(beside.get(row.label, 0.0), found["workload_ms"])
                    beside[row.label] = worst
                    best = min(best, found["workload_best_ms"])
    slowed = [label for label, worst in beside.items() if worst > SLOW * best]
    if not slowed:
        return []
    factor = max(beside.values()) / best
    return [
        f"Something slowed the processor while {', '.join(slowed)} were timed (a fixed workload "
        f"beside them took up to {factor:.1f} of its best time): their latency and throughput are "
        f"bounds; `--overwrite costs` measures again."
    ]


def _twins(rows: Sequence[Row], columns: Sequence[Column]) -> list[str]:
    """Which trained rows cannot be told apart by any score of any seed."""
    alike: dict[tuple[Any, ...], list[str]] = defaultdict(list)
    for row in rows:
        scores = tuple(
            (column.key, seed, value)
            for column in columns
            if column.group == "score" and column.key in row.entries
            for seed, value, _ in row.entries[column.key].scores
        )
        if row.ranked and scores:
            alike[scores].append(row.label)
    return [
        f"{' and '.join(labels)} have the same scores in every seed: "
        f"on this data they are one model."
        for labels in alike.values()
        if len(labels) > 1
    ]


def _exemptions(records: Sequence[Record]) -> list[str]:
    """What models do not promise, and why; a class task is no matter for a table of scores."""
    found = {
        (record.cell.model, promise): reason
        for record in records
        for promise, reason in record.exempt.items()
        if promise != "classification"
    }
    return [
        f"{model} is exempt from the promise {promise!r}: {reason}."
        for (model, promise), reason in sorted(found.items())
    ]


def _one_suite(pairs: list[Source]) -> tuple[list[Source], list[str]]:
    """Leave robustness out where it was measured with other corruptions than most records'."""
    suites = Counter(
        str(record.measurements["robustness"].get("suite", ""))
        for _, record in pairs
        if "robustness" in record.measurements
    )
    if len(suites) < 2:
        return pairs, []
    chosen = max(suites, key=lambda suite: (suites[suite], suite))
    kept = []
    for path, record in pairs:
        if str(record.measurements.get("robustness", {}).get("suite", chosen)) != chosen:
            rest = {k: v for k, v in record.measurements.items() if k != "robustness"}
            record = record.model_copy(update={"measurements": rest})
        kept.append((path, record))
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
    counts = Counter(record.cell.hardware for record in records if "cost" in record.measurements)
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


def _plain(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str)


def _digest(value: Any) -> str:
    return blake2b(_plain(value).encode(), digest_size=3).hexdigest()


def _slug(cell: Cell) -> str:
    name = f"{cell.dataset}-{cell.protocol.get('name', '')}"
    return re.sub(r"[^A-Za-z0-9._]+", "-", name).strip("-")
