"""Worker processes that outlive their tasks, so that libraries are imported once."""

import math
import multiprocessing as mp
import os
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing import forkserver
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, Literal, NoReturn

from benchmark.errors import UserError
from benchmark.records.store import record_path
from benchmark.running.cell import run_cell
from benchmark.running.plan import Plan
from benchmark.running.preflight import preflight
from benchmark.system.processes import PARENT

LONGEST_LOG = 2**20  # bytes that are kept of what a cell prints
PATIENCE = 10.0  # seconds that an idle worker may take to end
FROM_OUTSIDE = ("SIGKILL", "SIGTERM", "SIGINT", "SIGHUP")
LOST = 255  # exit code of a worker whose forkserver is gone, so that nobody knows the true one

Task = Literal["preflight", "cell"]
# Of a plan: `epoch` (Epoch, epochs), `finished` (Record), `verdict` (Verdict), `problem` (a
# sentence: no record could be written); of its worker, each with a sentence: `killed` (from
# outside), `died` (by itself), `late` (it took too long).
Listener = Callable[[Plan, str, Any, Any], None]


def log_path(plan: Plan) -> Path:
    """Where the prints of a cell go: beside its record."""
    return record_path(plan.folder, plan.cell).with_suffix(".log")


class Pool:
    """Some workers, each with one task at a time.

    A worker that dies (killed for memory, say) or takes too long is told of, and another takes its
    place. Code from outside gets a worker of its own for each task: what it does to its process, it
    does to no other cell.

    Args:
        listen: is told what happens.
        seconds: that a task may take; None for any time.
    """

    def __init__(self, listen: Listener, seconds: float | None = None):
        method = "forkserver" if "forkserver" in mp.get_all_start_methods() else "spawn"
        self.context = mp.get_context(method)
        if method == "forkserver":
            # What a thread started would end with the thread: only the main one may tie the server.
            tied = threading.current_thread() is threading.main_thread()
            first = ["benchmark.running.engines.leash"] if tied else []
            self.context.set_forkserver_preload([*first, "benchmark.running.engines.preload"])
            with _uninterrupted(), _introduced():
                forkserver.ensure_running()
        self.listen = listen
        self.seconds = seconds
        self.workers: list[_Worker] = []

    def __enter__(self) -> "Pool":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        for worker in self.workers:
            worker.stop(now=kind is not None)

    def run(
        self,
        task: Task,
        plans: Sequence[Plan],
        jobs: int,
        on_start: Callable[[Plan], None] = lambda plan: None,
    ) -> None:
        """Do a task for each plan on at most `jobs` workers; the others are stopped first."""
        waiting = deque(plans)
        while len(self.workers) > jobs:
            self.workers.pop().stop()
        while waiting or any(worker.plan for worker in self.workers):
            for worker in [worker for worker in self.workers if worker.plan is None]:
                alone = waiting and waiting[0].foreign and worker.used
                if alone or worker.spoilt or not worker.process.is_alive():
                    self.workers.remove(worker)
                    worker.stop()
                elif waiting:
                    self._give(worker, task, waiting.popleft(), on_start)
            while waiting and len(self.workers) < jobs:
                self.workers.append(_Worker(self.context))
                self._give(self.workers[-1], task, waiting.popleft(), on_start)
            self._wait()

    def _give(
        self, worker: "_Worker", task: Task, plan: Plan, on_start: Callable[[Plan], None]
    ) -> None:
        worker.give(task, plan, self.seconds)
        on_start(plan)

    def _wait(self) -> None:
        """Wait for the next message, death or end of a time limit."""
        busy = [worker for worker in self.workers if worker.plan]
        ready = wait(
            [worker.connection for worker in busy] + [worker.process.sentinel for worker in busy],
            min((worker.left for worker in busy), default=None) if self.seconds else None,
        )
        for worker in busy:
            if worker.connection in ready or worker.process.sentinel in ready:
                self._hear(worker)
            elif self.seconds and worker.left <= 0:
                self._end(worker, "late", f"it took more than {self.seconds / 60:g} minutes")

    def _hear(self, worker: "_Worker") -> None:
        plan = worker.plan
        assert plan is not None  # only busy workers are listened to
        try:
            if not worker.connection.poll():
                raise EOFError  # its process is gone, and with it all that it might say
            kind, value, extra = worker.connection.recv()
        except (EOFError, OSError):
            self._bury(worker)
            return
        if kind == "ready":
            worker.ready = True
            return
        if kind != "epoch":
            worker.plan = None
        self.listen(plan, kind, value, extra)

    def _bury(self, worker: "_Worker") -> None:
        """Drop a worker that died, and say how it did."""
        worker.process.join()
        if not worker.ready and (worker.process.exitcode or 0) >= 0 and not worker.lives():
            raise UserError(
                "a worker process ended while it started; if a script of yours calls run(), put "
                "the call below `if __name__ == '__main__':`, or pass jobs=0"
            )
        code = worker.process.exitcode or 0
        name = signal.Signals(-code).name if code < 0 else ""
        lost = code == LOST and worker.lives()
        reason = f"signal {name}" if name else f"exit code {code}"
        reason = "the server that started it" if lost else reason
        hint = "; it was probably out of memory, try fewer --jobs" if name == "SIGKILL" else ""
        kind = "killed" if lost or name in FROM_OUTSIDE else "died"
        self._end(worker, kind, f"the worker process ended with {reason}{hint}")

    def _end(self, worker: "_Worker", kind: str, sentence: str) -> None:
        plan = worker.plan
        assert plan is not None
        self.workers.remove(worker)
        worker.stop(now=True)
        self.listen(plan, kind, sentence, None)


