"""Many cells: what can be known before, then trainings side by side, then what is timed, alone."""

import importlib
import json
import math
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple

from benchmark.config import Protocol
from benchmark.errors import UserError, cut
from benchmark.records.record import Epoch, Failure, Record
from benchmark.records.store import (
    all_records,
    check_writable,
    read_record,
    record_path,
    write_record,
)
from benchmark.running.cell import complete, failed, run_cell
from benchmark.running.engines.local import Pool
from benchmark.running.plan import Plan, cached_dataset, plan_grid
from benchmark.running.preflight import Verdict, preflight

Overwrite = Literal["missing", "failed", "costs", "all"]
ATTEMPTS = 2  # at a cell that is interrupted, until it is left to the user
TIME_LIMIT = 360.0  # minutes
TABLES = "leaderboard.report", "leaderboard.runs"  # of the folder above, known by name alone


@dataclass(frozen=True)
class Event:
    """Something to show of a cell: how it proceeds, or what is wrong with its model or record."""

    kind: Literal["skipped", "started", "epoch", "finished", "declined", "broken", "unreadable"]
    plan: Plan
    epoch: Epoch | None = None
    epochs: int = 0
    record: Record | None = None
    sentence: str = ""


class Problem(NamedTuple):
    """Why a cell has no result."""

    title: str
    sentence: str
    traceback: str = ""


@dataclass
class Outcome:
    """What came of a grid.

    Attributes:
        records: of every cell of the grid, found or made, in the order of the plans.
        made: cells that were run now.
        found: cells whose record was there.
        declined: dataset and model, and why the model cannot be trained on that data.
        problems: cells that failed, diverged, were interrupted or have no record.
        interrupted: the run was stopped by the keyboard; the same call continues it.
        seconds: wall time.
    """

    records: list[tuple[Path, Record]] = field(default_factory=list)
    made: int = 0
    found: int = 0
    declined: list[tuple[str, str]] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    interrupted: bool = False
    seconds: float = 0.0


def run(
    *,
    models: Sequence[str] = ("all",),
    group: Sequence[str] = (),
    datasets: Sequence[str] = ("synthetic",),
    seeds: int | Sequence[int] = 3,
    protocol: str | Protocol = "quick",
    precision: Literal["fp32", "tf32", "bf16"] | None = None,
    settings: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None,
    data: str | Path | None = None,
    text_encoder: str = "",
    device: str = "cpu",
    threads: int = 1,
    plugins: Sequence[str | Path] = (),
    folder: str | Path = "results",
    jobs: int | None = None,
    overwrite: Overwrite = "missing",
    time_limit: float | None = TIME_LIMIT,
    on_event: Callable[[Event], None] | None = None,
    tables: bool = False,
) -> Outcome:
    """Plan a grid and run it: all that `affectbench run` does.

    Args:
        models: registered names, or `all`; models of the plugins come along. One that is named and
            declines a dataset is an error; of `all` it is left out there.
        group: further names, left out where they decline.
        datasets: names of datasets; `name@folds` cross-validates, seed s on fold s.
        seeds: how many, from 0, or which.
        protocol: `quick`, `standard`, the path of a TOML or JSON file, or the rules themselves.
        precision: instead of the protocol's; its results stand in a table of their own.
        settings: key or `model.key` -> value, for every chosen model that knows the key; a list of
            such mappings runs every one of them.
        data: folder of the datasets; by default the variable AFFECTBENCH_DATA.
        text_encoder: local folder, hub name or empty, for tokens and for the token models.
        device: `cpu`, `cuda` or `cuda:n`.
        threads: processor threads of one cell.
        plugins: files that register further models.
        folder: where records go.
        jobs: worker processes; 0 runs in this process, None takes one a core (one on a GPU), and
            0 for models whose class has no file, as in a notebook.
        overwrite: which existing records to run again: `missing` those that were interrupted once,
            `failed` those without a result, `costs` those of costs, `all`. A record with a result
            is replaced by one with a result only.
        time_limit: minutes after which a cell in a worker process is ended; None for any time.
        on_event: called in this process as cells proceed.
        tables: also write the tables and plots of all records in the folder.

    Raises:
        UserError: an unknown name or setting, data that cannot be trained on, a folder that cannot
            be written to.
    """
    plans = plan_grid(
        models=models,
        group=group,
        datasets=datasets,
        seeds=seeds,
        protocol=protocol,
        precision=precision,
        settings=settings,
        data=data,
        text_encoder=text_encoder,
        device=device,
        threads=threads,
        plugins=plugins,
        folder=folder,
    )
    outcome = execute(
        plans, jobs=jobs, overwrite=overwrite, time_limit=time_limit, on_event=on_event
    )
    if tables:
        report = importlib.import_module(TABLES[0])
        report.write_leaderboard(all_records(plans[0].folder), plans[0].folder)
    return outcome


