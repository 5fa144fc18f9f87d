"""Hostile cases for the command, each run in a process of its own that is watched and limited.

A case writes its files into an empty folder and names the arguments of `affectbench`. What it must
not do: run code of the file, end by a signal or a traceback, write outside its folder, take longer
or more memory than its budget.
"""

import importlib
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import psutil
import torch

import affectbench
from benchmark.registry import list_models

SECONDS = 5.0
MIB = 500  # beyond what the process has before it begins
NEEDED = (
    "benchmark.datasets.doctor",
    "benchmark.external",
    "leaderboard.build",
    "leaderboard.render.terminal",
)
OWNED = "owned"  # a payload that runs makes a file of this name in the folder above its case


@dataclass(frozen=True)
class Case:
    """Attributes:
    name: unique; letters, digits and hyphens.
    make: writes the files of the case into the given folder, which is the working directory of
        the command too, and returns the arguments of `affectbench`.
    codes: exit codes that are right.
    says: what standard output and standard error together must contain.
    writes: whether the command may leave files of its own in the folder.
    sweeps: names of files that dead writers left, which the command has to remove.
    check: looks at the folder and at what was said afterwards, and returns a sentence for each
        thing that is wrong.
    """

    name: str
    make: Callable[[Path], list[str]]
    codes: tuple[int, ...] = (2,)
    says: str = ""
    writes: bool = False
    sweeps: tuple[str, ...] = ()
    check: Callable[[Path, str], Iterable[str]] | None = None


@dataclass(frozen=True)
class Result:
    """What a case did; `wrong` says in words what it should not have done."""

    case: Case
    code: int
    output: str
    seconds: float
    mib: float
    wrong: tuple[str, ...]


def prepare() -> None:
    """Load once in this process what all the forked ones need; no threads before a fork."""
    torch.set_num_threads(1)
    list_models()
    for name in NEEDED:
        importlib.import_module(name)


def run_case(case: Case, root: Path, *, seconds: float = SECONDS, mib: float = MIB) -> Result:
    """Run a case in a fork of this process, in a new folder below `root`."""
    home = root / case.name
    folder = home / "work"
    folder.mkdir(parents=True)
    arguments = case.make(folder)
    before = _files(home)
    memory = psutil.Process().memory_info()
    base = (memory.rss - memory.shared) / 2**20  # a fork has no pages of files yet
    log = home / "output.txt"
    started = time.perf_counter()
    child = os.fork()
    if child == 0:
        _become(folder, arguments, log, seconds)
    _, status, usage = os.wait4(child, 0)
    elapsed = time.perf_counter() - started
    code = os.waitstatus_to_exitcode(status)
    output = log.read_text(encoding="utf-8", errors="replace")
    log.unlink()
    more = usage.ru_maxrss / 1024 - base
    wrong = []
    if code < 0:
        wrong.append(f"ended by {signal.Signals(-code).name}")
    elif code not in case.codes:
        wrong.append(f"exit code {code}, not one of {case.codes}")
    if "Traceback (most recent call last)" in output:
        wrong.append("traceback")
    if case.says not in output:
        wrong.append(f"does not say {case.says!r}")
    if elapsed > seconds:
        wrong.append(f"took {elapsed:.1f} s")
    if more > mib:
        wrong.append(f"took {more:.0f} MiB")
    if (home / OWNED).exists():
        wrong.append("code of the file ran")
    after = _files(home)
    for name in sorted(after - before):
        if not (case.writes and name.startswith("work/")):
            wrong.append(f"wrote {name}")
    swept = {name for name in before if Path(name).name in case.sweeps}
    wrong += [f"deleted {name}" for name in sorted(before - after - swept)]
    wrong += [f"left {name} of a dead writer" for name in sorted(swept & after)]
    if case.check is not None and code >= 0:
        wrong += case.check(folder, output)
    return Result(case, code, output, elapsed, more, tuple(wrong))


def run_cases(cases: Iterable[Case], root: Path) -> list[Result]:
    """All cases one after the other."""
    prepare()
    return [run_case(case, root) for case in cases]


def _files(home: Path) -> set[str]:
    return {path.relative_to(home).as_posix() for path in home.rglob("*")} - {"output.txt"}


def _become(folder: Path, arguments: list[str], log: Path, seconds: float) -> None:
    """In the fork: run the command and end."""
    code = 1
    try:
        os.setsid()
        os.chdir(folder)
        handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        for number in (1, 2):
            os.dup2(handle, number)
        sys.stdout = os.fdopen(1, "w", encoding="utf-8", closefd=False)
        sys.stderr = os.fdopen(2, "w", encoding="utf-8", closefd=False)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        signal.alarm(int(4 * seconds) + 1)  # SIGALRM ends what hangs
        for name in ("AFFECTBENCH_DATA", "AFFECTBENCH_DEBUG"):
            os.environ.pop(name, None)
        sys.argv = ["affectbench", *arguments]
        affectbench.main()
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
