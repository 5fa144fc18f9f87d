"""What a table is made of: columns, entries that know their records, rows."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from benchmark.stats import Interval, mean, standard_deviation, t_interval
from leaderboard.comparisons import Comparison
from leaderboard.names import Extent, Unit, several, unit_of
from leaderboard.source import FOLDED, Pairing, Run

Split = Literal["", "valid", "test"]
Place = Literal["page", "terminal", "paper", "missing"]
VALID = "valid."  # begins the keys of scores on the validation split
GROUPS = ("score", "robustness", "cost")  # of our columns; all others are those of users
KINDS = ("floor", "baseline", "method", "plugin", "oracle")


@dataclass(frozen=True, slots=True)
class Column:
    """One number that records hold.

    Attributes:
        key: unique within a table; a metric is called as in records.
        header: short, without unit and arrow.
        group: which of the printed tables it belongs to: `score`, `robustness`, `cost`, or a user's
            evaluation by its name.
        unit: of the number as it is printed; empty for pure numbers and counts.
        higher_is_better: the direction.
        read: the number of one run, None where undefined or absent.
        decimals: printed places; None prints three significant digits, counts with k, M, G.
        percent: printed times 100.
        places: where it is printed: on the `page` (Markdown), on the `terminal`, in the main table
            of a `paper` (LaTeX), among those of `missing` modalities; nowhere but in the CSV files
            where there is none.
        split: whose samples it is about; empty for costs.
        timed: measured alone, once for a row and a machine.
        pair: title of the one column that it shares with another where room is short.
    """

    key: str
    header: str
    group: str
    unit: str
    higher_is_better: bool
    read: Callable[[Run], float | None]
    decimals: int | None = None
    percent: bool = False
    places: tuple[Place, ...] = ()
    split: Split = ""
    timed: bool = False
    pair: str = ""

    @property
    def of_runs(self) -> bool:
        """Whether each run has a value that tells of the model and not of a machine."""
        return not self.timed and self.group != "cost"

    @property
    def metric(self) -> str:
        """What the number is called in records, whatever the split."""
        return self.key.removeprefix(VALID)

    @property
    def title(self) -> str:
        """Header with unit and the arrow of the better direction."""
        unit = f" {self.unit}" if self.unit else ""
        return f"{self.header}{unit} {'↑' if self.higher_is_better else '↓'}"


@dataclass(frozen=True)
class Entry:
    """The values of one column in one row, each with fold, seed and the record it came from."""

    scores: tuple[tuple[Pairing, float, Path], ...]

    @cached_property
    def values(self) -> tuple[float, ...]:
        """`(runs,)` at full precision, in the order of the runs."""
        return tuple(value for _, value, _ in self.scores)

    @cached_property
    def mean(self) -> float | None:
        """Over the runs; None where none is defined."""
        return mean(self.values)

    @cached_property
    def deviation(self) -> float | None:
        """Sample deviation over the runs; None for fewer than two."""
        return standard_deviation(self.values)

    @cached_property
    def interval(self) -> Interval | None:
        """95 % Student interval of the mean; None for fewer than two runs."""
        return t_interval(self.values)

    @property
    def sources(self) -> list[Path]:
        """Record files, each once."""
        return list(dict.fromkeys(path for _, _, path in self.scores))


@dataclass(frozen=True, slots=True)
class Mark:
    """Standing of an entry within its column; `similar` is † (see `leaderboard.ranking`)."""

    place: Literal["", "best", "second"] = ""
    similar: bool = False


@dataclass(frozen=True)
class Row:
    """One model with one choice of settings.

    Attributes:
        model: registered name.
        kind: floor, baseline, method, plugin, or oracle.
        variant: of the model.
        settings: those that are not the registered defaults, then those that differ from other
            rows of the same model and variant, as text.
        records: score records, one a run, whatever their status.
        entries: by column key; a key that is absent is undefined.
        elsewhere: hardware -> entries of costs measured on other hardware than the table's.
        cost_failed: a cost measurement of this row has no result.
        name: what the model is called in print; empty for the registered name.
        recipe: where the settings come from, a few words with details after a colon; empty where
            records do not say.
    """

    model: str
    kind: str
    variant: str
    settings: str
    records: tuple[Run, ...]
    entries: dict[str, Entry]
    elsewhere: dict[str, dict[str, Entry]] = field(default_factory=dict)
    cost_failed: bool = False
    name: str = ""
    recipe: str = ""

    @cached_property
    def label(self) -> str:
        """Model, variant unless it is the paper's, and its settings."""
        variant = "" if self.variant in ("", "paper") else self.variant
        notes = ", ".join(note for note in (variant, self.settings) if note)
        name = self.name or self.model
        return f"{name} ({notes})" if notes else name

    @cached_property
    def done(self) -> list[Run]:
        """Score records with a result."""
        return [run for run in self.records if run.record.status == "done"]

    def count(self, status: str) -> int:
        """Score records of this status."""
        return sum(record.status == status for _, record in self.records)

    @cached_property
    def extent(self) -> Extent:
        """How many runs it has, whatever came of them."""
        return Extent.of([run.fold for run in self.records])

    @property
    def lost(self) -> str:
        """How many runs have no result, `1/5 failed`; empty where all have one."""
        return ", ".join(
            f"{self.count(status)}/{len(self.records)} {status}"
            for status in ("diverged", "failed", "interrupted")
            if self.count(status)
        )

    @property
    def runs(self) -> str:
        """How many runs there are, or how many of them have no result."""
        if not self.records:
            return "–"
        extent = self.extent
        return self.lost or (str(extent) if extent.unit == "run" else str(extent.runs))

    @cached_property
    def ranked(self) -> bool:
        """Whether it takes part in best and second: trained, and every run has a result."""
        ways = {record.training.stopped for _, record in self.records if record.training}
        # The oracle has no records of its own.
        return len(self.done) == len(self.records) > 0 and ways != {"untrainable"}


