"""What all plots share: fonts, titles, and writing images atomically."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.system.atomic import write_bytes
from leaderboard.plots.legends import legend_size, wrapped
from leaderboard.table import Table

if TYPE_CHECKING:
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
    "text.usetex": False,
}
DOTS_PER_INCH = 150
MOST = 12  # models in one plot of lines or bars; more cannot be told apart
LINE, LETTER = 0.17, 0.077  # inches: height of a line of a title and width of a letter in it


def new_canvas(width: float, height: float) -> "Figure":
    """An empty figure in inches, whose axes are placed by hand."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height))


def new_figure(
    table: Table,
    labels: Sequence[str],
    note: str,
    size: tuple[float, float],
    grid: tuple[int, int] = (1, 1),
    **options: Any,
) -> tuple["Figure", list["Axes"]]:
    """A figure with dataset and protocol above it and room for a legend, and its axes row by row.

    Args:
        table: that it is about.
        labels: of the legend.
        note: title of the legend.
        size: width and height in inches without title and legend.
        grid: rows and columns of axes.
        **options: for the axes.
    """
    from matplotlib.figure import Figure

    width, height = size
    title = wrap_title(table, width)
    height += LINE * len(title.splitlines()) + 0.08
    beside = legend_size(labels, note, height)[1]
    figure = Figure(figsize=(width + beside, height), layout="constrained")
    figure.suptitle(title, x=0.01, ha="left", fontsize=10)
    return figure, list(figure.subplots(*grid, squeeze=False, **options).flat)


def wrap_title(table: Table, width: float) -> str:
    """The title of a table on lines of so many inches."""
    return "\n".join(wrapped(table.title, max(30, int(width / LETTER))))


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
