"""What evaluations measured: those of our own typed, all others as plain values with columns."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    StrictInt,
    StrictStr,
    ValidationError,
    field_validator,
    model_serializer,
    model_validator,
)

from benchmark.errors import UserError
from benchmark.naming import check_name, clipped, shown, visible

LARGEST = 1e300  # of a stored number: sums and squares of what tables read stay finite
Finite = Annotated[float, Field(strict=True, allow_inf_nan=False, ge=-LARGEST, le=LARGEST)]
Number = Finite | None
Metrics = dict[str, Number]
Level = Annotated[float, Field(strict=True, ge=0, le=1)]
Amount = Annotated[StrictInt, Field(ge=0, le=10**18)]
Time = Annotated[float, Field(strict=True, gt=0, le=LARGEST)]
Split = Literal["", "valid", "test"]
SLOW = 1.25  # of a workload's best time: above it the moment is not quiet
MISSING, NOTHING, AND = "missing.", "none", "+"  # make the name of what is missing
CLEAN = MISSING + NOTHING
DEEPEST = 30  # mappings and lists within one another


class _Closed(BaseModel):
    """Holds its fields and nothing else."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class _Open(BaseModel):
    """What tables read is checked, more may be there."""

    model_config = ConfigDict(frozen=True, extra="allow")


class Column(_Closed):
    """A number of a user's evaluation that tables show.

    Attributes:
        key: where it lies in what the evaluation returns; the keys of mappings within mappings are
            joined by points, `test.ece`.
        header: short, without unit and arrow.
        higher_is_better: the direction.
        unit: of the number as it is printed; empty for pure numbers.
        decimals: printed places; None prints three significant digits, counts with k, M, G.
        percent: printed times 100.
        printed: shown in the printed tables; otherwise in the CSV files only.
        split: whose samples it is about; empty where it is about none.
    """

    key: Annotated[StrictStr, Field(min_length=1, max_length=200)]
    header: Annotated[StrictStr, Field(min_length=1, max_length=100)]
    higher_is_better: bool
    unit: Annotated[StrictStr, Field(max_length=20)] = ""
    decimals: Annotated[StrictInt, Field(ge=0, le=12)] | None = 3
    percent: bool = False
    printed: bool = True
    split: Split = "test"


class Extra(_Closed):
    """What an evaluation that is none of ours returned, and which of it tables show."""

    values: dict[str, Any]
    columns: tuple[Column, ...] = ()

    @field_validator("values", mode="before")
    @classmethod
    def _all_plain(cls, values: Any) -> Any:
        return _plain(values)

    @model_validator(mode="after")
    def _numbers(self) -> "Extra":
        for column in self.columns:
            self.number(column.key)
        return self

    def number(self, key: str) -> float | None:
        """The number at the place that a column names, None where it is undefined.

        Raises:
            ValueError: something else is there, or nothing.
        """
        value: Any = self.values
        for part in key.split("."):
            if not isinstance(value, dict) or part not in value:
                raise ValueError(f"nothing is at {clipped(key)}, which is declared as a column")
            value = value[part]
        if isinstance(value, bool) or not isinstance(value, int | float | None):
            raise ValueError(f"{clipped(key)} is {shown(value)}; a column needs a number or None")
        return None if value is None else float(value)


class Accuracy(_Closed):
    """Metrics of the task on the splits, and on the test split those of the best prediction."""

    valid: Metrics = {}
    test: Metrics = {}
    oracle: Metrics = {}


class Count(_Open):
    """Parameters: trainable ones that inference needs, and frozen ones."""

    inference_only: Amount | None = None
    frozen: Amount | None = None


class Parameters(Count):
    """Those of the whole model, and of all but its text encoders."""

    without_text_encoder: Count = Count()


class Operations(_Open):
    """Floating-point operations of one sample."""

    flops: Amount | None = None


class Flops(Operations):
    """Those of the whole model, and of all but its text encoders."""

    without_text_encoder: Operations = Operations()


