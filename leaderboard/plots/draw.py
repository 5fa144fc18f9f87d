"""Finds every plot of this folder, draws those that the records allow, and writes them."""

import importlib
import pkgutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import leaderboard.plots
from benchmark.system.atomic import write_text
from leaderboard.plots.figures import FONTS, save
from leaderboard.plots.styles import Style, make_styles
from leaderboard.render.csv import csv_text
from leaderboard.table import Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Numbers = list[dict[str, Any]]
Plot = Callable[[Table, dict[str, Style]], "tuple[Figure, Numbers] | None"]
_FOUND: dict[str, tuple[int, Plot]] = {}


def plot(name: str, *, place: int) -> Callable[[Plot], Plot]:
    """Register a plot of a table: a file of this folder with one decorated function is enough.

    The function gives the figure with the numbers that it shows, or None where the records hold
    nothing for it.

    Args:
        name: ends the names of its files.
        place: among the plots of a table, the smallest first.

    Raises:
        ValueError: another function has the name.
    """

    def register(function: Plot) -> Plot:
        taken = _FOUND.get(name)
        if taken is not None and taken[1].__module__ != function.__module__:
            raise ValueError(
                f"two plots want the name {name!r}: {taken[1].__module__} and {function.__module__}"
            )
        _FOUND[name] = place, function
        return function

    return register


def plots() -> dict[str, Plot]:
    """Every plot by its name, in the order of their places."""
    for module in pkgutil.iter_modules(leaderboard.plots.__path__):
        importlib.import_module(f"{leaderboard.plots.__name__}.{module.name}")
    return {
        name: _FOUND[name][1] for name in sorted(_FOUND, key=lambda name: (_FOUND[name][0], name))
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
            for name, draw in plots().items():
                drawn = draw(table, styles)
                if drawn is None:
                    continue
                figure, numbers = drawn
                target = folder / f"{table.id}-{name}"
                files += save(figure, target)
                path = target.with_name(f"{target.name}.csv")
                write_text(path, csv_text(numbers))
                files.append(path)
    return written
