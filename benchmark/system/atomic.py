"""Files that are there whole or not at all, and what writers that died left of them.

A writer holds a lock on what it writes, which goes with its process: a part without one is dead.
"""

import glob
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
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
        _sync_folder(target.parent)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def write_text(target: Path, text: str) -> None:
    """The same for text."""
    write_bytes(target, text.encode())


@contextmanager
def write_folder(target: Path) -> Iterator[Path]:
    """Fill a folder in the block; it gets its name after it, whole, or is gone.

    What dead writers of the same folder left is removed.

    Raises:
        OSError: the disk is full, the parent cannot be written to, or the name was taken meanwhile;
            nothing is left.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with ExitStack() as held:
        with hold(target.parent):
            remove_dead(target.parent, f".{glob.escape(target.name)}-*{SUFFIX}")
            name = tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}-", suffix=SUFFIX)
            held.callback(shutil.rmtree, name, ignore_errors=True)
            held.enter_context(hold(Path(name)))
        part = Path(name)
        yield part
        for path in part.rglob("*"):
            _sync_folder(path) if path.is_dir() else _sync_file(path)
        part.chmod(0o755)
        _sync_folder(part)
        part.rename(target)
        _sync_folder(target.parent)


def _sync_file(path: Path) -> None:
    with path.open("rb+") as stream:
        os.fsync(stream.fileno())


def _sync_folder(folder: Path) -> None:
    """Make names in a folder last through a loss of power, where the system can."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


@contextmanager
def hold(path: Path) -> Iterator[None]:
    """Lock a file or folder that is there, for the life of the block.

    The lock follows a rename. It waits for others; where the file system has no locks, there is
    none.
    """
    if fcntl is None:
        yield
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        with suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def is_held(path: Path) -> bool:
    """Whether a living process holds a file or folder; also where that cannot be known."""
    handle = _lock(path)
    if handle is None:
        return True
    os.close(handle)
    return False


def remove_dead(folder: Path, pattern: str) -> int:
    """Remove the files and folders of a pattern that nobody holds.

    A part that was just made is not held yet. So a writer holds the folder itself while it calls
    this, makes its part, and begins to hold that.

    Args:
        folder: that the parts lie in.
        pattern: of their names, as `Path.glob` takes it.

    Returns:
        How many were removed.
    """
    return sum(_remove_unheld(path) for path in sorted(folder.glob(pattern)))


def _remove_unheld(path: Path) -> bool:
    handle = _lock(path)
    if handle is None:
        return False
    try:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    except OSError:  # another one removed it, or it is not ours
        return False
    finally:
        os.close(handle)
    return True


def _lock(path: Path) -> int | None:
    """A descriptor with a lock; None where another one has it or there are none."""
    if fcntl is None:
        return None
    try:
        mode = path.lstat().st_mode
        if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
            return None
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        return None
    return handle
