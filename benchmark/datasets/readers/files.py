"""Files of a dataset: its manifest, npz archives and hashes, refused in one sentence if broken.

A file may hold anything, so its headers are read first, and nothing is unpacked or allocated that
its size does not pay for.
"""

import hashlib
import io
import json
import math
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from benchmark.errors import UserError
from benchmark.naming import check_name, clipped, shown, visible

Arrays = dict[str, NDArray[Any]]

FREE = 128 * 2**20  # bytes that a file of any size may unpack to
RATIO = 100  # bytes more for each of its own; real features, zero padding and all, have below 30
ROWS = 2**14  # samples that a file of any size may have; a larger one, one for 4 of its bytes
HEADER = 2**14  # bytes in which the header of an array ends; those of numpy have about a hundred
MANIFEST = 2**24  # bytes of a dataset.json
DEPTH = 32  # objects and lists of a dataset.json within each other
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # what numpy writes
PLAIN = "biufcSU"  # kinds of arrays that hold plain numbers or texts


def named(folder: Path, manifest: dict[str, Any]) -> str:
    """The name of a dataset, which is the name of a folder of records too.

    Args:
        folder: names it where the manifest does not.
        manifest: its `dataset.json`.

    Raises:
        UserError: no folder can have it.
    """
    if manifest.get("name") is not None:
        return check_name("the dataset", manifest["name"])
    advice = 'give it another as "name" in its dataset.json'
    return check_name("the dataset", folder.resolve().name, advice)


def read_manifest(folder: Path) -> dict[str, Any]:
    """The `dataset.json` of a folder; empty where there is none.

    Raises:
        UserError: it is not a JSON object, or one that no one would write.
    """
    path = folder / "dataset.json"
    place = f"dataset.json of {shown(folder.name)}"
    if not path.exists():
        return {}
    with regular(path, place) as file:
        content = file.read(MANIFEST + 1)
    if len(content) > MANIFEST:
        raise UserError(f"{place} has more than {MANIFEST >> 20} MiB; see docs/data.md")
    try:
        values = json.loads(
            content.decode("utf-8-sig"), object_pairs_hook=_once, parse_constant=_no_number
        )
    except RecursionError:
        raise _too_deep(place) from None
    except ValueError as error:
        raise UserError(f"{place} cannot be read: {visible(str(error))}") from None
    if not isinstance(values, dict):
        raise UserError(f"{place} holds no JSON object; see docs/data.md")
    _refuse_odd(values, place)
    return values


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for key, value in pairs:
        if key in values:
            raise ValueError(f"the key {shown(key)} is there more than once")
        values[key] = value
    return values


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no finite number, and no JSON")


def _too_deep(place: str) -> UserError:
    return UserError(f"{place} has more than {DEPTH} lists and objects within each other")


def _refuse_odd(values: dict[str, Any], place: str) -> None:
    """Stop at nesting that other code could not follow, and at text that no file can hold."""
    level: list[Any] = [values]
    for _ in range(DEPTH):
        for value in level:
            _refuse_surrogates(value, place)
        lists = [value for value in level if isinstance(value, list)]
        objects = [value for value in level if isinstance(value, dict)]
        level = [part for value in lists for part in value]
        level += [part for value in objects for pair in value.items() for part in pair]
    if level:
        raise _too_deep(place)


def _refuse_surrogates(value: object, place: str) -> None:
    try:
        if isinstance(value, str):
            value.encode()
    except UnicodeEncodeError:
        raise UserError(f"{place} has the text {shown(value)}, which is no Unicode") from None


@contextmanager
def regular(path: Path, place: str) -> Iterator[IO[bytes]]:
    """Open a file; a pipe or a device would never end.

    Raises:
        UserError: it is not there, no file, or reading it fails.
    """
    try:
        if path.exists() and not path.is_file():
            raise UserError(f"{place} is no file but a folder, pipe or device; put a file there")
        with path.open("rb") as file:
            yield file
    except FileNotFoundError:
        raise UserError(f"{place} is not there") from None
    except OSError as error:
        raise UserError(f"{place} cannot be read: {error.strerror or error}") from None