class _Timing(_Open):
    """How long a fixed workload took beside the measurement, at worst, and at its best."""

    workload_ms: Time | None = None
    workload_best_ms: Time | None = None


class Latency(_Timing):
    """Percentiles of the time of single samples."""

    p50_ms: Number = None
    p90_ms: Number = None
    p99_ms: Number = None


class Throughput(_Timing):
    """Samples a second at the best batch size."""

    best: Number = None


class Peak(_Open):
    """Most memory beyond what was there before."""

    peak_mib: Number = None


class Memory(_Open):
    """Peaks of inference and of training; None where they could not be measured."""

    inference: Peak | None = None
    training: Peak | None = None


class Cost(_Open):
    """What the evaluation `cost` measures; `docs/cost.md` defines all of it."""

    parameters: Parameters = Parameters()
    flops: Flops | None = None
    latency: Latency
    throughput: Throughput
    memory: Memory | None = None


def removal_name(gone: Sequence[str]) -> str:
    """What the corruption is called that takes these modalities away, in their order."""
    return MISSING + (AND.join(gone) or NOTHING)


def removed(name: str, modalities: Sequence[str]) -> tuple[str, ...]:
    """What a corruption of this name takes away: never all.

    Raises:
        ValueError: it does not name modalities of these, in their order.
    """
    if name == CLEAN:
        return ()
    gone = tuple(name.removeprefix(MISSING).split(AND))
    in_order = gone == tuple(known for known in modalities if known in gone)
    if in_order and removal_name(gone) == name and len(gone) < len(modalities):
        return gone
    raise ValueError(f"{clipped(name)} does not say which of {clipped(', '.join(modalities))}")


class Curve(_Closed):
    """One corruption.

    Attributes:
        levels: increasing, `(K,)`.
        metrics: each `(K, noise seeds)`.
        flip_rate: share of decisions that differ from the clean ones, `(K,)`.
        shift: mean distance from the clean prediction, `(K,)`.
    """

    levels: list[Level]
    metrics: dict[str, list[list[Number]]]
    flip_rate: list[Number]
    shift: list[Number]

    @model_validator(mode="after")
    def _fits(self) -> "Curve":
        count = len(self.levels)
        if not count or sorted(set(self.levels)) != self.levels:
            raise ValueError("levels must increase, and there is one at least")
        if len(self.flip_rate) != count or len(self.shift) != count:
            raise ValueError(f"flip_rate and shift need {count} values, one a level")
        for name, values in self.metrics.items():
            if len(values) != count or not all(values):
                raise ValueError(f"{clipped(name)} needs values at each of {count} levels")
        return self


class Robustness(_Closed):
    """What the evaluation `robustness` measures; all scores follow (`robustness.scores`).

    Attributes:
        suite: version of the corruptions.
        skill_metric: the metric that skill is computed from.
        modalities: of the dataset, in order.
        prior: metrics of the constant prediction.
        curves: by corruption.
        missing: metrics by what is missing, `missing.text+audio`; under `missing.none` those of the
            clean split.
        manifest: corruption -> hash of the arrays at its highest level.
    """

    suite: str
    skill_metric: str
    modalities: Annotated[list[str], Field(min_length=1, max_length=32)]
    prior: Metrics
    curves: dict[str, Curve]
    missing: dict[str, Metrics]
    manifest: dict[str, str]

    @field_validator("modalities")
    @classmethod
    def _named(cls, names: list[str]) -> list[str]:
        return [check_name("a modality", name) for name in names]

    @model_validator(mode="after")
    def _scored(self) -> "Robustness":
        if CLEAN not in self.missing:
            raise ValueError(f"missing lacks {CLEAN}")
        for name in self.missing:
            removed(name, self.modalities)
        scored: list[Mapping[str, Any]] = [*self.missing.values()]
        scored += [curve.metrics for curve in self.curves.values()]
        if any(self.skill_metric not in metrics for metrics in (self.prior, *scored)):
            raise ValueError(
                f"{clipped(self.skill_metric)}, the metric of skill, is not everywhere"
            )
        return self


