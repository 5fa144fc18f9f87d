"""Write the native folder: `dataset.json` and one `.npy` file for each array of a split."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.datasets.dataset import SPLITS, Sequences, Split, Vocabulary
from benchmark.datasets.files.regular import file_digest
from benchmark.errors import UserError
from benchmark.naming import check_name
from benchmark.system.atomic import write_folder
from benchmark.task import MODALITIES, Task

FORMAT = "affectbench-1"


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
    refuse_existing(target)
    if set(splits) != set(SPLITS):
        raise UserError(f"a dataset needs the splits {', '.join(SPLITS)}, got {', '.join(splits)}")
    manifest: dict[str, Any] = {
        "format": FORMAT,
        "name": name,
        "task": task.to_dict(),
        "splits": {split: len(splits[split]) for split in SPLITS},
        "dims": {
            modality: splits["train"].modalities[modality].values.shape[2]
            for modality in splits["train"].modalities
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


def refuse_existing(folder: Path) -> None:
    """Stop where a dataset is to be written and something is.

    Raises:
        UserError: something is.
    """
    if os.path.lexists(folder):
        raise UserError(f"{folder.name!r} is already there; remove it or choose another name")


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
    for name, sequences in split.modalities.items():
        arrays |= _pair(name if name in MODALITIES else f"extra_{name}", sequences)
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
