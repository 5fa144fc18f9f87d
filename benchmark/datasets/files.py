"""Files of a dataset: its manifest, npz archives and hashes, refused in one sentence if broken."""

import hashlib
import json
import re
import zipfile
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.errors import UserError

Arrays = dict[str, NDArray[Any]]


def safe_name(name: str) -> str:
    """The name of a dataset, which is the name of a folder of records too.

    Raises:
        UserError: no folder can have it.
    """
    if not name or name[0] == "." or re.search(r"[/\\\0]", name):
        raise UserError(
            f"the name {name!r} in dataset.json is no name of a folder; choose one without slashes "
            f"that does not begin with a point"
        )
    return name


def read_manifest(folder: Path) -> dict[str, Any]:
    """The `dataset.json` of a folder; empty where there is none.

    Raises:
        UserError: it is not a JSON object.
    """
    path = folder / "dataset.json"
    if not path.is_file():
        return {}
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"dataset.json of {folder.name!r} cannot be read: {error}") from None
    if not isinstance(values, dict):
        raise UserError(f"dataset.json of {folder.name!r} holds no JSON object; see docs/data.md")
    return values


def file_digest(path: Path, size: int = 16) -> str:
    """BLAKE2 hash of a file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, partial(hashlib.blake2b, digest_size=size)).hexdigest()


def read_npz(path: Path, wanted: tuple[str, ...] | None = None) -> Arrays:
    """Arrays of an npz file, the wanted ones or all.

    Raises:
        UserError: the file is missing, truncated, corrupt, or holds pickled objects.
    """
    place = f"{path.parent.name}/{path.name}"
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {key: archive[key] for key in archive.files if wanted is None or key in wanted}
    except FileNotFoundError:
        raise UserError(f"{place} is not there; a split is one npz file") from None
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, zipfile.LargeZipFile):
        raise UserError(
            f"{place} is truncated, corrupt or holds pickled objects; write it again with "
            f"numpy.savez and plain arrays"
        ) from None


def npz_names(path: Path) -> list[str]:
    """Names of the arrays of an npz file; none if it cannot be read."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            return list(archive.files)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile):
        return []
