"""From names to a grid of plans: models x datasets x seeds, each with its settings resolved."""

import functools
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from benchmark.config import Protocol, TrainConfig, changed_protocol, digest, get_protocol
from benchmark.datasets.dataset import Dataset
from benchmark.datasets.folds import SUFFIX, count_folds
from benchmark.datasets.load import data_folder, find_source, load_dataset, locate
from benchmark.datasets.tokens import encoder_identity
from benchmark.errors import UserError, unknown
from benchmark.plugins import is_foreign, source_digest
from benchmark.records.harness import harness_version
from benchmark.records.parts import COST, SCORE, Part
from benchmark.records.record import Cell
from benchmark.registry import (
    ModelEntry,
    get_evaluation,
    get_model,
    list_models,
    load_plugin,
)
from benchmark.running.declining import corruptions_of, reason_against, refuse_declining
from benchmark.running.state import OURS, USED, unchanged
from benchmark.settings import PLAIN_ENCODERS
from benchmark.system.environment import check_device, hardware


@dataclass(frozen=True)
class Plan:
    """A cell and what is needed to run it here: paths and devices that no record mentions.

    Paths are absolute: whatever a model does to the working directory, they stay.

    Attributes:
        asked: whether the model was named, and not merely one of a group.
        declined: why the model is left out; empty if it is to be run.
    """

    cell: Cell
    dataset: str
    task: dict[str, Any]
    settings: dict[str, Any]
    data: str | None
    text_encoder: str
    device: str
    threads: int
    plugins: tuple[str, ...]
    file: str
    folder: Path
    changed: dict[str, Any] = field(default_factory=dict)
    recipe: str = ""
    exempt: dict[str, str] = field(default_factory=dict)
    display: str = ""
    broken: dict[str, str] = field(default_factory=dict)
    foreign: bool = False
    asked: bool = True
    declined: str = ""

    @property
    def protocol(self) -> Protocol:
        """The rules of the comparison."""
        return Protocol(**self.cell.protocol)


def plan_grid(
    *,
    models: Sequence[str] = ("all",),
    group: Sequence[str] = (),
    datasets: Sequence[str] = ("synthetic",),
    seeds: int | Sequence[int] = 3,
    protocol: str | Protocol = "quick",
    precision: Literal["fp32", "tf32", "bf16"] | None = None,
    settings: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None,
    data: str | Path | None = None,
    text_encoder: str = "",
    device: str = "cpu",
    threads: int = 1,
    plugins: Sequence[str | Path] = (),
    folder: str | Path = "results",
) -> list[Plan]:
    """All cells of models x datasets x seeds, and one cost cell for each model and dataset.

    A model of `all` or of `group` that declines a dataset is left out there: one plan says why.

    Args:
        models: registered names, or `all`; models of the plugins come along.
        group: further names.
        datasets: names of datasets; `name@folds` cross-validates, seed s on fold s.
        seeds: how many, from 0, or which.
        protocol: a name, a TOML or JSON file, or the rules themselves.
        precision: instead of the protocol's; its results stand in a table of their own.
        settings: key or `model.key` -> value; applied to every chosen model that knows the key. A
            list of such mappings plans all of them.
        data: folder of the datasets; by default the variable AFFECTBENCH_DATA.
        text_encoder: local folder, hub name or empty, for tokens and for the token models.
        device: `cpu`, `cuda` or `cuda:n`.
        threads: processor threads of one cell.
        plugins: files that register further models.
        folder: where records go.

    Raises:
        UserError: an unknown model, dataset, setting or device, or a model that was named and
            declines a dataset.
    """
    rules = get_protocol(protocol) if isinstance(protocol, str) else protocol
    if precision is not None:
        rules = changed_protocol(rules, {"precision": precision})
    with unchanged((*OURS, *USED)):  # workers import it again, each for its own cells
        own = [name for plugin in plugins for name in load_plugin(plugin)]
    asked = [get_model(name).name for name in models if name != "all"] + own
    every = [entry.name for entry in list_models()] if "all" in models else []
    names = list(dict.fromkeys([*asked, *(get_model(name).name for name in group), *every]))
    check_device(device)
    chosen_seeds = list(dict.fromkeys(range(seeds) if isinstance(seeds, int) else seeds))
    if not chosen_seeds:
        raise UserError("no seeds given; --seeds takes a number of at least 1")
    several = [settings or {}] if settings is None or isinstance(settings, Mapping) else settings
    planner = _Planner(
        rules=rules,
        data=data_folder(data),
        text_encoder=_absolute_encoder(text_encoder),
        device=device,
        threads=threads,
        plugins=tuple(map(_absolute, plugins)),
        folder=Path(_absolute(folder)),
        asked=frozenset(asked),
    )
    overrides = [split_settings(names, values) for values in several]
    plans = [
        plan
        for dataset in dict.fromkeys(datasets)
        for given in overrides
        for plan in planner.plans(dataset, names, chosen_seeds, given)
    ]
    # A model that does not know a setting is the same under all its values.
    return list({plan.cell.key: plan for plan in plans}.values())


