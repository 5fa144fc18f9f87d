"""The tables as Markdown, with what a reader must know beside them."""

import re
from collections.abc import Callable, Sequence

from leaderboard.names import one_line
from leaderboard.notes import recipe_notes
from leaderboard.numbers import UNDEFINED, interval, spread
from leaderboard.table import GROUPS, Column, Row, Table

TITLES = {"score": "Scores on the test split", "robustness": "Robustness", "cost": "Cost"}
SIGNS = re.compile(r"([\\`*_\[\]<>|~&$#])")
BLOCK = re.compile(r"^(\d*)([-+=.)])")  # begins a list or underlines a heading
KINDS = {"floor": "floor", "baseline": "baseline", "method": "method", "plugin": "own method"}


def markdown(tables: Sequence[Table], plots: dict[str, list[str]]) -> str:
    """The whole page.

    Args:
        tables: in the order of the page.
        plots: table id -> paths of its images, relative to the page.
    """
    parts = ["# Leaderboard"]
    if not tables:
        parts.append("There are no records yet.")
    for table in tables:
        parts += _section(table, plots.get(table.id, []))
    parts.append(
        "Full precision, intervals and all metrics: `leaderboard.csv`. The records behind every "
        "number: `leaderboard.sources.json`."
    )
    return "\n\n".join(parts) + "\n"


def _section(table: Table, plots: Sequence[str]) -> list[str]:
    parts = [f"## {_escape(table.title)}", _preamble(table)]
    for group in dict.fromkeys(["score", *table.groups]):
        columns = table.group(group)
        title = TITLES.get(group) or _escape(group[:1].upper() + group[1:])
        parts += [f"### {title}", _grid(table, columns, group)]
        if group == "score":
            parts += [_escape(note) for note in recipe_notes(table.rows)]
            parts += [table.significance] if table.significance else []
        if group == "robustness":
            parts.append(
                "Skill: 1 is perfect, 0 is what a constant prediction scores. *Robust* is its mean "
                "over corruption levels and corruptions, the last columns the same for each one."
            )
        if group not in GROUPS and any(column.timed for column in columns):
            parts.append(f"Measured alone on {_escape(table.hardware)}.")
        if group == "cost" and table.hardware:
            parts.append(
                f"Measured alone on {_escape(table.hardware)}, on the model as initialised; "
                f"*Params* are those of inference without the text encoder. Training times are "
                f"means over {table.unit}s, {_escape(_devices(table))}."
            )
    parts += [f"![{name.rpartition('/')[2]}]({name})" for name in plots]
    return parts


def _preamble(table: Table) -> str:
    unit = table.unit
    sentences = [
        f"Dataset {_escape(table.data)} (fingerprint {_escape(table.fingerprint)}), "
        f"{table.extent} a model, trained {_escape(_devices(table))}.",
        f"Mean ± standard deviation over {unit}s;" if table.several else f"One {unit} a model;",
        "best **bold**, second <u>underlined</u>; equal as printed is equally marked; floors "
        f"without training, the oracle and models with {unit}s that have no result are not ranked.",
        *map(_escape, table.notes),
    ]
    return " ".join(sentences)


def _devices(table: Table) -> str:
    return "on " + " and on ".join(table.training) if table.training else "elsewhere"


def _grid(table: Table, columns: Sequence[Column], group: str) -> str:
    from tabulate import tabulate

    selection = table.column(table.selection) if group == "score" else None
    leads = _leads(table) if group == "score" else {}
    headers = ["Model", "Kind", *leads, *(_escape(column.title) for column in columns)]
    if selection:
        headers.append(f"{selection.header} 95 % interval")
    rows = []
    for row in table.rows:
        if group != "score" and not any(column.key in row.entries for column in columns):
            continue
        cells = [row.label, KINDS.get(row.kind, row.kind), *(read(row) for read in leads.values())]
        cells = [_escape(cell) for cell in cells]
        cells += [_cell(table, row, column) for column in columns]
        if selection:
            cells.append(interval(selection, row.entries.get(selection.key)))
        rows.append(cells)
    alignment = ["left"] * (2 + len(leads))
    alignment += ["right"] * (len(headers) - len(alignment))
    return tabulate(rows, headers, "pipe", colalign=alignment, disable_numparse=True)


def _leads(table: Table) -> dict[str, Callable[[Row], str]]:
    """What a row says about its runs before the scores: head -> text."""
    leads: dict[str, Callable[[Row], str]] = {f"{table.unit.title()}s": lambda row: row.runs}
    if any(row.recipe for row in table.rows):
        leads["Settings"] = lambda row: row.recipe.partition(":")[0] or UNDEFINED
    return leads


def _cell(table: Table, row: Row, column: Column) -> str:
    runs = len(row.done) if column.of_runs else 0
    text = spread(column, row.entries.get(column.key), runs=runs)
    if text == UNDEFINED:
        return text
    mark = table.mark(row, column.key)
    text = {"best": f"**{text}**", "second": f"<u>{text}</u>", "": text}[mark.place]
    return f"{text} †" if mark.similar else text


def _escape(text: str) -> str:
    """Text on one line, with every sign that Markdown or HTML would read made harmless."""
    return BLOCK.sub(r"\1\\\2", SIGNS.sub(r"\\\1", one_line(text)))
