"""Read foreign pickles of arrays and plain containers, by a process that can do nothing else."""

import base64
import json
import os
import re
import signal
import stat
import subprocess
import sys
from functools import partial
from io import FileIO
from math import prod
from pathlib import Path
from threading import Timer
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.datasets.files import pickled
from benchmark.errors import UserError
from benchmark.naming import visible

GRACE = 6  # seconds that may pass beyond the processor time that reading may take
LAST_SIGN = 0x10FFFF  # of Unicode
# What an answer may raise that is none.
MALFORMED = (
    *(EOFError, ValueError, TypeError, LookupError),
    *(AttributeError, ArithmeticError, RecursionError),
)
_DTYPE = re.compile(r"[<>|][fiubcUS][0-9]{1,9}")
# What Python may need to start; nothing that makes it run other code.
_NEEDED = ("SYSTEMROOT", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")


def read_pickle(path: Path | str) -> Any:
    """The content of a pickle made of numpy arrays and plain containers.

    `benchmark.datasets.files.pickled` reads it in a process of its own that can write no file and
    has limits of time and memory in proportion to the file; the pickle module takes no part. Single
    numpy numbers come as numbers of Python, arrays of objects as lists.

    Raises:
        UserError: it is no regular file or cannot be opened, is truncated or no pickle, asks for
            any other name, or takes too much time or memory.
    """
    name = visible(repr(Path(path).name[:100]))
    descriptor = _open(path, name)
    try:
        size = os.fstat(descriptor).st_size
        reader = _start_reader(descriptor, name)
    finally:
        os.close(descriptor)
    watchdog = Timer(pickled.seconds(size) + GRACE, reader.kill)
    watchdog.start()
    assert isinstance(reader.stdout, FileIO)
    try:
        with reader.stdout as stream:
            return _receive(stream, size, name)
    except UserError:
        raise
    except MALFORMED:
        raise _ended(reader.wait(), size, name) from None
    except MemoryError:
        raise UserError(
            f"the pickle {name} needs more memory than there is; free some memory"
        ) from None
    finally:
        watchdog.cancel()
        reader.kill()
        reader.wait()


def _open(path: Path | str, name: str) -> int:
    """A descriptor of a regular file; a named pipe is not waited for."""
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        descriptor = os.open(path, flags)
    except FileNotFoundError:
        raise UserError(f"there is no file {name}; give the path of a pickle") from None
    except (OSError, ValueError) as error:
        raise UserError(
            f"{name} cannot be opened ({getattr(error, 'strerror', None) or error}); give the path "
            f"of a pickle"
        ) from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise UserError(f"{name} is no regular file; give the path of a pickle")
    return descriptor


def _start_reader(descriptor: int, name: str) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            [sys.executable, "-I", "-S", pickled.__file__],
            stdin=descriptor,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            env={key: os.environ[key] for key in _NEEDED if key in os.environ},
        )
    except OSError as error:
        raise UserError(
            f"the pickle {name} cannot be read, no process could be started for it "
            f"({error.strerror or error}); free some memory"
        ) from None


def _ended(code: int, size: int, name: str) -> UserError:
    how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
    return UserError(
        f"the pickle {name} could not be read, its reader ended early ({how}): a file of this size "
        f"may take {pickled.seconds(size)} s and {pickled.memory(size) >> 20} MiB; do not trust "
        f"it, or free some memory"
    )


def _receive(stream: FileIO, size: int, name: str) -> Any:
    """The content of a file of so many bytes as its reader writes it, checked again.

    Raises:
        UserError: the reader refused the file.
        EOFError: the answer ends early; or any other exception if it is none.
    """
    head = json.loads(_block(stream, size))
    if "refused" in head:
        raise UserError(visible(f"the pickle {name} {head['refused']}"))
    rooms, left = [], pickled.most_bytes(size)
    for dtype, shape, axes in head["arrays"]:
        if not _DTYPE.fullmatch(dtype):
            raise ValueError(dtype)
        count = prod(shape) * np.dtype(dtype).itemsize
        left -= count
        if left < 0 or min(shape, default=0) < 0:
            raise ValueError(shape)
        buffer = np.empty(count, np.uint8)
        rooms.append((buffer, buffer.view(dtype).reshape(shape).transpose(axes)))
    arrays = [array for _, array in rooms]
    content = json.loads(_block(stream, size), object_hook=partial(_untagged, arrays))
    for buffer, array in rooms:
        _fill(stream, buffer.data)
        _make_sound(buffer, array, name)
    if stream.read(1):
        raise ValueError("something follows the arrays")
    return content


def _block(stream: FileIO, size: int) -> str:
    """JSON after its length."""
    length = bytearray(8)
    _fill(stream, memoryview(length))
    count = int.from_bytes(length, "big")
    if count > pickled.most_content(size):
        raise ValueError(count)
    block = bytearray(count)
    _fill(stream, memoryview(block))
    return block.decode("utf-8", "surrogatepass")


def _fill(stream: FileIO, view: memoryview) -> None:
    while view:
        count = stream.readinto(view)
        if not count:
            raise EOFError
        view = view[count:]


def _untagged(arrays: list[NDArray[Any]], tagged: dict[str, Any]) -> Any:
    """What a tag of `pickled.Machine.run` stands for."""
    ((tag, value),) = tagged.items()
    if tag == "d":
        return dict(zip(value[::2], value[1::2], strict=True))
    if tag == "a":
        return arrays[value]
    if tag in ("b", "y"):
        return (bytes if tag == "b" else bytearray)(base64.b64decode(value))
    return {"t": tuple, "s": set, "f": frozenset}[tag](value)


def _make_sound(buffer: NDArray[np.uint8], array: NDArray[Any], name: str) -> None:
    """Leave no entry that numpy could not show: a yes-no value is 0 or 1, a sign one of Unicode."""
    if array.dtype.kind == "b":
        np.minimum(buffer, 1, out=buffer)
    if array.dtype.kind == "U":
        signs = buffer.view(f"{array.dtype.byteorder}u4")
        if signs.max(initial=0) > LAST_SIGN:
            raise UserError(
                f"the pickle {name} has texts with signs that are not of Unicode; download it again"
            )
