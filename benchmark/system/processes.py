"""A process that ends with the one that started it, whatever it is doing."""

import ctypes
import os
import signal
from contextlib import suppress

PR_SET_PDEATHSIG = 1  # of Linux
PARENT = "AFFECTBENCH_PARENT"  # the variable that tells a process who started it


def end_with_parent(parent: int) -> None:
    """Ask the kernel to kill this process when its parent ends, where it can.

    Args:
        parent: its id; if that is another one now, the parent has ended already.
    """
    with suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if hasattr(os, "fork") and os.getppid() != parent:
        os._exit(1)
