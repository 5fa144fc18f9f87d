"""A table as it is printed on a terminal."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from leaderboard.names import one_line, several
from leaderboard.numbers import UNDEFINED, number, spread
from leaderboard.table import Column, Row, Table

if TYPE_CHECKING:
    from rich.table import Table as RichTable

Titled = tuple[str, list[Column]]  # what heads one column or two that share it

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

    labels = [one_line(_label(row)) for row in table.rows]
    every = table.paired("terminal")
    shown = _fitting(table, every, labels, width)
    caption = _caption(table)
    if len(shown) < len(every):
        left = ", ".join(one_line(parts[0].header) for _, parts in every[len(shown) :])
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
    for title, (column, *more) in shown:
        arrow = "↑" if column.higher_is_better else "↓"
        unit = f"{column.unit} " if column.unit else ""
        printed.add_column(
            Text(one_line(title) + "\n" + one_line(f"{unit}{arrow}")),
            justify="right",
            overflow="ellipsis",
            no_wrap=column.group != "score" or bool(more),
        )
    for index, row in enumerate(table.rows):
        cells = [_cell(Text, table, row, parts) for _, parts in shown]
        last = index + 1 == len(table.rows) or table.rows[index + 1].kind != row.kind
        printed.add_row(Text(labels[index]), *cells, end_section=last)
    return printed


def _fitting(
    table: Table, columns: Sequence[Titled], labels: Sequence[str], width: int
) -> list[Titled]:
    """The first columns that a line has room for beside the labels, three at least."""
    from rich.text import Text

    left = width - min(max(map(len, labels), default=0), LABEL)
    shown: list[Titled] = []
    for title, parts in columns:
        cells = [_cell(Text, table, row, parts).plain for row in table.rows]
        left -= max(map(len, [*cells, parts[0].header]), default=0) + 2
        if left < 0 and len(shown) >= LEAST_COLUMNS:
            break
        shown.append((title, parts))
    return shown


def _title(table: Table) -> str:
    told = table.extent == several(table.folds, "fold")  # the title counts these
    return table.title if told else f"{table.title}, {table.extent}"


def _label(row: Row) -> str:
    """The label, with the runs that have no result."""
    return f"{row.label} {row.lost}" if row.lost else row.label


def _caption(table: Table) -> str:
    parts = [
        f"mean ± standard deviation over {table.unit}s" if table.several else "",
        "best bold, second underlined" if table.marks else "",
        _pairs(table),
        f"costs on {table.hardware}" if table.hardware else "",
    ]
    return "; ".join(part for part in parts if part)


def _pairs(table: Table) -> str:
    """What the values of a pair are: `Acc-2 and F1: -/0+ and -/+`."""
    pairs = {title: both for title, both in table.paired("terminal") if len(both) > 1}
    forms = {
        " and ".join(column.header.removeprefix(title).strip(" ()") for column in both): None
        for title, both in pairs.items()
    }
    return f"{' and '.join(pairs)}: {' or '.join(forms)}" if pairs else ""


def _cell(text: Any, table: Table, row: Row, parts: Sequence[Column]) -> Any:
    """The value of a column, or a pair; `text` is the class of rich, which is imported late."""
    if len(parts) == 1:
        return _styled(text, table, row, parts[0], deviation=parts[0].group == "score")
    shown = [_styled(text, table, row, column) for column in parts]
    undefined = all(part.plain == UNDEFINED for part in shown)
    return shown[0] if undefined else text("/").join(shown)


def _styled(text: Any, table: Table, row: Row, column: Column, *, deviation: bool = False) -> Any:
    """One value with its mark."""
    entry = row.entries.get(column.key)
    shown = (
        spread(column, entry).replace("± ", "±")  # breaks before ± where it is narrow
        if deviation
        else number(column, entry.mean if entry else None)
    )
    mark = table.mark(row, column.key)
    style = {"best": "bold", "second": "underline", "": ""}[mark.place]
    return text.assemble((shown, style), "†" if mark.similar else "")
