"""Plots of a table, each with the numbers that it shows."""

from collections.abc import Callable, Iterable, Sequence
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmark.metrics import confusion7
from benchmark.results import read_arrays
from benchmark.stats import mean, standard_deviation
from leaderboard.columns import removal_title
from leaderboard.entries import Column, Row, Table
from leaderboard.figures import (
    FONTS,
    GREY,
    Style,
    add_legend,
    add_patches,
    fill,
    make_styles,
    new_figure,
    save,
)
from leaderboard.tidy import csv_text, write_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Styles = dict[str, Style]
Numbers = list[dict[str, Any]]
Plot = Callable[[Table, Styles], "tuple[Figure, Numbers] | None"]
COSTS = ("latency_p50", "parameters", "training_seconds")
ON_LOG_AXIS = {
    "latency_p50": "latency of one sample (ms)",
    "parameters": "parameters",
    "training_seconds": "training (s)",
}


def write_plots(tables: Sequence[Table], folder: Path) -> dict[str, list[Path]]:
    """Draw every plot that the records allow, as PNG and PDF with a CSV of its numbers.

    Returns:
        Table id -> files written.
    """
    import matplotlib

    written: dict[str, list[Path]] = {}
    styles = make_styles(tables)
    with matplotlib.rc_context(FONTS):
        for table in tables:
            files = written.setdefault(table.id, [])
            for name, plot in PLOTS.items():
                drawn = plot(table, styles)
                if drawn is None:
                    continue
                figure, numbers = drawn
                target = folder / f"{table.id}-{name}"
                files += save(figure, target)
                path = target.with_name(f"{target.name}.csv")
                write_text(path, csv_text(numbers))
                files.append(path)
    return written


def score_against_cost(table: Table, styles: Styles) -> "tuple[Figure, Numbers] | None":
    """The selection metric against each cost on a log axis; the Pareto front is drawn and named."""
    score = table.column(table.selection)
    costs = [column for key in COSTS if (column := table.column(key)) is not None]
    numbers = _cost_points(table, score, costs)
    costs = [column for column in costs if any(n["cost"] == column.key for n in numbers)]
    if score is None or not costs:
        return None
    figure, axes = new_figure(3.1 * len(costs) + 1.7, 3.4, columns=len(costs), sharey=True)
    scale = 100 if score.percent else 1
    for axis, column in zip(axes, costs, strict=True):
        points = [n for n in numbers if n["cost"] == column.key]
        for point in points:
            style = styles[point["row"]]
            axis.errorbar(
                point["cost_value"],
                point["score"] * scale,
                yerr=(point["score_sd"] or 0) * scale,
                color=style.colour,
                marker=style.marker,
                markersize=6,
                elinewidth=0.9,
                linestyle="none",
            )
        front = [point for point in points if point["pareto"]]
        axis.step(
            [point["cost_value"] for point in front],
            [point["score"] * scale for point in front],
            where="post",
            color=GREY,
            linewidth=1,
            zorder=1,
        )
        axis.set_xscale("log")
        axis.margins(x=0.16, y=0.12)
        axis.set_xlabel(ON_LOG_AXIS[column.key])
    axes[0].set_ylabel(score.title)
    add_legend(figure, _labels(table, numbers), styles)
    _name_fronts(figure, axes, costs, numbers, scale)
    return figure, numbers


def _cost_points(table: Table, score: Column | None, costs: Sequence[Column]) -> Numbers:
    numbers: Numbers = []
    if score is None:
        return numbers
    for column in costs:
        points = []
        for row in table.rows:
            value, cost = row.entries.get(score.key), row.entries.get(column.key)
            if value is None or cost is None or value.mean is None or not (cost.mean or 0) > 0:
                continue
            points.append(
                {
                    "row": row.label,
                    "cost": column.key,
                    "cost_value": cost.mean,
                    "metric": score.key,
                    "score": value.mean,
                    "score_sd": value.deviation,
                }
            )
        points.sort(key=lambda point: (point["cost_value"], point["row"]))
        best: float | None = None
        sign = 1 if score.higher_is_better else -1
        for point in points:
            point["pareto"] = best is None or sign * point["score"] > best
            best = max(sign * point["score"], best) if best is not None else sign * point["score"]
        numbers += points
    return numbers


def _name_fronts(
    figure: "Figure",
    axes: Sequence["Axes"],
    costs: Sequence[Column],
    numbers: Numbers,
    scale: float,
) -> None:
    """Write the names of the front's models where they cover least."""
    figure.draw_without_rendering()  # type: ignore[no-untyped-call]
    figure.set_layout_engine("none")
    for axis, column in zip(axes, costs, strict=True):
        points = [point for point in numbers if point["cost"] == column.key]
        where = {
            point["row"]: axis.transData.transform((point["cost_value"], point["score"] * scale))
            for point in points
        }
        taken = [(x - 5, y - 5, x + 5, y + 5) for x, y in where.values()]
        frame = axis.get_window_extent()
        for point in points:
            if not point["pareto"]:
                continue
            x, y = where[point["row"]]
            pixels = figure.dpi / 72
            width, height = 4.6 * len(point["row"]) * pixels, 9 * pixels
            choices = [
                (x + dx * pixels - (width if dx < 0 else 0 if dx > 0 else width / 2), y + dy * pixels)
                for dx, dy in _OFFSETS
            ]
            boxes = [(a, b, a + width, b + height) for a, b in choices]
            costs_of = [
                sum(_overlap(box, other) for other in taken)
                + 10 * (width * height - _overlap(box, (frame.x0, frame.y0, frame.x1, frame.y1)))
                for box in boxes
            ]
            box = boxes[int(np.argmin(costs_of))]
            taken.append(box)
            label = axis.annotate(
                point["row"],
                (x, y),
                xytext=((box[0] - x) / pixels, (box[1] - y) / pixels),
                xycoords="figure pixels",
                textcoords="offset points",
                fontsize=8,
            )
            label.set_in_layout(False)
