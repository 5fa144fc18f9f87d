"""TrainConfig and Protocol: what decides a result besides model, data and seed."""

import hashlib
import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from benchmark.errors import UserError, unknown


def digest(value: Any) -> str:
    """Twelve hex digits of the BLAKE2 hash of plain values, independent of key order."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.blake2b(text.encode(), digest_size=6).hexdigest()


class TrainConfig(BaseModel):
    """How a model is optimised; each field can be set per dataset beside the model or by `--set`.

    Rates are per optimiser step, durations in epochs.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    optimizer: Literal["adam", "adamw", "rmsprop", "sgd"] = "adam"
    lr: float = Field(1e-3, gt=0, description="learning rate of everything but the text encoder")
    weight_decay: float = Field(0.0, ge=0)
    encoder_lr: float = Field(5e-5, gt=0, description="learning rate of the text encoder")
    encoder_weight_decay: float = Field(
        1e-3, ge=0, description="weight decay of the encoder's matrices; biases and norms get none"
    )
    batch_size: int = Field(32, ge=1)
    accumulate: int = Field(
        1, ge=1, description="batches whose gradients are averaged for one step"
    )
    epochs: int = Field(100, ge=0, description="most epochs; the protocol may allow fewer")
    patience: int = Field(
        8, ge=0, description="epochs without a better validation metric; 0 trains all epochs"
    )
    clip_norm: float = Field(0.0, ge=0, description="largest gradient norm; 0 clips nothing")
    clip_value: float = Field(0.0, ge=0, description="largest gradient entry; 0 clips nothing")
    schedule: Literal["constant", "linear", "cosine", "plateau"] = "constant"
    warmup: float = Field(0.0, ge=0, lt=1, description="share of all steps with a rising rate")
    plateau_patience: int = Field(5, ge=0, description="epochs before `plateau` cuts the rate")
    plateau_factor: float = Field(0.1, gt=0, lt=1)

    @model_validator(mode="after")
    def _one_schedule(self) -> "TrainConfig":
        if self.schedule == "plateau" and self.warmup:
            raise ValueError("schedule 'plateau' has no warm-up; set warmup=0")
        return self


class Protocol(BaseModel):
    """The rules that every model of a comparison shares."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: str
    max_epochs: int = Field(ge=0, description="cap on every model's epochs")
    max_patience: int = Field(ge=1, description="cap on every model's patience but 0")
    selection: dict[str, str] = Field(
        default={"regression": "mae", "multiclass": "f1_weighted", "multilabel": "f1_macro"},
        description="validation metric that picks the epoch, by task kind",
    )
    precision: Literal["fp32", "tf32", "bf16"] = "fp32"
    standardise: tuple[str, ...] = Field(
        default=("audio", "vision"),
        description="streams scaled by mean and deviation of the valid steps of the training split",
    )
    evaluations: tuple[str, ...] = ("accuracy", "cost", "robustness")
    evaluation_batch: int = Field(128, ge=1)
    levels: tuple[float, ...] = Field(description="corruption levels of the robustness curves")
    noise_seeds: int = Field(ge=1, description="realisations of every corruption")
    corruptions: tuple[str, ...] = ("feat.gauss", "time.drop", "text.word_unk", "mix.all")
    warmup_calls: int = Field(ge=1, description="untimed calls before a latency measurement")
    timed_calls: int = Field(ge=1, description="timed calls of a latency measurement")

    @field_validator("levels")
    @classmethod
    def _increasing(cls, levels: tuple[float, ...]) -> tuple[float, ...]:
        if not levels or levels[0] != 0 or levels[-1] > 1 or sorted(set(levels)) != list(levels):
            raise ValueError("levels must increase from 0 to at most 1")
        return levels

    @property
    def digest(self) -> str:
        """Twelve hex digits that change with any field."""
        return digest(self.model_dump(mode="json"))


PROTOCOLS = {
    "quick": Protocol(
        name="quick",
        max_epochs=20,
        max_patience=4,
        levels=(0.0, 0.2, 0.4, 0.6, 0.8, 1.0),
        noise_seeds=1,
        warmup_calls=10,
        timed_calls=100,
    ),
    "standard": Protocol(
        name="standard",
        max_epochs=100,
        max_patience=10,
        levels=(0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0),
        noise_seeds=5,
        warmup_calls=20,
        timed_calls=200,
    ),
}


def get_protocol(name: str) -> Protocol:
    """The protocol of that name, or of a TOML or JSON file.

    A file states the fields that differ from those of its `base`, which is `quick` unless it says
    otherwise; without a `name` it is called after the file.

    Raises:
        UserError: no such protocol, or a file that is none.
    """
    if name in PROTOCOLS:
        return PROTOCOLS[name]
    path = Path(name).expanduser()
    if path.suffix not in (".toml", ".json"):
        raise unknown("protocol", name, [*PROTOCOLS, "FILE.toml", "FILE.json"])
    try:
        text = path.read_text(encoding="utf-8")
        values = tomllib.loads(text) if path.suffix == ".toml" else json.loads(text)
    except (OSError, ValueError) as error:
        raise UserError(f"protocol file {name!r} cannot be read: {error}") from None
    if not isinstance(values, dict):
        raise UserError(f"protocol file {name!r} holds no table of fields")
    base = get_protocol(str(values.pop("base", "quick")))
    return changed_protocol(base, {"name": path.stem, **values})


def changed_protocol(base: Protocol, changes: Mapping[str, Any]) -> Protocol:
    """A protocol with other fields; where nothing else is named it is called after the changes.

    Raises:
        UserError: an unknown field or a value that is not allowed.
    """
    for field in changes:
        if field not in Protocol.model_fields:
            raise unknown("field of a protocol", field, Protocol.model_fields)
    values = base.model_dump()
    differing = {key: _plain(changes[key]) for key in sorted(changes)}
    differing = {key: value for key, value in differing.items() if value != values[key]}
    if differing and "name" not in changes:
        texts = [
            f"{key} {value}" if isinstance(value, str | int | float) else f"other {key}"
            for key, value in differing.items()
        ]
        values["name"] = f"{base.name} with {' and '.join(texts)}"
    try:
        return Protocol(**{**values, **changes})
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise UserError(f"protocol field {place}: {first['msg']}, got {first['input']!r}") from None


def _plain(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
