"""From one plan to its record, whatever happens on the way."""

import multiprocessing
import os
import sys
import time
import traceback
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch

from benchmark.errors import UserError, cut, told
from benchmark.records.record import Epoch, Failure, Record
from benchmark.records.store import write_record
from benchmark.running.parts import MEASURE, load_plugins
from benchmark.running.plan import Plan
from benchmark.running.state import State, unchanged
from benchmark.system.environment import ROOT, environment, hardware, prepare


def run_cell(
    plan: Plan,
    on_epoch: Callable[[Epoch, int], None] | None = None,
) -> Record:
    """Run one cell and write its record; a failure is a record too.

    Flags, folder and environment of this process are as before when it returns.

    Raises:
        UserError: the record cannot be written.
    """
    started = time.perf_counter()
    process = os.getpid()
    with unchanged():
        try:
            load_plugins(plan)
            prepare(plan.device, plan.threads, plan.protocol.precision)
            prepared = State()
            plan = with_hardware(plan)
            record, arrays = MEASURE[plan.cell.part](plan, on_epoch)
            if not plan.foreign and (changes := prepared.changes()):
                warnings.warn(f"{plan.cell.model} changed {', '.join(changes)}", stacklevel=2)
        except BaseException as error:
            if is_interrupt(error):
                raise
            record, arrays = failed(plan, error), {}
        if os.getpid() != process:  # a process that the model forked has come this far
            os._exit(1)
        record = complete(plan, record, time.perf_counter() - started)
    try:
        write_record(plan.folder, record, arrays)
    except UserError:
        raise
    except (ValueError, TypeError, RecursionError) as error:  # measurements that JSON cannot hold
        record = complete(plan, failed(plan, error), record.wall_seconds)
        write_record(plan.folder, record, {})
    return record


def with_hardware(plan: Plan) -> Plan:
    """The plan of a timed cell with the hardware of this process, which is prepared for it."""
    if not plan.cell.timed:
        return plan
    here = hardware(plan.device, torch.get_num_threads(), plan.protocol.precision)
    return replace(plan, cell=plan.cell.model_copy(update={"hardware": here}))


def is_interrupt(error: BaseException) -> bool:
    """Whether the user stops the run; in a worker only a model can raise it."""
    return isinstance(error, KeyboardInterrupt) and multiprocessing.parent_process() is None


def complete(plan: Plan, record: Record, seconds: float) -> Record:
    """The record with all that the plan knows."""
    return record.model_copy(
        update={
            "wall_seconds": seconds,
            "task": plan.task,
            "exempt": plan.exempt,
            "display": plan.display,
            "changed": plan.changed,
            "broken": plan.broken,
            "recipe": plan.recipe,
            "environment": environment(plan.device, plan.threads, plan.protocol.precision),
        }
    )


def failed(plan: Plan, error: BaseException) -> Record:
    """The record of a cell that raised; paths in the traceback are relative."""
    text = "".join(traceback.format_exception(error))
    for folder, name in ((str(ROOT), "."), (sys.prefix, "<environment>"), (str(Path.home()), "~")):
        text = text.replace(folder, name)
    return Record(
        cell=plan.cell,
        status="failed",
        error=Failure(
            type=cut(type(error).__name__, 200),
            message=told(error),
            traceback=cut(text.encode("utf-8", "backslashreplace").decode(), 50_000),
        ),
    )
