"""What settings, recipes, corruptions and numbers of runs are called in print."""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from benchmark.naming import visible
from benchmark.records.record import Cell, Record

Names = Literal["registered", "paper"]
UNTUNED, BY_HAND = "untuned default", "set by hand"
ENCODER = "text_encoder"
HASHED = re.compile(r"(.+)#[0-9a-f]{12}")  # a text encoder with the hash of its content
# Title of a panel, head of a column, what a level of 1 means; as in robustness.corruptions.
CORRUPTIONS = {
    "mix.all": ("Noise and unknown words", "Mixed", "level of each part"),
    "text.word_unk": ("Unknown words", "Unknown words", "share of words"),
    **{
        f"{kind}{suffix}": (f"{title} {what}", f"{short}{after}", unit)
        for suffix, what, after in (
            ("", "audio and vision", ""),
            *((f":{name}", name, f", {name}") for name in ("text", "audio", "vision")),
        )
        for kind, title, short, unit in (
            ("feat.gauss", "Gaussian noise on", "Noise", "noise of 2 training deviations"),
            ("time.drop", "Dropped steps of", "Dropped steps", "share of steps"),
        )
    },
}
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


def one_line(text: str) -> str:
    """Text for people on one line with every sign seen: what writers of all but CSV begin with."""
    return visible(" ".join(text.split()))


def corruption_title(name: str) -> str:
    """`Gaussian noise on text` for `feat.gauss:text`; an unknown name as it is."""
    return CORRUPTIONS[name][0] if name in CORRUPTIONS else name


def corruption_head(name: str) -> str:
    """The same, shorter."""
    return CORRUPTIONS[name][1] if name in CORRUPTIONS else name


def corruption_axis(name: str) -> str:
    """What the levels mean."""
    unit = CORRUPTIONS[name][2] if name in CORRUPTIONS else "level"
    return unit if unit.startswith("level") else f"level: {unit}"


def removal_title(gone: Sequence[str], modalities: Sequence[str]) -> str:
    """`no text`, and where several of the modalities are missing what is left: `only text`."""
    if not gone:
        return "nothing missing"
    if len(gone) == 1:
        return f"no {gone[0]}"
    return f"only {', '.join(name for name in modalities if name not in gone)}"


def setting_text(value: Any) -> str:
    """A value of a setting: text as it is, the shortest form of a number, JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, float) and float(f"{value:g}") == value:
        return f"{value:g}"
    return json.dumps(value, sort_keys=True, default=str)


def describe_settings(groups: Mapping[str, Sequence[Record]]) -> dict[str, str]:
    """For each row its changed settings, then those that differ among rows of its model.

    Args:
        groups: row key -> its records, which have the same settings.
    """
    values = {key: _values(records[0].cell) for key, records in groups.items()}
    names = {key: (r[0].cell.model, r[0].cell.variant) for key, r in groups.items()}
    telling = _telling((names[key], own) for key, own in values.items())
    encoders = _unmistakable(
        value
        for key, own in values.items()
        for known in (own, *(record.changed for record in groups[key]))
        for value in known.values()
    )
    texts = {}
    for key, own in values.items():
        shown = own | {k: v for record in groups[key] for k, v in record.changed.items()}
        changed = sorted({name for record in groups[key] for name in record.changed})
        told = [name for name in changed if name != "variant" or names[key][1] == "paper"]
        told += [name for name in sorted(telling[names[key]]) if name in own.keys() - changed]
        texts[key] = ", ".join(
            f"{name}={encoders.get(text := setting_text(shown[name]), text)}" for name in told
        )
    return texts


def _telling(rows: Iterable[tuple[tuple[str, str], dict[str, Any]]]) -> dict[Any, set[str]]:
    """Model and variant -> the settings in which its rows differ."""
    groups: dict[tuple[str, str], list[dict[str, str]]] = defaultdict(list)
    for name, values in rows:
        groups[name].append({key: setting_text(value) for key, value in values.items()})
    return {
        name: {key for key in set().union(*alike) if len({row.get(key) for row in alike}) > 1}
        for name, alike in groups.items()
    }


def describe_recipe(records: Sequence[Record]) -> str:
    """Where the settings of a row come from; a text encoder brings settings of its own."""
    if any(name != ENCODER for record in records for name in record.changed):
        return BY_HAND
    return next((record.recipe for record in records if record.recipe), "")


def describe_models(records: Iterable[Record], names: Names) -> dict[str, str]:
    """Registered name -> name in print; two models never share one."""
    known = list(records)
    if names == "registered":
        return {record.cell.model: record.cell.model for record in known}
    found = {record.cell.model: "" for record in known}
    for record in known:
        found[record.cell.model] = found[record.cell.model] or record.display
    shown = [name or model for model, name in found.items()]
    return {
        model: model if shown.count(name) != 1 or name in found.keys() - {model} else name
        for model, name in found.items()
    }


def _values(cell: Cell) -> dict[str, Any]:
    own = {"source": cell.source[:6], "kind": cell.kind, "threads": cell.threads}
    return {**cell.settings, **cell.config, **own}


def _unmistakable(values: Iterable[Any]) -> dict[str, str]:
    """Text encoders -> their names without the hash, where no other has the same name."""
    found: dict[str, set[str]] = defaultdict(set)
    for value in values:
        match = HASHED.fullmatch(value) if isinstance(value, str) else None
        if match:
            found[match[1]].add(match[0])
    return {whole: name for name, wholes in found.items() for whole in wholes if len(wholes) == 1}
