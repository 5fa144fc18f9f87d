"""The two registries, of models and of evaluations, and the doors into them."""

import hashlib
import importlib
import importlib.util
import inspect
import json
import marshal
import os
import pkgutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Literal, get_type_hints

from pydantic import TypeAdapter, ValidationError

from benchmark.build import build_model
from benchmark.config import TrainConfig
from benchmark.errors import UserError, told, unknown
from benchmark.model import Dims, Model
from benchmark.naming import check_name, shown

PACKAGES = ("robustness", "baselines", "methods")
TRAIN_FIELDS = frozenset(TrainConfig.model_fields)
PLAIN_ENCODERS = ("", "auto", "scratch", "features")  # all others are pretrained
RECIPE, UNTUNED = "recipe", "untuned default"
RECIPES = ("published", "chosen on validation", UNTUNED)


@dataclass(frozen=True)
class ModelEntry:
    """A registered model: its class and all that is declared beside it."""

    name: str
    cls: type[Model]
    paper: str = ""
    source: str = ""
    kind: Literal["floor", "baseline", "method", "plugin"] = "plugin"
    defaults: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    fine_tuning: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    smoke: Mapping[str, Any] = field(default_factory=dict)
    exempt: Mapping[str, str] = field(default_factory=dict)
    no_capture: str = ""
    display: str = ""

    @property
    def parameters(self) -> dict[str, inspect.Parameter]:
        """The model's hyperparameters: keyword-only arguments of its constructor."""
        return {
            name: parameter
            for name, parameter in inspect.signature(self.cls).parameters.items()
            if parameter.kind is inspect.Parameter.KEYWORD_ONLY
        }

    @property
    def file(self) -> str:
        """The file that defines the class; empty if there is none."""
        return _file_of(self.cls.__module__) or ""

    @property
    def source_digest(self) -> str:
        """Hash of the model's file and of every file of its package that it imports from.

        A class without a file, as in a notebook, is known by its own source or byte code.
        """
        digest = hashlib.blake2b(digest_size=6)
        for path in sorted(_source_files(self.cls.__module__)):
            digest.update(Path(path).read_bytes())
        if not self.file:
            digest.update(_text_of(self.cls).encode())
        return digest.hexdigest()

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


@dataclass(frozen=True)
class EvaluationEntry:
    """A registered evaluation.

    Attributes:
        name: its key in the record's measurements.
        function: takes an `EvaluationContext`, returns plain values.
        timed: measured alone on an idle machine, on the model as initialised, once for each model
            and its settings rather than for every seed.
        accepts: why it cannot be made on such data, or None.
    """

    name: str
    function: Callable[..., dict[str, Any]]
    timed: bool = False
    accepts: Callable[[Dims], str | None] = lambda dims: None


_MODELS: dict[str, ModelEntry] = {}
_EVALUATIONS: dict[str, EvaluationEntry] = {}
_BROKEN: dict[str, str] = {}
_loaded = False


def register_model(
    name: str,
    *,
    paper: str = "",
    source: str = "",
    kind: Literal["floor", "baseline", "method", "plugin"] | None = None,
    defaults: Mapping[str, Mapping[str, Any]] | None = None,
    fine_tuning: Mapping[str, Mapping[str, Any]] | None = None,
    smoke: Mapping[str, Any] | None = None,
    exempt: Mapping[str, str] | None = None,
    no_capture: str = "",
    display: str = "",
) -> Callable[[type[Model]], type[Model]]:
    """Register a model class under a kebab-case name.

    Args:
        name: what `-m` and tables call it: a letter or digit, then also `_ . + @ : -`.
        paper: authors, title, venue, year.
        source: where the reference code lives, or that there is none.
        kind: how tables group it; by default from the folder of its file.
        defaults: dataset name -> settings that differ from the signature (model or training); the
            key `recipe` says where they come from, `published`, `chosen on validation` or `untuned
            default`, each with details after a colon.
        fine_tuning: the same for a run with a pretrained text encoder; the empty name holds for
            every dataset that is not named.
        smoke: settings that make it small for the conformance checks.
        exempt: check name -> reason why the model breaks that promise on purpose.
        no_capture: why a training step cannot be captured in a CUDA graph; empty if it can.
        display: what papers call it, for tables; by default the name of the class.

    Raises:
        ValueError: the name is taken, or a hyperparameter bears the name of a training setting.
    """

    def register(cls: type[Model]) -> type[Model]:
        check_name("the model", name)
        folder = cls.__module__.partition(".")[0]
        guessed: Any = {"baselines": "baseline", "methods": "method"}.get(folder, "plugin")
        entry = ModelEntry(
            name,
            cls,
            paper,
            source,
            kind or guessed,
            defaults or {},
            fine_tuning or {},
            smoke or {},
            exempt or {},
            no_capture,
            display or cls.__name__,
        )
        taken = _MODELS.get(name)
        if taken is not None and _origin(taken.cls) != _origin(cls):
            raise ValueError(
                f"two models want the name {name!r}: {taken.cls.__module__}."
                f"{taken.cls.__qualname__} and {cls.__module__}.{cls.__qualname__}"
            )
        for values in (*entry.defaults.values(), *entry.fine_tuning.values()):
            if not str(values.get(RECIPE, UNTUNED)).startswith(RECIPES):
                raise ValueError(
                    f"{name}: a recipe begins with {', '.join(map(repr, RECIPES))}, "
                    f"got {values[RECIPE]!r}"
                )
        clash = ({*TRAIN_FIELDS, RECIPE}) & set(entry.parameters)
        if clash:
            raise ValueError(
                f"{name}: __init__ takes {', '.join(sorted(clash))}, which training settings "
                f"already are; rename the arguments"
            )
        _MODELS[name] = entry
        return cls

    return register


