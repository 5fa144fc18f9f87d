"""Archives of arrays (npz), refused in one sentence if broken.

A file may hold anything, so its headers are read first, and nothing is unpacked or allocated that
its size does not pay for.
"""

import io
import math
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from benchmark.datasets.files.regular import regular
from benchmark.errors import UserError
from benchmark.naming import clipped, shown, visible

Arrays = dict[str, NDArray[Any]]

FREE = 128 * 2**20  # bytes that a file of any size may unpack to
RATIO = 100  # bytes more for each of its own; real features, zero padding and all, have below 30
ROWS = 2**14  # samples that a file of any size may have; a larger one, one for 4 of its bytes
HEADER = 2**14  # bytes in which the header of an array ends; those of numpy have about a hundred
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # what numpy writes
PLAIN = "biufcSU"  # kinds of arrays that hold plain numbers or texts


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
