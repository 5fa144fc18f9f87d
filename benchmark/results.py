"""Record and its schema: read, write and find them; the only file that knows the format."""

import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from benchmark.config import digest
from benchmark.errors import UserError

SCHEMA_VERSION = 1


class Cell(BaseModel):
    """Everything that decides a result; its hash names the record's files.

    Attributes:
        model: registered name.
        kind: floor, baseline, method or plugin.
        variant: of the model, where paper and reference differ.
        dataset: name of the dataset.
        fingerprint: hash of the dataset's arrays and tokeniser.
        seed: of initialisation, order and dropout.
        part: `score` (trained, evaluated on the test split) or `cost` (timed alone, untrained).
        settings: constructor arguments; a text encoder by name and content hash, never by path.
        config: training settings.
        protocol: all fields of the protocol.
        source: hash of the model's source files.
        hardware: for `cost` the processor, threads and precision; empty for `score`.
        fold: the fold that is the test split, where a dataset is cross-validated.
        harness: version of the harness; empty in records from before it was kept.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str
    kind: str
    variant: str
    dataset: str
    fingerprint: str
    seed: int
    part: Literal["score", "cost"]
    settings: dict[str, Any]
    config: dict[str, Any]
    protocol: dict[str, Any]
    source: str
    hardware: str = ""
    fold: int | None = None
    harness: str = ""

    @property
    def key(self) -> str:
        """Twelve hex digits that change with any field."""
        values = self.model_dump(mode="json")
        for name in ("fold", "harness"):  # records from before these keep their name
            if not self.harness:
                del values[name]
        return digest(values)

    @property
    def title(self) -> str:
        """A short name for progress lines."""
        seed = f" seed {self.seed}" if self.part == "score" else " cost"
        return f"{self.dataset}/{self.model}{seed}"


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


class Record(BaseModel):
    """The immutable outcome of one cell.

    Attributes:
        cell: what was run.
        status: `done`, `diverged` (NaN or infinity in the loss) or `failed`.
        history: one entry an epoch.
        training: how it ended; None for cost cells and failures before training.
        task: what the label means, as `Task.to_dict` writes it.
        exempt: promises that the model breaks on purpose -> reason.
        broken: promises that a model from outside was seen to break -> what was seen.
        changed: settings that differ from the registered defaults for the dataset.
        recipe: where the defaults come from: `published`, `chosen on validation` (how), or
            `untuned default`; empty in records from before it was kept.
        display: what papers call the model; empty in records from before it was kept.
        measurements: evaluation name -> plain values (`accuracy`, `cost`, `robustness`, ...).
        environment: versions, device, threads, flags, commit.
        wall_seconds: of the whole cell.
        error: for cells that failed or diverged.
        schema_version: of this format.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    cell: Cell
    status: Literal["done", "diverged", "failed"]
    history: list[Epoch] = Field(default_factory=list)
    training: Training | None = None
    task: dict[str, Any] = Field(default_factory=dict)
    exempt: dict[str, str] = Field(default_factory=dict)
    broken: dict[str, str] = Field(default_factory=dict)
    changed: dict[str, Any] = Field(default_factory=dict)
    recipe: str = ""
    display: str = ""
    measurements: dict[str, Any] = Field(default_factory=dict)
    environment: dict[str, Any] = Field(default_factory=dict)
    wall_seconds: float = 0.0
    error: Failure | None = None
    schema_version: int = SCHEMA_VERSION

    def metric(self, name: str, split: str = "test") -> float | None:
        """A metric of the evaluation `accuracy`, or None if it is undefined or absent."""
        value = self.measurements.get("accuracy", {}).get(split, {}).get(name)
        return None if value is None else float(value)


def record_path(folder: Path, cell: Cell) -> Path:
    """Where the record of a cell lies below the output folder."""
    return folder / "records" / cell.dataset / cell.model / f"{cell.key}.json"


def write_record(folder: Path, record: Record, arrays: Mapping[str, NDArray[Any]]) -> Path:
    """Write a record and its per-sample arrays, each under a temporary name first.

    The JSON file comes last: a record that is there is complete.

    Args:
        folder: the output folder.
        record: what to write.
        arrays: of numbers and strings, for the npz beside it; none writes no npz.

    Raises:
        UserError: the disk is full or the folder cannot be written to.
    """
    path = record_path(folder, record.cell)
    text = json.dumps(record.model_dump(mode="json"), indent=1, allow_nan=False) + "\n"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if arrays:
            with _replacing(path.with_suffix(".npz")) as temporary, temporary.open("wb") as stream:
                np.savez_compressed(stream, allow_pickle=False, **dict(arrays))
        with _replacing(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserError(
            f"cannot write the record of {record.cell.title} to {folder}: {error.strerror}; "
            f"finished cells are kept: free space or choose another folder with -o and run again"
        ) from error
    return path


def check_writable(folder: Path) -> None:
    """Find out before the first training whether records can be written.

    Raises:
        UserError: the folder cannot be made or written to.
    """
    try:
        (folder / "records").mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder / "records"):
            pass
    except OSError as error:
        raise UserError(
            f"cannot write to the output folder {folder}: {error.strerror or error}; choose "
            f"another one with -o"
        ) from None


class _replacing:
    """A temporary file beside its target that replaces it on success and vanishes on failure."""

    def __init__(self, target: Path):
        self.target = target

    def __enter__(self) -> Path:
        handle, name = tempfile.mkstemp(dir=self.target.parent, prefix=".", suffix=".part")
        os.close(handle)
        self.temporary = Path(name)
        return self.temporary

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self.temporary.unlink(missing_ok=True)
            return
        try:
            with self.temporary.open("rb+") as stream:
                os.fsync(stream.fileno())
            self.temporary.chmod(0o644)
            self.temporary.replace(self.target)
        except OSError:
            self.temporary.unlink(missing_ok=True)
            raise


def write_text(target: Path, text: str) -> None:
    """Write a text file atomically: readers see the old or the new one, never a part."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with _replacing(target) as temporary:
        temporary.write_text(text, encoding="utf-8")


def read_record(path: Path) -> Record:
    """Read and validate one record.

    Raises:
        UserError: the file is truncated, not a record, or of a newer schema.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(values, dict) and values.get("schema_version", 0) > SCHEMA_VERSION:
            raise UserError(
                f"{path} was written by a newer affectbench (schema {values['schema_version']}, "
                f"this one reads up to {SCHEMA_VERSION}); upgrade affectbench"
            )
        return Record.model_validate(values)
    except (OSError, json.JSONDecodeError, UnicodeDecodeError) as error:
        raise UserError(
            f"{path} is no readable record ({type(error).__name__}); delete it and run again"
        ) from None
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise UserError(
            f"{path} is no record: {place}: {first['msg']}; delete it and run again"
        ) from None


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """The per-sample arrays beside a record: ids, labels and predictions by split.

    Raises:
        UserError: the npz is missing or corrupt.
    """
    source = path.with_suffix(".npz")
    try:
        with np.load(source, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except (OSError, ValueError, EOFError, BadZipFile) as error:
        raise UserError(
            f"{source} holds no readable predictions ({type(error).__name__}); delete the record "
            f"beside it and run again"
        ) from None


def record_files(folder: Path) -> list[Path]:
    """The files of all records below an output folder, in the order of their paths."""
    return sorted((folder / "records").glob("*/*/*.json"))


def find_records(folder: Path) -> Iterator[tuple[Path, Record]]:
    """All records below an output folder, in the order of their paths."""
    for path in record_files(folder):
        yield path, read_record(path)