@dataclass(frozen=True)
class Table:
    """All rows that may be compared: one dataset, fingerprint, protocol and harness.

    Attributes:
        id: unique among the tables built together, fit for file names.
        dataset: name.
        fingerprint: hash of the dataset's arrays.
        protocol: all its fields.
        convention: of the metrics (`benchmark.metrics`); empty where no record has a score.
        selection: the metric that picked the checkpoints and orders the rows.
        columns: in printing order.
        rows: floors, baselines, methods, plugins, oracle; within a kind the best first.
        hardware: what the printed costs were measured on.
        training: what the trainings ran on.
        notes: sentences a reader must know.
        marks: (row label, column key) -> standing.
        comparisons: the best row of each column against the others, over common runs.
        significance: why † is there or not; empty with fewer than five runs.
        harness: version of the harness that made the records; empty where they do not say.
        current: whether that is today's version.
        folds: of a cross-validated dataset, as many as there are records of; else 0.
    """

    id: str
    dataset: str
    fingerprint: str
    protocol: dict[str, Any]
    convention: str
    selection: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    hardware: str
    training: tuple[str, ...]
    notes: tuple[str, ...]
    marks: dict[tuple[str, str], Mark]
    comparisons: tuple[Comparison, ...]
    significance: str
    harness: str = ""
    current: bool = True
    folds: int = 0

    @property
    def data(self) -> str:
        """The dataset, and that it is cross-validated."""
        name = self.dataset.removesuffix(FOLDED)
        if self.folds == 1:
            return f"{name}, one fold of a cross-validation"
        return f"{name}, cross-validation over {self.folds} folds" if self.folds else self.dataset

    @property
    def title(self) -> str:
        """Dataset, protocol, and the harness unless it is today's."""
        parts = [self.data, describe_protocol(str(self.protocol.get("name", "")))]
        if not self.current:
            parts.append(f"as of {describe_harness(self.harness)}")
        return ", ".join(parts)

    @property
    def extents(self) -> list[Extent]:
        """How many runs the rows have: each extent once, the smallest first."""
        found = {row.extent for row in self.rows if row.records}
        return sorted(found, key=lambda extent: (extent.runs, extent.folds))

    @property
    def unit(self) -> Unit:
        """What the runs of a row differ in."""
        return unit_of(self.extents or [Extent(0, self.folds, min(self.folds, 1))])

    @property
    def extent(self) -> str:
        """How many runs a row has: of one or of all rows, or the least and the most."""
        extents = self.extents
        if not extents:
            return f"no {self.unit}s"
        if len({str(extent) for extent in extents}) == 1:
            return str(extents[0])
        return f"{extents[0].runs} to {several(extents[-1].runs, self.unit)}"

    @property
    def several(self) -> bool:
        """Whether a row has more than one run, so that there are deviations."""
        return bool(self.extents) and self.extents[-1].runs > 1

    def column(self, key: str) -> Column | None:
        """The column of that key, or None."""
        return next((column for column in self.columns if column.key == key), None)

    def at(self, place: Place) -> list[Column]:
        """The columns that are printed there."""
        return [column for column in self.columns if place in column.places]

    def paired(self, place: Place) -> list[tuple[str, list[Column]]]:
        """Titles of what is printed there, with the column or the two that share it."""
        parts: dict[str, list[Column]] = {}
        titles = {}
        for column in self.at(place):
            key = column.pair or column.key
            titles[key] = column.pair or column.header
            both = [c for c in self.columns if c.pair == column.pair] if column.pair else [column]
            parts.setdefault(key, both)
        return [(titles[key], both) for key, both in parts.items()]

    def group(self, name: str) -> list[Column]:
        """The columns of a group on the page."""
        return [column for column in self.at("page") if column.group == name]

    @property
    def groups(self) -> list[str]:
        """Those of the page, in the order of the columns."""
        return list(dict.fromkeys(column.group for column in self.at("page")))

    def mark(self, row: Row, key: str) -> Mark:
        """Standing of an entry."""
        return self.marks.get((row.label, key), Mark())


def describe_harness(version: str) -> str:
    """`harness 2.ab12cd`, also for records from before there were versions."""
    return f"harness {version}" if version else "an earlier harness"


def describe_protocol(name: str) -> str:
    """`protocol quick`, but `external predictions` as it is."""
    return name if " " in name else f"protocol {name}"
