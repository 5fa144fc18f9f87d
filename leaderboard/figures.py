"""What all plots share: fonts, titles, legends, and writing images atomically."""

import io
import os
import tempfile
from collections.abc import Sequence
from math import ceil
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, Any

from leaderboard.entries import Table
from leaderboard.styles import Style, fill

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FONTS: dict[Any, Any] = {
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#E4E4E4",
    "legend.frameon": False,
    "svg.hashsalt": "affectbench",
    "text.parse_math": False,  # names may hold a dollar sign
}
DOTS_PER_INCH = 150
MOST = 12  # models in one plot of lines or bars; more cannot be told apart
LEGEND_LINE, LEGEND_COLUMN = 0.192, 1.75  # inches
TITLE, LETTER = 0.25, 0.077  # inches: height of a title and width of a letter in it


def new_canvas(width: float, height: float) -> "Figure":
    """An empty figure in inches, whose axes are placed by hand."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height))


def new_figure(
    width: float, height: float, rows: int = 1, columns: int = 1, **options: Any
) -> tuple["Figure", list["Axes"]]:
    """A figure in inches and its axes, row by row."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False, **options)
    return figure, list(grid.flat)


def add_title(figure: "Figure", table: Table) -> None:
    """Dataset and protocol above everything, on as many lines as fit beside the legend."""
    taken = 0.0
    for legend in figure.legends:
        longest = max((len(text.get_text()) for text in legend.get_texts()), default=0)
        above = legend.get_title().get_text()
        columns = legend_columns(
            len(legend.get_texts()) + above.count("\n") + bool(above), figure.get_figheight()
        )
        taken += columns * (0.067 * longest + 0.5)
    text = wrap_title(table, figure.get_figwidth() - taken)
    figure.suptitle(text, x=0.01, ha="left", fontsize=10)


def wrap_title(table: Table, width: float) -> str:
    """The title of a table on lines of so many inches."""
    return "\n".join(wrap(legend_label(table.title), max(30, int(width / LETTER))))


def featured(table: Table, labels: Sequence[str]) -> tuple[list[str], str]:
    """The rows to draw where at most a dozen can be told apart, and what tells so.

    Returns:
        Every method and plugin and, as far as there is room, the best of the others by the
        selection metric, in the order given; the title of the legend, empty if these are all.
    """
    if len(labels) <= MOST:
        return list(labels), ""
    column = table.column(table.selection)
    rows = {row.label: row for row in table.rows}

    def standing(label: str) -> tuple[bool, float]:
        entry = rows[label].entries.get(column.key) if column else None
        value = entry.mean if entry else None
        if column is None or value is None:
            return False, float("inf")
        own = rows[label].kind in ("method", "plugin")
        return not own, -value if column.higher_is_better else value

    chosen = set(sorted(labels, key=standing)[:MOST])
    best = f"the best by {column.header}" if column else "the first"
    return (
        [label for label in labels if label in chosen],
        f"{MOST} of {len(labels)} models:\nmethods, plugins,\n{best}",
    )


def legend_columns(count: int, height: float) -> int:
    """Columns that a legend of so many entries needs in a figure of this height in inches."""
    return ceil(count / max(1, int((height - 0.1) / LEGEND_LINE)))


def legend_label(text: str) -> str:
    """A label on one line, which matplotlib does not drop for its first sign."""
    line = " ".join(text.split())
    return f" {line}" if line.startswith("_") else line


def add_legend(
    figure: "Figure",
    labels: Sequence[str],
    styles: dict[str, Style],
    *,
    lines: bool = True,
    title: str = "",
) -> None:
    """One legend for the whole figure, to the right of the axes."""
    from matplotlib.lines import Line2D

    handles = [
        Line2D(
            [],
            [],
            color=styles[label].colour,
            linestyle=styles[label].dash if lines else "none",
            marker=styles[label].marker,
            markersize=5,
            label=legend_label(label),
        )
        for label in labels
    ]
    _place_legend(figure, handles, title)


def add_patches(
    figure: "Figure", labels: Sequence[str], styles: dict[str, Style], *, title: str = ""
) -> None:
    """A legend of filled boxes."""
    from matplotlib.patches import Patch

    _place_legend(
        figure, [Patch(**fill(styles[label]), label=legend_label(label)) for label in labels], title
    )


def _place_legend(figure: "Figure", handles: "Sequence[Artist]", title: str) -> None:
    figure.legend(
        handles=handles,
        loc="outside right upper",
        ncols=legend_columns(
            len(handles) + title.count("\n") + bool(title), figure.get_figheight()
        ),
        title=title or None,
        alignment="left",
        columnspacing=1.0,
    )


def save(figure: "Figure", target: Path) -> list[Path]:
    """Write PNG and PDF; the same figure gives the same bytes.

    Args:
        figure: what to write.
        target: path without suffix.
    """
    written = []
    for suffix, metadata in (
        (".png", {"Software": None}),
        (".pdf", {"CreationDate": None, "Creator": None, "Producer": None}),
    ):
        stream = io.BytesIO()
        figure.savefig(stream, format=suffix[1:], dpi=DOTS_PER_INCH, metadata=metadata)
        figure.set_layout_engine("none")  # the first drawing has settled the layout
        path = target.with_name(target.name + suffix)
        write_bytes(path, stream.getvalue())
        written.append(path)
    return written


def write_bytes(target: Path, content: bytes) -> None:
    """Write a binary file atomically: readers see the old or the new one, never a part."""
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=".", suffix=".part")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
        temporary.chmod(0o644)
        temporary.replace(target)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
