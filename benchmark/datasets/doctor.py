"""The doctor: findings about a dataset, each a sentence that says what to do."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Literal

import numpy as np

from benchmark.datasets.checks import refuse_broken
from benchmark.datasets.dataset import SPLITS, Dataset, Split
from benchmark.datasets.folds import SUFFIX, count_folds
from benchmark.datasets.known import family, published
from benchmark.datasets.labels import neutral_sentence
from benchmark.datasets.load import find_source, load_dataset
from benchmark.errors import NotFound, UserError
from benchmark.naming import shown
from benchmark.task import MODALITIES


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing the doctor saw; an `error` makes results wrong, a `warning` needs a thought."""

    level: Literal["error", "warning", "ok"]
    sentence: str


def check_dataset(dataset: Dataset, opened_test: Split) -> list[Finding]:
    """Look for everything that would make results wrong or hard to compare.

    Args:
        dataset: as `load_dataset` returns it.
        opened_test: its test split; the doctor is one of the few who may see it.

    Returns:
        Errors first, then warnings, then what is in order.
    """
    return _check(dataset, (dataset.train, dataset.valid, opened_test))


def examine(name: str, data: Path | str | None = None) -> list[Finding]:
    """Load a dataset by name and look at it; one without splits, or `name@folds`, fold by fold.

    Returns:
        What was found; where it is too broken to be loaded, the reason as an error.

    Raises:
        NotFound: there is no such dataset, label or fold.
    """
    try:
        return _examine(name, data)
    except NotFound:
        raise
    except UserError as error:
        return [Finding("error", str(error))]


def _examine(name: str, data: Path | str | None) -> list[Finding]:
    base = name.removesuffix(SUFFIX)
    source = find_source(base, data)
    if base == name and set(source.sizes) == set(SPLITS):
        dataset = load_dataset(name, data=data, standardise=())
        return check_dataset(dataset, dataset.open_test())
    count = count_folds(source)

    def load(fold: int) -> Dataset:
        return load_dataset(f"{base}@{fold}", data=data, standardise=())

    splits = (replace(load(fold).open_test(), name=f"fold {fold}") for fold in range(count))
    return _check(replace(load(0), name=source.name), tuple(splits))


def _check(dataset: Dataset, splits: tuple[Split, ...]) -> list[Finding]:
    findings = [
        *_sizes(dataset, splits),
        *_widths(dataset),
        *_values(dataset, splits),
        *_neutral(dataset),
        *_ids(splits),
        *_contents(splits),
        *_groups(splits),
        *_absent(splits),
        *_padding(splits),
    ]
    order = ("error", "warning", "ok")
    return sorted(findings, key=lambda finding: order.index(finding.level))


def _sizes(dataset: Dataset, splits: tuple[Split, ...]) -> Iterator[Finding]:
    sizes = tuple(len(split) for split in splits)
    shown = "/".join(map(str, sizes))
    known = published(dataset.name).sizes
    if len(splits) != len(SPLITS) or splits[0].name != SPLITS[0]:
        total = sum(sizes)
        yield Finding("ok", f"{total} samples in {len(splits)} folds of {shown}")
    elif not known:
        yield Finding("ok", f"{shown} samples for training, validation and test")
    elif sizes in known:
        yield Finding("ok", f"{shown} samples, a published split of {family(dataset.name)}")
    else:
        options = ", ".join("/".join(map(str, option)) for option in known)
        yield Finding(
            "warning",
            f"{shown} samples is no published split of {family(dataset.name)} ({options}); do not "
            f"put results beside published ones",
        )


def _widths(dataset: Dataset) -> Iterator[Finding]:
    text, audio, vision = dataset.dims.inputs
    known = published(dataset.name).widths.get(text)
    complete = all(dataset.train.modalities[name].lengths.any() for name in MODALITIES)
    if known is not None and complete and (audio, vision) != known:
        yield Finding(
            "warning",
            f"audio and vision have {audio} and {vision} features, the usual files of "
            f"{family(dataset.name)} {known[0]} and {known[1]}; say beside the results which "
            f"these are",
        )


def _values(dataset: Dataset, splits: tuple[Split, ...]) -> Iterator[Finding]:
    sound = True
    for split in splits:
        try:
            refuse_broken(split, dataset.name, dataset.task, dataset.train)
        except UserError as error:
            sound = False
            yield Finding("error", str(error))
    if sound:
        yield Finding("ok", "no split is empty, features are finite, labels in range, ids unique")


def _neutral(dataset: Dataset) -> Iterator[Finding]:
    if dataset.task.kind == "regression":
        assumed = dataset.provenance.get("neutral") == "assumed"
        sentence = neutral_sentence(dataset.task, assumed)
        yield Finding("warning" if assumed else "ok", sentence)