@dataclass(frozen=True)
class _Planner:
    """What all cells of a grid share."""

    rules: Protocol
    data: str | None
    text_encoder: str
    device: str
    threads: int
    plugins: tuple[str, ...]
    folder: Path
    asked: frozenset[str]

    def plans(
        self,
        dataset: str,
        names: Sequence[str],
        seeds: Sequence[int],
        overrides: Mapping[str, Mapping[str, Any]],
    ) -> list[Plan]:
        """The cells of one dataset: a score for each seed and model, a cost for each model."""
        folds = _fold_names(locate(dataset, self.data), self.data)

        def plan(name: str, seed: int, part: Part) -> Plan:
            return self._plan(name, folds[seed % len(folds)], seed, part, overrides[name])

        reasons = self._reasons(names, folds[seeds[0] % len(folds)])
        accepted = [name for name in names if name not in reasons]
        left = [
            replace(plan(name, seeds[0], SCORE), declined=reason)
            for name, reason in reasons.items()
        ]
        plans = [plan(name, seed, SCORE) for seed in seeds for name in accepted]
        if any(get_evaluation(name).timed for name in self.rules.evaluations):
            plans += [plan(name, seeds[0], COST) for name in accepted]
        return left + plans

    def _reasons(self, names: Sequence[str], dataset_name: str) -> dict[str, str]:
        """Model -> why it is left out on this dataset.

        Raises:
            UserError: the model was named, or an evaluation or a corruption declines.
        """
        dataset = self._dataset(dataset_name)
        refuse_declining(self.rules, dataset)
        found = {name: reason_against(get_model(name), dataset) for name in names}
        named = [found[name] for name in names if found[name] and name in self.asked]
        if named:
            raise UserError("; ".join(named))
        return {name: reason for name, reason in found.items() if reason}

    def _dataset(self, name: str) -> Dataset:
        return cached_dataset(name, self.data, self.text_encoder, self.rules.standardise)

    def _plan(
        self,
        name: str,
        dataset_name: str,
        seed: int,
        part: Part,
        overrides: Mapping[str, Any],
    ) -> Plan:
        rules = self.rules
        dataset = self._dataset(dataset_name)
        entry = get_model(name)
        given = dict(overrides)
        if self.text_encoder and "text_encoder" in entry.parameters:
            given.setdefault("text_encoder", self.text_encoder)
        base = base_name(dataset.name)
        arguments, config = entry.resolve(base, given)
        device = hardware(self.device, self.threads, rules.precision) if part.timed else ""
        others = _from_outside(rules, dataset)
        fold = dataset_name.rpartition("@")[2] if dataset.name.endswith(SUFFIX) else None
        return Plan(
            cell=Cell(
                model=name,
                kind=entry.kind,
                variant=str(arguments.get("variant", "")),
                dataset=dataset.name,
                fingerprint=dataset.fingerprint,
                seed=seed,
                part=part.name,
                settings=_describe(arguments),
                config=config.model_dump(mode="json"),
                protocol=rules.model_dump(mode="json"),
                source=_source(entry, others),
                hardware=device,
                fold=None if fold is None else int(fold),
                harness=harness_version(),
                threads=self.threads,
            ),
            dataset=dataset_name,
            task=dataset.task.to_dict(),
            settings=arguments,
            data=self.data,
            text_encoder=self.text_encoder,
            device=self.device,
            threads=self.threads,
            plugins=self.plugins,
            file=entry.file,
            folder=self.folder,
            changed=_changed(entry, base, given, arguments, config),
            recipe=entry.recipe(base, given),
            exempt=dict(entry.exempt),
            display=entry.display,
            asked=name in self.asked,
            foreign=is_foreign(entry.cls) or bool(others),
        )


