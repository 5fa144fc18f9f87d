"""What a dataset asks of a model: the task, and the widths of what it is given."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from benchmark.errors import UserError
from benchmark.naming import LONGEST, clipped, shown

if TYPE_CHECKING:
    from torch import Tensor

KINDS = ("regression", "multiclass", "multilabel")
CONVENTIONS = ("mosi", "sims", "multiclass", "multilabel")
MOST_NAMES = 1000  # of classes or yes-no labels; every one is a column of predictions and tables
WIDEST = 1e30  # a label is a float32
MODALITIES = ("text", "audio", "vision")
T = TypeVar("T")


def further(modalities: Mapping[str, T]) -> dict[str, T]:
    """The entries of an ordered mapping beyond text, audio and vision."""
    return {name: value for name, value in modalities.items() if name not in MODALITIES}


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

    def loss(self, prediction: "Tensor", label: "Tensor") -> "Tensor":
        """Mean absolute error, cross-entropy or binary cross-entropy, a scalar."""
        import torch.nn.functional as F  # imported late: readers of data need no PyTorch

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
        names = values.get("names", ())
        if kind not in KINDS:
            raise UserError(f"unknown task kind {shown(kind)}; allowed: {', '.join(KINDS)}")
        if not isinstance(names, list | tuple):
            raise UserError(f"the names of a task are {shown(names)}; they must be a list of texts")
        convention = {"convention": kind} if kind in ("multiclass", "multilabel") else {}
        try:
            task = cls(**{**convention, **values, "names": tuple(names)})
        except TypeError as error:
            raise UserError(
                f"a task cannot be read from {shown(values)}: {clipped(str(error))}"
            ) from None
        if task.convention not in CONVENTIONS:
            raise UserError(
                f"unknown convention {shown(task.convention)} of a task; allowed: "
                f"{', '.join(CONVENTIONS)}"
            )
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
    numbers = all(
        isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < WIDEST
        for value in (low, high, neutral)
    )
    if not numbers or not low < high:
        raise UserError(
            f"a regression needs finite numbers low < high and a neutral label between them, got "
            f"{shown([low, high])} and {shown(neutral)}"
        )
    if not low <= neutral <= high:
        raise UserError(
            f"the neutral label {neutral} is outside [{low:g}, {high:g}]; it must lie in the range"
        )


def _refuse_names(kind: str, names: tuple[Any, ...]) -> None:
    least = 2 if kind == "multiclass" else 1
    if not least <= len(names) <= MOST_NAMES:
        got = len(names) if len(names) > least else clipped(", ".join(map(str, names))) or 0
        raise UserError(
            f"a {kind} task needs at least {least} names and {MOST_NAMES} at most, got {got}"
        )
    for place, name in enumerate(names):
        if not isinstance(name, str) or not 0 < len(name) <= LONGEST or clipped(name) != name:
            raise UserError(
                f"a {kind} task has the name {shown(name)}; a name is a text of 1 to {LONGEST} "
                f"letters that can be seen"
            )
        if name in names[:place]:
            raise UserError(
                f"a {kind} task has the name {name!r} more than once; names must differ"
            )


@dataclass(frozen=True, slots=True)
class Dims:
    """All that a model is told about the data.

    Attributes:
        widths: features of a step by modality: text, audio, vision, then further ones.
        outputs: numbers to predict for a sample.
        task: what the label means; `task.low` and `task.high` bound a regression.
        vocabulary: number of token ids, 0 where the dataset has no tokens.
        lengths: longest sequence of each modality and of the `tokens`.
    """

    widths: Mapping[str, int]
    outputs: int = 1
    task: Task = field(default_factory=lambda: regression(-3, 3))
    vocabulary: int = 0
    lengths: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse widths that no dataset has."""
        given = self.widths if isinstance(self.widths, Mapping) else {}
        if tuple(given)[: len(MODALITIES)] != MODALITIES:
            raise UserError(
                f"Dims takes the widths as one mapping that begins with text, audio and vision, "
                f"got {shown(self.widths)}; write Dims({{'text': 300, 'audio': 74, 'vision': 35}})"
            )

    @property
    def text(self) -> int:
        """Features of a text step; 0 where the text comes as tokens alone."""
        return self.widths["text"]

    @property
    def audio(self) -> int:
        """Features of an audio step."""
        return self.widths["audio"]

    @property
    def vision(self) -> int:
        """Features of a vision step."""
        return self.widths["vision"]

    @property
    def extra(self) -> dict[str, int]:
        """Widths of the modalities beyond text, audio and vision, by name."""
        return further(self.widths)

    @property
    def inputs(self) -> tuple[int, int, int]:
        """Widths of text, audio, vision."""
        return self.text, self.audio, self.vision
