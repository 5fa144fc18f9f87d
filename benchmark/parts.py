"""Files that are there whole or not at all, and what writers that died left of them."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # not on every system: then nothing is locked, and nothing of others removed
    fcntl = None  # type: ignore[assignment]

SUFFIX = ".part"  # of what is being written


def write_bytes(target: Path, content: bytes) -> None:
    """Write a file atomically: readers see the old or the new one, never a part.

    Raises:
        OSError: the disk is full or the folder cannot be written to; nothing is left.
    """
    try:
        _write(target, content)
    except FileNotFoundError:  # somebody removed the folder, or took the part for a dead one
        _write(target, content)


def _write(target: Path, content: bytes) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=".", suffix=SUFFIX)
    part = Path(name)
    try:
        with hold(part), os.fdopen(handle, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(handle)
            part.chmod(0o644)
            part.replace(target)
        sync_folder(target.parent)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def write_text(target: Path, text: str) -> None:
    """The same for text."""
    write_bytes(target, text.encode())


def sync_folder(folder: Path) -> None:
    """Make names in a folder last through a loss of power, where the system can."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


@contextmanager
def hold(path: Path) -> Iterator[None]:
    """Keep a lock on an existing file or folder, which ends with this process at the latest."""
    handle = _lock(path)
    try:
        yield
    finally:
        if handle is not None:
            os.close(handle)


def is_held(path: Path) -> bool:
    """Whether a living process holds a file or folder; also where that cannot be known."""
    handle = _lock(path)
    if handle is None:
        return True
    os.close(handle)
    return False


def _lock(path: Path) -> int | None:
    """A descriptor with a lock; None where another one has it or there are none."""
    if fcntl is None:
        return None
    try:
        handle = os.open(path, os.O_RDONLY)
    except OSError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        return None
    return handle


def remove_dead(folder: Path, pattern: str) -> None:
    """Remove files and folders that match a pattern and that no living process holds."""
    for path in folder.glob(pattern):
        if is_held(path):
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            with suppress(OSError):
                path.unlink()
