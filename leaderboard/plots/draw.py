"""Plots of a table, each with the numbers that it shows."""

from collections.abc import Callable, Sequence
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmark.stats import mean, standard_deviation
from benchmark.system.atomic import write_text
from leaderboard.names import corruption_axis, corruption_title, one_line
from leaderboard.plots.confusion import confusion
from leaderboard.plots.figures import FONTS, featured, new_figure, save
from leaderboard.plots.legends import add_legend, add_patches, short_label
from leaderboard.plots.pareto import score_against_cost
from leaderboard.plots.styles import GREY, Style, fill, is_constant, make_styles
from leaderboard.render.csv import csv_text
from leaderboard.table import Row, Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Styles = dict[str, Style]
Numbers = list[dict[str, Any]]
Plot = Callable[[Table, Styles], "tuple[Figure, Numbers] | None"]
BAND = 0.13  # opacity, low because a dozen bands overlap


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


def robustness_curves(table: Table, styles: Styles) -> "tuple[Figure, Numbers] | None":
    """Skill by corruption level, one panel a corruption; bands are ± one deviation over seeds."""
    numbers: Numbers = []
    for row in _trained(table):
        for name, points in _curves(row).items():
            for level in sorted({level for level, _ in points}):
                values = [v for at, v in points if at == level and v is not None]
                place = {"row": row.label, "corruption": name, "level": level}
                numbers.append({**place, **_summary("skill", values)})
    if not numbers:
        return None
    names = list(dict.fromkeys(line["corruption"] for line in numbers))
    labels, note = featured(table, _labels(table, numbers))
    columns = min(2, len(names))
    rows = ceil(len(names) / columns)
    size, grid = (3.5 * columns + 0.3, 2.7 * rows), (rows, columns)
    figure, axes = new_figure(table, labels, note, size, grid, sharex=True, sharey=True)
    for axis, name in zip(axes, names, strict=False):
        axis.axhline(0, color=GREY, linewidth=1, zorder=1)
        for label in labels:
            lines = _select(numbers, label, "corruption", name)
            _band(axis, styles[label], lines, "level", "skill")
        axis.set_title(one_line(corruption_title(name)))
        axis.set_xlabel(corruption_axis(name))
        axis.tick_params(labelbottom=True)
    for axis in axes[len(names) :]:
        axis.set_axis_off()
    for axis in axes[::columns]:
        axis.set_ylabel("skill ↑ (0: constant)")
    add_legend(figure, labels, styles, title=note)
    return figure, numbers


def missing_bars(table: Table, styles: Styles) -> "tuple[Figure, Numbers] | None":
    """Skill with modalities missing; error bars are ± one deviation over seeds."""
    numbers: Numbers = []
    titles = {column.key.removeprefix("skill."): column.header for column in table.at("missing")}
    for row in _trained(table):
        for name, values in _missing(row).items():
            numbers.append({"row": row.label, "missing": name, **_summary("skill", values)})
    if not numbers:
        return None
    names = list(dict.fromkeys(n["missing"] for n in numbers if n["missing"] in titles))
    labels, note = featured(table, _labels(table, numbers))
    size = max(5.4, 0.095 * len(names) * len(labels) + 1.4), 3.4
    figure, (axis,) = new_figure(table, labels, note, size)
    width = 0.84 / len(labels)
    for place, label in enumerate(labels):
        lines = {line["missing"]: line for line in numbers if line["row"] == label}
        shown = [(x, lines[name]) for x, name in enumerate(names) if name in lines]
        axis.bar(
            [x + (place - (len(labels) - 1) / 2) * width for x, _ in shown],
            [_plain(line["skill"]) for _, line in shown],
            width * 0.9,
            yerr=[line["sd"] or 0 for _, line in shown],
            error_kw={"elinewidth": 0.7, "ecolor": "#444444"},
            **fill(styles[label]),
        )
    axis.axhline(0, color=GREY, linewidth=1)
    axis.grid(axis="x", visible=False)
    axis.set_xticks(
        range(len(names)), [short_label(titles[name]).replace(" ", "\n", 1) for name in names]
    )
    axis.tick_params(axis="x", length=0)
    axis.set_ylabel("skill ↑ (0: constant)")
    add_patches(figure, labels, styles, title=note)
    return figure, numbers