class Measurements(_Closed):
    """All that was measured in a cell.

    Attributes:
        accuracy: metrics.
        cost: parameters, work, times and memory.
        robustness: the same model on corrupted copies of the test split.
        extra: evaluations of users by name.
    """

    accuracy: Accuracy | None = None
    cost: Cost | None = None
    robustness: Robustness | None = None
    extra: dict[str, Extra] = {}

    @field_validator("accuracy", "cost", "robustness", mode="before")
    @classmethod
    def _made(cls, value: Any) -> Any:
        if value is None:
            raise ValueError("what was not measured is left out")
        return value

    @field_validator("extra")
    @classmethod
    def _named(cls, extra: dict[str, Extra]) -> dict[str, Extra]:
        return {check_evaluation(name): found for name, found in extra.items()}

    @model_serializer(mode="wrap")
    def _without_the_rest(self, serialise: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {name: value for name, value in serialise(self).items() if value}


OWN: dict[str, type[BaseModel]] = {
    "accuracy": Accuracy,
    "cost": Cost,
    "robustness": Robustness,
}


def check_evaluation(name: str) -> str:
    """The name of a user's evaluation, which heads a part of the tables.

    Raises:
        UserError: any other name, or one that heads another part.
    """
    if name in (*OWN, "score"):
        raise UserError(f"an evaluation of your own cannot be called {name!r}; that name is taken")
    return check_name("the evaluation", name)


def collect(made: Mapping[str, tuple[Any, Sequence[Column]]]) -> Measurements:
    """The measurements of a cell from what its evaluations returned.

    Args:
        made: name of an evaluation -> what it returned, and its columns.

    Raises:
        UserError: an evaluation returned what no record can hold; says which and what.
    """
    fields: dict[str, Any] = {}
    extra: dict[str, Any] = {}
    for name, (values, columns) in made.items():
        try:
            if not isinstance(values, Mapping):
                raise ValueError(f"{_kind(values)}, where a mapping of names to values must be")
            if name in OWN:
                fields[name] = OWN[name].model_validate(values)
            else:
                extra[name] = Extra(values=_plain(values), columns=tuple(columns))
        except ValueError as error:  # a ValidationError is one too
            raise UserError(
                f"the evaluation {shown(name)} returned what no record holds: {why(error)}"
            ) from None
    return Measurements(**fields, extra=extra)


def why(error: ValueError) -> str:
    """The place and the first reason of a failed validation in one line."""
    if not isinstance(error, ValidationError):
        return str(error)
    first = error.errors()[0]
    reason = first["msg"].removeprefix("Value error, ")
    place = ".".join(str(part) for part in first["loc"])
    return visible(f"{place}: {reason}" if place else reason)


def _plain(value: Any, place: str = "", above: tuple[int, ...] = ()) -> Any:
    """The same of mappings, lists, texts, numbers and None alone.

    Raises:
        ValueError: something else is there, or a number that is not finite.
    """
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, Mapping | list | tuple):
        if id(value) in above or len(above) == DEEPEST:
            raise ValueError(f"{clipped(place)} is nested deeper than {DEEPEST} levels")
        inside = (*above, id(value))
        if not isinstance(value, Mapping):
            return [_plain(part, f"{place}.{n}", inside) for n, part in enumerate(value)]
        for name in value:
            if not isinstance(name, str):
                raise ValueError(f"a key is {shown(name)}; keys are texts")
        return {
            name: _plain(part, f"{place}.{name}" if place else name, inside)
            for name, part in value.items()
        }
    if isinstance(value, int | float) and not -LARGEST <= value <= LARGEST:
        what = "too large" if isinstance(value, int) else f"{value}"
        raise ValueError(f"{clipped(place)} is {what}; a number is finite, an undefined one None")
    if not isinstance(value, str | int | float | None):
        raise ValueError(f"{clipped(place)} is {_kind(value)}, no plain value")
    return value


def _kind(value: Any) -> str:
    return "None" if value is None else f"of type {clipped(type(value).__name__)}"
