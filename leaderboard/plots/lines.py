"""What plots of many rows share: which rows, numbers over runs, and the band about a mean."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmark.stats import mean, standard_deviation
from leaderboard.plots.styles import Style, is_constant
from leaderboard.table import Row, Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Numbers = list[dict[str, Any]]
BAND = 0.13  # opacity, low because a dozen bands overlap


def trained_rows(table: Table) -> list[Row]:
    """All rows but those of constant predictors, whose skill is the line at 0."""
    return [row for row in table.rows if not is_constant(row)]


def summary(name: str, values: Sequence[float]) -> dict[str, Any]:
    """Mean under that name, deviation and number of the values of some runs."""
    return {name: mean(values), "sd": standard_deviation(values), "n": len(values)}


def labels_of(table: Table, numbers: Numbers) -> list[str]:
    """Labels of the rows that a plot shows, in the order of the table."""
    shown = {line["row"] for line in numbers}
    return [row.label for row in table.rows if row.label in shown]


def plain(value: float | None) -> float:
    """A number for the drawing, NaN where it is undefined."""
    return float("nan") if value is None else value


def draw_band(axis: "Axes", style: Style, lines: Numbers, x: str, y: str, scale: float = 1) -> None:
    """A mean and the band of one deviation to both sides."""
    places = [line[x] for line in lines]
    middle = np.array([plain(line[y]) * scale for line in lines])
    reach = np.array([(line["sd"] or 0) * scale for line in lines])
    axis.plot(
        places,
        middle,
        color=style.colour,
        linestyle=style.dash,
        marker=style.marker,
        markersize=3.5,
        linewidth=1.5,
    )
    axis.fill_between(
        places, middle - reach, middle + reach, color=style.colour, alpha=BAND, linewidth=0
    )
