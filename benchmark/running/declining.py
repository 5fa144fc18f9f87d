"""Who declines a dataset: models, evaluations and corruptions say what they can take."""

import importlib
from typing import Any

from benchmark.config import Protocol
from benchmark.datasets.dataset import Dataset
from benchmark.errors import UserError
from benchmark.registry import ModelEntry, get_evaluation

CORRUPTIONS = "robustness.corruptions"  # of the folder above, known by name alone


def reason_against(entry: ModelEntry, dataset: Dataset) -> str:
    """Why a model cannot be trained on a dataset, a sentence without a stop; empty if it can."""
    kind = dataset.task.kind
    if kind not in entry.cls.tasks:
        return (
            f"{entry.name} takes {' and '.join(entry.cls.tasks)} tasks, and the task of "
            f"{dataset.name} is {kind}"
        )
    reason = _nothing_to_read(entry, entry.cls.modalities, dataset)
    if reason:
        return reason
    stated = entry.cls.accepts(dataset.dims)
    return f"{entry.name} {stated} ({dataset.name})" if stated else ""


def _nothing_to_read(entry: ModelEntry, modalities: tuple[str, ...], dataset: Dataset) -> str:
    train = dataset.train
    known = tuple(train.modalities)
    absent = [name for name in modalities if name not in known]
    if absent:
        return (
            f"{entry.name} reads {' and '.join(absent)}, which {dataset.name} does not have; it "
            f"has {', '.join(known)}"
        )
    tokens = train.tokens is not None and train.tokens.lengths.any()
    if not modalities or (tokens and "text" in modalities):
        return ""
    if any(train.modalities[name].lengths.any() for name in modalities):
        return ""
    return (
        f"{entry.name} reads {' and '.join(modalities)}, of which no training sample of "
        f"{dataset.name} has anything"
    )


def refuse_declining(rules: Protocol, dataset: Dataset) -> None:
    """Stop at an evaluation or a corruption of the protocol that cannot be made on a dataset.

    Raises:
        UserError: there is one, or a corruption that does not exist.
    """
    for name in rules.evaluations:
        reason = get_evaluation(name).accepts(dataset.dims)
        if reason:
            raise UserError(
                f"the evaluation {name} {reason} ({dataset.name}); leave it out of the protocol"
            )
    for corruption in corruptions_of(rules, dataset):
        name, reason = corruption.name, corruption.accepts(dataset.dims)
        absent = [one for one in corruption.modalities if one not in dataset.dims.widths]
        if absent:
            reason = f"changes {' and '.join(absent)}, which is not there"
        if reason:
            raise UserError(
                f"the corruption {name} {reason} ({dataset.name}); choose others by --corruptions"
            )


def corruptions_of(rules: Protocol, dataset: Dataset) -> list[Any]:
    """The corruptions of the robustness curves, as their registry holds them.

    Raises:
        UserError: one does not exist.
    """
    if "robustness" not in rules.evaluations:
        return []
    find = importlib.import_module(CORRUPTIONS).find_corruption
    return [find(name, dataset.train) for name in rules.corruptions]
