"""Source: where the splits of a dataset are read from, and how they become a `Dataset`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.batch import MODALITIES
from benchmark.config import digest
from benchmark.datasets.dataset import (
    Dataset,
    Floats,
    Integers,
    Scale,
    Sequences,
    Split,
    Strings,
    Vocabulary,
)
from benchmark.datasets.labels import refuse_labels
from benchmark.datasets.tokens import MAX_TOKENS, make_tokeniser
from benchmark.errors import UserError, unknown
from benchmark.model import Dims
from benchmark.naming import shown
from benchmark.task import Task

SPLITS = ("train", "valid", "test")


@dataclass(frozen=True)
class Source:
    """A dataset on disk or from a generator, none of whose features are in memory yet.

    Attributes:
        name: the name used in commands, records and tables.
        task: what the label means.
        format: the layout in words, for `affectbench data ls`.
        sizes: samples of each split; of `all` where the dataset has folds and no splits.
        read: the samples of one split, unscaled.
        read_ids: the ids of one split, without its features.
        digest: hash of every array of every split.
        vocabulary: special ids of the tokens that the splits hold, if they hold any.
        encoder: the text encoder whose tokeniser made these tokens.
        provenance: where the data comes from and what reading it changed.
        folds: split -> fold of each sample, int64 `(N,)`, where the dataset declares them.
    """

    name: str
    task: Task
    format: str
    sizes: Mapping[str, int]
    read: Callable[[str], Split]
    read_ids: Callable[[str], Strings]
    digest: str
    vocabulary: Vocabulary | None = None
    encoder: str = ""
    provenance: Mapping[str, Any] = field(default_factory=dict)
    folds: Mapping[str, Integers] | None = None


def assemble(
    source: Source,
    *,
    text_encoder: str = "",
    standardise: tuple[str, ...] = (),
    max_tokens: int = MAX_TOKENS,
) -> Dataset:
    """Read the training and validation splits, refuse what is broken, add tokens and scales.

    The test split is read when `Dataset.open_test` is called; before that, only its ids are.

    Args:
        source: where the splits come from.
        text_encoder: whose tokeniser makes token ids; see `tokens.make_tokeniser`.
        standardise: streams scaled by the statistics of the training split.
        max_tokens: most tokens of a sample, the start and end marks included.

    Raises:
        UserError: a split is empty or broken, splits overlap, or a stream is unknown.
    """
    need_splits(source)
    train = source.read("train")
    refuse_broken(train, source.name, source.task)
    known = (*MODALITIES, *train.extra)
    for name in standardise:
        if name not in known:
            raise unknown("stream to standardise", name, known)
    refuse_overlap(source.name, {name: source.read_ids(name) for name in SPLITS})
    tokenise = make_tokeniser(text_encoder, train, source.vocabulary, source.encoder, max_tokens)
    scales = {name: Scale.of(train.sequences(name)) for name in standardise}

    def prepare(split: Split) -> Split:
        refuse_broken(split, source.name, source.task, train)
        for name, scale in scales.items():
            split = split.with_sequences(name, scale.apply(split.sequences(name)))
        return replace(split, tokens=tokenise(split))

    prepared = prepare(train)
    return Dataset(
        name=source.name,
        task=source.task,
        dims=_dims(prepared, source.task, tokenise.vocabulary),
        train=prepared,
        valid=prepare(source.read("valid")),
        open_test=lambda: prepare(source.read("test")),
        fingerprint=digest([source.digest, tokenise.identity, max_tokens]),
        vocabulary=tokenise.vocabulary,
        encoder=tokenise.identity,
        provenance=source.provenance,
        standardised=tuple(standardise),
    )


def need_splits(source: Source) -> None:
    """Stop at a dataset that has folds instead of splits.

    Raises:
        UserError: no fold of it was chosen.
    """
    if set(source.sizes) != set(SPLITS):
        raise UserError(
            f"{source.name!r} is one file with folds and no splits; cross-validate with "
            f"-d {source.name}@folds, or take {source.name}@0 to test on fold 0 alone"
        )


def _dims(train: Split, task: Task, vocabulary: Vocabulary | None) -> Dims:
    streams = {name: train.sequences(name) for name in (*MODALITIES, *train.extra)}
    lengths = {name: stream.values.shape[1] for name, stream in streams.items()}
    if train.tokens is not None:
        lengths["tokens"] = train.tokens.ids.shape[1]
    return Dims(
        text=train.text.values.shape[2],
        audio=train.audio.values.shape[2],
        vision=train.vision.values.shape[2],
        outputs=task.outputs,
        task=task.centred(),
        vocabulary=0 if vocabulary is None else vocabulary.size,
        extra={name: sequences.values.shape[2] for name, sequences in train.extra.items()},
        lengths=lengths,
    )


def refuse_broken(split: Split, dataset: str, task: Task, train: Split | None = None) -> None:
    """Stop at what no training can survive.

    Raises:
        UserError: the split is empty, a feature or label is not finite, a label is out of range,
            an id occurs twice, or the shapes differ from those of the training split.
    """
    place = f"the {split.name} split of {dataset!r}"
    if not len(split):
        raise UserError(f"{place} is empty; every split needs at least one sample")
    if train is not None and split.extra.keys() != train.extra.keys():
        names = " and ".join(sorted(split.extra.keys() ^ train.extra.keys()))
        raise UserError(
            f"{names} is in only one of {place} and the training split; give it in every split or "
            f"in none"
        )
    for name in (*MODALITIES, *split.extra):
        values = split.sequences(name).values
        if not np.isfinite(values).all():
            bad = int((~np.isfinite(values)).any(axis=(1, 2)).sum())
            raise UserError(
                f"{place} has NaN or infinite {name} features in {bad} of {len(split)} samples; "
                f"replace them (by 0, say) before loading"
            )
        if train is not None:
            _refuse_other_shape(place, name, values, train.sequences(name).values)
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


def _refuse_other_shape(
    place: str, name: str, values: NDArray[Any], expected: NDArray[Any]
) -> None:
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


def missing(samples: int, width: int = 1) -> Sequences:
    """A modality that no sample has: one zero step, all of it masked."""
    return Sequences(np.zeros((samples, 1, width), np.float32), np.zeros(samples, np.int64))


def padded_left(content: NDArray[np.bool_]) -> bool:
    """Whether the padding of a modality is at the front, judged over all samples.

    Args:
        content: bool `(N, L)`, True on steps that hold something.
    """
    some = content.any(axis=1)
    leading = content.argmax(axis=1)[some].sum()
    trailing = content[:, ::-1].argmax(axis=1)[some].sum()
    return bool(leading > trailing)


def right_padded(
    values: NDArray[Any], content: NDArray[np.bool_], *, left: bool | None = None
) -> Sequences:
    """Move the valid steps of each sample to the front; zero steps between them stay.

    Args:
        values: `(N, L, D)`, padded on either side.
        content: bool `(N, L)`, True on steps that hold something; it says where a sample begins
            and ends, and may have gaps.
        left: the padding is at the front, so that trailing zero steps belong to the sample; False:
            at the back; None: cut on both sides.
    """
    steps = values.shape[1]
    some = content.any(axis=1)
    first = np.where(some & (left is not False), content.argmax(axis=1), 0)
    last = np.where(left is True, steps, steps - content[:, ::-1].argmax(axis=1))
    lengths = np.where(some, last - first, 0).astype(np.int64)
    place = np.arange(steps)
    if first.any():
        values = np.take_along_axis(
            values, np.minimum(first[:, None] + place, steps - 1)[..., None], axis=1
        )
    result = single(values)
    result[place >= lengths[:, None]] = 0
    return Sequences(result, lengths)


def single(values: NDArray[Any]) -> Floats:
    """As float32; a number too large for it becomes infinite, which is refused later."""
    with np.errstate(over="ignore"):
        return values.astype(np.float32)
