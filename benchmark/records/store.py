"""The files of records: written whole, checked against their digests, found below a folder."""

import errno
import gc
import io
import json
import os
import re
import stat
import tempfile
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from hashlib import blake2b
from pathlib import Path
from typing import Any
from zipfile import BadZipFile
from zlib import error as ZlibError

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from benchmark.errors import UserError
from benchmark.naming import below, visible
from benchmark.records.earlier import upgrade
from benchmark.records.measurements import why
from benchmark.records.record import SCHEMA_VERSION, Cell, Record
from benchmark.system.atomic import SUFFIX, hold, is_held, remove_dead, write_bytes

LARGEST = 2**28  # bytes of a record or its arrays; real ones have some hundred thousand
RETRIES = 5  # at names that another run takes away
SEALED = 2  # the first schema whose files hold digests
LAST_LINES = re.compile(rb'\n "arrays": "([0-9a-f]*)",\n "digest": "[0-9a-f]*"\n}\n\Z')
ASIDE, ATTEMPT = ".bad", ".failed"  # added to names: of what is no record, of a later failure


def record_path(folder: Path, cell: Cell) -> Path:
    """Where the record of a cell lies below the output folder."""
    return below(folder / "records", cell.dataset, cell.model) / f"{cell.key}.json"


def write_record(folder: Path, record: Record, arrays: Mapping[str, NDArray[Any]]) -> Path:
    """Write a record and its per-sample arrays; at every moment the old or the new one is there.

    A record without a result does not replace one that has a result: it is written beside it, with
    `.failed` after its name. A file that is no record is kept, with `.bad` after its name.

    Args:
        folder: the output folder.
        record: what to write.
        arrays: of numbers and strings, for the npz beside it; none writes no npz.

    Returns:
        The file written.

    Raises:
        UserError: the disk is full or the folder cannot be written to.
        ValueError: the record holds what JSON cannot.
    """
    path = record_path(folder, record.cell)
    packed = _pack(arrays)
    content = _content(record, packed)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        attempt = path.with_name(path.name + ATTEMPT)
        before = _readable(path)
        if before is None:
            set_aside(path)
        elif before.status == "done" and record.status != "done":
            write_bytes(attempt, content)
            return attempt
        _replace(path, content, packed)
        attempt.unlink(missing_ok=True)
    except OSError as error:
        raise UserError(
            f"cannot write the record of {record.cell.title} to {folder}: {error.strerror}; "
            f"finished cells are kept: free space or choose another folder with -o and run again"
        ) from error
    return path