def training_curves(table: Table, styles: Styles) -> "tuple[Figure, Numbers] | None":
    """Validation metric that selects, by epoch.

    A line ends where the last seed stopped; it is solid while all seeds train and faint after
    that, where it is the mean of those that still do.
    """
    numbers = _histories(table)
    column = table.column(table.selection)
    if column is None or not numbers:
        return None
    from matplotlib.ticker import MaxNLocator

    key, scale = f"valid_{table.selection}", 100 if column.percent else 1
    labels, note = featured(table, _labels(table, numbers))
    figure, (axis,) = new_figure(table, labels, note, (5.6, 3.6))
    for label in labels:
        lines = _select(numbers, label)
        whole = [line for line in lines if line["n"] == line["seeds"]]
        _band(axis, styles[label], whole, "epoch", key, scale)
        axis.plot(
            [line["epoch"] for line in lines],
            [_plain(line[key]) * scale for line in lines],
            color=styles[label].colour,
            alpha=0.35,
            linewidth=1,
            zorder=1.5,
        )
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    axis.set_xlabel("epoch")
    axis.set_ylabel(f"validation {column.title}")
    add_legend(figure, labels, styles, title=note)
    return figure, numbers


def _histories(table: Table) -> Numbers:
    """The selecting metric on validation by row and epoch, over the runs that got so far."""
    numbers: Numbers = []
    for row in _trained(table):
        runs = [
            {epoch.epoch: epoch.valid.get(table.selection) for epoch in record.history}
            for _, record in row.records
        ]
        for epoch in sorted({epoch for run in runs for epoch in run}):
            values = [value for run in runs if (value := run.get(epoch)) is not None]
            place = {"row": row.label, "epoch": epoch}
            numbers.append(
                {**place, **_summary(f"valid_{table.selection}", values), "seeds": len(runs)}
            )
    return numbers


PLOTS: dict[str, Plot] = {
    "score-against-cost": score_against_cost,
    "robustness-curves": robustness_curves,
    "missing-modalities": missing_bars,
    "training-curves": training_curves,
    "confusion": confusion,
}


def _trained(table: Table) -> list[Row]:
    """All rows but those of constant predictors, whose skill is the line at 0."""
    return [row for row in table.rows if not is_constant(row)]


def _curves(row: Row) -> dict[str, list[tuple[float, float | None]]]:
    """Levels and skills of all runs by corruption."""
    found: dict[str, list[tuple[float, float | None]]] = {}
    for run in row.done:
        for name, points in run.robustness.curves.items() if run.robustness else ():
            found.setdefault(name, []).extend(points)
    return found


def _missing(row: Row) -> dict[str, list[float]]:
    """Skills of all runs in which they are defined, by what is missing."""
    found: dict[str, list[float]] = {}
    for run in row.done:
        for name, skill in run.robustness.missing.items() if run.robustness else ():
            found.setdefault(name, []).extend([] if skill is None else [skill])
    return found


def _select(numbers: Numbers, label: str, key: str = "", value: str = "") -> Numbers:
    """The lines of one row, and of one value of a key if that is given."""
    return [n for n in numbers if n["row"] == label and (not key or n[key] == value)]


def _labels(table: Table, numbers: Numbers) -> list[str]:
    """Labels of the rows that a plot shows, in the order of the table."""
    shown = {line["row"] for line in numbers}
    return [row.label for row in table.rows if row.label in shown]


def _summary(name: str, values: Sequence[float]) -> dict[str, Any]:
    return {name: mean(values), "sd": standard_deviation(values), "n": len(values)}


def _plain(value: float | None) -> float:
    return float("nan") if value is None else value


def _band(axis: "Axes", style: Style, lines: Numbers, x: str, y: str, scale: float = 1) -> None:
    """A mean and the band of one deviation to both sides."""
    places = [line[x] for line in lines]
    middle = np.array([_plain(line[y]) * scale for line in lines])
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
