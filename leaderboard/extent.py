"""How many runs there are, in words that never take a fold for a seed."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

Unit = Literal["run", "fold", "seed"]
UNITS: tuple[Unit, ...] = ("run", "fold", "seed")  # the first that any row needs


@dataclass(frozen=True, slots=True)
class Extent:
    """The runs of a row.

    Attributes:
        runs: how many.
        folds: over how many folds; 0 without cross-validation.
        seeds: of each fold, or of the row where there are none; the most where folds differ.
    """

    runs: int
    folds: int
    seeds: int

    @classmethod
    def of(cls, folds: Sequence[int | None]) -> "Extent":
        """From the fold of each run."""
        counts = Counter(folds)
        known = len(counts) - (None in counts)
        return cls(len(folds), known, max(counts.values(), default=0))

    @property
    def unit(self) -> Unit:
        """What the runs differ in: in both where a fold has several seeds."""
        if not self.folds:
            return "seed"
        return "fold" if self.seeds == 1 else "run"

    def __str__(self) -> str:
        """`5 seeds`, `5 folds`, `5 folds × 2 seeds` or `7 runs on 5 folds`."""
        if self.unit != "run":
            return several(self.runs, self.unit)
        if self.runs == self.folds * self.seeds:
            return f"{several(self.folds, 'fold')} × {several(self.seeds, 'seed')}"
        return f"{several(self.runs, 'run')} on {several(self.folds, 'fold')}"


def unit_of(extents: Iterable[Extent]) -> Unit:
    """What the runs of all these rows differ in."""
    found = {extent.unit for extent in extents}
    return next((unit for unit in UNITS if unit in found), "seed")


def several(count: int, what: str) -> str:
    """`1 seed`, `2 seeds`."""
    return f"{count} {what}{'' if count == 1 else 's'}"
