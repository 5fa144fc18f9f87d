"""The parts that a model's record comes in: what its cells have in common, and what not."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Part:
    """One kind of cell.

    Attributes:
        name: as in cells and records.
        seeded: made for every seed; otherwise once for a model and its settings.
        timed: measured alone on an idle machine, whose hardware its cells name.
    """

    name: str
    seeded: bool
    timed: bool


SCORE = Part("score", seeded=True, timed=False)
COST = Part("cost", seeded=False, timed=True)
PARTS = {part.name: part for part in (SCORE, COST)}
