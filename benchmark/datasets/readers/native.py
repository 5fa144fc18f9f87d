"""The native folder, as `benchmark.datasets.native` writes it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.config import digest
from benchmark.datasets.dataset import Sequences, Split, Tokens, Vocabulary
from benchmark.datasets.files.dataset_json import named, read_manifest
from benchmark.datasets.files.manifest import (
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
from benchmark.datasets.native import FORMAT
from benchmark.datasets.reader import Reader
from benchmark.datasets.source import Source
from benchmark.errors import NotFound, UserError
from benchmark.naming import check_name, clipped, shown
from benchmark.task import MODALITIES, Task


def is_native_folder(folder: Path) -> bool:
    """Whether a folder says that it is of this format, or cannot say because its file is broken."""
    if not (folder / "dataset.json").is_file():
        return False
    try:
        return str(read_manifest(folder).get("format", "")).startswith("affectbench")
    except UserError:
        return True


def open_native(folder: Path, label: str, name: str) -> Source:
    """Look at a native folder; arrays are mapped split by split and checked against their hashes.

    Raises:
        UserError: a label is asked for, or `dataset.json` is broken or of another version.
    """
    if label:
        raise NotFound(
            f"{folder.name!r} is native and has one label, got {label!r}; choose the label of "
            f"a plain folder, or before an import as labels.column in its dataset.json"
        )
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
        format=READER.name,
        title="a native folder",
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
        modalities={
            **{name: pair(name) for name in MODALITIES},
            **{check_name("a modality", name): pair(f"extra_{name}") for name in names("extra_")},
        },
        tokens=_tokens(arrays, f"{folder.name}/{split}", manifest.vocabulary),
        groups=arrays.get("groups"),
        transcripts=arrays.get("transcripts"),
        unimodal_labels={name: arrays[f"unimodal_{name}"] for name in names("unimodal_")},
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


READER = Reader(
    name="native",
    files=("a native dataset.json",),
    recognises=is_native_folder,
    open=open_native,
    in_place=True,
)