def _ids(splits: tuple[Split, ...]) -> Iterator[Finding]:
    for first, second in combinations(splits, 2):
        shared = np.intersect1d(first.ids, second.ids)
        if len(shared):
            yield Finding(
                "error",
                f"{len(shared)} ids are in both {first.name} and {second.name}, for example "
                f"{shown(str(shared[0]))}; remove them from {first.name}",
            )


def _hashes(split: Split) -> list[tuple[bytes, str]]:
    """Hash of what a sample holds, and its id; samples without any features are left out."""
    found = []
    streams = [split.modalities[name] for name in MODALITIES]
    for sample in range(len(split)):
        content = hashlib.blake2b(digest_size=16)
        held = False
        for stream in streams:
            rows = np.ascontiguousarray(stream.values[sample, : stream.lengths[sample]])
            content.update(str(rows.shape).encode() + rows.tobytes())
            held = held or bool(rows.any())
        if held:
            found.append((content.digest(), str(split.ids[sample])))
    return found


def _contents(splits: tuple[Split, ...]) -> Iterator[Finding]:
    listed = {split.name: _hashes(split) for split in splits}
    hashes = {name: dict(pairs) for name, pairs in listed.items()}
    seen = any(split.audio.lengths.any() or split.vision.lengths.any() for split in splits)
    clean = True
    for first, second in combinations(splits, 2):
        shared = hashes[first.name].keys() & hashes[second.name].keys()
        if shared:
            clean = False
            pair = min((hashes[first.name][key], hashes[second.name][key]) for key in shared)
            yield Finding(
                "error" if seen else "warning",  # short texts repeat by themselves
                f"{len(shared)} samples of {second.name} have exactly the features of a sample of "
                f"{first.name}, for example {shown(pair[1])} those of {shown(pair[0])}; "
                + ("remove them" if seen else "short texts do, look whether these are"),
            )
    for split in splits:
        repeated = len(listed[split.name]) - len(hashes[split.name])
        if repeated > 0 and seen:
            clean = False
            yield Finding(
                "warning",
                f"{repeated} samples of {split.name} repeat the features of another one; look "
                f"whether they are duplicates",
            )
    if clean:
        yield Finding("ok", "no two splits hold the same features")


def _groups(splits: tuple[Split, ...]) -> Iterator[Finding]:
    groups = {split.name: split.groups for split in splits if split.groups is not None}
    if len(groups) < len(splits):
        yield Finding(
            "warning",
            "the video or speaker of the samples is not known, so that overlap between splits "
            "cannot be seen; add it if you can",
        )
        return
    clean = True
    for first, second in combinations(groups, 2):
        shared = np.intersect1d(groups[first], groups[second])
        if len(shared):
            clean = False
            touched = int(np.isin(groups[second], shared).sum())
            yield Finding(
                "warning",
                f"{len(shared)} videos or speakers are in both {first} and {second} ({touched} "
                f"samples of {second}); say so beside the results, or split by video",
            )
    if clean:
        yield Finding("ok", "no video or speaker is in two splits")


def _absent(splits: tuple[Split, ...]) -> Iterator[Finding]:
    for name in MODALITIES:
        for split in splits:
            stream = split.modalities[name]
            absent = int((stream.lengths == 0).sum())
            if absent == len(split):
                tokens = name == "text" and split.tokens is not None
                yield Finding(
                    "ok" if tokens else "warning",
                    f"{name} of {split.name} has tokens and no vectors; use models that read tokens"
                    if tokens
                    else f"{name} is missing in every sample of {split.name}; models are judged "
                    f"without it",
                )
            elif not stream.values.any():
                yield Finding(
                    "warning",
                    f"{name} is zero throughout {split.name} although it has a length; mark it as "
                    f"missing or repair the features",
                )
            elif absent:
                yield Finding(
                    "warning",
                    f"{name} is missing in {absent} of {len(split)} samples of {split.name}; "
                    f"say so beside the results",
                )


def _padding(splits: tuple[Split, ...]) -> Iterator[Finding]:
    clean = True
    for split in splits:
        for name in split.modalities:
            stream = split.modalities[name]
            count = int((stream.values[~stream.mask] != 0).any(axis=1).sum())
            if count:
                clean = False
                yield Finding(
                    "error",
                    f"{count} steps of {name} in {split.name} lie beyond the length of their "
                    f"sample and are not zero; correct the lengths or zero them",
                )
    if clean:
        yield Finding("ok", "padding is zero beyond every length")
