"""Settings of a run: signature, what stands beside the model, and what the user sets."""

import inspect
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, get_type_hints

from pydantic import TypeAdapter, ValidationError

from benchmark.config import TrainConfig
from benchmark.errors import UserError, unknown
from benchmark.model import Model
from benchmark.naming import shown

TRAIN_FIELDS = frozenset(TrainConfig.model_fields)
PLAIN_ENCODERS = ("", "auto", "scratch", "features")  # all others are pretrained
RECIPE, UNTUNED = "recipe", "untuned default"
RECIPES = ("published", "chosen on validation", UNTUNED)


@dataclass(frozen=True)
class Declared:
    """A model class with the settings that are declared beside it.

    Attributes:
        name: registered.
        cls: its class, whose keyword-only arguments are the hyperparameters.
        defaults: dataset -> settings that differ from the signature.
        fine_tuning: the same with a pretrained text encoder; the empty name is every dataset.
    """

    name: str
    cls: type[Model]
    defaults: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    fine_tuning: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def parameters(self) -> dict[str, inspect.Parameter]:
        """The model's hyperparameters: keyword-only arguments of its constructor."""
        return {
            name: parameter
            for name, parameter in inspect.signature(self.cls).parameters.items()
            if parameter.kind is inspect.Parameter.KEYWORD_ONLY
        }

    def resolve(
        self, dataset: str, overrides: Mapping[str, Any] | None = None
    ) -> tuple[dict[str, Any], TrainConfig]:
        """Settings of a run: signature < defaults of the dataset < overrides.

        Returns:
            The constructor's keyword arguments, complete, and the training configuration.

        Raises:
            UserError: an unknown key or a value that is not allowed.
        """
        parameters = self.parameters
        given = {**self._declared(dataset, overrides or {}), **(overrides or {})}
        given.pop(RECIPE, None)
        for key in given:
            if key not in parameters and key not in TRAIN_FIELDS:
                raise unknown(f"setting of {self.name}", key, [*parameters, *TRAIN_FIELDS])
            _refuse_infinite(f"setting {key} of {self.name}", given[key])
        settings = {
            name: self._checked(name, given[name]) if name in given else parameter.default
            for name, parameter in parameters.items()
        }
        required = [name for name, value in settings.items() if value is inspect.Parameter.empty]
        if required:
            raise UserError(
                f"{self.name} has no default for {', '.join(required)}; every hyperparameter needs "
                f"one in __init__"
            )
        try:
            config = TrainConfig(**{key: given[key] for key in given if key in TRAIN_FIELDS})
        except ValidationError as error:
            first = error.errors()[0]
            raise UserError(
                f"setting {'.'.join(map(str, first['loc']))} of {self.name}: {first['msg']}, "
                f"got {first['input']!r}"
            ) from None
        return settings, config

    def recipe(self, dataset: str, overrides: Mapping[str, Any] | None = None) -> str:
        """Where the settings declared for a dataset come from, beginning with one of `RECIPES`."""
        return str(self._declared(dataset, overrides or {}).get(RECIPE, UNTUNED))

    def _declared(self, dataset: str, overrides: Mapping[str, Any]) -> Mapping[str, Any]:
        """What stands beside the model: for a pretrained text encoder its fine-tuning recipe."""
        if overrides.get("text_encoder", "auto") in PLAIN_ENCODERS:
            return self.defaults.get(dataset, {})
        if dataset in self.fine_tuning or "" in self.fine_tuning:
            return self.fine_tuning.get(dataset, self.fine_tuning.get("", {}))
        return self.defaults.get(dataset, {})

    def _checked(self, name: str, value: Any) -> Any:
        """The value of a hyperparameter, if it is of the type that the constructor declares."""
        annotation = get_type_hints(self.cls.__init__).get(name, Any)
        try:
            return TypeAdapter(annotation).validate_python(value)
        except ValidationError as error:
            raise UserError(
                f"setting {name} of {self.name}: {error.errors()[0]['msg']}, got {value!r}"
            ) from None


def _refuse_infinite(what: str, value: Any) -> None:
    """Stop at numbers that no record can hold."""
    try:
        json.dumps(value, allow_nan=False, default=str)
    except (ValueError, TypeError, RecursionError):
        raise UserError(f"{what} is {shown(value)}; give plain values and finite numbers") from None
