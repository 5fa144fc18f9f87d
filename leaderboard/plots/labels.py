"""Where texts go in a plot: ticks that do not collide, names that cover least."""

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from math import ceil, floor, log10
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from leaderboard.plots.legends import short_label

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Box = tuple[float, float, float, float]
# Of a label from its point, in points of 1/72 inch: beside the front's steps, then further away.
OFFSETS = (
    *((6, 4), (-6, -13), (-6, 4), (6, -13), (7, -3), (-7, -3), (0, 7), (0, -15)),
    *((0, 17), (0, -25), (10, 13), (-10, 13), (10, -21), (-10, -21)),
    *((20, 8), (-20, 8), (20, -17), (-20, -17), (0, 29), (0, -37), (14, 25), (-14, 25)),
    *((14, -33), (-14, -33)),
)
LETTER, LINE = 4.7, 9.0  # size of a letter of the labels in points
TICK_LETTER, TICK_GAP = 5.6, 5.0  # of the ticks, in points
FEWEST_TICKS = 3
FAR = 14.0  # points between a label and its point that want a line between them
LEADER = {"arrowstyle": "-", "color": "#AAAAAA", "linewidth": 0.6, "shrinkA": 0, "shrinkB": 3}
# Of covering a square point of the front's line, error bars and other labels; of symbols it is 1.
STEP_COST, BAR_COST, LABEL_COST = 0.5, 2.0, 4.0


def tick_values(low: float, high: float, width: float, text: Callable[[float], str]) -> list[float]:
    """Round numbers on a log axis whose texts do not collide; the most regular that are enough.

    Args:
        low: left end of the axis.
        high: right end.
        width: of the axis, in points of 1/72 inch.
        text: what stands at a tick.
    """
    best: list[float] = []
    for ticks in _candidates(low, high):
        places = [width * log10(tick / low) / log10(high / low) for tick in ticks]
        sizes = [TICK_LETTER * len(text(tick)) for tick in ticks]
        free = all(
            right - left >= (one + other) / 2 + TICK_GAP
            for left, right, one, other in zip(places, places[1:], sizes, sizes[1:], strict=False)
        )
        if len(set(map(text, ticks))) < len(ticks) or not free:
            continue
        if len(ticks) >= FEWEST_TICKS:
            return ticks
        if len(ticks) > len(best):
            best = ticks
    return best


def _candidates(low: float, high: float) -> Iterator[list[float]]:
    """Powers of ten, with 3, or 2 and 5 between them; then equal steps."""
    powers = range(floor(log10(low)), ceil(log10(high)) + 1)
    for stride in (1, 2, 3):
        if stride == 1 or len(powers) > 2 * stride:
            yield [t for n in powers if n % stride == 0 and low <= (t := 10.0**n) <= high]
    for factors in ((1, 3), (1, 2, 5)):
        yield [t for n in powers for f in factors if low <= (t := f * 10.0**n) <= high]
    for parts in (5, 4, 3, 2, 1):
        size = 10.0 ** floor(log10((high - low) / parts))
        step = next(f * size for f in (1, 2, 2.5, 5, 10) if f * size >= (high - low) / parts)
        count = range(ceil(low / step), floor(high / step) + 1)
        yield [float(f"{n * step:.12g}") for n in count if n > 0]


def name_points(
    axis: "Axes",
    points: Sequence[tuple[float, float]],
    bars: Sequence[float],
    names: Sequence[str],
) -> None:
    """Write names where they cover least of points, error bars, the front and one another.

    Args:
        axis: in its final place; the front is the steps that join the named points.
        points: in data coordinates, by x.
        bars: half the height of the error bar of each.
        names: of each point; empty for those without a name.
    """
    pixels = axis.figure.dpi / 72
    spans = zip(points, bars, strict=True)
    ends = [(x, y + sign * bar) for (x, y), bar in spans for sign in (-1, 1)]
    places = axis.transData.transform(np.array([*points, *ends])) / pixels
    centres, reach = places[: len(points)], places[len(points) :]
    named = [bool(name) for name in names]
    taken = _obstacles(centres, reach, named)
    edges = [float(edge) / pixels for edge in axis.get_window_extent().extents]
    frame: Box = (edges[0] + 4, edges[1] + 2, edges[2], edges[3])
    for name, point, (x, y) in zip(map(short_label, names), points, centres, strict=True):
        if not name:
            continue
        box = _free_box(name, x, y, taken, frame)
        taken.append((box, LABEL_COST))
        label = axis.annotate(
            name,
            point,
            xytext=(box[0] - x, box[1] - y),
            textcoords="offset points",
            fontsize=8,
            arrowprops=LEADER if _distance(box, x, y) > FAR else None,
        )
        label.set_in_layout(False)


def _obstacles(
    centres: NDArray[np.float64], ends: NDArray[np.float64], named: Sequence[bool]
) -> list[tuple[Box, float]]:
    """Boxes of points, error bars and the front's line in points, each with what covering costs."""
    taken = [((x - 4, y - 4, x + 4, y + 4), 1.0) for x, y in centres]
    for (left, down), (_, up) in zip(ends[::2], ends[1::2], strict=True):
        taken.append(((left - 1.5, down, left + 1.5, up), BAR_COST))
    front = [centre for centre, name in zip(centres, named, strict=True) if name]
    for (x, y), (right, up) in pairwise(front):
        taken.append(((x, y - 1, right, y + 1), STEP_COST))
        taken.append(((right - 1, min(y, up), right + 1, max(y, up)), STEP_COST))
    return taken


def _free_box(text: str, x: float, y: float, taken: Sequence[tuple[Box, float]], frame: Box) -> Box:
    """The place about a point where a text costs least and stays inside."""
    width = LETTER * len(text)
    best: tuple[float, Box] | None = None
    for right, up in OFFSETS:
        left = x + right - (width if right < 0 else width / 2 if right == 0 else 0)
        box = (left, y + up, left + width, y + up + LINE)
        outside = width * LINE - _overlap(box, frame)
        badness = sum(cost * _overlap(box, other) for other, cost in taken) + 3 * outside
        badness += _distance(box, x, y)  # of places that cover as little, the nearest
        if best is None or badness < best[0]:
            best = (badness, box)
    assert best is not None  # there are offsets
    return best[1]


def _distance(box: Box, x: float, y: float) -> float:
    """From a point to the nearest edge of a box."""
    left, down, right, up = box
    return max(left - x, 0, x - right) + max(down - y, 0, y - up)


def _overlap(one: Box, other: Box) -> float:
    """Area that two boxes (left, bottom, right, top) share."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    return max(width, 0.0) * max(height, 0.0)
