"""A record with its place, and what follows from it."""

from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from benchmark.records.record import Record
from robustness.scores import Scores, score

Source = tuple[Path, Record]
Pairing = tuple[int | None, int]  # fold and seed, by which runs of two rows are pairs
FOLDED = "@folds"  # ends the name of a cross-validated dataset


class _Source(NamedTuple):
    path: Path
    record: Record


class Run(_Source):
    """A record and where it lies; what follows from it is computed once."""

    @staticmethod
    def of(source: Source) -> "Run":
        """The same with room for what follows from it."""
        return source if isinstance(source, Run) else Run(*source)

    @property
    def fold(self) -> int | None:
        """Its fold where the dataset is cross-validated; earlier records had one for each seed."""
        cell = self.record.cell
        return cell.seed if cell.fold is None and cell.dataset.endswith(FOLDED) else cell.fold

    @property
    def pairing(self) -> Pairing:
        """Which runs of other rows it can be compared with."""
        return self.fold, self.record.cell.seed

    @cached_property
    def robustness(self) -> Scores | None:
        """Scores of the evaluation `robustness`, where the record has it."""
        measured = self.record.measurements.robustness
        return None if measured is None else score(measured)
