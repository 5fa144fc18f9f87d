"""Many cells: side by side in worker processes, then what is timed, alone."""

import multiprocessing as mp
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, Literal

from benchmark.errors import UserError
from benchmark.experiment import failed, run_plan
from benchmark.grid import Plan, plan_grid
from benchmark.results import Epoch, Record, find_records, read_record, record_path, write_record

Overwrite = Literal["missing", "failed", "costs", "all"]


@dataclass(frozen=True)
class Event:
    """Something to show: a cell was found done, started, reached an epoch, or finished."""

    kind: Literal["skipped", "started", "epoch", "finished"]
    plan: Plan
    epoch: Epoch | None = None
    epochs: int = 0
    record: Record | None = None


@dataclass
class Outcome:
    """What came of a grid.

    Attributes:
        records: of every cell of the grid, found or made, in the order of the plans.
        made: cells that were run now.
        found: cells whose record was there.
        problems: title and sentence of every cell that failed, diverged or was not written.
        seconds: wall time.
    """

    records: list[tuple[Path, Record]] = field(default_factory=list)
    made: int = 0
    found: int = 0
    problems: list[tuple[str, str]] = field(default_factory=list)
    seconds: float = 0.0


def run(
    *,
    jobs: int | None = None,
    overwrite: Overwrite = "missing",
    on_event: Callable[[Event], None] | None = None,
    **grid: Any,
) -> Outcome:
    """Plan a grid and run it: the whole of `affectbench run` but its tables.

    Args:
        jobs: worker processes; 0 runs in this process, None takes one a core (one on a GPU).
        overwrite: which existing records to run again: `missing` none, `failed` those without
            a result, `costs` those of costs, `all`.
        on_event: called in this process as cells proceed.
        **grid: arguments of `plan_grid`.
    """
    return execute(plan_grid(**grid), jobs=jobs, overwrite=overwrite, on_event=on_event)