def to_frame(folder: str | Path) -> Any:
    """All numbers of the records below an output folder, a pandas row for each cell and metric."""
    return importlib.import_module(TABLES[1]).to_frame(Path(folder))


def execute(
    plans: Sequence[Plan],
    *,
    jobs: int | None = None,
    overwrite: Overwrite = "missing",
    time_limit: float | None = TIME_LIMIT,
    on_event: Callable[[Event], None] | None = None,
) -> Outcome:
    """Run the cells that have no record yet; trainings side by side, timed cells alone.

    Before the first of them every model is built for its data, and the cheap promises of models
    from outside are tried.

    Raises:
        UserError: a number of jobs below 0, a time limit of none, a folder that cannot be written
            to, or nothing that can be trained.
    """
    if jobs is not None and jobs < 0:
        raise UserError(f"--jobs takes 0 or more, got {jobs}")
    if time_limit is not None and not 0 < time_limit < math.inf:
        raise UserError(f"--time-limit takes minutes above 0, got {time_limit}")
    started = time.perf_counter()
    for folder in {plan.folder for plan in plans}:
        check_writable(folder)
    work = _Work(on_event or (lambda event: None))
    todo = work.missing(plans, overwrite)
    for plan in plans:
        if plan.declined:
            work.decline(plan, plan.declined)
    try:
        if todo:
            _run(work, todo, _count_jobs(plans, jobs), time_limit)
    except KeyboardInterrupt:
        work.outcome.interrupted = True
    work.collect(plans)
    work.outcome.seconds = time.perf_counter() - started
    return work.outcome


