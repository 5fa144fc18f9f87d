"""Legends beside plots: long labels take several lines, and the figure is as wide as they need."""

from collections.abc import Sequence
from itertools import pairwise
from textwrap import wrap
from typing import TYPE_CHECKING, Any

from leaderboard.names import one_line
from leaderboard.plots.styles import Style, fill

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.figure import Figure

ENTRY, LINE = 0.203, 0.182  # height in inches of an entry, and of each further line of it
LETTER, HANDLE = 0.069, 0.55  # width of a letter, and of what stands before a label
LETTERS = 30  # of a label on one line


def wrapped(text: str, letters: int, **options: Any) -> list[str]:
    """A text on lines of so many letters, as it can be drawn; `textwrap.wrap` takes the options."""
    return wrap(one_line(text), letters, **options) or [""]


def legend_label(text: str) -> str:
    """A label on lines of `LETTERS` at most, which matplotlib does not drop for its first sign."""
    lines = wrapped(text, LETTERS, subsequent_indent="  ")
    return "\n".join(f" {line}" if line.startswith("_") else line for line in lines)


def short_label(text: str, letters: int = 22) -> str:
    """A label on one short line."""
    line = one_line(text)
    line = line if len(line) <= letters else f"{line[: letters - 1]}…"
    return f" {line}" if line.startswith("_") else line


def legend_size(labels: Sequence[str], title: str, height: float) -> tuple[int, float]:
    """Columns that a legend needs in a figure of this height, and its width, in inches."""
    texts = [legend_label(label).splitlines() for label in labels]
    room = height - 0.15 - LINE * len(title.splitlines()) - (0.1 if title else 0)
    longest = max((len(line) for lines in texts for line in lines), default=0)
    columns = next(
        (n for n in range(1, len(texts)) if _tallest(texts, n) <= room), max(1, len(texts))
    )
    wide = max((0.075 * len(line) for line in title.splitlines()), default=0.0)
    return columns, max(columns * (LETTER * longest + HANDLE), wide + 0.2)


def _tallest(texts: Sequence[Sequence[str]], columns: int) -> float:
    """Height of the tallest column: as matplotlib fills them, the first ones with one more."""
    heights = [ENTRY + LINE * (len(lines) - 1) for lines in texts]
    least, more = divmod(len(heights), columns)
    ends = [least * n + min(n, more) for n in range(columns + 1)]
    return max(sum(heights[start:end]) for start, end in pairwise(ends))


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
    _place(figure, handles, labels, title)


def add_patches(
    figure: "Figure", labels: Sequence[str], styles: dict[str, Style], *, title: str = ""
) -> None:
    """A legend of filled boxes."""
    from matplotlib.patches import Patch

    handles = [Patch(**fill(styles[label]), label=legend_label(label)) for label in labels]
    _place(figure, handles, labels, title)


def _place(
    figure: "Figure", handles: "Sequence[Artist]", labels: Sequence[str], title: str
) -> None:
    figure.legend(
        handles=handles,
        loc="outside right upper",
        ncols=legend_size(labels, title, figure.get_figheight())[0],
        title=title or None,
        alignment="left",
        columnspacing=1.0,
    )
