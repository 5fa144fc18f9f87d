"""What the `dataset.json` of a native folder says, and arrays that are compared with it."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from benchmark.datasets.files.npz import HEADER, read_header, refuse_no_unicode
from benchmark.datasets.files.regular import file_digest, regular
from benchmark.errors import UserError
from benchmark.naming import below, clipped, shown, visible

TEXTS = ("ids", "groups", "transcripts")
MOST_TOKENS = 2**31  # of a vocabulary
WORDS = 2**16  # most words of a transcript that a token can name

Count = Annotated[int, Field(ge=0)]


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True)


class Entry(_Strict):
    """One array of a split: what was written."""

    shape: list[Count]
    dtype: str
    bytes: Count
    blake2: str


class StoredVocabulary(_Strict):
    """Size and special ids, all below it."""

    model_config = ConfigDict(extra="forbid")

    size: Annotated[int, Field(ge=1, lt=MOST_TOKENS)]
    pad: Count
    unknown: Count
    start: Count
    end: Count
    mask: Count


class Sizes(_Strict):
    """Samples of each split."""

    train: Count
    valid: Count
    test: Count


class StatedLabels(_Strict):
    """What a person may add to say what the label means."""

    neutral: float | None = None


class Manifest(_Strict):
    """The `dataset.json` of a native folder."""

    name: str
    task: dict[str, Any]
    splits: Sizes
    arrays: dict[str, Entry]
    vocabulary: StoredVocabulary | None
    encoder: str
    provenance: dict[str, Any]
    features: dict[str, Any]
    padding: dict[str, Any]
    licence: str
    labels: StatedLabels = StatedLabels()


def parse(folder: Path, manifest: Mapping[str, Any]) -> Manifest:
    """The `dataset.json` of a folder with every value of its type.

    Raises:
        UserError: one is missing or of another type.
    """
    try:
        return Manifest.model_validate(manifest)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        place = clipped(".".join(map(str, first["loc"])))
        what = "is missing" if first["type"] == "missing" else f"is {shown(first['input'])}"
        raise garbled(folder, f"{place}, which {what}") from None


def garbled(folder: Path, what: str) -> UserError:
    """Say that `dataset.json` is not as it was written."""
    return UserError(
        f"dataset.json of {shown(folder.name)} lacks or garbles {what}; import the data again"
    )


def read_array(folder: Path, file: str, entries: Mapping[str, Entry]) -> Any:
    """A read-only memory map, after its file was found whole.

    Args:
        folder: of the dataset.
        file: name of the file, which lies in it.
        entries: what was written, by file.

    Raises:
        UserError: the file is not listed, not there, or not what was written.
    """
    place = clipped(f"{folder.name}/{file}")
    if file not in entries:
        raise UserError(f"dataset.json of {folder.name!r} does not list {file}; import it again")
    entry = entries[file]
    if any(sign in file for sign in "/\\\0"):
        raise UserError(
            f"dataset.json of {folder.name!r} lists {shown(file)}, which is no file name"
        )
    path = below(folder, file)
    if not os.path.exists(path):  # not its method, which fails on names that are too long
        raise UserError(f"{place} is missing; import the data again")
    with regular(path, place) as stream:
        size = path.stat().st_size
        if size != entry.bytes:
            raise UserError(
                f"{place} has {size} bytes, {entry.bytes} were written; it is truncated or "
                f"changed, import the data again"
            )
        header = read_header(stream.read(HEADER), place)
        if list(header.shape) != entry.shape or header.dtype.str != entry.dtype:
            raise UserError(
                f"{place} is {header.dtype.str} of shape {clipped(str(header.shape))}, written was "
                f"{clipped(entry.dtype)} of shape {clipped(str(tuple(entry.shape)))}; import the "
                f"data again"
            )
        if size != header.start + header.bytes:
            raise UserError(f"{place} holds more or less than its shape; import the data again")
        if file_digest(path) != entry.blake2:
            raise UserError(f"{place} is not what was written (its hash differs); import it again")
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise UserError(f"{place} cannot be read: {visible(str(error))}") from None
    if array.dtype.kind == "U":
        refuse_no_unicode(array, place)
    return array


def refuse_type(key: str, array: NDArray[Any], place: str) -> None:
    """Stop at an array of another type or number of axes than one of this name has.

    Raises:
        UserError: it is of another one.
    """
    if key in TEXTS:
        sound = array.dtype.kind == "U" and array.ndim == 1
    elif key.startswith("token_") or key.endswith("_lengths"):
        sound = array.dtype == np.int64
    elif key == "label":
        sound = array.dtype in (np.int64, np.float32)
    elif key == "oracle":
        sound = array.dtype == np.float32 and array.ndim <= 2 and bool(np.isfinite(array).all())
    else:
        sound = array.dtype == np.float32
    if not sound:
        raise UserError(
            f"{place} is {array.dtype} of shape {array.shape}, which no array of this name is; "
            f"import the data again"
        )


def refuse_outside(what: str, values: NDArray[Any], low: int, high: int) -> None:
    """Stop at numbers that point beyond what they count.

    Raises:
        UserError: one is below `low` or above `high`.
    """
    if values.size and (values.min() < low or values.max() > high):
        raise UserError(
            f"{what} reach from {values.min()} to {values.max()}, allowed are {low} to {high}; "
            f"import the data again"
        )