def file_digest(path: Path, size: int = 16) -> str:
    """BLAKE2 hash of a file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, partial(hashlib.blake2b, digest_size=size)).hexdigest()


def read_npz(path: Path, wanted: tuple[str, ...] | None = None) -> Arrays:
    """Arrays of an npz file, the wanted ones or all.

    Raises:
        UserError: the file is missing, truncated, corrupt, holds pickled objects, or unpacks to
            far more than its size.
    """
    place = visible(f"{path.parent.name}/{path.name}")
    with _archive(path, place) as (archive, members, size):
        arrays = {}
        for key, member in members.items():
            if wanted is None or key in wanted:
                with archive.open(member) as stream:
                    arrays[key] = _read_array(stream, f"{shown(key)} in {place}", member, size)
        return arrays


def npz_names(path: Path) -> list[str]:
    """Names of the arrays of an npz file; none if it cannot be read."""
    try:
        with _archive(path, path.name) as (_, members, _):
            return list(members)
    except UserError:
        return []


@contextmanager
def _archive(
    path: Path, place: str
) -> Iterator[tuple[zipfile.ZipFile, dict[str, zipfile.ZipInfo], int]]:
    """An npz file, its arrays by name, and its size in bytes.

    Raises:
        UserError: it is broken, or reading from it fails in the block.
    """
    with regular(path, place) as file:
        size = path.stat().st_size
        try:
            with zipfile.ZipFile(file) as archive:
                members = archive.infolist()
                _refuse_members(members, place, size)
                yield (
                    archive,
                    {
                        member.filename.removesuffix(".npy"): member
                        for member in members
                        if member.filename.endswith(".npy")
                    },
                    size,
                )
        except UserError:
            raise
        except Exception:  # what broken bytes raise in zipfile, zlib and numpy is no closed list
            raise UserError(
                f"{place} is truncated, corrupt or no npz file; write it again with numpy.savez "
                f"and plain arrays"
            ) from None


def _refuse_members(members: list[zipfile.ZipInfo], place: str, size: int) -> None:
    names = set()
    for member in members:
        name = shown(member.filename)
        if member.flag_bits & 1:
            raise UserError(f"{place} has the encrypted member {name}; write it without a password")
        if member.compress_type not in METHODS:
            raise UserError(
                f"{place} has the member {name} of compression method {member.compress_type}; "
                f"write it with numpy.savez_compressed"
            )
        if member.filename.startswith("/") or ".." in member.filename.split("/"):
            raise UserError(
                f"{place} has the member {name}, a path out of the file; write it with numpy.savez"
            )
        if member.filename in names:
            raise UserError(f"{place} has the member {name} more than once; keep one of them")
        names.add(member.filename)
    total = sum(member.file_size for member in members)
    if total > FREE + RATIO * size:
        raise _too_much(place, size, total)


def _too_much(place: str, size: int, total: int) -> UserError:
    return UserError(
        f"{place} has {size} bytes and would unpack to {total}, more than {FREE >> 20} MiB and "
        f"{RATIO} times its size; no features do, write it again with numpy.savez"
    )


def _read_array(stream: IO[bytes], place: str, member: zipfile.ZipInfo, size: int) -> NDArray[Any]:
    begin = stream.read(HEADER)
    header = read_header(begin, place)
    shape, dtype, start = header.shape, header.dtype, header.start
    if header.bytes != member.file_size - start:
        raise UserError(
            f"{place} has {member.file_size - start} bytes for {dtype} of shape "
            f"{clipped(str(shape))}; it is truncated or changed, write it again"
        )
    if shape and shape[0] > max(ROWS, size // 4):
        raise UserError(
            f"{place} has {shape[0]} rows in a file of {size} bytes; no samples take so little"
        )
    if 4 * math.prod(shape) > FREE + RATIO * size:
        raise _too_much(place, size, 4 * math.prod(shape))
    content = begin[start:] + stream.read()
    array: NDArray[Any] = np.ndarray(shape, dtype, content, order="F" if header.fortran else "C")
    if dtype.kind == "U":
        refuse_no_unicode(array, place)
    return array


@dataclass(frozen=True)
class Header:
    """What a file says of its array, the numbers of which begin at byte `start`."""

    shape: tuple[int, ...]
    fortran: bool
    dtype: np.dtype[Any]
    start: int

    @property
    def bytes(self) -> int:
        """Of all its numbers."""
        return math.prod(self.shape) * self.dtype.itemsize


def read_header(begin: bytes, place: str) -> Header:
    """The header of an array.

    Args:
        begin: the first bytes of its file, `HEADER` at most.
        place: the array in words, for sentences.

    Raises:
        UserError: the header is broken, or the array holds no plain numbers or texts.
    """
    stream = io.BytesIO(begin)
    readers = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # python's own, about what the header holds
            shape, fortran, dtype = readers[np.lib.format.read_magic(stream)](stream)
    except Exception:  # the header is parsed as Python, and odd types fail in many ways
        raise UserError(
            f"{place} has no header that numpy wrote; write it again with numpy.save or numpy.savez"
        ) from None
    if dtype.kind not in PLAIN:
        holds = "pickled objects" if dtype.hasobject else clipped(str(dtype))
        raise UserError(f"{place} holds {holds}; write plain numbers or texts")
    if any(count < 0 or isinstance(count, bool) for count in shape):
        raise UserError(f"{place} has the shape {clipped(str(shape))}; write it again with numpy")
    return Header(shape, fortran, dtype, stream.tell())


def refuse_no_unicode(array: NDArray[Any], place: str) -> None:
    """Stop at text of numbers that are no letters, on which Python ends in an error later.

    Raises:
        UserError: there are some.
    """
    if not array.size or not array.dtype.itemsize:
        return
    codes = np.ravel(array, order="K").view(np.dtype("u4").newbyteorder(array.dtype.byteorder))
    if (
        codes.max() >= 0xD800
        and ((codes > 0x10FFFF) | ((codes >= 0xD800) & (codes < 0xE000))).any()
    ):
        raise UserError(f"{place} has text that is no Unicode; write it again")
