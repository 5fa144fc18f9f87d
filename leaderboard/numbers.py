"""How numbers are printed: the only place where they are rounded."""

from math import floor, log10

from leaderboard.table import Column, Entry

UNDEFINED = "–"
SCALES = (("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3))


def number(column: Column, value: float | None) -> str:
    """A value of a column without its unit; a dash where it is undefined."""
    if value is None:
        return UNDEFINED
    if column.decimals is not None:
        text = f"{value * (100 if column.percent else 1):.{column.decimals}f}"
        return text.removeprefix("-") if float(text) == 0 else text
    return human(value) if column.unit in ("", "1/s") else significant(value)


def spread(column: Column, entry: Entry | None, *, runs: int = 0) -> str:
    """Mean ± standard deviation; the number of values in brackets where it is not `runs`."""
    if entry is None or entry.mean is None:
        return UNDEFINED
    text = number(column, entry.mean)
    if column.of_runs and entry.deviation is not None:
        text += f" ± {number(column, entry.deviation)}"
    return f"{text} [{len(entry.values)}]" if 0 < runs != len(entry.values) else text


def interval(column: Column, entry: Entry | None) -> str:
    """The 95 % interval of the mean."""
    if entry is None or entry.interval is None:
        return UNDEFINED
    return f"{number(column, entry.interval.low)} to {number(column, entry.interval.high)}"


def significant(value: float) -> str:
    """Three significant digits, never in scientific notation."""
    rounded = float(f"{value:.3g}")
    if rounded == 0:
        return "0"
    return f"{rounded:.{max(0, 2 - floor(log10(abs(rounded))))}f}"


def human(value: float) -> str:
    """Three significant digits with k, M, G or T; a small count as it is."""
    for suffix, scale in SCALES:
        if abs(float(f"{value:.3g}")) >= scale:
            return significant(value / scale) + suffix
    return str(int(value)) if value == int(value) else significant(value)