def _count_jobs(plans: Sequence[Plan], jobs: int | None) -> int:
    homeless = sorted({plan.cell.model for plan in plans if not plan.file})
    if homeless and jobs:
        raise UserError(
            f"{', '.join(homeless)} is defined in an interactive session, which worker processes "
            f"cannot import; pass jobs=0 or put the class into a file"
        )
    if jobs is not None or homeless:
        return jobs or 0
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return 1 if plans[0].device != "cpu" else max(1, (cores or 1) // plans[0].threads)


def _run(work: "_Work", todo: Sequence[Plan], jobs: int, limit: float | None) -> None:
    """Preflight, then all score cells, then all cost cells one by one."""
    for place in {(p.dataset, p.data, p.text_encoder, p.protocol.standardise) for p in todo}:
        cached_dataset(*place).verify_test()
    firsts = list({_subject(plan): plan for plan in reversed(todo)}.values())[::-1]
    if jobs == 0:
        for plan in firsts:
            work.hear(plan, "verdict", preflight(plan), None)
        for plan in work.accepted(todo):
            work.run_here(plan)
        return
    with Pool(work.hear, None if limit is None else 60 * limit) as pool:
        pool.run("preflight", firsts, jobs)
        accepted = work.accepted(todo)
        together = [plan for plan in accepted if not plan.cell.timed]
        alone = [plan for plan in accepted if plan.cell.timed]
        pool.run("cell", together, jobs, work.start)
        pool.run("cell", alone, 1, work.start)


def _subject(plan: Plan) -> str:
    """What a preflight is about: a model with its settings and a dataset."""
    parts = [plan.cell.model, plan.cell.dataset, plan.settings, plan.text_encoder]
    return json.dumps(parts, default=str)


class _Work:
    """What becomes of the cells of a grid, told and kept."""

    def __init__(self, tell: Callable[[Event], None]):
        self.tell = tell
        self.outcome = Outcome()
        self.verdicts: dict[str, Verdict] = {}
        self.made: dict[str, Record] = {}  # by key of the cell
        self.unwritten: dict[str, str] = {}  # key -> why no record could be written

    def missing(self, plans: Sequence[Plan], overwrite: Overwrite) -> list[Plan]:
        """The plans whose cells are to be run."""
        todo = []
        for plan in plans:
            if plan.declined:
                continue
            try:
                done = _is_done(plan, overwrite)
            except UserError as error:
                done = False
                sentence = f"{error}; it is run now, and what is there is kept as *.bad"
                self.tell(Event("unreadable", plan, sentence=sentence))
            if done:
                self.outcome.found += 1
                self.tell(Event("skipped", plan))
            else:
                todo.append(plan)
        return todo

    def start(self, plan: Plan) -> None:
        self.tell(Event("started", plan))

    def hear(self, plan: Plan, kind: str, value: Any, extra: Any) -> None:
        """Take a message about a plan; see `benchmark.running.engines.local`."""
        if kind == "epoch":
            self.tell(Event("epoch", plan, value, extra))
        elif kind == "finished":
            self._finished(plan, value)
        elif kind == "problem":
            self.unwritten[plan.cell.key] = value
        elif kind == "verdict":
            self._judge(plan, value)
        elif _subject(plan) not in self.verdicts:
            self.verdicts[_subject(plan)] = Verdict()  # its cells will say what is wrong
        else:
            self._bury(plan, kind, value)

    def accepted(self, plans: Sequence[Plan]) -> list[Plan]:
        """The plans that can be run, each with the promises that its model breaks.

        Raises:
            UserError: a model that was named declines, or there is nothing to run and none was
                done before.
        """
        kept, refused = [], []
        for plan in plans:
            verdict = self.verdicts[_subject(plan)]
            if not verdict.declined:
                kept.append(replace(plan, broken=verdict.broken))
            elif plan.asked:
                refused.append(verdict.declined)
        if not kept and not self.outcome.found:
            refused = refused or [sentence for _, sentence in self.outcome.declined]
        if refused:
            raise UserError("; ".join(dict.fromkeys(refused)))
        return kept

    def run_here(self, plan: Plan) -> None:
        """Run a cell in this process."""
        self.start(plan)
        try:
            record = run_cell(plan, lambda epoch, epochs: self.hear(plan, "epoch", epoch, epochs))
        except UserError as error:
            self.hear(plan, "problem", str(error), None)
            return
        self._finished(plan, record)

    def collect(self, plans: Sequence[Plan]) -> None:
        """Read the records of all plans, and say of each that has none or no result why."""
        for plan in plans:
            verdict = self.verdicts.get(_subject(plan), Verdict())
            if plan.declined or verdict.declined:
                continue
            made = self.made.get(plan.cell.key)
            path = record_path(plan.folder, plan.cell if made is None else made.cell)
            kept, missing = None, self.unwritten.get(plan.cell.key, "")
            try:
                kept = read_record(path)
                self.outcome.records.append((path, kept))
            except UserError as error:
                missing = missing or (str(error) if os.path.lexists(path) else _gone(plan))
            record = made or kept
            if record is not None and record.status == "done" and not missing:
                continue
            if self.outcome.interrupted and record is None:
                continue
            problem = _problem(plan, record, missing)
            if kept is not None and kept.status == "done":
                problem = problem._replace(sentence=f"{problem.sentence}; the earlier result stays")
            self.outcome.problems.append(problem)

    def _judge(self, plan: Plan, verdict: Verdict) -> None:
        self.verdicts[_subject(plan)] = verdict
        if verdict.declined:
            self.decline(plan, verdict.declined)
        for name, sentence in verdict.broken.items():
            self.tell(Event("broken", plan, sentence=f"promise {name!r}: {sentence}"))

    def decline(self, plan: Plan, reason: str) -> None:
        """Tell that a model is left out on a dataset, and keep it for the notes of the tables."""
        title = f"{plan.cell.dataset}/{plan.cell.model}"
        self.outcome.declined.append((title, reason))
        self.tell(Event("declined", plan, sentence=reason))
        if plan.asked or _stands(plan, reason):
            return
        why = Failure(type="Declined", message=cut(reason, 1000))
        record = complete(plan, Record(cell=plan.cell, status="declined", error=why), 0.0)
        write_record(plan.folder, record, {})

    def _bury(self, plan: Plan, kind: str, reason: str) -> None:
        """Write the record of a cell whose worker ended."""
        error = TimeoutError(reason) if kind == "late" else RuntimeError(reason)
        record = complete(plan, failed(plan, error), 0.0)
        if kind == "killed":
            attempts = 1 + _attempts(plan)
            record = record.model_copy(update={"status": "interrupted", "attempts": attempts})
        try:
            write_record(plan.folder, record, {})
        except UserError as problem:
            self.unwritten[plan.cell.key] = str(problem)
            return
        self._finished(plan, record)

    def _finished(self, plan: Plan, record: Record) -> None:
        self.made[plan.cell.key] = record
        self.outcome.made += 1
        self.tell(Event("finished", plan, record=record))


def _stands(plan: Plan, reason: str) -> bool:
    """Whether there is a record already that says so."""
    try:
        record = read_record(record_path(plan.folder, plan.cell))
    except UserError:
        return False
    return record.error is not None and record.error.message == cut(reason, 1000)


def _attempts(plan: Plan) -> int:
    """How often the cell was interrupted until now."""
    try:
        record = read_record(record_path(plan.folder, plan.cell))
    except UserError:
        return 0
    return record.attempts if record.status == "interrupted" else 0


def _gone(plan: Plan) -> str:
    return (
        f"there is no record of it in {plan.folder}, from which something was removed meanwhile; "
        f"the same command runs it again"
    )


def _problem(plan: Plan, record: Record | None, missing: str) -> Problem:
    """Why a cell has no result, or no new one."""
    title = plan.cell.title
    if missing or record is None:
        return Problem(title, missing)
    sentence = f"{record.status}: {record.error.message if record.error else 'no result'}"
    if record.status == "interrupted":
        again = record.attempts < ATTEMPTS
        sentence += "; the same command tries once more" if again else "; --overwrite failed tries"
        sentence += "" if again else f" again after {record.attempts} attempts"
    return Problem(title, sentence, record.error.traceback if record.error else "")


def is_done(plan: Plan, overwrite: Overwrite = "missing") -> bool:
    """Whether the plan's record is there and need not be made again."""
    try:
        return _is_done(plan, overwrite)
    except UserError:
        return False


def _is_done(plan: Plan, overwrite: Overwrite) -> bool:
    """The same.

    Raises:
        UserError: what is there is no record.
    """
    path = record_path(plan.folder, plan.cell)
    if not os.path.lexists(path):
        return False
    record = read_record(path)
    if record.status == "declined":  # it is taken now
        return False
    if overwrite == "all" or (record.status == "interrupted" and record.attempts < ATTEMPTS):
        return False
    if overwrite == "costs":
        return not plan.cell.timed
    return overwrite == "missing" or record.status == "done"
