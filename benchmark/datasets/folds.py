"""Cross-validation: the folds of a dataset, one of them as its test split."""

from collections.abc import Sequence
from dataclasses import fields, replace

import numpy as np

from benchmark.config import digest
from benchmark.datasets.checks import refuse_broken
from benchmark.datasets.dataset import SPLITS, Sequences, Split, Strings
from benchmark.datasets.source import Source
from benchmark.errors import NotFound, UserError

SUFFIX = "@folds"
MOST_FOLDS = 100  # each is a training of every model, and the doctor reads all data for each


def count_folds(source: Source) -> int:
    """How many folds a dataset declares.

    Raises:
        UserError: none, or too few to hold one out for validation, or far too many.
    """
    if source.folds is None:
        raise NotFound(
            f"{source.name!r} declares no folds; put an array cv_fold with the fold of each sample "
            f"into its npz files, or leave {SUFFIX!r} out"
        )
    numbers = np.unique(np.concatenate(list(source.folds.values())))
    count = int(numbers.max(initial=-1)) + 1
    if len(numbers) < count:
        empty = int(np.argmax(numbers != np.arange(len(numbers))))
        raise UserError(f"{source.name!r} has no sample in fold {empty}; number the folds from 0")
    for name, fold in source.folds.items():
        if len(fold) != source.sizes[name]:
            raise UserError(
                f"{source.name!r} has the folds of {len(fold)} samples for {source.sizes[name]} "
                f"samples of {name}; every sample needs one"
            )
    if not 3 <= count <= MOST_FOLDS:
        raise UserError(
            f"{source.name!r} has {count} folds; cross-validation needs at least 3 and "
            f"{MOST_FOLDS} at most"
        )
    return count


def take_fold(source: Source, fold: int) -> Source:
    """The dataset with one fold as its test split and the next one as its validation split.

    All samples of all splits take part. The folds of a dataset share name and digest, so that
    tables average over them.

    Raises:
        UserError: no such fold.
    """
    count = count_folds(source)
    if not 0 <= fold < count:
        raise NotFound(f"{source.name!r} has the folds 0 to {count - 1}, got {fold}")
    assert source.folds is not None
    parts = list(source.sizes)
    number = np.concatenate([source.folds[name] for name in parts])
    roles = np.where(number == fold, "test", "train")
    roles[number == (fold + 1) % count] = "valid"
    ids = np.concatenate([source.read_ids(name) for name in parts])

    def read(split: str) -> Split:
        pooled = _join([_sound(source, name) for name in parts])
        return replace(pooled.select(roles == split), name=split)

    def read_ids(split: str) -> Strings:
        return np.asarray(ids[roles == split], dtype=np.str_)

    return replace(
        source,
        name=f"{source.name}{SUFFIX}",
        sizes={split: int((roles == split).sum()) for split in SPLITS},
        read=read,
        read_ids=read_ids,
        digest=digest([source.digest, "folds"]),
        folds=None,
    )


def _sound(source: Source, part: str) -> Split:
    """One part, refused where it could not be joined to the first one."""
    first = next(iter(source.sizes))
    split = source.read(part)
    refuse_broken(split, source.name, source.task, None if part == first else source.read(first))
    return split


def _join(splits: Sequence[Split]) -> Split:
    """The samples of several splits one after the other."""
    first = splits[0]
    changes: dict[str, object] = {}
    for name in (item.name for item in fields(Split)):
        values = [getattr(split, name) for split in splits]
        if all(isinstance(value, np.ndarray) for value in values):
            changes[name] = np.concatenate(values)
        elif values[0] is not None and None in values:
            changes[name] = None
    changes["unimodal_labels"] = {
        name: np.concatenate([split.unimodal_labels[name] for split in splits])
        for name in first.unimodal_labels
    }
    changes["modalities"] = {
        name: _join_sequences([split.modalities[name] for split in splits])
        for name in first.modalities
    }
    return replace(first, **changes)  # type: ignore[arg-type]


def _join_sequences(parts: Sequence[Sequences]) -> Sequences:
    return Sequences(
        np.concatenate([part.values for part in parts]),
        np.concatenate([part.lengths for part in parts]),
    )
