"""Task: what a label means, its loss, and which metrics score it."""

import math
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import torch.nn.functional as F
from torch import Tensor

from benchmark.errors import UserError

KINDS = ("regression", "multiclass", "multilabel")


@dataclass(frozen=True, slots=True)
class Task:
    """A regression on a bounded scale, a choice among classes, or several yes-no labels.

    Attributes:
        kind: `regression`, `multiclass` or `multilabel`.
        low: lowest label of a regression, in label units.
        high: highest label of a regression, in label units.
        neutral: the label that is neither positive nor negative.
        names: class names of a multiclass or multilabel task, in the order of the outputs.
        convention: the named set of metrics, `mosi` (labels in [-3, 3]), `sims` (labels in
            [-1, 1]), `multiclass` or `multilabel`.
    """

    kind: Literal["regression", "multiclass", "multilabel"]
    low: float = -3.0
    high: float = 3.0
    neutral: float = 0.0
    names: tuple[str, ...] = ()
    convention: Literal["mosi", "sims", "multiclass", "multilabel"] = "mosi"

    @property
    def outputs(self) -> int:
        """Numbers that a model predicts for one sample."""
        return 1 if self.kind == "regression" else len(self.names)

    @property
    def span(self) -> float:
        """Half the width of the label range: the largest deviation from its centre."""
        return (self.high - self.low) / 2

    @property
    def centre(self) -> float:
        """What the harness subtracts from a regression's labels before a model sees them."""
        return self.neutral if self.kind == "regression" else 0.0

    def centred(self) -> "Task":
        """The task as models see it: a regression whose neutral label is 0."""
        if not self.centre:
            return self
        return replace(self, low=self.low - self.centre, high=self.high - self.centre, neutral=0.0)

    def loss(self, prediction: Tensor, label: Tensor) -> Tensor:
        """Mean absolute error, cross-entropy or binary cross-entropy, a scalar."""
        if self.kind == "regression":
            return F.l1_loss(prediction, label)
        if self.kind == "multiclass":
            return F.cross_entropy(prediction, label)
        return F.binary_cross_entropy_with_logits(prediction, label)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for `dataset.json` and records."""
        return {**asdict(self), "names": list(self.names)}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Task":
        """Read what `to_dict` wrote.

        Raises:
            UserError: a field is missing or unknown, or its value is not allowed.
        """
        kind = values.get("kind", "regression")
        convention = {"convention": kind} if kind in ("multiclass", "multilabel") else {}
        try:
            task = cls(**{**convention, **values, "names": tuple(values.get("names", ()))})
        except TypeError as error:
            raise UserError(f"a task cannot be read from {values}: {error}") from None
        if task.kind not in KINDS:
            raise UserError(f"unknown task kind {task.kind!r}; allowed: {', '.join(KINDS)}")
        if task.kind == "regression":
            _refuse_scale(task.low, task.high, task.neutral)
        else:
            _refuse_names(task.kind, task.names)
        return task


def regression(low: float, high: float, *, neutral: float | None = None) -> Task:
    """A score in [low, high]; [-1, 1] follows the conventions of CH-SIMS, others those of MOSI.

    Args:
        low: lowest label.
        high: highest label.
        neutral: the label that is neither positive nor negative; the middle if it is not known.

    Raises:
        UserError: the range is empty or infinite, or the neutral label is outside it.
    """
    middle = (low + high) / 2 if neutral is None else neutral
    _refuse_scale(low, high, middle)
    convention: Literal["mosi", "sims"] = "sims" if (low, high) == (-1, 1) else "mosi"
    return Task("regression", float(low), float(high), float(middle), (), convention)


def multiclass(*names: str) -> Task:
    """One of several classes; the label is its number."""
    _refuse_names("multiclass", names)
    return Task("multiclass", 0.0, float(len(names) - 1), 0.0, names, "multiclass")


def multilabel(*names: str) -> Task:
    """Several yes-no labels for each sample."""
    _refuse_names("multilabel", names)
    return Task("multilabel", 0.0, 1.0, 0.0, names, "multilabel")


def _refuse_scale(low: Any, high: Any, neutral: Any) -> None:
    numbers = all(isinstance(value, int | float) for value in (low, high, neutral))
    if not numbers or not -math.inf < low < high < math.inf:
        raise UserError(f"a regression needs finite numbers low < high, got [{low}, {high}]")
    if not low <= neutral <= high:
        raise UserError(
            f"the neutral label {neutral} is outside [{low:g}, {high:g}]; it must lie in the range"
        )


def _refuse_names(kind: str, names: tuple[str, ...]) -> None:
    least = 2 if kind == "multiclass" else 1
    if len(names) < least:
        raise UserError(f"a {kind} task needs at least {least} names, got {', '.join(names) or 0}")
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise UserError(f"a {kind} task has the name {twice!r} more than once; names must differ")
