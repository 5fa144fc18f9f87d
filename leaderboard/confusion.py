"""Confusion matrices, one panel a model, from the predictions beside the records."""

from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from benchmark.errors import UserError
from benchmark.metrics import confusion7
from benchmark.results import Record, read_arrays
from leaderboard.entries import Table
from leaderboard.figures import Style, new_canvas

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def confusion(
    table: Table, styles: dict[str, Style]
) -> "tuple[Figure, list[dict[str, Any]]] | None":
    """Share of each true class by predicted class, over all seeds, one panel a model."""
    panels: dict[str, NDArray[np.int64]] = {}
    for row in table.rows:
        found = [_count_classes(table, path, record) for path, record in row.done]
        counts = [count for count in found if count is not None]
        if counts:
            panels[row.label] = np.sum(counts, axis=0, dtype=np.int64)
    if not panels:
        return None
    figure, axes = _square_panels(len(panels), columns := min(5, len(panels)))
    numbers: list[dict[str, Any]] = []
    first = -3 if table.convention == "mosi" else 0
    for axis, (label, count) in zip(axes, panels.items(), strict=False):
        total = count.sum(axis=1, keepdims=True)
        share = np.divide(count, total, out=np.zeros(count.shape), where=total > 0)
        low, high = first - 0.5, first + len(count) - 0.5
        image = axis.imshow(
            share, cmap="cividis", vmin=0, vmax=1, extent=(low, high, low, high), origin="lower"
        )
        axis.set_title(label, fontsize=9)
        axis.grid(visible=False)
        axis.set_xticks(range(first, first + len(count)))
        axis.set_yticks(range(first, first + len(count)))
        for true, predicted in np.ndindex(*count.shape):
            place = {"row": label, "true": true + first, "predicted": predicted + first}
            amount = int(count[true, predicted])
            numbers.append({**place, "count": amount, "share": float(share[true, predicted])})
    for axis in axes[::columns]:
        axis.set_ylabel("true class")
    for axis in axes[max(0, len(panels) - columns) :]:
        axis.set_xlabel("predicted class")
        axis.tick_params(labelbottom=True)
    figure.colorbar(image, cax=figure.axes[-1], label="share of the true class")
    return figure, numbers


def _square_panels(count: int, columns: int) -> "tuple[Figure, list[Axes]]":
    """Panels of a fixed size, and an axis to their right for a colour bar, the figure's last.

    Sizes are in inches: no layout engine leaves room for the titles of square panels.
    """
    side, gap, left, right, top, bottom = 1.4, 0.42, 0.6, 0.95, 0.35, 0.55
    rows = ceil(count / columns)
    width = left + columns * side + (columns - 1) * 0.15 + right
    height = top + rows * side + (rows - 1) * gap + bottom
    figure = new_canvas(width, height)
    axes: list[Axes] = []
    for place in range(count):
        x = left + place % columns * (side + 0.15)
        y = height - top - side - place // columns * (side + gap)
        box = (x / width, y / height, side / width, side / height)
        axes.append(figure.add_axes(box))
        axes[-1].tick_params(labelbottom=False, labelleft=place % columns == 0, labelsize=8)
    bar = (width - right + 0.15) / width
    figure.add_axes((bar, bottom / height, 0.12 / width, (height - top - bottom) / height))
    return figure, axes


def _count_classes(table: Table, path: Path, record: Record) -> NDArray[np.int64] | None:
    """Counts (C, C) of true and predicted class; None where the task has no such classes."""
    try:
        arrays = read_arrays(path)
    except UserError:
        return None
    if "test_prediction" not in arrays:
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
