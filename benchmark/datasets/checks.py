"""What no training can survive, each refused in one sentence: splits and their labels."""

from collections.abc import Mapping
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.datasets.dataset import SPLITS, Split, Strings
from benchmark.errors import UserError
from benchmark.naming import shown
from benchmark.task import Task

TOLERANCE = 1e-4  # a label that float32 carried over the edge of its range is no mistake

Array = NDArray[Any]


def refuse_broken(split: Split, dataset: str, task: Task, train: Split | None = None) -> None:
    """Stop at what no training can survive.

    Raises:
        UserError: the split is empty, a feature or label is not finite, a label is out of range,
            an id occurs twice, or the shapes differ from those of the training split.
    """
    place = f"the {split.name} split of {dataset!r}"
    if not len(split):
        raise UserError(f"{place} is empty; every split needs at least one sample")
    if train is not None and split.modalities.keys() != train.modalities.keys():
        names = " and ".join(sorted(split.modalities.keys() ^ train.modalities.keys()))
        raise UserError(
            f"{names} is in only one of {place} and the training split; give it in every split or "
            f"in none"
        )
    for name, stream in split.modalities.items():
        values = stream.values
        if not np.isfinite(values).all():
            bad = int((~np.isfinite(values)).any(axis=(1, 2)).sum())
            raise UserError(
                f"{place} has NaN or infinite {name} features in {bad} of {len(split)} samples; "
                f"replace them (by 0, say) before loading"
            )
        if train is not None:
            _refuse_other_shape(place, name, values, train.modalities[name].values)
    refuse_labels(place, split.label, task)
    _refuse_unimodal(place, split, train)
    ids = np.sort(split.ids)
    if (ids[1:] == ids[:-1]).any():
        twice = str(ids[1:][ids[1:] == ids[:-1]][0])
        raise UserError(
            f"{place} has the same id more than once, for example {shown(twice)}; ids must be "
            f"unique"
        )
    if not ids[0]:
        raise UserError(f"{place} has an empty id; name every sample")


def _refuse_unimodal(place: str, split: Split, train: Split | None) -> None:
    """Labels of single modalities, and the transcripts, are in every split or in none."""
    for name, label in split.unimodal_labels.items():
        if label.shape != (len(split),) or not np.isfinite(label).all():
            raise UserError(
                f"{place} has labels of {name} alone of shape {label.shape}, or some that are not "
                f"finite; they must be {len(split)} numbers"
            )
    if train is None:
        return
    for name in sorted(split.unimodal_labels.keys() ^ train.unimodal_labels.keys()):
        raise UserError(
            f"labels of {name} alone are in only one of {place} and the training split; give them "
            f"in every split or in none"
        )
    if (split.transcripts is None) != (train.transcripts is None):
        raise UserError(
            f"transcripts are in only one of {place} and the training split; give them in every "
            f"split or in none"
        )


def _refuse_other_shape(place: str, name: str, values: Array, expected: Array) -> None:
    if values.shape[1:] != expected.shape[1:]:
        raise UserError(
            f"{place} has {name} of steps x features {values.shape[1]} x {values.shape[2]} but "
            f"the training split {expected.shape[1]} x {expected.shape[2]}; make them equal"
        )


def refuse_overlap(dataset: str, ids: Mapping[str, Strings]) -> None:
    """Stop at a sample that two splits share.

    Raises:
        UserError: an id is in two splits.
    """
    for first, second in combinations(SPLITS, 2):
        shared = np.intersect1d(ids[first], ids[second])
        if len(shared):
            raise UserError(
                f"{len(shared)} ids of {dataset!r} are in both the {first} and the {second} "
                f"split, for example {shown(str(shared[0]))}; a sample belongs to one split"
            )


def refuse_labels(place: str, label: Array, task: Task) -> None:
    """Stop at labels that the task cannot have.

    Args:
        place: the split in words, with which the sentence begins.
        label: as it was stored, of any type and shape.
        task: what it should be.

    Raises:
        UserError: no numbers, another shape, not finite, out of range, or no such class.
    """
    if label.dtype.kind not in "fiub":
        text = label.dtype.kind in "US" and label.size
        what = (
            f"text, for example {shown(str(label.flat[0]))}" if text else f"of type {label.dtype}"
        )
        raise UserError(f"{place} has labels that are {what}; {_numbers(task)}")
    _refuse_shape(place, label, task)
    label = label.astype(np.float64)
    if not np.isfinite(label).all():
        raise UserError(f"{place} has NaN or infinite labels; drop these samples")
    if task.kind == "regression":
        _refuse_outside(place, label, task)
    elif task.kind == "multilabel":
        wrong = label[~np.isin(label, (0, 1))]
        if wrong.size:
            raise UserError(
                f"{place} has {wrong.size} yes-no labels that are neither 0 nor 1, for example "
                f"{wrong[0]:g}; write 1 for yes and 0 for no"
            )
    else:
        _refuse_classes(place, label, task)


def _numbers(task: Task) -> str:
    if task.kind == "regression":
        return f"write numbers in [{task.low:g}, {task.high:g}]"
    if task.kind == "multilabel":
        return "write 1 for yes and 0 for no"
    return f"write the number of the class, from 0, in the order {', '.join(task.names[:10])}"


def _refuse_shape(place: str, label: Array, task: Task) -> None:
    several = task.kind == "multilabel"
    if label.ndim and label.shape[1:] == ((len(task.names),) if several else ()):
        return
    if several:
        advice = f"several yes-no labels need (samples, {len(task.names)}), one column a name"
    elif label.ndim == 2 and label.shape[1] == 1:
        advice = f"a {task.kind} needs (samples,), write label[:, 0]"
    elif label.ndim == 2 and task.kind == "multiclass":
        advice = "a multiclass needs (samples,), write label.argmax(axis=1) if it is one-hot"
    else:
        advice = f"a {task.kind} needs (samples,), one label a sample"
    raise UserError(f"{place} has labels of shape {label.shape}; {advice}")


def _refuse_outside(place: str, label: Array, task: Task) -> None:
    outside = (label < task.low - TOLERANCE) | (label > task.high + TOLERANCE)
    if outside.any():
        raise UserError(
            f"{place} has {int(outside.sum())} labels outside [{task.low:g}, {task.high:g}], they "
            f"reach from {label.min():g} to {label.max():g}; correct the labels or labels.range in "
            f"dataset.json"
        )


def _refuse_classes(place: str, label: Array, task: Task) -> None:
    fraction = label[label != np.rint(label)]
    if fraction.size:
        raise UserError(
            f"{place} has classes that are no whole numbers, for example {fraction[0]:g}; "
            f"{_numbers(task)}"
        )
    beyond = label[(label < 0) | (label >= len(task.names))]
    if beyond.size:
        raise UserError(
            f"{place} has {beyond.size} labels of class {beyond[0]:g}, but the classes go from 0 "
            f"to {len(task.names) - 1}; correct the labels or name all classes as labels.names in "
            f"dataset.json"
        )
