"""The native folder: `dataset.json` and one memory-mapped `.npy` file for each array of a split."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.atomic import write_folder
from benchmark.batch import MODALITIES
from benchmark.config import digest
from benchmark.datasets.dataset import Dataset, Sequences, Split, Tokens, Vocabulary
from benchmark.datasets.manifest import (
    MOST_TOKENS,
    WORDS,
    Manifest,
    StoredVocabulary,
    garbled,
    parse,
    read_array,
    refuse_outside,
    refuse_type,
)
from benchmark.datasets.readers.files import file_digest, named, read_manifest
from benchmark.datasets.source import SPLITS, Source, assemble
from benchmark.errors import UserError
from benchmark.naming import check_name, clipped, shown
from benchmark.task import Task

FORMAT = "affectbench-1"


def is_native_folder(folder: Path) -> bool:
    """Whether a folder says that it is of this format, or cannot say because its file is broken."""
    if not (folder / "dataset.json").is_file():
        return False
    try:
        return str(read_manifest(folder).get("format", "")).startswith("affectbench")
    except UserError:
        return True


def write_dataset(
    folder: Path | str,
    *,
    name: str,
    task: Task,
    splits: Mapping[str, Split],
    vocabulary: Vocabulary | None = None,
    encoder: str = "",
    features: Mapping[str, str] | None = None,
    padding: Mapping[str, Any] | None = None,
    provenance: Mapping[str, Any] | None = None,
    licence: str = "",
) -> Path:
    """Write a dataset; the folder is there whole or not at all.

    Args:
        folder: to be made; it must not be there yet.
        name: of the dataset.
        task: what the label means; its neutral label counts as stated unless the provenance has
            `neutral` as `assumed`.
        splits: `train`, `valid` and `test`.
        vocabulary: special ids of the splits' tokens.
        encoder: the text encoder whose tokeniser made them.
        features: kind of each modality's features, in words.
        padding: what was done about padding, for later readers.
        provenance: sources, counts of repairs, plain values only.
        licence: the terms of the data.

    Raises:
        UserError: no folder can have the name, the folder exists, a split is missing, or the disk
            refuses (nothing is left).
    """
    target = Path(folder)
    check_name("the dataset", name)
    if os.path.lexists(target):
        raise UserError(f"{target.name!r} is already there; remove it or choose another name")
    if set(splits) != set(SPLITS):
        raise UserError(f"a dataset needs the splits {', '.join(SPLITS)}, got {', '.join(splits)}")
    manifest: dict[str, Any] = {
        "format": FORMAT,
        "name": name,
        "task": task.to_dict(),
        "splits": {split: len(splits[split]) for split in SPLITS},
        "dims": {
            modality: splits["train"].sequences(modality).values.shape[2]
            for modality in (*MODALITIES, *splits["train"].extra)
        },
        "features": dict(features or {}),
        "padding": dict(padding or {}),
        "provenance": dict(provenance or {}),
        "licence": licence,
        "encoder": encoder,
        "vocabulary": None if vocabulary is None else _vocabulary_values(vocabulary),
    }
    try:
        with write_folder(target) as part:
            manifest["arrays"] = _write_arrays(part, splits)
            (part / "dataset.json").write_bytes(json.dumps(manifest, indent=1).encode())
    except OSError as error:
        raise UserError(
            f"{target.name!r} could not be written ({error.strerror or error}); nothing was left "
            f"behind, free some space or choose another folder"
        ) from None
    return target


def _vocabulary_values(vocabulary: Vocabulary) -> dict[str, int]:
    keys = ("size", "pad", "unknown", "start", "end", "mask")
    return {key: int(getattr(vocabulary, key)) for key in keys}


def _write_arrays(folder: Path, splits: Mapping[str, Split]) -> dict[str, dict[str, Any]]:
    written = {}
    for split in SPLITS:
        for key, array in _to_arrays(splits[split]).items():
            file = f"{split}.{key}.npy"
            with (folder / file).open("wb") as stream:
                np.lib.format.write_array(stream, np.ascontiguousarray(array), allow_pickle=False)
            written[file] = {
                "shape": list(array.shape),
                "dtype": array.dtype.str,
                "bytes": (folder / file).stat().st_size,
                "blake2": file_digest(folder / file),
            }
    return written


def _to_arrays(split: Split) -> dict[str, NDArray[Any]]:
    label_type = np.int64 if split.label.dtype.kind in "iu" else np.float32
    arrays: dict[str, NDArray[Any]] = {
        "ids": split.ids.astype(np.str_),
        "label": split.label.astype(label_type),
    }
    for name in MODALITIES:
        arrays |= _pair(name, split.sequences(name))
    for name, sequences in split.extra.items():
        arrays |= _pair(f"extra_{name}", sequences)
    for name, value in split.unimodal_labels.items():
        arrays[f"unimodal_{name}"] = value.astype(np.float32)
    if split.tokens is not None:
        arrays["token_ids"] = split.tokens.ids.astype(np.int64)
        arrays["token_lengths"] = split.tokens.lengths.astype(np.int64)
        arrays["token_words"] = split.tokens.words.astype(np.int64)
    if split.groups is not None:
        arrays["groups"] = split.groups.astype(np.str_)
    if split.transcripts is not None:
        arrays["transcripts"] = split.transcripts.astype(np.str_)
    if split.oracle is not None:
        arrays["oracle"] = split.oracle.astype(np.float32)
    return arrays


def _pair(name: str, sequences: Sequences) -> dict[str, NDArray[Any]]:
    return {
        name: sequences.values.astype(np.float32, copy=False),
        f"{name}_lengths": sequences.lengths.astype(np.int64),
    }


def read_dataset(folder: Path | str, *, standardise: tuple[str, ...] = ()) -> Dataset:
    """A native folder as a dataset, as it was written unless streams are to be scaled.

    Raises:
        UserError: the folder is broken.
    """
    return assemble(open_store(Path(folder)), standardise=standardise)


def open_store(folder: Path) -> Source:
    """Look at a native folder; arrays are mapped split by split and checked against their hashes.

    Raises:
        UserError: `dataset.json` is broken or of another version.
    """
    manifest = read_manifest(folder)
    if manifest.get("format") != FORMAT:
        raise UserError(
            f"{shown(folder.name)} has format {shown(manifest.get('format'))}, this version reads "
            f"{FORMAT!r}; import the data again"
        )
    known = parse(folder, manifest)
    stated = manifest.get("labels", {}).get("neutral")  # as written: it is part of the digest
    task = known.task | ({} if stated is None else {"neutral": stated})
    neutral = known.provenance.get("neutral", "stated") if stated is None else "stated"
    return Source(
        name=named(folder, manifest),
        task=_task(folder, task),
        format="native",
        sizes=known.splits.model_dump(),
        read=lambda split: _read_split(folder, split, known),
        read_ids=lambda split: read_array(folder, f"{split}.ids.npy", known.arrays),
        digest=digest([task, {file: entry.blake2 for file, entry in known.arrays.items()}]),
        vocabulary=_vocabulary(folder, known),
        encoder=known.encoder,
        provenance={
            **known.provenance,
            **{key: manifest[key] for key in ("features", "padding", "licence")},
            **({"neutral": neutral} if task.get("kind") == "regression" else {}),
        },
    )


def _vocabulary(folder: Path, known: Manifest) -> Vocabulary | None:
    if known.vocabulary is None:
        return None
    values = known.vocabulary.model_dump()
    if any(values[name] >= values["size"] for name in values if name != "size"):
        raise garbled(folder, "vocabulary, whose special ids are not below its size")
    return Vocabulary(**values)


def _task(folder: Path, values: dict[str, Any]) -> Task:
    try:
        return Task.from_dict(values)
    except UserError as error:
        raise UserError(f"dataset.json of {shown(folder.name)}: {error}") from None


def _read_split(folder: Path, split: str, manifest: Manifest) -> Split:
    files, size = manifest.arrays, getattr(manifest.splits, split)
    keys = [
        file.removeprefix(f"{split}.").removesuffix(".npy")
        for file in files
        if file.startswith(f"{split}.")
    ]
    arrays = {key: read_array(folder, f"{split}.{key}.npy", files) for key in keys}
    required = {
        "ids",
        "label",
        *(f"{name}{end}" for name in MODALITIES for end in ("", "_lengths")),
    }
    absent = sorted(required - set(keys))
    if absent:
        raise UserError(
            f"the {split} split of {folder.name!r} has no array {absent[0]!r}; import it again"
        )
    for key, array in arrays.items():
        place = clipped(f"{folder.name}/{split}.{key}.npy")
        if array.shape[:1] != (size,):
            raise UserError(
                f"{place} has {len(array) if array.ndim else 'no'} rows for {size} samples; "
                f"import the data again"
            )
        refuse_type(key, array, place)

    def pair(name: str) -> Sequences:
        place = clipped(f"{folder.name}/{split}.{name}.npy")
        values, lengths = arrays[name], arrays.get(f"{name}_lengths")
        if values.ndim != 3 or lengths is None or lengths.shape != values.shape[:1]:
            raise UserError(
                f"{place} has shape {values.shape}, not (samples, steps, features), or no lengths "
                f"beside it; import the data again"
            )
        refuse_outside(f"{name}_lengths of {place}", lengths, 0, values.shape[1])
        return Sequences(values, np.array(lengths))

    def names(prefix: str) -> list[str]:
        found = [key.removeprefix(prefix) for key in keys if key.startswith(prefix)]
        return [name for name in found if not name.endswith("_lengths")]

    for name in names("unimodal_"):
        if name not in MODALITIES:
            raise UserError(
                f"{folder.name!r} has labels of {shown(name)} alone; allowed: "
                f"{', '.join(MODALITIES)}"
            )
    return Split(
        name=split,
        ids=arrays["ids"],
        label=arrays["label"],
        text=pair("text"),
        audio=pair("audio"),
        vision=pair("vision"),
        tokens=_tokens(arrays, f"{folder.name}/{split}", manifest.vocabulary),
        groups=arrays.get("groups"),
        transcripts=arrays.get("transcripts"),
        unimodal_labels={name: arrays[f"unimodal_{name}"] for name in names("unimodal_")},
        extra={check_name("a modality", name): pair(f"extra_{name}") for name in names("extra_")},
        oracle=arrays.get("oracle"),
    )


def _tokens(
    arrays: Mapping[str, NDArray[Any]], place: str, vocabulary: StoredVocabulary | None
) -> Tokens | None:
    keys = ("token_ids", "token_lengths", "token_words")
    there = [key for key in keys if key in arrays]
    if not there:
        return None
    if len(there) < len(keys):
        raise UserError(
            f"{place} has {' and '.join(there)} alone; tokens need {', '.join(keys)}, import the "
            f"data again"
        )
    ids, lengths, words = (arrays[key] for key in keys)
    if ids.ndim != 2 or words.shape != ids.shape or lengths.shape != ids.shape[:1]:
        raise UserError(
            f"{place} has tokens of shape {ids.shape}, their lengths {lengths.shape} and words "
            f"{words.shape}; import the data again"
        )
    size = MOST_TOKENS if vocabulary is None else vocabulary.size
    refuse_outside(f"token_ids of {place}", ids, 0, size - 1)
    refuse_outside(f"token_lengths of {place}", lengths, 0, ids.shape[1])
    refuse_outside(f"token_words of {place}", words, -1, WORDS)
    return Tokens(ids, np.array(lengths), words)
