"""What a table is made of: columns, entries that know their records, rows."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from benchmark.results import Record
from benchmark.stats import Interval, mean, standard_deviation, t_interval

Source = tuple[Path, Record]
Group = Literal["score", "robustness", "cost"]
KINDS = ("floor", "baseline", "method", "plugin", "oracle")


@dataclass(frozen=True, slots=True)
class Column:
    """One number that records hold.

    Attributes:
        key: unique within a table; a metric is called as in records.
        header: short, without unit and arrow.
        group: which of the printed tables it belongs to.
        unit: of the number as it is printed; empty for pure numbers and counts.
        higher_is_better: the direction.
        read: the number of one record, None where undefined or absent.
        decimals: printed places; None prints three significant digits, counts with k, M, G.
        percent: printed times 100.
        main: printed in tables; the others are in the CSV only.
    """

    key: str
    header: str
    group: Group
    unit: str
    higher_is_better: bool
    read: Callable[[Record], float | None]
    decimals: int | None = None
    percent: bool = False
    main: bool = True

    @property
    def title(self) -> str:
        """Header with unit and the arrow of the better direction."""
        unit = f" {self.unit}" if self.unit else ""
        return f"{self.header}{unit} {'↑' if self.higher_is_better else '↓'}"


@dataclass(frozen=True)
class Entry:
    """The values of one column in one row, each with its seed and the record it came from."""

    scores: tuple[tuple[int, float, Path], ...]

    @cached_property
    def values(self) -> tuple[float, ...]:
        """`(runs,)` at full precision, in the order of the seeds."""
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
        settings: those that differ from other rows of the same model and variant, as text.
        records: score records, one a seed, whatever their status.
        entries: by column key; a key that is absent is undefined.
        elsewhere: hardware -> entries of costs measured on other hardware than the table's.
        cost_failed: a cost measurement of this row has no result.
    """

    model: str
    kind: str
    variant: str
    settings: str
    records: tuple[Source, ...]
    entries: dict[str, Entry]
    elsewhere: dict[str, dict[str, Entry]] = field(default_factory=dict)
    cost_failed: bool = False

    @property
    def label(self) -> str:
        """Model, variant unless it is the paper's, and the settings that tell rows apart."""
        variant = "" if self.variant in ("", "paper") else self.variant
        notes = ", ".join(note for note in (variant, self.settings) if note)
        return f"{self.model} ({notes})" if notes else self.model

    @property
    def done(self) -> list[Source]:
        """Score records with a result."""
        return [(path, record) for path, record in self.records if record.status == "done"]

    def count(self, status: str) -> int:
        """Score records of this status."""
        return sum(record.status == status for _, record in self.records)

    @property
    def runs(self) -> str:
        """The number of seeds, or how many of them have no result."""
        if not self.records:
            return "–"
        lost = [
            f"{self.count(status)}/{len(self.records)} {status}"
            for status in ("diverged", "failed")
            if self.count(status)
        ]
        return ", ".join(lost) or str(len(self.records))

    @property
    def ranked(self) -> bool:
        """Whether it takes part in best and second: trained, and every seed has a result."""
        ways = {record.training.stopped for _, record in self.records if record.training}
        # The oracle has no records of its own.
        return len(self.done) == len(self.records) > 0 and ways != {"untrainable"}


@dataclass(frozen=True)
class Table:
    """All rows that may be compared: one dataset, one fingerprint, one protocol.

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
        significance: why † is there or not; empty with fewer than five seeds.
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
    significance: str

    @property
    def title(self) -> str:
        """Dataset and protocol."""
        return f"{self.dataset}, {describe_protocol(str(self.protocol.get('name', '')))}"

    @property
    def seeds(self) -> str:
        """How many runs a row has: one number, or the least and the most."""
        counts = [len(row.records) for row in self.rows if row.records]
        if not counts:
            return "no seeds"
        if min(counts) < max(counts):
            return f"{min(counts)} to {max(counts)} seeds"
        return f"{counts[0]} seed{'s' if counts[0] > 1 else ''}"

    def column(self, key: str) -> Column | None:
        """The column of that key, or None."""
        return next((column for column in self.columns if column.key == key), None)

    def group(self, name: Group) -> list[Column]:
        """The printed columns of a group."""
        return [column for column in self.columns if column.group == name and column.main]

    def mark(self, row: Row, key: str) -> Mark:
        """Standing of an entry."""
        return self.marks.get((row.label, key), Mark())


def describe_protocol(name: str) -> str:
    """`protocol quick`, but `external predictions` as it is."""
    return name if " " in name else f"protocol {name}"
