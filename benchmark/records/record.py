"""Record and its schema: what is kept of a cell."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationInfo, field_validator
from typing_extensions import TypedDict  # pydantic needs it before Python 3.12

from benchmark.config import digest
from benchmark.naming import check_name, shown
from benchmark.records.measurements import Finite, Measurements, Metrics
from benchmark.records.parts import PARTS

# Since 2 the file holds digests of itself and of its arrays; since 3 measurements are typed.
SCHEMA_VERSION = 3


class Cell(BaseModel):
    """Everything that decides a result; its hash names the record's files.

    Attributes:
        model: registered name.
        kind: floor, baseline, method or plugin.
        variant: of the model, where paper and reference differ.
        dataset: name of the dataset.
        fingerprint: hash of the dataset's arrays and tokeniser.
        seed: of initialisation, order and dropout.
        part: `score` (trained, evaluated on the test split) or `cost` (timed alone, untrained), a
            key of `PARTS`.
        settings: constructor arguments; a text encoder by name and content hash, never by path.
        config: training settings.
        protocol: all fields of the protocol.
        source: hash of the model's source files.
        hardware: for `cost` the processor, threads and precision of the process that measured it;
            empty for `score`.
        fold: the fold that is the test split, where a dataset is cross-validated.
        harness: version of the harness; empty in records from before it was kept.
        threads: processor threads of a score, which change the last bits of a sum.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str
    kind: str
    variant: str
    dataset: str
    fingerprint: str
    seed: int
    part: str
    settings: dict[str, Any]
    config: dict[str, Any]
    protocol: dict[str, Any]
    source: str
    hardware: str = ""
    fold: int | None = None
    harness: str = ""
    threads: int = 1

    @field_validator("model", "dataset")
    @classmethod
    def _named(cls, name: str, info: ValidationInfo) -> str:
        return check_name(f"the {info.field_name}", name)

    @field_validator("part")
    @classmethod
    def _known(cls, part: str) -> str:
        if part not in PARTS:
            raise ValueError(f"the part is {shown(part)}; known are {', '.join(PARTS)}")
        return part

    @field_validator("variant")
    @classmethod
    def _named_or_none(cls, name: str) -> str:
        return name and check_name("the variant", name)

    @property
    def key(self) -> str:
        """Twelve hex digits that change with any field."""
        values = self.model_dump(mode="json")
        for name in ("fold", "harness"):  # records from before these keep their name
            if not self.harness:
                del values[name]
        if self.threads == 1:
            del values["threads"]
        return digest(values)

    @property
    def seeded(self) -> bool:
        """Whether there is one of it for every seed."""
        return PARTS[self.part].seeded

    @property
    def timed(self) -> bool:
        """Whether it is measured alone on an idle machine."""
        return PARTS[self.part].timed

    @property
    def title(self) -> str:
        """A short name for progress lines."""
        what = f"seed {self.seed}" if self.seeded else self.part
        return f"{self.dataset}/{self.model} {what}"


class Epoch(BaseModel):
    """One epoch of training.

    Attributes:
        epoch: counted from 1.
        train_loss: mean loss over the epoch's samples.
        valid: validation metrics; None where undefined.
        seconds: spent in optimiser steps.
        lr: learning rate of the first group at the end of the epoch.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    epoch: int
    train_loss: float | None
    valid: dict[str, float | None]
    seconds: float
    lr: float


class Training(BaseModel):
    """How a training ended.

    Attributes:
        selection: validation metric that picked the epoch.
        best_epoch: the epoch whose state was kept; 0 is the state before training.
        best_value: its validation metric.
        epochs: epochs run.
        steps: optimiser steps taken.
        seconds: training and validation in all.
        seconds_per_epoch: median time of an epoch's optimiser steps.
        samples_per_second: training samples over the time of all optimiser steps.
        stopped: `patience`, `epochs`, `untrainable` (no parameters) or `diverged`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    selection: str
    best_epoch: int
    best_value: float | None
    epochs: int
    steps: int
    seconds: float
    seconds_per_epoch: float
    samples_per_second: float
    stopped: Literal["patience", "epochs", "untrainable", "diverged"]


class Failure(BaseModel):
    """Why a cell has no result; `traceback` names files relative to the project."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: str
    message: str
    traceback: str = ""


class _Task(TypedDict, total=False):
    """What tables read of a task."""

    kind: str
    low: Finite
    high: Finite
    neutral: Finite
    names: list[str]


_TASK = TypeAdapter(_Task)


class Record(BaseModel):
    """The immutable outcome of one cell.

    Attributes:
        cell: what was run.
        status: `done`, `diverged` (NaN or infinity in the loss), `failed`, `interrupted`: its
            process was ended from outside, for lack of memory for instance; or `declined`: the
            model was left out of a grid, because it does not take such data.
        history: one entry an epoch.
        training: how it ended; None for cost cells and failures before training.
        task: what the label means, as `Task.to_dict` writes it.
        exempt: promises that the model breaks on purpose -> reason.
        broken: promises that a model from outside was seen to break -> what was seen.
        changed: settings that differ from the registered defaults for the dataset.
        recipe: where the defaults come from: `published`, `chosen on validation` (how), or
            `untuned default`; empty in records from before it was kept.
        display: what papers call the model; empty in records from before it was kept.
        measurements: what the evaluations returned.
        environment: versions, device, threads, flags, commit.
        wall_seconds: of the whole cell.
        error: for cells without a result.
        attempts: how often it was tried, where it was interrupted.
        schema_version: of this format.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    cell: Cell
    status: Literal["done", "diverged", "failed", "interrupted", "declined"]
    history: list[Epoch] = Field(default_factory=list)
    training: Training | None = None
    task: dict[str, Any] = Field(default_factory=dict)
    exempt: dict[str, str] = Field(default_factory=dict)
    broken: dict[str, str] = Field(default_factory=dict)
    changed: dict[str, Any] = Field(default_factory=dict)
    recipe: str = ""
    display: str = ""
    measurements: Measurements = Measurements()
    environment: dict[str, Any] = Field(default_factory=dict)
    wall_seconds: float = 0.0
    error: Failure | None = None
    attempts: int = 1
    schema_version: int = SCHEMA_VERSION

    @field_validator("task")
    @classmethod
    def _a_task(cls, task: dict[str, Any]) -> dict[str, Any]:
        """As it is, if tables can read it."""
        _TASK.validate_python(task)
        return task

    def metric(self, name: str, split: str = "test") -> float | None:
        """A metric of the evaluation `accuracy`, or None if it is undefined or absent."""
        accuracy = self.measurements.accuracy
        found: Metrics = {} if accuracy is None else getattr(accuracy, split)
        return found.get(name)
