"""Worker processes that outlive their tasks, so that libraries are imported once."""

import multiprocessing as mp
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing import forkserver
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, Literal

from benchmark.errors import UserError
from benchmark.experiment import run_plan
from benchmark.grid import Plan
from benchmark.preflight import preflight
from benchmark.results import record_path

LONGEST_LOG = 2**20  # bytes that are kept of what a cell prints

Task = Literal["preflight", "cell"]
# Of a plan: `epoch` (Epoch, epochs), `finished` (Record), `verdict` (Verdict), `problem` (a
# sentence: no record could be written), `died` (how the worker ended).
Listener = Callable[[Plan, str, Any, Any], None]


def log_path(plan: Plan) -> Path:
    """Where the prints of a cell go: beside its record."""
    return record_path(plan.folder, plan.cell).with_suffix(".log")


class Pool:
    """Some workers, each with one task at a time.

    A worker that dies (killed for memory, say) is told of, and another takes its place.
    """

    def __init__(self, listen: Listener):
        method = "forkserver" if "forkserver" in mp.get_all_start_methods() else "spawn"
        self.context = mp.get_context(method)
        if method == "forkserver":
            self.context.set_forkserver_preload(["benchmark.preload"])
            with _uninterrupted():
                forkserver.ensure_running()
        self.listen = listen
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
            while waiting and len(self.workers) < min(jobs, len(plans)):
                self.workers.append(_Worker(self.context))
            for worker in self.workers:
                if worker.plan is None and waiting:
                    plan = waiting.popleft()
                    worker.give(task, plan)
                    on_start(plan)
            busy = [worker for worker in self.workers if worker.plan]
            ready = wait([w.connection for w in busy] + [w.process.sentinel for w in busy])
            for worker in busy:
                if worker.connection in ready or worker.process.sentinel in ready:
                    self._hear(worker)

    def _hear(self, worker: "_Worker") -> None:
        plan = worker.plan
        assert plan is not None  # only busy workers are listened to
        try:
            kind, value, extra = worker.connection.recv()
        except (EOFError, ConnectionError):
            self._bury(worker, plan)
            return
        if kind == "ready":
            worker.ready = True
            return
        if kind != "epoch":
            worker.plan = None
        self.listen(plan, kind, value, extra)

    def _bury(self, worker: "_Worker", plan: Plan) -> None:
        """Drop a worker that died, and say how it did."""
        worker.process.join()
        if not worker.ready:
            raise UserError(
                "a worker process ended while it started; if a script of yours calls run(), put "
                "the call below `if __name__ == '__main__':`, or pass jobs=0"
            )
        code = worker.process.exitcode or 0
        reason = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        hint = "; it was probably out of memory, try fewer --jobs" if code == -9 else ""
        self.workers.remove(worker)
        worker.connection.close()
        self.listen(plan, "died", f"the worker process died with {reason}{hint}", None)


class _Worker:
    """A process with the connection to it and the plan it works on."""

    def __init__(self, context: Any):
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=_work, args=(theirs,), daemon=False)
        self.process.start()
        theirs.close()
        self.plan: Plan | None = None
        self.ready = False

    def give(self, task: Task, plan: Plan) -> None:
        self.plan = plan
        self.connection.send((task, plan))

    def stop(self, *, now: bool = False) -> None:
        if now:
            self.process.kill()
        else:
            try:
                self.connection.send(None)
            except OSError:
                self.process.kill()
        self.process.join()
        self.connection.close()


def _work(connection: Connection) -> None:
    """A worker: receive a task, do it, send what happens, until told to stop."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides
    threading.Thread(target=_follow_parent, daemon=True).start()

    def tell(*message: Any) -> None:
        try:
            connection.send(message)
        except OSError:
            os._exit(1)  # nobody listens any more: the cell is to be run again, not to fail

    tell("ready", None, None)
    while (job := connection.recv()) is not None:
        task, plan = job
        try:
            if task == "preflight":
                with _captured(Path(os.devnull)):
                    verdict = preflight(plan)
                tell("verdict", verdict, None)
                continue
            with _captured(log_path(plan)):
                record = run_plan(plan, lambda epoch, epochs: tell("epoch", epoch, epochs))
            tell("finished", record.model_copy(update={"history": []}), None)
        except UserError as error:
            tell("problem", str(error), None)


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
            stream.flush()
            os.dup2(kept[number - 1], number)
            os.close(kept[number - 1])
        size = os.fstat(log).st_size
        if size > LONGEST_LOG:
            os.ftruncate(log, LONGEST_LOG)
        os.close(log)
        if not size and path != Path(os.devnull):
            path.unlink(missing_ok=True)


def _follow_parent() -> None:
    """End this process as soon as the one that started it is gone, even within a cell."""
    parent = mp.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


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
