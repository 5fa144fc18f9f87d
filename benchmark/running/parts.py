"""What is done for a cell, by its part: a score trains and evaluates, a cost is timed alone."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmark.config import TrainConfig
from benchmark.datasets.dataset import Dataset
from benchmark.errors import UserError
from benchmark.evaluation import EvaluationContext, in_label_units
from benchmark.metrics import refuse_impossible
from benchmark.model import Model
from benchmark.records.measurements import Measurements, collect
from benchmark.records.parts import COST, SCORE
from benchmark.records.record import Epoch, Failure, Record
from benchmark.registry import create_model, ensure_model, get_evaluation, load_plugin
from benchmark.running.plan import Plan, cached_dataset
from benchmark.system.environment import seed_everything
from benchmark.training.loop import TrainingResult, train
from benchmark.training.predict import predict

Arrays = dict[str, NDArray[Any]]
Measured = tuple[Record, Arrays]
OnEpoch = Callable[[Epoch, int], None] | None


def load_plugins(plan: Plan) -> None:
    """Load what registers the model of a plan, and for a foreign one all plugins.

    Raises:
        UserError: a file is missing or fails to import.
    """
    if plan.foreign:
        for plugin in plan.plugins:
            load_plugin(plugin)
    ensure_model(plan.cell.model, plan.file)


def build(plan: Plan) -> tuple[Dataset, Model]:
    """The dataset and the model as initialised, on the device of the plan.

    Raises:
        UserError: the model cannot be built for this data, or the data changed since the plan.
    """
    dataset = load(plan)
    return dataset, create(plan, dataset)


def load(plan: Plan) -> Dataset:
    """The dataset of a plan.

    Raises:
        UserError: it changed since the plan.
    """
    dataset = cached_dataset(plan.dataset, plan.data, plan.text_encoder, plan.protocol.standardise)
    if dataset.fingerprint != plan.cell.fingerprint:
        raise UserError(
            f"dataset {dataset.name} changed since the run was planned; run the command again"
        )
    return dataset


def create(plan: Plan, dataset: Dataset) -> Model:
    """The model of a plan as initialised.

    Raises:
        UserError: it cannot be built for this data.
    """
    seed_everything(plan.cell.seed)
    return create_model(plan.cell.model, dataset.dims, **plan.settings).to(plan.device)


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


def _evaluate(plan: Plan, context: EvaluationContext) -> Measurements:
    """What the evaluations of the protocol say that belong to the plan's part."""
    entries = [get_evaluation(name) for name in plan.protocol.evaluations]
    return collect(
        {
            entry.name: (entry.function(context), entry.columns)
            for entry in entries
            if entry.timed == plan.cell.timed
        }
    )


def measure_cost(plan: Plan, on_epoch: OnEpoch) -> Measured:
    """Build the model and run the timed evaluations on it as it was initialised."""
    dataset, model = build(plan)
    measurements = _evaluate(plan, _context(plan, dataset, model))
    return Record(cell=plan.cell, status="done", measurements=measurements), {}


def measure_score(plan: Plan, on_epoch: OnEpoch) -> Measured:
    """Train, select on validation, open the test split once and run the other evaluations."""
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
    arrays: Arrays = {"train_id": dataset.train.ids, "train_order": result.seen}
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
) -> tuple[Measurements, Arrays]:
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
    return _evaluate(plan, context), {
        "valid_id": dataset.valid.ids,
        "valid_label": dataset.valid.label,
        "valid_prediction": valid_prediction,
        "test_id": test.ids,
        "test_label": test.label,
        "test_prediction": prediction,
    }


MEASURE: dict[str, Callable[[Plan, OnEpoch], Measured]] = {
    SCORE.name: measure_score,
    COST.name: measure_cost,
}
