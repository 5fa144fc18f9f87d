"""Score against cost: which models no other one beats in both."""

from collections.abc import Sequence
from math import ceil, floor, log10
from typing import TYPE_CHECKING, Any

import numpy as np

from leaderboard.columns import TRAINING_TIMES
from leaderboard.entries import Column, Table
from leaderboard.figures import (
    GREY,
    LEGEND_COLUMN,
    Style,
    add_legend,
    is_constant,
    legend_columns,
    new_figure,
)
from leaderboard.numbers import human

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Box = tuple[float, float, float, float]
COSTS = {
    "latency_p50": "latency of one sample (ms)",
    "parameters": "parameters without text encoder",
    "training_seconds": "training (s)",
}
# Of a label from its point, in points of 1/72 inch: beside the front's steps, then further away.
OFFSETS = (
    *((6, 4), (-6, -13), (-6, 4), (6, -13), (7, -3), (-7, -3), (0, 7), (0, -15)),
    *((0, 17), (0, -25), (10, 13), (-10, 13), (10, -21), (-10, -21)),
)
LEAST_DECADES = 3  # a log axis with fewer ticks at powers of ten has them at 2 and 5 too
HEIGHT = 3.5  # inches
LETTER, LINE = 4.7, 9.0  # size of a letter of the labels in points


def cost_points(table: Table) -> list[dict[str, Any]]:
    """Selection metric and cost of every trained row that has both, by cost, cheapest first.

    A row is on the Pareto front if no cheaper or equally cheap one scores as well. Training times
    are left out if the models were trained on different devices.
    """
    score = table.column(table.selection)
    numbers: list[dict[str, Any]] = []
    if score is None:
        return numbers
    sign = 1 if score.higher_is_better else -1
    for key in COSTS:
        if key in TRAINING_TIMES and len(table.training) > 1:
            continue
        points: list[dict[str, Any]] = []
        for row in table.rows:
            if is_constant(row):
                continue  # far away from all models, it would squeeze them together
            value, cost = row.entries.get(score.key), row.entries.get(key)
            if value is None or cost is None or value.mean is None or not (cost.mean or 0) > 0:
                continue  # a log axis has no place for what costs nothing
            place = {"row": row.label, "cost": key, "cost_value": cost.mean, "metric": score.key}
            points.append({**place, "score": value.mean, "score_sd": value.deviation})
        points.sort(key=lambda point: (point["cost_value"], -sign * point["score"], point["row"]))
        best = -np.inf
        for point in points:
            point["pareto"] = sign * point["score"] > best
            best = max(best, sign * point["score"])
        numbers += points
    return numbers


def score_against_cost(
    table: Table, styles: dict[str, Style]
) -> "tuple[Figure, list[dict[str, Any]]] | None":
    """One panel a cost on a log axis; the Pareto front is drawn and its models are named."""
    score, numbers = table.column(table.selection), cost_points(table)
    if score is None or not numbers:
        return None
    costs = [key for key in COSTS if any(point["cost"] == key for point in numbers)]
    named = {point["row"] for point in numbers}
    beside = LEGEND_COLUMN * legend_columns(len(named), HEIGHT)
    figure, axes = new_figure(
        2.9 * len(costs) + beside + 0.15, HEIGHT, columns=len(costs), sharey=True
    )
    for axis, key in zip(axes, costs, strict=True):
        _panel(axis, [point for point in numbers if point["cost"] == key], score, styles)
        axis.set_xlabel(COSTS[key])
    axes[0].set_ylabel(score.title)
    add_legend(figure, [row.label for row in table.rows if row.label in named], styles, lines=False)
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    for axis, key in zip(axes, costs, strict=True):
        _name_front(axis, [point for point in numbers if point["cost"] == key], score)
    return figure, numbers


def _panel(
    axis: "Axes", points: Sequence[dict[str, Any]], score: Column, styles: dict[str, Style]
) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    scale = 100 if score.percent else 1
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
    axis.margins(x=0.18, y=0.12)
    low, high = axis.get_xlim()
    fine = floor(log10(high)) - ceil(log10(low)) + 1 < LEAST_DECADES
    axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if fine else (1,)))
    axis.xaxis.set_major_formatter(FuncFormatter(_tick))
    axis.xaxis.set_minor_formatter(NullFormatter())


def _tick(value: float, place: int | None = None) -> str:
    """`0.1` and `10k` for what tables print as 0.100 and 10.0k."""
    text = human(value)
    digits = text.rstrip("kMGT")
    return digits.rstrip("0").rstrip(".") + text[len(digits) :] if "." in digits else text


def _name_front(axis: "Axes", points: Sequence[dict[str, Any]], score: Column) -> None:
    """Write the names of the front's models where they cover least; sizes in points."""
    scale = 100 if score.percent else 1
    pixels = axis.get_figure(root=True).dpi / 72  # type: ignore[union-attr]
    places = [(point["cost_value"], point["score"] * scale) for point in points]
    centres = axis.transData.transform(np.array(places)) / pixels
    taken: list[Box] = [(x - 4, y - 4, x + 4, y + 4) for x, y in centres]
    edges = [float(edge) / pixels for edge in axis.get_window_extent().extents]
    frame: Box = (edges[0] + 4, edges[1] + 2, edges[2], edges[3])
    for point, place, (x, y) in zip(points, places, centres, strict=True):
        if not point["pareto"]:
            continue
        box = _free_box(point["row"], x, y, taken, frame)
        taken.append(box)
        label = axis.annotate(
            point["row"],
            place,
            xytext=(box[0] - x, box[1] - y),
            textcoords="offset points",
            fontsize=8,
        )
        label.set_in_layout(False)


def _free_box(text: str, x: float, y: float, taken: Sequence[Box], frame: Box) -> Box:
    """The place about a point where a text overlaps least with what is there and stays inside."""
    width = LETTER * len(text)
    best: tuple[float, Box] | None = None
    for right, up in OFFSETS:
        left = x + right - (width if right < 0 else width / 2 if right == 0 else 0)
        box = (left, y + up, left + width, y + up + LINE)
        outside = width * LINE - _overlap(box, frame)
        badness = sum(_overlap(box, other) for other in taken) + 3 * outside
        if best is None or badness < best[0]:
            best = (badness, box)
    assert best is not None  # there are offsets
    return best[1]


def _overlap(one: Box, other: Box) -> float:
    """Area that two boxes (left, bottom, right, top) share."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    return max(width, 0.0) * max(height, 0.0)