class _Worker:
    """A process with the connection to it and the plan it works on.

    Attributes:
        plan: that it works on; None while it is idle.
        ready: whether it has started.
        used: whether it had a task.
        spoilt: whether it ran code from outside.
    """

    def __init__(self, context: Any):
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=_work, args=(theirs,), daemon=False)
        self.process.start()
        theirs.close()
        self.plan: Plan | None = None
        self.ready = self.used = self.spoilt = False
        self.end = math.inf

    def lives(self) -> bool:
        """Whether the system has a process of this number, whatever else is known of it."""
        try:
            os.kill(self.process.pid or 0, 0)
        except OSError:
            return False
        return True

    @property
    def left(self) -> float:
        """Seconds until its task has taken too long."""
        return max(0.0, self.end - time.monotonic())

    def give(self, task: Task, plan: Plan, seconds: float | None) -> None:
        self.plan = plan
        self.used, self.spoilt = True, plan.foreign
        self.end = time.monotonic() + (seconds or math.inf)
        with suppress(OSError):  # it has just died, which will be heard
            self.connection.send((task, plan))

    def stop(self, *, now: bool = False) -> None:
        """End the process, and with it all that models left running in its group."""
        if not now:
            try:
                self.connection.send(None)
                self.process.join(PATIENCE)
            except OSError:
                pass
        _kill_group(self.process.pid or 0)
        self.process.kill()
        self.process.join()
        self.connection.close()


def _kill_group(leader: int) -> None:
    if hasattr(os, "killpg"):
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(leader, signal.SIGKILL)


def _work(connection: Connection) -> None:
    """A worker: receive a task, do it, send what happens, until told to stop."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides
    if hasattr(os, "setsid"):
        os.setsid()  # a group of its own, which ends with it
    threading.Thread(target=_follow_parent, daemon=True).start()
    own = os.getpid()

    def tell(*message: Any) -> None:
        if os.getpid() != own:
            os._exit(1)  # a process that a model forked answers for nothing
        try:
            connection.send(message)
        except OSError:
            _leave()  # nobody listens any more: the cell is to be run again, not to fail

    tell("ready", None, None)

    def receive() -> tuple[Task, Plan] | None:
        try:
            job: tuple[Task, Plan] | None = connection.recv()
        except (EOFError, OSError):
            _leave()  # nobody is there any more to give work
        return job

    while (job := receive()) is not None:
        task, plan = job
        try:
            if task == "preflight":
                with _captured(Path(os.devnull)):
                    verdict = preflight(plan)
                tell("verdict", verdict, None)
                continue
            with _captured(log_path(plan)):
                record = run_cell(plan, lambda epoch, epochs: tell("epoch", epoch, epochs))
            tell("finished", record.model_copy(update={"history": []}), None)
        except UserError as error:
            tell("problem", str(error), None)
    _leave()


def _leave() -> NoReturn:
    """End this process with its group, whatever threads and processes models have left."""
    _kill_group(os.getpid())
    os._exit(1)


@contextmanager
def _captured(path: Path) -> Iterator[None]:
    """Send what this process prints into a file, whose beginning is kept; none if it is empty."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    except OSError:  # the record cannot be written either, and says so
        log = os.open(os.devnull, os.O_WRONLY)
    streams = (sys.stdout, sys.stderr)
    kept = []
    for number, stream in enumerate(streams, start=1):
        stream.flush()
        kept.append(os.dup(number))
        os.dup2(log, number)
    try:
        yield
    finally:
        for number, stream in enumerate(streams, start=1):
            with suppress(OSError, ValueError):  # a model may have closed it
                stream.flush()
            os.dup2(kept[number - 1], number)
            os.close(kept[number - 1])
        size = os.fstat(log).st_size
        if size > LONGEST_LOG:
            os.ftruncate(log, LONGEST_LOG)
        os.close(log)
        if not size and path != Path(os.devnull):
            with suppress(OSError):  # the disk may be read-only by now
                path.unlink()


def _follow_parent() -> None:
    """End this process as soon as the one that started it is gone, even within a cell."""
    parent = mp.parent_process()
    if parent is not None:
        parent.join()
        _leave()


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Processes started within do not hear Ctrl-C: the parent ends them."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _introduced() -> Iterator[None]:
    """A process started within knows its parent, though that may be gone before it asks."""
    os.environ[PARENT] = str(os.getpid())
    try:
        yield
    finally:
        del os.environ[PARENT]
