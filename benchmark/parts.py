"""Files and folders that a writer holds while it writes them, and the removal of abandoned ones.

A writer that is killed leaves its part behind. The lock it held goes with its process, so that
whoever finds a part without a lock knows that it is dead.
"""

import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows: nothing is locked, and so nothing is known to be dead
    fcntl = None  # type: ignore[assignment]


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
    if fcntl is None:
        return 0
    return sum(_remove_unheld(path) for path in sorted(folder.glob(pattern)))


def _remove_unheld(path: Path) -> bool:
    try:
        mode = path.lstat().st_mode
        if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
            return False
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError:  # another one removed it, or it is not ours
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(path) if stat.S_ISDIR(mode) else path.unlink()
    except OSError:
        return False
    finally:
        os.close(handle)
    return True