def _pack(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    stream = io.BytesIO()
    if arrays:
        np.savez_compressed(stream, allow_pickle=False, **dict(arrays))
    return stream.getvalue()


def _content(record: Record, packed: bytes) -> bytes:
    """The file of a record: its fields, the digest of its arrays, the digest of all that."""
    values = record.model_dump(mode="json")
    values["schema_version"] = SCHEMA_VERSION
    return _sealed(values, packed)


def _sealed(values: dict[str, Any], packed: bytes) -> bytes:
    """The file of a record with its digests, where its schema has them."""
    if values["schema_version"] >= SEALED:
        values["arrays"] = _digest(packed) if packed else ""
        values["digest"] = _digest_values(values)
    return (json.dumps(values, indent=1, allow_nan=False) + "\n").encode()


def write_values(path: Path, values: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write a copy of a record of any schema; digests are made anew where the schema has them.

    Args:
        path: of its JSON file.
        values: the plain values of the file, without digests.
        arrays: for the npz beside it; none writes no npz.

    Raises:
        OSError: the folder cannot be written to.
    """
    packed = _pack(arrays)
    path.parent.mkdir(parents=True, exist_ok=True)
    if packed:
        write_bytes(path.with_suffix(".npz"), packed)
    write_bytes(path, _sealed(dict(values), packed))


def _digest(content: bytes) -> str:
    return blake2b(content, digest_size=8).hexdigest()


def _digest_values(values: Mapping[str, Any]) -> str:
    return _digest(json.dumps(values, sort_keys=True, separators=(",", ":")).encode())


def _replace(path: Path, content: bytes, packed: bytes) -> None:
    """The arrays first, under a name of their own until the record that tells of them is there."""
    final = path.with_suffix(".npz")
    if not packed:
        write_bytes(path, content)
        final.unlink(missing_ok=True)
        return
    digest = _digest(packed)
    for _ in range(RETRIES):
        waiting = _waiting(path, digest)
        write_bytes(waiting, packed)
        try:
            with hold(waiting):
                write_bytes(path, content)
                waiting.replace(final)
            return
        except FileNotFoundError:  # another run has written the same, or cleaned up just now
            if _arrays_file(path, digest) is not None and _readable(path) is not None:
                return
    raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))


def _waiting(path: Path, digest: str) -> Path:
    """Where arrays wait for their record."""
    return path.with_suffix(f".{digest}.npz")


def _readable(path: Path) -> Record | None:
    """The record, or None where there is none that can be read."""
    try:
        return read_record(path)
    except UserError:
        return None


def set_aside(path: Path) -> None:
    """Keep what lies where a record should be under another name, with its arrays."""
    for file in (path, path.with_suffix(".npz")):
        if not os.path.lexists(file):
            continue
        number, kept = 1, file.with_name(file.name + ASIDE)
        while os.path.lexists(kept):
            number += 1
            kept = file.with_name(f"{file.name}{ASIDE}{number}")
        file.rename(kept)


def check_writable(folder: Path) -> None:
    """Find out before the first training whether records can be written; clean up after the dead.

    Raises:
        UserError: the folder cannot be made or written to.
    """
    records = folder / "records"
    try:
        records.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=records):
            pass
    except OSError as error:
        raise UserError(
            f"cannot write to the output folder {folder}: {error.strerror or error}; choose "
            f"another one with -o"
        ) from None
    for place in (records, folder, folder / "plots"):
        remove_dead(place, f"**/.*{SUFFIX}" if place == records else f".*{SUFFIX}")
    for waiting in records.glob("*/*/*.*.npz"):
        if not is_held(waiting):
            _settle(waiting)


def _settle(waiting: Path) -> None:
    """Finish what a dead writer began: give arrays their name, or remove those without a record."""
    key, digest = waiting.name.split(".")[:2]
    path = waiting.with_name(f"{key}.json")
    with suppress(OSError):
        if _readable(path) is not None and json.loads(path.read_bytes())["arrays"] == digest:
            waiting.replace(path.with_suffix(".npz"))
        else:
            waiting.unlink()


def read_record(path: Path) -> Record:
    """Read a record, and check it and its arrays against their digests.

    Raises:
        UserError: the file is truncated, no record, that of another cell, changed after it was
            written, or of a newer schema.
    """
    values = _read_values(path)
    version = values.get("schema_version", 0)
    if isinstance(version, int) and version > SCHEMA_VERSION:
        raise UserError(
            f"{_shown(path)} was written by a newer affectbench (schema {version}, this one reads "
            f"up to {SCHEMA_VERSION}); upgrade affectbench"
        )
    if version == SCHEMA_VERSION or "digest" in values:
        stated = values.pop("digest", None)
        if _digest_values(values) != stated:
            raise _changed(path)
    arrays = values.pop("arrays", "")
    if isinstance(version, int) and version < SCHEMA_VERSION:
        values = upgrade(values)
    try:
        record = Record.model_validate(values)
    except ValidationError as error:
        raise UserError(f"{_shown(path)} is no record: {why(error)}; run the cell again") from None
    cell = record.cell
    if path.parts[-3:] != (cell.dataset, cell.model, f"{cell.key}.json"):
        raise UserError(
            f"{_shown(path)} holds the record {cell.dataset}/{cell.model}/{cell.key}.json; give "
            f"it back its name, or run the cell again"
        )
    if arrays and _arrays_file(path, arrays) is None:
        raise _changed(path.with_suffix(".npz"))
    return record


def _read_values(path: Path) -> dict[str, Any]:
    """The JSON object of a file.

    Raises:
        UserError: it is no file, or holds something else.
    """
    try:
        content = _read_bytes(path)
        values = json.loads(content.decode(), parse_constant=_refuse_constant)
    except (OSError, ValueError, RecursionError, MemoryError) as error:
        raise UserError(
            f"{_shown(path)} is no readable record ({type(error).__name__}); run the cell again"
        ) from None
    if not isinstance(values, dict):
        raise UserError(f"{_shown(path)} is no record: no JSON object; run the cell again")
    return values


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no number of JSON")


def _read_bytes(path: Path) -> bytes:
    """A regular file of at most `LARGEST` bytes."""
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    with os.fdopen(handle, "rb") as stream:
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode):
            raise OSError("no regular file")
        if found.st_size > LARGEST:
            raise OSError("it is too large")
        return stream.read()


def _shown(path: Path) -> str:
    return visible(str(path))


def _changed(path: Path) -> UserError:
    return UserError(
        f"{_shown(path)} is missing or was changed after writing: its digest is another one; "
        f"run the cell again"
    )


def _arrays_file(path: Path, digest: str) -> Path | None:
    """The npz of a record, by its final name or the one it waits under; None if none is right."""
    for file in (path.with_suffix(".npz"), _waiting(path, digest)):
        with suppress(OSError, MemoryError):
            if _digest(_read_bytes(file)) == digest:
                return file
    return None


def read_arrays(path: Path, names: Collection[str] | None = None) -> dict[str, NDArray[Any]]:
    """The per-sample arrays of a record: ids, labels and predictions by split.

    Args:
        path: of the record.
        names: which of them, as far as they are there; all by default.

    Raises:
        UserError: the record or its npz is missing, broken or changed.
    """
    digest = _stated_digest(path)
    source = _arrays_file(path, str(digest)) if digest else path.with_suffix(".npz")
    if source is None:
        raise _changed(path.with_suffix(".npz"))
    try:
        with np.load(io.BytesIO(_read_bytes(source)), allow_pickle=False) as arrays:
            chosen = (name for name in arrays.files if names is None or name in names)
            return {name: arrays[name] for name in chosen}
    except (OSError, ValueError, EOFError, BadZipFile, ZlibError, NotImplementedError) as error:
        raise UserError(
            f"{_shown(source)} holds no readable predictions ({type(error).__name__}); run the "
            f"cell again"
        ) from None


def _stated_digest(path: Path) -> Any:
    """What a record says of its arrays; the last lines are enough where they are as we wrote them.

    Raises:
        UserError: it is no record.
    """
    try:
        last = LAST_LINES.search(_read_bytes(path))
    except (OSError, MemoryError):
        last = None
    return last[1].decode() if last else _read_values(path).get("arrays")


def record_files(folder: Path) -> list[Path]:
    """The files of all records below an output folder, in the order of their paths."""
    return sorted((folder / "records").glob("*/*/*.json"))


def _warn(sentence: str) -> None:
    warnings.warn(sentence, stacklevel=3)


def find_records(
    folder: Path, tell: Callable[[str], None] = _warn
) -> Iterator[tuple[Path, Record]]:
    """All records below an output folder, in the order of their paths.

    Args:
        folder: the output folder.
        tell: called with a sentence for each file that is no record, which is left out; by default
            it becomes a warning.
    """
    for path in record_files(folder):
        try:
            yield path, read_record(path)
        except UserError as error:
            tell(f"left out: {error}")


@contextmanager
def uncollected() -> Iterator[None]:
    """Without the search for cycles of garbage, which takes long beside many objects that stay."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def all_records(folder: Path, tell: Callable[[str], None] = _warn) -> list[tuple[Path, Record]]:
    """Every record below an output folder that can be read; see `find_records`.

    Raises:
        UserError: the folder holds none.
    """
    if not (folder / "records").is_dir():
        raise UserError(f"{folder} holds no records; `affectbench run -o {folder}` makes some")
    with uncollected():
        found = list(find_records(folder, tell))
    if not found and record_files(folder):
        raise UserError(f"{folder} holds no record that can be read; run its cells again")
    return found