def _from_outside(rules: Protocol, dataset: Dataset) -> list[Any]:
    """The functions of the protocol's evaluations and corruptions that are not ours."""
    used = [get_evaluation(name).function for name in rules.evaluations]
    used += [corruption.apply for corruption in corruptions_of(rules, dataset)]
    return [function for function in used if is_foreign(function)]


def _source(entry: ModelEntry, others: Sequence[Any]) -> str:
    """Hash of all code that decides a result and is not the harness."""
    own = entry.source_digest
    return digest([own, *map(source_digest, others)]) if others else own


def _absolute(path: str | Path) -> str:
    return os.path.abspath(os.path.expanduser(path))


def _absolute_encoder(name: str) -> str:
    """A local folder by its absolute path; a hub name as it is."""
    local = name not in PLAIN_ENCODERS and Path(name).expanduser().is_dir()
    return _absolute(name) if local else name


def base_name(dataset: str) -> str:
    """The dataset whose defaults hold: `name` of `name@folds` and of `name:column`."""
    return dataset.removesuffix(SUFFIX).partition(":")[0]


def _fold_names(dataset: str, data: str | None) -> list[str]:
    """The dataset itself, or for `name@folds` each of its folds, which seeds take in turn."""
    if not dataset.endswith(SUFFIX):
        return [dataset]
    base = dataset.removesuffix(SUFFIX)
    return [f"{base}@{fold}" for fold in range(count_folds(find_source(base, data)))]


def split_settings(names: Sequence[str], settings: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Settings by model: `key` goes to every model that knows it, `model.key` to that one.

    Raises:
        UserError: no chosen model knows the key.
    """
    result: dict[str, dict[str, Any]] = {name: {} for name in names}
    known = {name: {*get_model(name).parameters, *TrainConfig.model_fields} for name in names}
    for key, value in settings.items():
        model, _, rest = key.rpartition(".")
        if model and model not in names:
            raise unknown("model in a setting", model, names)
        takers = [name for name in names if rest in known[name] and model in ("", name)]
        if not takers:
            allowed = known[model] if model else set().union(*known.values())
            raise unknown(f"setting{f' of {model}' if model else ''}", rest, allowed)
        for name in takers:
            result[name][rest] = value
    return result


def _changed(
    entry: ModelEntry,
    dataset: str,
    given: Mapping[str, Any],
    arguments: Mapping[str, Any],
    config: TrainConfig,
) -> dict[str, Any]:
    """The settings of a run that are not those registered for the dataset.

    A text encoder brings its own registered settings: then it alone is named.
    """
    encoder = {key: given[key] for key in ("text_encoder",) if key in given}
    expected, schedule = entry.resolve(dataset, encoder)
    plain, _ = entry.resolve(dataset)
    expected = {**expected, **{key: plain[key] for key in encoder}}
    used = {**_describe(arguments), **config.model_dump(mode="json")}
    usual = {**expected, **schedule.model_dump(mode="json")}
    return {key: value for key, value in used.items() if value != usual[key]}


def _describe(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Constructor arguments as records keep them: an encoder by its content, not by its path."""
    described = dict(arguments)
    encoder = described.get("text_encoder")
    if isinstance(encoder, str) and encoder not in PLAIN_ENCODERS:
        described["text_encoder"] = encoder_identity(encoder)
    return described


@functools.lru_cache(maxsize=8)
def cached_dataset(
    name: str, data: str | None, text_encoder: str, standardise: tuple[str, ...]
) -> Dataset:
    """A dataset, loaded once in a process."""
    return load_dataset(name, data=data, text_encoder=text_encoder, standardise=standardise)
