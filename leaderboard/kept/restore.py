"""Kept records become the output folder of a run again: `restore("synthetic", Path("folder"))`."""

import io
import json
import lzma
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile
from zlib import error as ZlibError

import numpy as np

from benchmark.errors import UserError, told, unknown
from benchmark.naming import below, check_name, clipped, shown, visible
from benchmark.records.store import write_values
from leaderboard.kept.keep import (
    BULK,
    FORMAT,
    LINES,
    RESULTS,
    Arrays,
    Values,
    digest_array,
    digest_values,
    put,
)

LARGEST = 2**28  # bytes of a file, packed or not; real ones have some ten million
UNREADABLE = (
    *(OSError, EOFError, ValueError, KeyError, TypeError, AttributeError, NotImplementedError),
    *(MemoryError, RecursionError, BadZipFile, ZlibError, lzma.LZMAError),
)


def restore(name: str, folder: Path, kept: Path = RESULTS) -> None:
    """Write kept records as the output folder of a run, each as it was when it was kept.

    Args:
        name: of the two files.
        folder: to write below; it holds no records yet.
        kept: the folder of the files.

    Raises:
        UserError: there is nothing of that name, a file or a line was changed or damaged (nothing
            is written then), or the folder holds records or cannot be written to.
    """
    path = kept / f"{check_name('what is kept', name)}{LINES}"
    if not path.is_file():
        known = (other.name.removesuffix(LINES) for other in kept.glob(f"*{LINES}"))
        raise unknown("name of kept records", name, known)
    if (folder / "records").exists():
        raise UserError(f"{visible(str(folder))} holds records already; name another folder")
    found = _read(path)
    try:
        for (dataset, model, key), (values, arrays) in found.items():
            target = below(folder / "records", dataset, model) / f"{key}.json"
            write_values(target, values, arrays)
    except OSError as error:
        raise UserError(
            f"cannot write to {visible(str(folder))}: {error.strerror}; free space or name "
            f"another folder"
        ) from error


def _read(path: Path) -> dict[tuple[str, str, str], tuple[Values, Arrays]]:
    """Dataset, model and key of every kept record -> its plain values and its arrays."""
    bulk = path.with_name(path.name.removesuffix(LINES) + BULK)
    blocks, members = _unpacked(bulk)
    with _telling(f"{path}, line 1,"):
        first, *rows = _bounded(path).splitlines() or [b""]
        about = _parsed(first)
        if about["format"] != FORMAT:
            raise ValueError(f"it is of format {about['format']}, this affectbench reads {FORMAT}")
    shared: Values = {}
    found: dict[tuple[str, str, str], tuple[Values, Arrays]] = {}
    for number, row in enumerate(rows, 2):
        with _telling(f"{path}, line {number},"):
            line = _parsed(row)
            if "value" in line:
                _check(digest_values(line["value"]), line["shared"])
                shared[line["shared"]] = line["value"]
                continue
            values, arrays = _restored(line, about["head"], shared, blocks, members)
            names = (values["cell"]["dataset"], values["cell"]["model"], line["key"])
            dataset, model, key = (check_name("a part of its path", name) for name in names)
            if (dataset, model, key) in found:
                raise ValueError("its record stands in an earlier line too")
            found[dataset, model, key] = values, arrays
    with _telling(str(path)):
        if len(found) != about["records"]:
            raise ValueError(f"it holds {len(found)} records, not {about['records']}")
    return found


def _restored(
    line: Values, head: Values, shared: Values, blocks: Mapping[str, Values], members: Arrays
) -> tuple[Values, Arrays]:
    """The plain values and the arrays of a record's line."""
    values = line["record"]
    for name, path in head.items():
        if name in line:
            put(values, path, line[name])
    for path, name in line["shared"].items():
        put(values, path, _find(shared, name))
    for path in line["bulky"]:
        put(values, path, _find(_find(blocks, path), line["key"]))
    arrays = {name: _find(members, member) for name, member in line["arrays"].items()}
    _check(digest_values([values, line["arrays"]]), line["digest"])
    if not isinstance(values["schema_version"], int):
        raise ValueError("its schema has no number")
    return values, arrays


def _find(values: Mapping[str, Any], name: str) -> Any:
    if name not in values:
        raise ValueError(f"what it calls {shown(name)} is not there")
    return values[name]


def _check(digest: str, stated: str) -> None:
    if stated.rpartition("-")[2] != digest:
        raise ValueError("its digest is another one: it, or what it refers to, was changed")


def _unpacked(path: Path) -> tuple[dict[str, Values], Arrays]:
    """The blocks of all records by path and key, and their arrays by name."""
    with _telling(str(path)):
        unpacker = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=LARGEST)
        content = io.BytesIO(unpacker.decompress(_bounded(path), LARGEST))
        if not unpacker.eof:
            raise ValueError("it is cut short or too large")
        with ZipFile(content) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > LARGEST:
                raise ValueError("it is too large")
        blocks, arrays = {}, {}
        with np.load(content, allow_pickle=False) as members:
            for name in members.files:
                kind, _, rest = name.partition("/")
                if kind == "blocks":
                    blocks[rest] = _parsed(members[name].tobytes())
                else:
                    arrays[rest] = members[name]
                    _check(digest_array(arrays[rest]), rest)
    return blocks, arrays


def _bounded(path: Path) -> bytes:
    with path.open("rb") as stream:
        content = stream.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise ValueError("it is too large")
    return content


def _parsed(text: bytes) -> Values:
    values = json.loads(text.decode(), parse_constant=_refuse_constant)
    if not isinstance(values, dict):
        raise ValueError("it is no JSON object")
    return values


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no number of JSON")


@contextmanager
def _telling(place: str) -> Iterator[None]:
    """Turn whatever a damaged file leads to into one sentence that names the place."""
    try:
        yield
    except UNREADABLE as error:
        raise UserError(
            f"{visible(place)} cannot be read: {clipped(told(error))} ({type(error).__name__}); "
            f"take the file from the repository again, or keep the run again"
        ) from None
