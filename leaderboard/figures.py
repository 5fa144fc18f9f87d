"""What all plots share: one style for each model, fonts, and writing images atomically."""

import io
import os
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from leaderboard.entries import Row, Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito (2008) without yellow, which is too faint on white for a line.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
DASHES = ("-", (0, (5, 1.5)), (0, (1.5, 1)), (0, (5, 1, 1, 1)))
HATCHES = ("", "/////", ".....", "xxxxx")
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


@dataclass(frozen=True, slots=True)
class Style:
    """Looks of a model, the same in every plot; colour, dash and marker each tell models apart."""

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


def add_legend(
    figure: "Figure", labels: Sequence[str], styles: dict[str, Style], *, lines: bool = True
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
    figure.legend(handles=handles, loc="outside right upper")


def add_patches(figure: "Figure", labels: Sequence[str], styles: dict[str, Style]) -> None:
    """A legend of filled boxes."""
    from matplotlib.patches import Patch

    handles = [Patch(**fill(styles[label]), label=label) for label in labels]
    figure.legend(handles=handles, loc="outside right upper")


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
