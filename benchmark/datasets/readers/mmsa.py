"""The pickles that the MMSA framework passes around."""

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmark.config import digest
from benchmark.datasets.checks import refuse_broken, refuse_overlap
from benchmark.datasets.dataset import SPLITS, Integers, Sequences, Split, Tokens, Vocabulary
from benchmark.datasets.files.fields import Fields
from benchmark.datasets.files.padding import padded_left, right_padded, single
from benchmark.datasets.files.unpickle import read_pickle
from benchmark.datasets.known import known_file
from benchmark.datasets.reader import Reader
from benchmark.datasets.source import Source
from benchmark.errors import UserError
from benchmark.naming import visible
from benchmark.task import MODALITIES, Task, regression

UNIMODAL = {"text": "T", "audio": "A", "vision": "V"}
# BERT of either language: size of the vocabulary; padding, unknown, start, end and mask ids.
BERT = {"bert-base-uncased": 30522, "bert-base-chinese": 21128}
BERT_IDS = {"pad": 0, "unknown": 100, "start": 101, "end": 102, "mask": 103}
# More samples than this with length 1 and later content: the stored lengths are not to be used.
MOST_WRONG_LENGTHS = 0.1


def is_file(path: Path) -> bool:
    """Whether it is anything but a folder; also nothing, which is refused when it is opened."""
    return not os.path.isdir(path)


def open_mmsa(path: Path, label: str, name: str) -> Source:
    """Read one pickle of `{split: {field: array}}`, aligned or not.

    Sequences become right-padded; infinite and NaN features become 0; lengths that contradict the
    features are replaced by the place of the last frame that is not zero. All of it is counted in
    the notes and in the provenance of the dataset.

    Args:
        path: the pickle.
        label: not looked at: such a file has one.
        name: of the dataset; names that begin with `sims` have labels in [-1, 1].

    Raises:
        UserError: the file is missing, truncated, unsafe or of another layout.
    """
    content = _read_fields(path)
    with path.open("rb") as file:
        hashed = hashlib.file_digest(file, "sha256").hexdigest()
    known = known_file(hashed)
    notes: list[str] = []
    if not known:
        notes.append(
            f"the SHA-256 of {visible(path.name)} begins with {hashed[:12]}, that of no "
            f"published file; make sure that you know where it comes from"
        )
    task = _task(content, name, known)
    vocabulary, encoder = _vocabulary(content, task)
    streams = {
        modality: _streams(content, modality, notes) for modality in ("audio", "vision", "text")
    }
    splits = {
        split: _split(
            split, content[split], {modality: streams[modality][split] for modality in streams}
        )
        for split in SPLITS
    }
    for split in splits.values():
        refuse_broken(split, path.name, task, splits["train"])
    refuse_overlap(path.name, {split: splits[split].ids for split in SPLITS})
    return Source(
        name=name,
        task=task,
        format=READER.name,
        title=known or "an unknown file",
        sizes={split: len(splits[split]) for split in SPLITS},
        read=lambda split: splits[split],
        read_ids=lambda split: splits[split].ids,
        digest=digest([hashed, task.to_dict()]),
        vocabulary=vocabulary,
        encoder=encoder,
        provenance={"layout": "MMSA pickle", "known": known, "sha256": hashed},
        notes=tuple(notes),
        facts={
            "features": {
                "text": f"last layer of {encoder}, a row a token" if encoder else "as imported"
            },
            "padding": {"side": "right", "notes": notes},
            "licence": "that of the imported file",
        },
    )


def _read_fields(source: Path) -> dict[str, Fields]:
    content = read_pickle(source)
    if not isinstance(content, dict) or not all(isinstance(content.get(s), dict) for s in SPLITS):
        raise UserError(
            f"{visible(repr(source.name))} is no MMSA pickle: it must be a dictionary of train, "
            f"valid and test, each a dictionary of arrays"
        )
    return {split: Fields(source.name, split, content[split]) for split in SPLITS}


def _labels(fields: Fields, key: str = "regression_labels") -> NDArray[np.float32]:
    return single(fields.numbers(key, 1))


def _task(content: Mapping[str, Fields], name: str, known: str) -> Task:
    largest = max(float(np.abs(_labels(content[split])).max()) for split in SPLITS)
    first = f"{known or name}".lower()
    sims = "sims" in first or (largest <= 1 and "mos" not in first)
    return regression(-1, 1) if sims else regression(-3, 3)


def _vocabulary(content: Mapping[str, Fields], task: Task) -> tuple[Vocabulary | None, str]:
    if not any("text_bert" in content[split] for split in SPLITS):
        return None, ""
    ids = [_coded(content[split])[:, 0] for split in SPLITS]  # (N, K)
    encoder = "bert-base-chinese" if task.convention == "sims" else "bert-base-uncased"
    if (
        any((part[:, 0] != BERT_IDS["start"]).any() for part in ids)
        or min(part.min() for part in ids) < 0
        or max(part.max() for part in ids) >= BERT[encoder]
    ):
        raise UserError(
            f"the token ids of 'text_bert' in {content['train'].file} are not those of {encoder}: "
            f"every text must begin with id {BERT_IDS['start']} and ids stay below {BERT[encoder]}"
        )
    return Vocabulary(size=BERT[encoder], **BERT_IDS), encoder


