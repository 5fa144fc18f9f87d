"""What a cell leaves as it found it: flags of the libraries, folder, environment, our functions."""

import gc
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np
import torch

OURS = ("benchmark", "robustness", "baselines", "methods", "leaderboard", "affectbench")
# What the harness itself works with, and a plugin may patch while it is imported.
USED = (
    *("builtins", "codecs", "concurrent", "contextlib", "copy", "functools", "genericpath"),
    *("hashlib", "importlib", "inspect", "io", "itertools", "json", "math", "multiprocessing"),
    *("os", "pathlib", "pickle", "posixpath", "random", "re", "shutil", "signal", "subprocess"),
    *("sys", "tempfile", "threading", "time", "traceback", "warnings", "zipfile"),
)
HEAP_TYPE = 1 << 9  # of a class that was made by Python code
LIBRARIES = ("KMP_", "TORCHINDUCTOR_", "TRITON_", "CUBLAS_", "PYTEST_")
Flag = tuple[Callable[[], Any], Callable[[Any], object]]


def _attribute(owner: Any, name: str) -> Flag:
    return lambda: getattr(owner, name), lambda value: setattr(owner, name, value)


def _folder() -> str:
    try:
        return os.getcwd()
    except OSError:  # it was removed
        return ""


def _set_folder(folder: str) -> None:
    with suppress(OSError):
        os.chdir(folder)


def _environment() -> dict[str, str]:
    """All variables but those that libraries set when they are first imported."""
    return {name: value for name, value in os.environ.items() if not name.startswith(LIBRARIES)}


def _set_environment(variables: dict[str, str]) -> None:
    for name in _environment().keys() - variables.keys():
        del os.environ[name]
    os.environ.update(variables)


def _set_collecting(enabled: bool) -> None:
    (gc.enable if enabled else gc.disable)()


def _keeps_denormals() -> bool:
    return bool(torch.tensor(1e-310, dtype=torch.float64, device="cpu") * 1.0)


_FLAGS: dict[str, Flag] = {
    "default dtype": (torch.get_default_dtype, torch.set_default_dtype),
    "default device": (
        lambda: str(torch.get_default_device()),
        lambda device: torch.set_default_device(None if device == "cpu" else device),
    ),
    "gradient mode": (torch.is_grad_enabled, torch.set_grad_enabled),
    "anomaly detection": (torch.is_anomaly_enabled, torch.autograd.set_detect_anomaly),
    "threads of PyTorch": (torch.get_num_threads, torch.set_num_threads),
    "deterministic algorithms": (
        torch.get_deterministic_debug_mode,
        torch.set_deterministic_debug_mode,
    ),
    "precision of matrix products": (
        torch.get_float32_matmul_precision,
        torch.set_float32_matmul_precision,
    ),
    "denormal numbers": (_keeps_denormals, lambda kept: torch.set_flush_denormal(not kept)),
    **{
        f"cudnn.{name}": _attribute(torch.backends.cudnn, name)
        for name in ("enabled", "benchmark", "deterministic", "allow_tf32")
    },
    "errors of NumPy": (np.geterr, lambda errors: np.seterr(**errors)),
    "working directory": (_folder, _set_folder),
    "environment variables": (_environment, _set_environment),
    "recursion limit": (sys.getrecursionlimit, sys.setrecursionlimit),
    "garbage collection": (gc.isenabled, _set_collecting),
    **{f"sys.{name}": _attribute(sys, name) for name in ("stdout", "stderr", "stdin")},
    "sys.path": (lambda: list(sys.path), lambda path: sys.path.__setitem__(slice(None), path)),
}


class State:
    """The state of this process when the object was made.

    Args:
        packages: whose functions, classes and methods belong to it.
    """

    def __init__(self, packages: tuple[str, ...] = OURS) -> None:
        self._packages = packages
        self._flags = {name: get() for name, (get, _) in _FLAGS.items()}
        self._code = _code(packages)

    def changes(self) -> list[str]:
        """What differs now, in words."""
        flags = [name for name, (get, _) in _FLAGS.items() if get() != self._flags[name]]
        now = _code(self._packages)
        patched = {
            f"{getattr(owner, '__name__', owner)}.{name}"
            for (owner, name), value in self._code.items()
            if now.get((owner, name)) is not value
        }
        return flags + sorted(patched)

    def restore(self) -> list[str]:
        """Set back what differs; returns what that was, in words."""
        changed = self.changes()
        for name, (get, put) in _FLAGS.items():
            if get() != self._flags[name]:
                put(self._flags[name])
        now = _code(self._packages)
        for (owner, name), value in self._code.items():
            if now.get((owner, name)) is not value:
                setattr(owner, name, value)
        return changed


@contextmanager
def unchanged(packages: tuple[str, ...] = OURS) -> Iterator[None]:
    """Whatever happens within, the state of this process is as before."""
    before = State(packages)
    try:
        yield
    finally:
        before.restore()


def _code(packages: tuple[str, ...]) -> dict[tuple[Any, str], Any]:
    """Functions and classes of some packages, and methods of these classes, by owner and name."""
    found: dict[tuple[Any, str], Any] = {}
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] not in packages or module is None:
            continue
        for key, value in vars(module).items():
            if not callable(value) or getattr(value, "__module__", None) is None:
                continue
            found[module, key] = value
            own = isinstance(value, type) and value.__module__ == name
            if own and value.__flags__ & HEAP_TYPE:  # others cannot be patched
                methods = {k: v for k, v in vars(value).items() if hasattr(v, "__get__")}
                found |= {(value, key): method for key, method in methods.items()}
    return found
