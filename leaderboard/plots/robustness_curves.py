"""Skill by corruption level, one panel a corruption."""

from math import ceil
from typing import TYPE_CHECKING

from leaderboard.names import corruption_axis, corruption_title, one_line
from leaderboard.plots.draw import plot
from leaderboard.plots.figures import featured, new_figure
from leaderboard.plots.legends import add_legend
from leaderboard.plots.lines import Numbers, draw_band, labels_of, summary, trained_rows
from leaderboard.plots.styles import GREY, Style
from leaderboard.table import Row, Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@plot("robustness-curves", place=2)
def robustness_curves(table: Table, styles: dict[str, Style]) -> "tuple[Figure, Numbers] | None":
    """Bands are ± one deviation over runs."""
    numbers = _numbers(table)
    if not numbers:
        return None
    names = list(dict.fromkeys(line["corruption"] for line in numbers))
    labels, note = featured(table, labels_of(table, numbers))
    columns = min(2, len(names))
    rows = ceil(len(names) / columns)
    size, grid = (3.5 * columns + 0.3, 2.7 * rows), (rows, columns)
    figure, axes = new_figure(table, labels, note, size, grid, sharex=True, sharey=True)
    for axis, name in zip(axes, names, strict=False):
        axis.axhline(0, color=GREY, linewidth=1, zorder=1)
        for label in labels:
            lines = [n for n in numbers if n["row"] == label and n["corruption"] == name]
            draw_band(axis, styles[label], lines, "level", "skill")
        axis.set_title(one_line(corruption_title(name)))
        axis.set_xlabel(corruption_axis(name))
        axis.tick_params(labelbottom=True)
    for axis in axes[len(names) :]:
        axis.set_axis_off()
    for axis in axes[::columns]:
        axis.set_ylabel("skill ↑ (0: constant)")
    add_legend(figure, labels, styles, title=note)
    return figure, numbers


def _numbers(table: Table) -> Numbers:
    """Skill by row, corruption and level, over the runs."""
    numbers: Numbers = []
    for row in trained_rows(table):
        for name, points in _curves(row).items():
            for level in sorted({level for level, _ in points}):
                values = [v for at, v in points if at == level and v is not None]
                place = {"row": row.label, "corruption": name, "level": level}
                numbers.append({**place, **summary("skill", values)})
    return numbers


def _curves(row: Row) -> dict[str, list[tuple[float, float | None]]]:
    """Levels and skills of all runs by corruption."""
    found: dict[str, list[tuple[float, float | None]]] = {}
    for run in row.done:
        for name, points in run.robustness.curves.items() if run.robustness else ():
            found.setdefault(name, []).extend(points)
    return found
