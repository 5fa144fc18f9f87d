"""The tables as Markdown, with what a reader must know beside them."""

from collections.abc import Sequence

from leaderboard.entries import Column, Row, Table
from leaderboard.numbers import UNDEFINED, interval, spread

TITLES = {"score": "Scores on the test split", "robustness": "Robustness", "cost": "Cost"}
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
    for group in ("score", "robustness", "cost"):
        columns = table.group(group)
        if not columns and group != "score":
            continue
        parts += [f"### {TITLES[group]}", _grid(table, columns, group)]
        if group == "score" and table.significance:
            parts.append(table.significance)
        if group == "robustness":
            parts.append(
                "Skill: 1 is perfect, 0 is what a constant prediction scores. *Robust* is its mean "
                "over corruption levels and corruptions, the last columns the same for each one."
            )
        if group == "cost" and table.hardware:
            parts.append(
                f"Measured alone on {table.hardware}, on the model as initialised; *Params* are "
                f"those of inference without the text encoder. Training times are means over "
                f"seeds, {_devices(table)}."
            )
    parts += [f"![{name.rpartition('/')[2]}]({name})" for name in plots]
    return parts


def _preamble(table: Table) -> str:
    sentences = [
        f"Dataset {table.dataset} (fingerprint {table.fingerprint}), "
        f"{table.seeds} a model, trained {_devices(table)}.",
        "Mean ± standard deviation over seeds; best **bold**, second <u>underlined</u>; equal as "
        "printed is equally marked; floors without training, the oracle and models with seeds "
        "that have no result are not ranked.",
        *table.notes,
    ]
    return _escape_bars(" ".join(sentences))


def _devices(table: Table) -> str:
    return "on " + " and on ".join(table.training) if table.training else "elsewhere"


def _grid(table: Table, columns: Sequence[Column], group: str) -> str:
    from tabulate import tabulate

    selection = table.column(table.selection) if group == "score" else None
    headers = ["Model", "Kind", *(["Seeds"] if group == "score" else [])]
    headers += [column.title for column in columns]
    if selection:
        headers.append(f"{selection.header} 95 % interval")
    rows = []
    for row in table.rows:
        if group != "score" and not any(column.key in row.entries for column in columns):
            continue
        cells = [row.label, KINDS.get(row.kind, row.kind)]
        cells += [row.runs] if group == "score" else []
        cells = [_escape(cell) for cell in cells]
        cells += [_cell(table, row, column) for column in columns]
        if selection:
            cells.append(interval(selection, row.entries.get(selection.key)))
        rows.append(cells)
    alignment = ["left"] * (3 if group == "score" else 2)
    alignment += ["right"] * (len(headers) - len(alignment))
    return tabulate(rows, headers, "pipe", colalign=alignment, disable_numparse=True)


def _cell(table: Table, row: Row, column: Column) -> str:
    runs = len(row.done) if column.group != "cost" else 0
    text = spread(column, row.entries.get(column.key), runs=runs)
    if text == UNDEFINED:
        return text
    mark = table.mark(row, column.key)
    text = {"best": f"**{text}**", "second": f"<u>{text}</u>", "": text}[mark.place]
    return f"{text} †" if mark.similar else text


def _escape(text: str) -> str:
    for sign in "\\`*_[]<>|":
        text = text.replace(sign, f"\\{sign}")
    return text


def _escape_bars(text: str) -> str:
    return text.replace("|", "\\|")