def _coded(fields: Fields) -> Integers:
    """Ids, mask and segments of the tokens, `(N, 3, K)`."""
    coded = fields.whole_numbers("text_bert", 3)
    if coded.shape[1] < 2:
        raise UserError(
            f"{fields.file} has 'text_bert' of shape {coded.shape} in {fields.split!r}; it must be "
            f"(samples, 3, tokens): ids, mask and segments"
        )
    return coded


def _streams(content: Mapping[str, Fields], name: str, notes: list[str]) -> dict[str, Sequences]:
    """One modality of all splits, finite and right-padded."""
    values = {split: _finite(content[split], name, notes) for split in SPLITS}
    for split in SPLITS:
        shape, expected = values[split].shape[1:], values["train"].shape[1:]
        if shape != expected:
            raise UserError(
                f"{content[split].file} has {name!r} of steps x features {shape[0]} x {shape[1]} "
                f"in {split!r} but {expected[0]} x {expected[1]} in 'train'; make them equal"
            )
    if name == "text" and "text_bert" in content["train"]:
        return {split: _masked_text(values[split], content[split], notes) for split in SPLITS}
    content_of = {split: (values[split] != 0).any(axis=2) for split in SPLITS}
    left = padded_left(np.concatenate([content_of[split] for split in SPLITS]))
    if left:
        notes.append(f"{name} was padded on the left; its frames were moved to the front")
    found = {split: right_padded(values[split], content_of[split], left=left) for split in SPLITS}
    for split in SPLITS:
        empty = int((found[split].lengths == 0).sum())
        if empty:
            notes.append(f"{name} is zero throughout in {empty} samples of {split}: missing")
    if left or not all(f"{name}_lengths" in content[split] for split in SPLITS):
        return found
    stored = {split: content[split].whole_numbers(f"{name}_lengths", 1) for split in SPLITS}
    return _with_stored_lengths(found, stored, name, notes)


def _finite(fields: Fields, name: str, notes: list[str]) -> NDArray[np.float32]:
    values = single(fields.numbers(name, 3))
    kinds = {"-inf": np.isneginf(values), "+inf": np.isposinf(values), "NaN": np.isnan(values)}
    for kind, where in kinds.items():
        if where.any():
            notes.append(f"{int(where.sum())} values {kind} of {name} in {fields.split} became 0")
            values[where] = 0
    return values


def _masked_text(values: NDArray[np.float32], fields: Fields, notes: list[str]) -> Sequences:
    mask = _coded(fields)[:, 1] > 0  # (N, L)
    if mask.shape != values.shape[:2]:
        raise UserError(
            f"{fields.file} has 'text' of {values.shape[1]} steps and 'text_bert' of "
            f"{mask.shape[1]} in {fields.split!r}; they must be the same tokens"
        )
    beyond = int((values[~mask] != 0).any(axis=1).sum())
    if beyond:
        notes.append(f"{beyond} padded steps of text in {fields.split} were not zero and became 0")
    return right_padded(values * mask[..., None], mask)


def _with_stored_lengths(
    found: dict[str, Sequences], stored: dict[str, Integers], name: str, notes: list[str]
) -> dict[str, Sequences]:
    """Trust `*_lengths` where no content lies beyond them; a file full of ones is not trusted."""
    last = np.concatenate([found[split].lengths for split in SPLITS])
    said = np.concatenate([stored[split] for split in SPLITS])
    steps = found["train"].values.shape[1]
    wrong = ((said == 1) & (last > 1)).mean()
    if wrong > MOST_WRONG_LENGTHS or said.min() < 0 or said.max() > steps:
        notes.append(
            f"{name}_lengths says 1 for {wrong:.0%} of the samples although later frames hold "
            f"content (range {said.min()}..{said.max()} of {steps}); lengths were recovered from "
            f"the last frame that is not zero"
        )
        return found
    short = int((said < last).sum())
    if short:
        notes.append(f"{name}_lengths is too short in {short} samples and was replaced there")
    # A missing modality keeps length 0, which the stored lengths, at least 1, cannot say.
    return {
        split: Sequences(
            sequences.values,
            np.where(
                sequences.lengths == 0, 0, np.maximum(stored[split], sequences.lengths)
            ).astype(np.int64),
        )
        for split, sequences in found.items()
    }


def _tokens(fields: Fields) -> Tokens | None:
    if "text_bert" not in fields:
        return None
    coded = _coded(fields)
    moved = right_padded(coded[:, 0, :, None], coded[:, 1] > 0)
    ids, lengths = moved.values[..., 0].astype(np.int64), moved.lengths  # (N, K)
    place = np.arange(ids.shape[1])
    inner = (place > 0) & (place < lengths[:, None] - 1)
    return Tokens(ids, lengths, np.where(inner, place, -1))  # a row of text features a token


def _split(name: str, fields: Fields, streams: Mapping[str, Sequences]) -> Split:
    ids = fields.ids
    videos = np.array([sample.split("$_$")[0] for sample in ids], dtype=np.str_)
    return Split(
        name=name,
        ids=ids,
        label=_labels(fields),
        modalities={name: streams[name] for name in MODALITIES},
        tokens=_tokens(fields),
        groups=videos if all("$_$" in sample for sample in ids) else None,
        transcripts=fields.texts("raw_text") if "raw_text" in fields else None,
        unimodal_labels={
            modality: _labels(fields, f"regression_labels_{letter}")
            for modality, letter in UNIMODAL.items()
            if f"regression_labels_{letter}" in fields
        },
    )


READER = Reader(
    name="mmsa",
    files=(),
    recognises=is_file,
    open=open_mmsa,
    in_place=False,
    last=True,
)
