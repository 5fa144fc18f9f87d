"""From one plan to its record: load, train, open the test split, measure."""

import multiprocessing
import os
import sys
import time
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmark.config import TrainConfig
from benchmark.datasets.dataset import Dataset
from benchmark.environment import ROOT, environment, prepare, seed_everything
from benchmark.errors import UserError, cut, told
from benchmark.evaluation import EvaluationContext, in_label_units
from benchmark.metrics import refuse_impossible
from benchmark.model import Model
from benchmark.records.record import Epoch, Failure, Record
from benchmark.records.store import write_record
from benchmark.registry import (
    create_model,
    ensure_model,
    get_evaluation,
    load_plugin,
)
from benchmark.running.plan import Plan, cached_dataset
from benchmark.running.state import State, unchanged
from benchmark.training.loop import TrainingResult, train
from benchmark.training.predict import predict


def run_plan(
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
            run = _run_cost if plan.cell.part == "cost" else _run_score
            record, arrays = run(plan, on_epoch)
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


def load_plugins(plan: Plan) -> None:
    """Load what registers the model of a plan, and for a foreign one all plugins.

    Raises:
        UserError: a file is missing or fails to import.
    """
    if plan.foreign:
        for plugin in plan.plugins:
            load_plugin(plugin)
    ensure_model(plan.cell.model, plan.file)


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


def build(plan: Plan) -> tuple[Dataset, Model]:
    """The dataset and the model as initialised, on the device of the plan.

    Raises:
        UserError: the model cannot be built for this data, or the data changed since the plan.
    """
    dataset = cached_dataset(
        plan.dataset,
        plan.data,
        plan.text_encoder,
        plan.protocol.standardise,
    )
    if dataset.fingerprint != plan.cell.fingerprint:
        raise UserError(
            f"dataset {dataset.name} changed since the run was planned; run the command again"
        )
    seed_everything(plan.cell.seed)
    model = create_model(plan.cell.model, dataset.dims, **plan.settings)
    return dataset, model.to(plan.device)


def _context(plan: Plan, dataset: Dataset, model: Model, **changes: Any) -> EvaluationContext:
    values: dict[str, Any] = {"test": None, "prediction": None, "valid_prediction": None}
    return EvaluationContext(
        model=model,
        dataset=dataset,
        config=TrainConfig(**plan.cell.config),
        protocol=plan.protocol,
        device=torch.device(plan.device),
        settings=plan.settings,
        name=plan.cell.model,
        seed=plan.cell.seed,
        **{**values, **changes},
    )


def _run_cost(
    plan: Plan, on_epoch: Callable[[Epoch, int], None] | None
) -> tuple[Record, dict[str, NDArray[Any]]]:
    dataset, model = build(plan)
    context = _context(plan, dataset, model)
    measurements = {
        name: get_evaluation(name).function(context)
        for name in plan.protocol.evaluations
        if get_evaluation(name).timed
    }
    return Record(cell=plan.cell, status="done", measurements=measurements), {}


def _run_score(
    plan: Plan, on_epoch: Callable[[Epoch, int], None] | None
) -> tuple[Record, dict[str, NDArray[Any]]]:
    dataset, model = build(plan)
    result = train(
        model,
        dataset.train.batch(plan.device, centre=dataset.task.centre),
        dataset.valid.batch(plan.device, centre=dataset.task.centre),
        config=TrainConfig(**plan.cell.config),
        protocol=plan.protocol,
        seed=plan.cell.seed,
        on_epoch=on_epoch,
    )
    arrays: dict[str, NDArray[Any]] = {"train_id": dataset.train.ids, "train_order": result.seen}
    if result.training.stopped == "diverged":
        last = len(result.history)
        error = Failure(
            type="Diverged",
            message=f"NaN or infinity in the loss or the predictions of epoch {last}",
        )
        return (
            Record(
                cell=plan.cell,
                status="diverged",
                history=result.history,
                training=result.training,
                error=error,
            ),
            arrays,
        )
    measurements, predictions = _open_test(plan, dataset, model, result)
    record = Record(
        cell=plan.cell,
        status="done",
        history=result.history,
        training=result.training,
        measurements=measurements,
    )
    return record, {**arrays, **predictions}


def _open_test(
    plan: Plan, dataset: Dataset, model: Model, result: TrainingResult
) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Open the test split, once, after the selection, and evaluate the one checkpoint on it."""
    test = dataset.open_test()
    trained_on = dataset.train.ids[np.unique(result.seen)]
    leaked = set(test.ids) & set(trained_on)
    if leaked:
        raise RuntimeError(
            f"{len(leaked)} test samples were seen by an optimiser step, the first "
            f"{sorted(leaked)[0]!r}; the splits of {dataset.name} overlap"
        )
    prediction = predict(
        model,
        test.batch(plan.device),
        batch_size=plan.protocol.evaluation_batch,
        precision=plan.protocol.precision,
    )
    prediction = in_label_units(prediction, dataset.task)
    if not np.isfinite(prediction).all():
        raise RuntimeError("the selected checkpoint predicts NaN or infinity on the test split")
    refuse_impossible(dataset.task, test.label, prediction, test.oracle)
    valid_prediction = in_label_units(result.valid_prediction, dataset.task)
    context = _context(
        plan,
        dataset,
        model,
        test=test,
        prediction=prediction,
        valid_prediction=valid_prediction,
    )
    measurements = {
        name: get_evaluation(name).function(context)
        for name in plan.protocol.evaluations
        if not get_evaluation(name).timed
    }
    return measurements, {
        "valid_id": dataset.valid.ids,
        "valid_label": dataset.valid.label,
        "valid_prediction": valid_prediction,
        "test_id": test.ids,
        "test_label": test.label,
        "test_prediction": prediction,
    }


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
