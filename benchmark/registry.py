"""The two registries, of models and of evaluations."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from benchmark.build import build_model
from benchmark.errors import UserError, unknown
from benchmark.model import Model
from benchmark.naming import check_name
from benchmark.plugins import (
    broken_modules,
    file_of,
    import_file,
    load_packages,
    origin,
    source_digest,
)
from benchmark.records.extra import Column
from benchmark.records.measurements import OWN, check_evaluation
from benchmark.settings import RECIPE, RECIPES, TRAIN_FIELDS, UNTUNED, Declared
from benchmark.task import Dims


@dataclass(frozen=True)
class ModelEntry(Declared):
    """A registered model: its class and all that is declared beside it."""

    paper: str = ""
    source: str = ""
    kind: Literal["floor", "baseline", "method", "plugin"] = "plugin"
    smoke: Mapping[str, Any] = field(default_factory=dict)
    exempt: Mapping[str, str] = field(default_factory=dict)
    no_capture: str = ""
    display: str = ""

    @property
    def file(self) -> str:
        """The file that defines the class; empty if there is none."""
        return file_of(self.cls.__module__) or ""

    @property
    def source_digest(self) -> str:
        """Hash of the code that decides what the model computes."""
        return source_digest(self.cls)


@dataclass(frozen=True)
class EvaluationEntry:
    """A registered evaluation.

    Attributes:
        name: its key in the record's measurements.
        function: takes an `EvaluationContext`, returns plain values.
        timed: measured alone on an idle machine, on the model as initialised, once for each model
            and its settings rather than for every seed.
        accepts: why it cannot be made on such data, or None.
        columns: the numbers of it that tables show.
    """

    name: str
    function: Callable[..., dict[str, Any]]
    timed: bool = False
    accepts: Callable[[Dims], str | None] = lambda dims: None
    columns: tuple[Column, ...] = ()


_MODELS: dict[str, ModelEntry] = {}
_EVALUATIONS: dict[str, EvaluationEntry] = {}
KEPT: list[dict[str, Any]] = [_MODELS, _EVALUATIONS]  # all that a file may register in


def keep(entries: dict[str, Any]) -> None:
    """Tell of a registry of the folders above, so that a file that fails leaves nothing in it."""
    KEPT.append(entries)


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
            defaults or {},
            fine_tuning or {},
            paper=paper,
            source=source,
            kind=kind or guessed,
            smoke=smoke or {},
            exempt=exempt or {},
            no_capture=no_capture,
            display=display or cls.__name__,
        )
        taken = _MODELS.get(name)
        if taken is not None and origin(taken.cls) != origin(cls):
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
    columns: Iterable[Column] = (),
) -> Callable[[Callable[..., dict[str, Any]]], Callable[..., dict[str, Any]]]:
    """Register a function (EvaluationContext) -> plain values, kept under `name` in the record.

    Args:
        name: what protocols, records and headings of tables call it.
        timed: measured alone on an idle machine, once for each model rather than for every seed.
        accepts: says why it cannot be made on such data, or None.
        columns: the numbers that tables show; they are kept in the record beside the values.

    Raises:
        ValueError: the name is taken or none, or two columns show the same number.
    """
    shown = tuple(columns)

    def register(function: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
        if name not in OWN:
            check_evaluation(name)
        keys = [column.key for column in shown]
        if len(set(keys)) < len(keys):
            raise ValueError(f"the evaluation {name!r} has two columns of one key: {keys}")
        taken = _EVALUATIONS.get(name)
        if taken is not None and origin(taken.function) != origin(function):
            raise ValueError(f"two evaluations want the name {name!r}")
        _EVALUATIONS[name] = EvaluationEntry(name, function, timed, accepts, shown)
        return function

    return register


def get_model(name: str) -> ModelEntry:
    """The entry of a registered model.

    Raises:
        UserError: no such model; names the nearest, or the file that failed to import.
    """
    load_packages()
    name = _spelt(name)
    if name not in _MODELS:
        file = name.replace("-", "_")
        for module, reason in broken_modules().items():
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
    load_packages()
    if name not in _EVALUATIONS:
        raise unknown("evaluation", name, _EVALUATIONS)
    return _EVALUATIONS[name]


def list_models() -> list[ModelEntry]:
    """All registered models: floors, baselines, methods, plugins, by name in each group."""
    load_packages()
    order = ("floor", "baseline", "method", "plugin")
    return sorted(_MODELS.values(), key=lambda entry: (order.index(entry.kind), entry.name))


def list_evaluations() -> list[EvaluationEntry]:
    """All registered evaluations, by name."""
    load_packages()
    return sorted(_EVALUATIONS.values(), key=lambda entry: entry.name)


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
    """Import a file that registers models, evaluations or corruptions; returns its models' names.

    Raises:
        UserError: the file is missing, fails to import or registers nothing.
    """
    load_packages()
    before = [dict(entries) for entries in KEPT]
    try:
        module = import_file(path)
    except UserError:
        for entries, old in zip(KEPT, before, strict=True):
            entries.clear()
            entries.update(old)
        raise
    own = [entry.name for entry in _MODELS.values() if entry.cls.__module__ == module]
    if not own and before == KEPT:
        raise UserError(
            f"plugin {str(path)!r} registers nothing; decorate a class with @register_model(name)"
        )
    return own


def ensure_model(name: str, file: str) -> None:
    """Load the file that registers a model, in a process that does not know the model yet."""
    load_packages()
    if name not in _MODELS and file:
        load_plugin(file)
