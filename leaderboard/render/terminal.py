"""A table as it is printed on a terminal."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from leaderboard.columns import PAIRS
from leaderboard.names import one_line
from leaderboard.numbers import UNDEFINED, number, spread
from leaderboard.table import Column, Row, Table

if TYPE_CHECKING:
    from rich.table import Table as RichTable

LABEL = 26  # letters of a label that are kept on one line
LEAST_COLUMNS = 3
ROOM = 16  # letters of a label beside wide gaps in 120 columns


def terminal_table(table: Table, width: int = 120) -> "RichTable":
    """A compact rendering: means ± standard deviation of scores, means only of all others.

    Args:
        table: what to print.
        width: letters of a line; the last columns are left to the written tables where it is short.
    """
    from rich import box
    from rich.table import Table as RichTable
    from rich.text import Text

    pairs = PAIRS.get(table.convention, {})
    firsts = {pair[0]: (title, pair) for title, pair in pairs.items()}
    labels = [one_line(_label(row)) for row in table.rows]
    every = table.at("terminal")
    shown = _fitting(table, every, labels, firsts, width)
    caption = _caption(table, bool(firsts))
    if len(shown) < len(every):
        left = ", ".join(one_line(column.header) for column in every[len(shown) :])
        caption += f"; {left}: in leaderboard.md, or in a wider window"
    printed = RichTable(
        title=Text(one_line(_title(table))),
        caption=Text(one_line(caption)),
        box=box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        padding=(0, 1 if max(map(len, labels), default=0) > ROOM else 2, 0, 0),
        header_style="bold",
        title_style="bold",
        title_justify="left",
        caption_justify="left",
    )
    longest = max(map(len, labels), default=0)
    printed.add_column("Model", overflow="fold", min_width=min(longest, LABEL))
    for column in shown:
        title = firsts[column.key][0] if column.key in firsts else column.header
        arrow = "↑" if column.higher_is_better else "↓"
        unit = f"{column.unit} " if column.unit else ""
        printed.add_column(
            Text(one_line(title) + "\n" + one_line(f"{unit}{arrow}")),
            justify="right",
            overflow="ellipsis",
            no_wrap=column.group != "score" or column.key in firsts,
        )
    for index, row in enumerate(table.rows):
        cells = [_cell(Text, table, row, column, firsts) for column in shown]
        last = index + 1 == len(table.rows) or table.rows[index + 1].kind != row.kind
        printed.add_row(Text(labels[index]), *cells, end_section=last)
    return printed


def _fitting(
    table: Table,
    columns: Sequence[Column],
    labels: Sequence[str],
    pairs: Mapping[str, tuple[str, Sequence[str]]],
    width: int,
) -> list[Column]:
    """The first columns that a line has room for beside the labels, three at least."""
    from rich.text import Text

    left = width - min(max(map(len, labels), default=0), LABEL)
    shown: list[Column] = []
    for column in columns:
        cells = [_cell(Text, table, row, column, pairs).plain for row in table.rows]
        left -= max(map(len, [*cells, column.header]), default=0) + 2
        if left < 0 and len(shown) >= LEAST_COLUMNS:
            break
        shown.append(column)
    return shown


def _title(table: Table) -> str:
    told = table.counts == [table.folds]  # as many runs as folds, and the title counts those
    return table.title if told else f"{table.title}, {table.seeds}"


def _label(row: Row) -> str:
    """The label, with the seeds that have no result."""
    complete = row.runs in (UNDEFINED, str(len(row.records)))
    return row.label if complete else f"{row.label} {row.runs}"


def _caption(table: Table, pairs: bool) -> str:
    parts = [
        f"mean ± standard deviation over {table.unit}s" if table.several else "",
        "best bold, second underlined" if table.marks else "",
        "Acc-2 and F1: -/0+ and -/+" if pairs else "",
        f"costs on {table.hardware}" if table.hardware else "",
    ]
    return "; ".join(part for part in parts if part)


def _cell(
    text: Any,
    table: Table,
    row: Row,
    column: Column,
    pairs: Mapping[str, tuple[str, Sequence[str]]],
) -> Any:
    if column.key in pairs:
        return _joined(text, [_styled(text, table, row, key) for key in pairs[column.key][1]])
    return _styled(text, table, row, column.key, deviation=column.group == "score")


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