def execute(
    plans: Sequence[Plan],
    *,
    jobs: int | None = None,
    overwrite: Overwrite = "missing",
    on_event: Callable[[Event], None] | None = None,
) -> Outcome:
    """Run the cells that have no record yet; trainings side by side, timed cells alone.

    Raises:
        UserError: a number of jobs below 0, or a record that cannot be read.
    """
    if jobs is not None and jobs < 0:
        raise UserError(f"--jobs takes 0 or more, got {jobs}")
    started = time.perf_counter()
    tell = on_event or (lambda event: None)
    outcome = Outcome()
    todo = []
    for plan in plans:
        if is_done(plan, overwrite):
            outcome.found += 1
            tell(Event("skipped", plan))
        else:
            todo.append(plan)
    if jobs is None and plans:
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        jobs = 1 if plans[0].device != "cpu" else max(1, (cores or 1) // plans[0].threads)
    together = [plan for plan in todo if plan.cell.part == "score"]
    alone = [plan for plan in todo if plan.cell.part == "cost"]
    if jobs == 0:
        for plan in together + alone:
            _run_here(plan, tell, outcome)
    else:
        with _Pool(jobs or 1, tell, outcome) as pool:
            pool.run(together, jobs or 1)
            pool.run(alone, 1)
    for plan in plans:
        path = record_path(plan.folder, plan.cell)
        if path.is_file():
            record = read_record(path)
            outcome.records.append((path, record))
            if record.status != "done":
                message = record.error.message if record.error else record.status
                outcome.problems.append((plan.cell.title, f"{record.status}: {message}"))
    outcome.seconds = time.perf_counter() - started
    return outcome


def is_done(plan: Plan, overwrite: Overwrite = "missing") -> bool:
    """Whether the plan's record is there and need not be made again."""
    path = record_path(plan.folder, plan.cell)
    if overwrite == "all" or not path.is_file():
        return False
    if overwrite == "costs":
        return plan.cell.part != "cost"
    return overwrite == "missing" or read_record(path).status == "done"


def _run_here(plan: Plan, tell: Callable[[Event], None], outcome: Outcome) -> None:
    tell(Event("started", plan))
    try:
        record = run_plan(plan, lambda epoch, epochs: tell(Event("epoch", plan, epoch, epochs)))
    except UserError as error:
        outcome.problems.append((plan.cell.title, str(error)))
        return
    outcome.made += 1
    tell(Event("finished", plan, record=record))


def _work(connection: Connection) -> None:
    """A worker: receive a plan, run it, send what happens, until told to stop."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides
    threading.Thread(target=_follow_parent, daemon=True).start()

    def tell(*message: Any) -> None:
        try:
            connection.send(message)
        except OSError:
            os._exit(1)  # nobody listens any more: the cell is to be run again, not to fail

    tell("ready", None, None)
    while (plan := connection.recv()) is not None:
        try:
            record = run_plan(plan, lambda epoch, epochs: tell("epoch", epoch, epochs))
            tell("finished", record.model_copy(update={"history": []}), None)
        except UserError as error:
            tell("problem", str(error), None)


def _follow_parent() -> None:
    """End this process as soon as the one that started it is gone, even within a cell."""
    parent = mp.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


class _Worker:
    """A process with the connection to it and the plan it works on."""

    def __init__(self, context: Any):
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=_work, args=(theirs,), daemon=False)
        self.process.start()
        theirs.close()
        self.plan: Plan | None = None
        self.ready = False

    def give(self, plan: Plan) -> None:
        self.plan = plan
        self.connection.send(plan)

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


class _Pool:
    """Workers that outlive their cells, so that libraries are imported once.

    A worker that dies (killed for memory, say) leaves a failed record for its cell, and another
    takes its place.
    """

    def __init__(self, jobs: int, tell: Callable[[Event], None], outcome: Outcome):
        method = "forkserver" if "forkserver" in mp.get_all_start_methods() else "spawn"
        self.context = mp.get_context(method)
        if method == "forkserver":
            self.context.set_forkserver_preload(["benchmark.preload"])
        self.jobs, self.tell, self.outcome = jobs, tell, outcome
        self.workers: list[_Worker] = []

    def __enter__(self) -> "_Pool":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        for worker in self.workers:
            worker.stop(now=kind is not None)

    def run(self, plans: Sequence[Plan], jobs: int) -> None:
        """Run plans on at most `jobs` workers; the others are stopped first."""
        waiting = deque(plans)
        while len(self.workers) > jobs:
            self.workers.pop().stop()
        while waiting or any(worker.plan for worker in self.workers):
            while waiting and len(self.workers) < min(jobs, len(plans)):
                self.workers.append(_Worker(self.context))
            for worker in self.workers:
                if worker.plan is None and waiting:
                    plan = waiting.popleft()
                    worker.give(plan)
                    self.tell(Event("started", plan))
            busy = [worker for worker in self.workers if worker.plan]
            ready = wait([w.connection for w in busy] + [w.process.sentinel for w in busy])
            for worker in busy:
                if worker.connection in ready or worker.process.sentinel in ready:
                    self._listen(worker)

    def _listen(self, worker: _Worker) -> None:
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
        if kind == "epoch":
            self.tell(Event("epoch", plan, value, extra))
            return
        worker.plan = None
        if kind == "problem":
            self.outcome.problems.append((plan.cell.title, value))
            return
        self.outcome.made += 1
        self.tell(Event("finished", plan, record=value))

    def _bury(self, worker: _Worker, plan: Plan) -> None:
        """Write the record of a cell whose worker died, and drop the worker."""
        worker.process.join()
        if not worker.ready:
            raise UserError(
                "a worker process ended while it started; if a script of yours calls run(), put "
                "the call below `if __name__ == '__main__':`, or pass jobs=0"
            )
        code = worker.process.exitcode or 0
        reason = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        hint = "; it was probably out of memory, try fewer --jobs" if code == -9 else ""
        record = failed(plan, RuntimeError(f"the worker process died with {reason}{hint}"))
        self.workers.remove(worker)
        worker.connection.close()
        try:
            write_record(plan.folder, record, {})
        except UserError as error:
            self.outcome.problems.append((plan.cell.title, str(error)))
            return
        self.outcome.made += 1
        self.tell(Event("finished", plan, record=record))


def all_records(folder: Path) -> list[tuple[Path, Record]]:
    """Every record below an output folder."""
    if not (folder / "records").is_dir():
        raise UserError(f"{folder} holds no records; `affectbench run -o {folder}` makes some")
    return list(find_records(folder))
