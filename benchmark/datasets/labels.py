"""What labels mean: the task of a plain folder, and one sentence for labels that do not fit it."""

import re
from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from benchmark.errors import NotFound, UserError, unknown
from benchmark.naming import clipped, shown
from benchmark.task import KINDS, MOST_NAMES, WIDEST, Task, multiclass, multilabel, regression

Array = NDArray[Any]


class Labels:
    """The labels of a plain folder: which array, which column of it, and what they mean.

    Args:
        dataset: name of the dataset, for sentences.
        manifest: its `dataset.json`.
        chosen: the label asked for as `name:label`: one of `labels.keys`, or a column by name or
            number; empty takes what `dataset.json` says.
    """

    def __init__(self, dataset: str, manifest: Mapping[str, Any], chosen: str = ""):
        facts = manifest.get("labels", {})
        if not isinstance(facts, dict):
            raise UserError(
                f'"labels" in dataset.json of {dataset!r} is {shown(facts)}; it must be an object '
                f'such as {{"range": [-3, 3]}}, see docs/data.md'
            )
        self.dataset, self.facts = dataset, facts
        self.keys = self._texts("keys")
        key = facts.get("key")
        usual = self.keys[0] if self.keys else "label"
        self.key = usual if key is None else self._only("key", key, str)
        column = facts.get("column", manifest.get("label_column"))
        self.column = "" if column is None else self._only("column", column, str | int)
        self.chosen = chosen
        if chosen in self.keys:
            self.key, self.column = chosen, ""
        elif chosen:
            self.column = chosen

    @property
    def columns(self) -> list[str]:
        """Names of the columns of a two-dimensional label; empty where they have none."""
        return self._texts("columns") or self._names

    def _only(self, name: str, value: Any, kind: Any) -> str:
        """A value of `dataset.json` as text."""
        if not isinstance(value, kind) or isinstance(value, bool):
            raise UserError(
                f"labels.{name} in dataset.json of {self.dataset!r} is {shown(value)}; it must be "
                f"{'a text' if kind is str else 'a name or a number'}"
            )
        return str(value)

    def _texts(self, name: str) -> list[str]:
        """A list of `dataset.json` as texts; empty where there is none."""
        value = self.facts.get(name)
        if value is None:
            return []
        if not isinstance(value, list) or len(value) > MOST_NAMES:
            raise UserError(
                f"labels.{name} in dataset.json of {self.dataset!r} is {shown(value)}; it must be "
                f"a list of names, {MOST_NAMES} at most"
            )
        return [self._only(name, part, str | int | float) for part in value]

    @property
    def suffix(self) -> str:
        """What is added to the name of the dataset for a label chosen on the command line."""
        return ":" + re.sub(r"[^\w.+-]+", "-", self._canonical) if self.chosen else ""

    def meaning(self, manifest: Mapping[str, Any]) -> dict[str, Any]:
        """What decides the labels, for the fingerprint."""
        chosen = {"chosen": self._canonical} if self.chosen else {}
        column = {"column": self.column} if self.column and not self.chosen else {}
        return {key: manifest.get(key) for key in ("labels", "extra")} | chosen | column

    def pick(self, place: str, label: Array) -> Array:
        """The labels of a split as the task has them, still of the type they were stored in.

        Raises:
            UserError: there are several labels a sample and none is chosen, or no such column.
        """
        if label.ndim == 2 and label.shape[1] > MOST_NAMES:
            raise UserError(
                f"{place} has {label.shape[1]} labels a sample; {MOST_NAMES} are the most there "
                f"can be"
            )
        if self.column:
            return label[:, self._number(place, label)]
        if label.ndim == 2 and label.shape[1] == 1 and self._low_high is not None:
            return label[:, 0]
        if label.ndim == 2 and label.shape[1] > 1 and not self._several:
            names = self.columns or [str(number) for number in range(label.shape[1])]
            first = ", ".join(map(clipped, names[:20])) + (", ..." if len(names) > 20 else "")
            raise NotFound(
                f"{place} has {label.shape[1]} labels a sample ({first}); choose one by "
                f"-d {self.dataset}:{clipped(names[0])} or as labels.column in dataset.json"
            )
        return label

    def task(self, label: Array) -> Task:
        """The task, judged by `dataset.json` and the picked labels of the training split.

        Raises:
            UserError: it is not clear what the labels mean.
        """
        if not len(label):
            raise UserError(
                f"the train split of {self.dataset!r} is empty; every split needs at least one "
                f"sample"
            )
        columns = self._names if self.column and "columns" not in self.facts else []
        classes = [] if columns or self._kind == "regression" else self._names
        if columns and self._low_high is None:
            name = columns[place] if (place := _place(self.column)) >= 0 else self.column
            return multiclass(f"not {name}", name)
        if classes and (self._low_high is None or label.ndim == 1):
            return (multilabel if self._is_multilabel(label) else multiclass)(*classes)
        if label.ndim == 1 and self._low_high is None and label.dtype.kind in "iub":
            return multiclass(*self._numbered(label))
        return self._regression()

    def _numbered(self, label: Array) -> list[str]:
        """Names of classes that have none."""
        count = int(label.max()) + 1
        if count > MOST_NAMES:
            raise UserError(
                f"the labels of {self.dataset!r} are whole numbers up to {count - 1}, too many for "
                f"classes, which are {MOST_NAMES} at most; if they are a score, put "
                f'"labels": {{"range": [low, high]}} into dataset.json'
            )
        return [f"class {place}" for place in range(count)]

    def _regression(self) -> Task:
        if self._low_high is None:
            raise UserError(
                f"{self.dataset!r} does not say what its labels mean; put "
                f'"labels": {{"range": [low, high]}} or {{"names": [...]}} into dataset.json'
            )
        ends = self._low_high
        if not isinstance(ends, list) or len(ends) != 2 or not all(map(_is_number, ends)):
            raise UserError(
                f"labels.range of {self.dataset!r} is {shown(ends)}; it must be two numbers, "
                f"[lowest, highest]"
            )
        neutral = self.facts.get("neutral")
        if neutral is not None and not _is_number(neutral):
            raise UserError(
                f"labels.neutral of {self.dataset!r} is {shown(neutral)}; it must be a number of "
                f"the range"
            )
        low, high = map(float, ends)
        return regression(low, high, neutral=None if neutral is None else float(neutral))

    def neutral(self, task: Task) -> dict[str, str]:
        """Whether the neutral label is known, for the provenance of a regression."""
        if task.kind != "regression":
            return {}
        known = self.facts.get("neutral") is not None or task.low == -task.high
        return {"neutral": "stated" if known else "assumed"}

    @property
    def _canonical(self) -> str:
        """The chosen label by its name where it has one; to be asked for once it was found."""
        numbered = self.chosen not in [*self.keys, *self.columns] and _place(self.chosen) >= 0
        return self.columns[int(self.chosen)] if numbered and self.columns else self.chosen

    def _is_multilabel(self, label: Array) -> bool:
        if self._kind:
            return self._kind == "multilabel"
        return label.ndim == 2 and (label.shape[1] > 1 or len(self._names) == 1)

    def _number(self, place: str, label: Array) -> int:
        if label.ndim != 2:
            if self.keys and self.chosen:
                raise unknown(f"label of {self.dataset!r}", self.column, self.keys)
            raise (NotFound if self.chosen else UserError)(
                f"{place} has one label a sample and so no column {shown(self.column)}; leave it "
                f"out"
            )
        count, names = label.shape[1], self.columns
        if names and len(names) != count:
            raise UserError(
                f"{place} has {count} labels a sample but dataset.json names {len(names)}; "
                f"correct labels.columns"
            )
        if self.column in names:
            return names.index(self.column)
        if 0 <= _place(self.column) < count:
            return _place(self.column)
        known = names or [str(number) for number in range(count)]
        error = unknown(f"label of {self.dataset!r}", self.column, known)
        raise error if self.chosen else UserError(f"{error} (labels.column in dataset.json)")

    @property
    def _names(self) -> list[str]:
        found = self.facts.get("names", self.facts.get(f"{self.key}_names"))
        if found is None or isinstance(found, str):  # a text is a note
            return []
        if not isinstance(found, list):
            raise UserError(
                f"labels.names of {self.dataset!r} is {shown(found)}; it must be a list of names"
            )
        return [self._only("names", name, str | int | float) for name in found[: MOST_NAMES + 1]]

    @property
    def _low_high(self) -> Any:
        return self.facts.get("range")

    @property
    def _kind(self) -> str:
        """The kind of task where `labels.kind` names one; other words are a note."""
        kind = self.facts.get("kind")
        return str(kind) if kind in KINDS else ""

    @property
    def _several(self) -> bool:
        """Whether several labels a sample belong together, as yes-no labels do."""
        if self._kind:
            return self._kind == "multilabel"
        return bool(self._names) and self._low_high is None and "columns" not in self.facts


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < WIDEST


def _place(text: str) -> int:
    """The number of a column, -1 where the text is none."""
    return int(text) if text.isdecimal() and len(text) < 10 else -1


def neutral_sentence(task: Task, assumed: bool) -> str:
    """Where the neutral label of a regression comes from."""
    if task.low == -task.high and not task.neutral:
        return f"neutral label 0, the middle of the symmetric range [{task.low:g}, {task.high:g}]"
    if not assumed:
        return f"neutral label {task.neutral:g}, stated"
    return (
        f"neutral label {task.neutral:g}, assumed as the middle of [{task.low:g}, {task.high:g}]; "
        f"state it in dataset.json as labels.neutral"
    )
