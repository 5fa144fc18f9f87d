"""`affectbench` in real processes that can all be found again, and ended."""

import itertools
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MARKER = "AFFECTBENCH_CAMPAIGN"  # a variable that all processes of a command inherit
LIMIT = 180.0  # seconds that no command of the campaign needs
GRACE = 3.0  # seconds after which no process is left
MAIN = "import affectbench; affectbench.main()"

_numbers = itertools.count()


@dataclass(frozen=True)
class Ended:
    """How a command ended; `code` is None where it had to be ended, `left` names processes."""

    code: int | None
    output: str
    left: tuple[str, ...]

    def wrong(self, codes: Sequence[int]) -> list[str]:
        """What it should not have done, as sentences that `Figures.judge` knows."""
        sentences = [f"left the process {name[:80]}" for name in self.left[:3]]
        if self.code is None:
            sentences.append(f"took more than {LIMIT:.0f} s")
        elif self.code < 0:
            sentences.append(f"ended by {signal.Signals(-self.code).name}")
        elif self.code not in codes:
            sentences.append(f"exit code {self.code}: {' | '.join(self.output.splitlines()[-3:])}")
        if "Traceback (most recent call last)" in self.output:
            sentences.append("traceback")
        return sentences


class Command:
    """A command that runs in a session of its own.

    Args:
        arguments: of `affectbench`.
        folder: to run in.
        variables: of the environment, besides those of this process.
        before: Python that runs before the command, in its process.
        limit: called in the process before it begins, to set limits.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        folder: Path,
        *,
        variables: Mapping[str, str] | None = None,
        before: str = "",
        limit: Callable[[], None] | None = None,
    ):
        self.mark = f"{os.getpid()}-{next(_numbers)}"
        known = {k: v for k, v in os.environ.items() if not k.startswith("AFFECTBENCH_")}
        fixed = {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", MARKER: self.mark}
        self.log = tempfile.TemporaryFile()  # noqa: SIM115  closed in `finish`
        self.process = subprocess.Popen(
            [sys.executable, "-c", f"{before}\n{MAIN}", *arguments],
            cwd=folder,
            env={**known, **fixed, **(variables or {})},
            stdin=subprocess.DEVNULL,
            stdout=self.log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=limit,
        )

    def processes(self) -> dict[int, str]:
        """Those that live, without the command itself: id -> command line."""
        found = {}
        for place in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                variables = (place / "environ").read_bytes().split(b"\0")
                if f"{MARKER}={self.mark}".encode() in variables:
                    line = (place / "cmdline").read_bytes().replace(b"\0", b" ")
                    found[int(place.name)] = line.decode(errors="replace").strip()
        found.pop(self.process.pid, None)
        return found

    def family(self) -> tuple[list[int], list[int]]:
        """The server that workers are forked from, and the workers."""
        servers = [pid for pid, line in self.processes().items() if "forkserver" in line]
        parents = {pid: _parent(pid) for pid in servers}
        top = [pid for pid, parent in parents.items() if parent == self.process.pid]
        return top, [pid for pid, parent in parents.items() if parent in top]

    def said(self) -> str:
        """What it has printed until now."""
        return os.pread(self.log.fileno(), 2**24, 0).decode(errors="replace")

    def wait_for(self, text: str) -> bool:
        """Whether it printed a text before it ended."""
        until = time.monotonic() + LIMIT
        while time.monotonic() < until and text not in self.said():
            if self.process.poll() is not None:
                return text in self.said()
            time.sleep(0.02)
        return text in self.said()

    def finish(self, seconds: float = LIMIT) -> Ended:
        """Wait for its end; what is left after `GRACE` is ended here."""
        code: int | None
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            code = None
            self.process.kill()
            self.process.wait()
        until = time.monotonic() + GRACE
        while (left := self.processes()) and time.monotonic() < until:
            time.sleep(0.05)
        while living := self.processes():
            for pid in living:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        output = self.said()
        self.log.close()
        return Ended(code, output, tuple(left.values()))


def command(arguments: Sequence[str], folder: Path, **options: object) -> Ended:
    """Run a command to its end."""
    return Command(arguments, folder, **options).finish()  # type: ignore[arg-type]


def _parent(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0
