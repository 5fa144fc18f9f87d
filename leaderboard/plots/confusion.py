"""Confusion matrices, one panel a model, from the predictions beside the records."""

from collections.abc import Sequence
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from benchmark.errors import UserError
from benchmark.metrics import confusion7
from benchmark.records.record import Record
from benchmark.records.store import read_arrays
from leaderboard.plots.draw import plot
from leaderboard.plots.figures import LINE, new_canvas, wrap_title
from leaderboard.plots.legends import short_label, wrapped
from leaderboard.plots.styles import Style
from leaderboard.table import Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


LETTERS = 22  # of a panel's title on one line
COLUMNS = 5
SHORT, MOST_LETTERS = 2, 16  # letters of a class that is written upright, and of any


@plot("confusion", place=5)
def confusion(
    table: Table, styles: dict[str, Style]
) -> "tuple[Figure, list[dict[str, Any]]] | None":
    """Share of each true class by predicted class, over all runs, one panel a model."""
    panels: dict[str, NDArray[np.int64]] = {}
    for row in table.rows:
        found = [_count_classes(table, path, record) for path, record in row.done]
        counts = [count for count in found if count is not None]
        if counts:
            panels[row.label] = np.sum(counts, axis=0, dtype=np.int64)
    if not panels:
        return None
    first = -3 if table.convention == "mosi" else 0
    classes = len(next(iter(panels.values())))
    names = _class_names(table, first, classes)
    heads = {label: wrapped(label, LETTERS, max_lines=3, placeholder="…") for label in panels}
    about = _about(table)
    figure, axes = _square_panels(table, list(heads.values()), names, about)
    numbers: list[dict[str, Any]] = []
    for axis, (label, count) in zip(axes, panels.items(), strict=False):
        total = count.sum(axis=1, keepdims=True)
        share = np.divide(count, total, out=np.zeros(count.shape), where=total > 0)
        _draw(axis, heads[label], share)
        for true, predicted in np.ndindex(*count.shape):
            place = {"row": label, "true": true + first, "predicted": predicted + first}
            amount = int(count[true, predicted])
            numbers.append({**place, "count": amount, "share": float(share[true, predicted])})
    _name_classes(axes, names)
    figure.colorbar(axes[0].images[0], cax=figure.axes[-1], label="share of the true class")
    return figure, numbers


def _draw(axis: "Axes", lines: Sequence[str], share: NDArray[np.float64]) -> None:
    axis.imshow(share, cmap="cividis", vmin=0, vmax=1, origin="lower")
    axis.set_title("\n".join(lines), fontsize=9 if len(lines) == 1 else 8)
    axis.grid(visible=False)


def _class_names(table: Table, first: int, classes: int) -> list[str]:
    """Of a class task as its records have them, else numbers."""
    for row in table.rows:
        for _, record in row.done:
            names = [str(name) for name in record.task.get("names") or ()]
            if len(names) == classes and table.convention == "multiclass":
                return [short_label(name, MOST_LETTERS) for name in names]
    return [str(number) for number in range(first, first + classes)]


def _about(table: Table) -> str:
    """What the classes of a scale count from, where that is not 0."""
    neutral = {
        float(record.task.get("neutral", 0.0)) for row in table.rows for _, record in row.done
    }
    shifted = table.convention == "mosi" and len(neutral) == 1 and neutral != {0.0}
    return f" (label - {neutral.pop():g})" if shifted else ""


def _name_classes(axes: Sequence["Axes"], names: Sequence[str]) -> None:
    """Ticks at all panels, names at those to the left and at the bottom of each column."""
    columns = min(COLUMNS, len(axes))
    upright = max(map(len, names)) > SHORT
    for place, axis in enumerate(axes):
        axis.set_xticks(range(len(names)), names, rotation=90 if upright else 0)
        axis.set_yticks(range(len(names)), names)
        left, bottom = place % columns == 0, place + columns >= len(axes)
        axis.tick_params(labelleft=left, labelbottom=bottom, labelsize=8)


def _square_panels(
    table: Table, heads: Sequence[Sequence[str]], names: Sequence[str], about: str
) -> "tuple[Figure, list[Axes]]":
    """Panels of a fixed size, and an axis to their right for a colour bar, the figure's last.

    Sizes are in inches: no layout engine leaves room for the titles of square panels.
    """
    longest = max(map(len, names))
    words = 0.065 * longest if longest > SHORT else 0.1
    head = 0.12 + 0.13 * max(map(len, heads))
    side, gap, left, right, bottom = 1.4, head + 0.17, 0.5 + words, 0.95, 0.45 + words
    count, columns = len(heads), min(COLUMNS, len(heads))
    rows = ceil(count / columns)
    gap += words if rows > 1 and count % columns and longest > SHORT else 0
    inside = columns * side + (columns - 1) * 0.15, rows * side + (rows - 1) * gap
    width = left + inside[0] + right
    title = wrap_title(table, width)
    top = head + 0.1 + LINE * len(title.splitlines())
    height = top + inside[1] + bottom
    figure = new_canvas(width, height)
    figure.suptitle(title, x=0.1 / width, y=1 - 0.06 / height, ha="left", fontsize=10)
    middle = (left + inside[0] / 2) / width, (bottom + inside[1] / 2) / height
    figure.text(middle[0], 0.08 / height, f"predicted class{about}", ha="center", va="bottom")
    figure.text(0.08 / width, middle[1], f"true class{about}", rotation=90, ha="left", va="center")
    axes: list[Axes] = []
    for place in range(count):
        x = left + place % columns * (side + 0.15)
        y = height - top - side - place // columns * (side + gap)
        box = (x / width, y / height, side / width, side / height)
        axes.append(figure.add_axes(box))
    bar = (width - right + 0.15) / width
    figure.add_axes((bar, bottom / height, 0.12 / width, (height - top - bottom) / height))
    return figure, axes


def _count_classes(table: Table, path: Path, record: Record) -> NDArray[np.int64] | None:
    """Counts (C, C) of true and predicted class; None without such classes or without labels."""
    try:
        arrays = read_arrays(path, ("test_label", "test_prediction"))
    except UserError:
        return None
    if not {"test_label", "test_prediction"} <= arrays.keys():
        return None
    label, prediction = arrays["test_label"], arrays["test_prediction"]
    if table.convention == "mosi":
        neutral = float(record.task.get("neutral", 0.0))
        return confusion7(label=label - neutral, prediction=prediction - neutral)
    if table.convention == "multiclass":
        classes = prediction.shape[1]
        codes = classes * label.astype(np.int64) + prediction.argmax(axis=1)
        return np.bincount(codes, minlength=classes**2).reshape(classes, classes)
    return None
