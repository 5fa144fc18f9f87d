"""How models look in plots: a colour bound to the name, dash, marker and hatch against doubles."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from leaderboard.table import Row, Table

# Okabe and Ito (2008) without yellow, which is too faint on white for a line.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
# The first five are told apart at a glance; the others are for a colour's sixth model and more.
DASHES: tuple[Any, ...] = (
    *("-", (0, (5, 1.5)), (0, (1.5, 1)), (0, (5, 1, 1, 1)), (0, (5, 1, 1, 1, 1, 1))),
    *((0, (9, 2)), (0, (9, 2, 3, 2)), (0, (2.5, 2.5)), (0, (5, 1, 5, 1, 1, 1)), (0, (1, 3))),
)
HATCHES = ("", "/////", ".....", "xxxxx", "-----", "|||||", "\\\\\\\\\\", "ooo", "+++++", "***")
MARKERS = "osD^vPX*<>"
GREY = "#777777"
# The published models by colour, the usual comparisons first; models not named here have the
# colour that their name's hash gives. A name that moves changes its looks in every plot.
KNOWN = (
    *("tfn", "lmf", "mult", "text-only", "self-mm", "mfn", "mag-bert"),
    *("interactive-attention", "late-fusion", "bbfn", "mmim", "tetfn", "almt", "tfr-net"),
    *("ef-lstm", "lf-lstm", "lf-dnn", "graph-mfn", "raven", "mctn", "cenet"),
    *("misa", "ctc-ef-lstm", "ctc-raven", "ctc-mctn", "mmbt", "nhfnet", "mag-xlnet"),
    *("graph-cage", "morah", "text-only-features"),
)


@dataclass(frozen=True, slots=True)
class Style:
    """Looks of a model, the same in every plot; colour with dash or marker tells it apart."""

    colour: str
    dash: Any
    marker: str


def make_styles(tables: Iterable[Table]) -> dict[str, Style]:
    """A style for each row label of all tables; models without training are grey.

    The colour depends on the model's registered name alone, and of a model named in `KNOWN` dash
    and marker too; only further rows of it and other models of its colour give way.
    """
    rows = {row.label: row for table in tables for row in table.rows if row.kind != "oracle"}
    styles = {label: Style(GREY, (0, (1, 1)), "x") for label in rows if is_constant(rows[label])}
    coloured = [label for label in rows if label not in styles]
    taken: dict[int, set[int]] = defaultdict(set)
    for label in sorted(coloured, key=lambda label: _turn(rows[label])):
        colour, place = _free(*_home(rows[label].model), taken)
        taken[colour].add(place)
        marker = MARKERS[(colour + 2 * place + place // 5) % len(MARKERS)]
        styles[label] = Style(COLOURS[colour], DASHES[place], marker)
    return styles


def is_constant(row: Row) -> bool:
    """Whether the model has nothing to train."""
    return {record.training.stopped for _, record in row.records if record.training} == {
        "untrainable"
    }


def fill(style: Style) -> dict[str, Any]:
    """Colour of a bar; a hatch tells apart bars whose colour comes a second time."""
    hatch = HATCHES[DASHES.index(style.dash)] if style.dash in DASHES else ""
    return {"facecolor": style.colour, "hatch": hatch, "edgecolor": "white", "linewidth": 0}


def _turn(row: Row) -> tuple[bool, int, str, int, str]:
    """The order in which rows choose: known models, each its plainest row first."""
    known = row.model in KNOWN
    further = len(row.label) - len(row.name or row.model)
    return further > 0, 0 if known else 1, row.model, further, row.label


def _free(colour: int, place: int, taken: dict[int, set[int]]) -> tuple[int, int]:
    """The place if it is free, else another of the colour; of the next ones if there is none."""
    if place not in taken[colour]:
        return colour, place
    for step in range(len(COLOURS)):
        other = (colour + step) % len(COLOURS)
        for free in range(len(DASHES)):
            if free not in taken[other]:
                return other, free
    return colour, place


def _home(model: str) -> tuple[int, int]:
    """Colour, and place among the models of that colour."""
    if model in KNOWN:
        number = KNOWN.index(model)
        return number % len(COLOURS), number // len(COLOURS)
    digest = blake2b(model.encode(), digest_size=4).digest()
    return int.from_bytes(digest, "big") % len(COLOURS), 0
