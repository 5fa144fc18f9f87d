"""Score against cost: which models no other one beats in both."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from leaderboard.columns import TRAINING_TIMES
from leaderboard.numbers import human
from leaderboard.plots.draw import plot
from leaderboard.plots.figures import new_figure
from leaderboard.plots.labels import name_points, tick_values
from leaderboard.plots.legends import add_legend
from leaderboard.plots.styles import GREY, Style, is_constant
from leaderboard.table import Column, Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COSTS = {
    "latency_p50": "latency of one sample (ms)",
    "parameters": "parameters without text encoder",
    "training_seconds": "training (s)",
}
HEIGHT = 3.5  # inches, without the title


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


@plot("score-against-cost", place=1)
def score_against_cost(
    table: Table, styles: dict[str, Style]
) -> "tuple[Figure, list[dict[str, Any]]] | None":
    """One panel a cost on a log axis; the Pareto front is drawn and its models are named."""
    score, numbers = table.column(table.selection), cost_points(table)
    if score is None or not numbers:
        return None
    costs = [key for key in COSTS if any(point["cost"] == key for point in numbers)]
    shown = {point["row"] for point in numbers}
    labels = [row.label for row in table.rows if row.label in shown]
    size = 2.9 * len(costs) + 0.15, HEIGHT
    figure, axes = new_figure(table, labels, "", size, (1, len(costs)), sharey=True)
    for axis, key in zip(axes, costs, strict=True):
        _panel(axis, [point for point in numbers if point["cost"] == key], score, styles)
        axis.set_xlabel(COSTS[key])
    axes[0].set_ylabel(score.title)
    add_legend(figure, labels, styles, lines=False)
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    for axis, key in zip(axes, costs, strict=True):
        _set_ticks(axis)
        points = [point for point in numbers if point["cost"] == key]
        scale = 100 if score.percent else 1
        name_points(
            axis,
            [(point["cost_value"], point["score"] * scale) for point in points],
            [(point["score_sd"] or 0) * scale for point in points],
            [point["row"] if point["pareto"] else "" for point in points],
        )
    return figure, numbers


def _panel(
    axis: "Axes", points: Sequence[dict[str, Any]], score: Column, styles: dict[str, Style]
) -> None:
    from matplotlib.ticker import FuncFormatter, NullFormatter

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
    axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _tick(value)))
    axis.xaxis.set_minor_formatter(NullFormatter())


def _set_ticks(axis: "Axes") -> None:
    """Ticks of a log axis that has its final width, as many as are readable."""
    from matplotlib.ticker import FixedFormatter, FixedLocator

    width = axis.get_window_extent().width * 72 / axis.figure.dpi
    ticks = tick_values(*axis.get_xlim(), width, _tick)
    axis.xaxis.set_major_locator(FixedLocator(ticks))
    axis.xaxis.set_major_formatter(FixedFormatter([_tick(tick) for tick in ticks]))


def _tick(value: float) -> str:
    """`0.1` and `10k` for what tables print as 0.100 and 10.0k."""
    text = human(value)
    digits = text.rstrip("kMGT")
    return digits.rstrip("0").rstrip(".") + text[len(digits) :] if "." in digits else text
