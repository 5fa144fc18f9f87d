"""What all plots share: one style for each model, fonts, and writing images atomically."""

import io
import os
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from leaderboard.entries import Row, Table

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito (2008) without yellow, which is too faint on white for a line.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
DASHES = ("-", (0, (5, 1.5)), (0, (1.5, 1)), (0, (5, 1, 1, 1)), (0, (5, 1, 1, 1, 1, 1)))
HATCHES = ("", "/////", ".....", "xxxxx", "-----")
MARKERS = "osD^vPX*<>"
GREY = "#777777"
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
}
DOTS_PER_INCH = 150
MOST = 12  # models in one plot of lines or bars; more cannot be told apart
LEGEND_LINE, LEGEND_COLUMN = 0.192, 1.75  # inches


@dataclass(frozen=True, slots=True)
class Style:
    """Looks of a model, the same in every plot; colour with dash or marker tells it apart."""

    colour: str
    dash: Any
    marker: str


def make_styles(tables: Iterable[Table]) -> dict[str, Style]:
    """A style for each row label of all tables; models without training are grey."""
    rows = {row.label: row for table in tables for row in table.rows if row.kind != "oracle"}
    styles, number = {}, 0
    for label in sorted(rows):
        if is_constant(rows[label]):
            styles[label] = Style(GREY, (0, (1, 1)), "x")
            continue
        # The dash changes once the colours are used up; markers have another period.
        dash = DASHES[number // len(COLOURS) % len(DASHES)]
        marker = MARKERS[number % len(MARKERS)]
        styles[label] = Style(COLOURS[number % len(COLOURS)], dash, marker)
        number += 1
    return styles


def is_constant(row: Row) -> bool:
    """Whether the model has nothing to train."""
    return {record.training.stopped for _, record in row.records if record.training} == {
        "untrainable"
    }


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
    """Columns that a legend of so many entries needs beside axes of this height in inches."""
    return ceil(count / max(1, int((height - 0.1) / LEGEND_LINE)))


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
            label=label,
        )
        for label in labels
    ]
    _place_legend(figure, handles, title)


def add_patches(
    figure: "Figure", labels: Sequence[str], styles: dict[str, Style], *, title: str = ""
) -> None:
    """A legend of filled boxes."""
    from matplotlib.patches import Patch

    _place_legend(figure, [Patch(**fill(styles[label]), label=label) for label in labels], title)


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


def fill(style: Style) -> dict[str, Any]:
    """Colour of a bar; a hatch tells apart bars whose colour comes a second time."""
    hatch = HATCHES[DASHES.index(style.dash)] if style.dash in DASHES else ""
    return {"facecolor": style.colour, "hatch": hatch, "edgecolor": "white", "linewidth": 0}


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