def register_evaluation(
    name: str,
    *,
    timed: bool = False,
    accepts: Callable[[Dims], str | None] = lambda dims: None,
) -> Callable[[Callable[..., dict[str, Any]]], Callable[..., dict[str, Any]]]:
    """Register a function (EvaluationContext) -> plain values, kept under `name` in the record.

    Args:
        name: what protocols and records call it.
        timed: measured alone on an idle machine, once for each model rather than for every seed.
        accepts: says why it cannot be made on such data, or None.
    """

    def register(function: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
        taken = _EVALUATIONS.get(name)
        if taken is not None and _origin(taken.function) != _origin(function):
            raise ValueError(f"two evaluations want the name {name!r}")
        _EVALUATIONS[name] = EvaluationEntry(name, function, timed, accepts)
        return function

    return register


def get_model(name: str) -> ModelEntry:
    """The entry of a registered model.

    Raises:
        UserError: no such model; names the nearest, or the file that failed to import.
    """
    _load_packages()
    name = _spelt(name)
    if name not in _MODELS:
        file = name.replace("-", "_")
        for module, reason in _BROKEN.items():
            if module.rpartition(".")[2] == file:
                raise UserError(
                    f"model {name!r} cannot be used: {module} fails to import: {reason}"
                )
        raise unknown("model", name, _MODELS)
    return _MODELS[name]


def _spelt(name: str) -> str:
    """The registered name that differs from this one in capitals at most."""
    if name in _MODELS:
        return name
    return next((known for known in _MODELS if known.lower() == name.lower()), name)


def get_evaluation(name: str) -> EvaluationEntry:
    """The entry of a registered evaluation.

    Raises:
        UserError: no such evaluation.
    """
    _load_packages()
    if name not in _EVALUATIONS:
        raise unknown("evaluation", name, _EVALUATIONS)
    return _EVALUATIONS[name]


def list_models() -> list[ModelEntry]:
    """All registered models: floors, baselines, methods, plugins, by name in each group."""
    _load_packages()
    order = ("floor", "baseline", "method", "plugin")
    return sorted(_MODELS.values(), key=lambda entry: (order.index(entry.kind), entry.name))


def list_evaluations() -> list[EvaluationEntry]:
    """All registered evaluations, by name."""
    _load_packages()
    return sorted(_EVALUATIONS.values(), key=lambda entry: entry.name)


def broken_modules() -> dict[str, str]:
    """Module name -> why it failed to import; its models are not listed, the rest goes on."""
    _load_packages()
    return dict(_BROKEN)


def create_model(name: str, dims: Dims, **settings: Any) -> Model:
    """Build a registered model.

    Args:
        name: its registered name.
        dims: what it is told about the data.
        **settings: keyword arguments of its constructor; training settings are refused here.

    Raises:
        UserError: an unknown name or setting.
    """
    entry = get_model(name)
    for key in settings:
        if key not in entry.parameters:
            raise unknown(f"setting of {name}", key, entry.parameters)
    return build_model(entry.cls, dims, settings)


def load_plugin(path: str | Path) -> list[str]:
    """Import a file that registers models or evaluations; returns the names of its models.

    Raises:
        UserError: the file is missing, fails to import or registers nothing.
    """
    _load_packages()
    file = Path(path)
    if not file.is_file():
        raise UserError(f"plugin {str(path)!r} is no file; give the path of a Python file")
    models, evaluations = dict(_MODELS), dict(_EVALUATIONS)
    place = hashlib.blake2b(str(file.resolve()).encode(), digest_size=4).hexdigest()
    name = f"affectbench_plugin_{file.stem}_{place}"
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise UserError(f"plugin {str(path)!r} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    here, limit = os.getcwd(), sys.getrecursionlimit()
    try:
        spec.loader.exec_module(module)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        del sys.modules[name]
        for registry, before in ((_MODELS, models), (_EVALUATIONS, evaluations)):
            registry.clear()
            registry.update(before)  # type: ignore[arg-type]
        raise UserError(
            f"plugin {str(path)!r} fails to import: {type(error).__name__}: {told(error)}"
        ) from error
    finally:
        sys.setrecursionlimit(limit)
        os.chdir(here)  # relative paths of the command stay what they are
    own = [entry.name for entry in _MODELS.values() if entry.cls.__module__ == name]
    if not own and _MODELS.keys() == models.keys() and _EVALUATIONS.keys() == evaluations.keys():
        raise UserError(
            f"plugin {str(path)!r} registers nothing; decorate a class with @register_model(name)"
        )
    return own


def _refuse_infinite(what: str, value: Any) -> None:
    """Stop at numbers that no record can hold."""
    try:
        json.dumps(value, allow_nan=False, default=str)
    except (ValueError, TypeError, RecursionError):
        raise UserError(f"{what} is {shown(value)}; give plain values and finite numbers") from None


def _text_of(cls: type) -> str:
    """What is known of a class whose module has no file."""
    try:
        return inspect.getsource(cls)
    except (OSError, TypeError):
        codes = [getattr(value, "__code__", None) for value in vars(cls).values()]
        return "".join(marshal.dumps(code).hex() for code in codes if code)


def _origin(thing: Any) -> tuple[str, str]:
    """File and name of a class or function: equal if a file is imported again."""
    file = getattr(sys.modules.get(thing.__module__), "__file__", None)
    return file or thing.__module__, thing.__qualname__


def _file_of(module: str) -> str | None:
    """The file of a module; None in a notebook and for code from standard input."""
    path = getattr(sys.modules.get(module), "__file__", None)
    return path if path is not None and Path(path).is_file() else None


def _source_files(name: str, seen: set[str] | None = None) -> set[str]:
    """Files of a module and, recursively, of those modules of PACKAGES that it takes names from."""
    seen = set() if seen is None else seen
    module, path = sys.modules.get(name), _file_of(name)
    if path is None or name in seen:
        return set()
    seen.add(name)
    files = {path}
    for value in vars(module).values():
        origin = value.__name__ if inspect.ismodule(value) else getattr(value, "__module__", None)
        if isinstance(origin, str) and origin.partition(".")[0] in PACKAGES:
            files |= _source_files(origin, seen)
    return files


def _load_packages() -> None:
    """Import our own upper folders and installed plugins once; a broken file is remembered."""
    global _loaded
    if _loaded:
        return
    _loaded = True
    for package_name in PACKAGES:
        package = importlib.import_module(package_name)
        for info in pkgutil.iter_modules(package.__path__, f"{package_name}."):
            if not info.ispkg:
                _import(info.name)
    for module in ("benchmark.evaluation", "benchmark.cost.evaluation"):
        _import(module)
    for point in entry_points(group="affectbench.models"):
        try:
            point.load()
        except Exception as error:
            _BROKEN[point.name] = f"{type(error).__name__}: {told(error)}"


def is_foreign(thing: Any) -> bool:
    """Whether a class or function is defined outside our own packages."""
    return str(thing.__module__).partition(".")[0] not in ("benchmark", *PACKAGES)


def ensure_model(name: str, file: str) -> None:
    """Load the file that registers a model, in a process that does not know the model yet."""
    _load_packages()
    if name not in _MODELS and file:
        load_plugin(file)


def _import(name: str) -> None:
    try:
        importlib.import_module(name)
    except Exception as error:
        _BROKEN[name] = f"{type(error).__name__}: {told(error)}"
