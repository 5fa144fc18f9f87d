"""The evaluation `robustness`: curves over corruption levels, and missing modalities."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.datasets.dataset import Split
from benchmark.evaluation import EvaluationContext
from benchmark.metrics import evaluate_metrics
from benchmark.registry import register_evaluation
from benchmark.task import Task
from robustness.corruptions import SUITE, corrupt, find_corruption, fingerprint, release
from robustness.missing import remove
from robustness.reliance import removals

SKILL_METRIC = {"regression": "mae", "multiclass": "accuracy", "multilabel": "accuracy"}

Metrics = dict[str, float | None]
Predictions = NDArray[np.float32]


@register_evaluation("robustness")
def robustness(context: EvaluationContext) -> dict[str, Any]:
    """Score the one selected checkpoint on corrupted copies of the test split.

    At level 0 every number is computed from `context.prediction`, so it equals the clean one.

    Returns:
        The fields of `benchmark.records.measurements.Robustness`; undefined is None.
    """
    test, clean = context.test, context.prediction
    if test is None or clean is None:
        raise ValueError("robustness needs the opened test split and its predictions")
    scorer = _Scorer.of(context.dataset.task, context.dataset.train.label, test.label)
    modalities = tuple(context.dataset.train.modalities)
    gone = removals(modalities)
    curves = {
        name: _curve(context, test, clean, scorer, name)
        for name in context.protocol.corruptions
        if name not in gone  # all of them are measured below, whatever is asked for
    }
    missing = _missing(context, test, clean, scorer, gone)
    manifest = {name: curve.pop("manifest") for name, curve in curves.items()}
    release()
    return {
        "suite": SUITE,
        "skill_metric": SKILL_METRIC[context.dataset.task.kind],
        "modalities": list(modalities),
        "prior": scorer.prior,
        "curves": curves,
        "missing": missing,
        "manifest": manifest,
    }


@dataclass(frozen=True, slots=True)
class _Scorer:
    """Metrics and decisions of predictions on the test labels."""

    task: Task
    label: NDArray[Any]
    prior: Metrics

    @classmethod
    def of(cls, task: Task, train_label: NDArray[Any], label: NDArray[Any]) -> "_Scorer":
        constant = prior_prediction(task, train_label, len(label))
        return cls(task, label, evaluate_metrics(task, label=label, prediction=constant))

    def metrics(self, prediction: Predictions) -> Metrics:
        return evaluate_metrics(self.task, label=self.label, prediction=prediction)

    def decisions(self, prediction: Predictions) -> NDArray[Any]:
        """Non-negative or not, the class, or the yes-no labels."""
        if self.task.kind == "regression":
            return prediction >= self.task.neutral
        if self.task.kind == "multiclass":
            return np.asarray(prediction.argmax(axis=1))
        return prediction > 0


def prior_prediction(task: Task, train_label: NDArray[Any], samples: int) -> Predictions:
    """What one predicts from the training labels alone.

    Args:
        task: the kind of labels.
        train_label: labels of the training split.
        samples: how many predictions are wanted, N.

    Returns:
        Their median `(N,)`, or logits `(N, C)` of the majority class or of each label's majority.
    """
    if task.kind == "regression":
        return np.full(samples, np.median(train_label), dtype=np.float32)
    if task.kind == "multiclass":
        majority = np.bincount(train_label, minlength=task.outputs).argmax()
        logits = np.eye(task.outputs, dtype=np.float32)[majority]
    else:
        logits = np.where(train_label.mean(axis=0) > 0.5, 1, -1).astype(np.float32)
    return np.tile(logits, (samples, 1))


def _curve(
    context: EvaluationContext, test: Split, clean: Predictions, scorer: _Scorer, name: str
) -> dict[str, Any]:
    corruption = find_corruption(name, test)
    levels = list(context.protocol.levels) if corruption.graded else [0.0, 1.0]
    seeds = range(context.protocol.noise_seeds)
    scored: dict[tuple[float, int], Metrics] = {}
    flips: dict[tuple[float, int], float] = {}
    shifts: dict[tuple[float, int], float] = {}
    manifest = ""
    # A model promises that a modality it does not declare changes nothing (check `modalities`).
    reads = bool(set(corruption.modalities) & set(context.model.modalities))
    for seed in seeds:  # the levels of one seed share its draws, so they come next to each other
        for level in levels:
            noisy = corrupt(test, name, level, dataset=context.dataset, noise_seed=seed)
            prediction = context.predict(noisy) if reads and level > 0 else clean
            if seed == 0 and level == max(levels):
                manifest = fingerprint(noisy, corruption.modalities)
            scored[level, seed] = scorer.metrics(prediction)
            flips[level, seed] = float(
                (scorer.decisions(prediction) != scorer.decisions(clean)).mean()
            )
            shifts[level, seed] = float(np.abs(prediction - clean).mean())

    def over_seeds(values: Mapping[tuple[float, int], float]) -> list[float]:
        return [float(np.mean([values[level, seed] for seed in seeds])) for level in levels]

    return {
        "levels": levels,
        "metrics": {
            metric: [[scored[level, seed][metric] for seed in seeds] for level in levels]
            for metric in scorer.prior
        },
        "flip_rate": over_seeds(flips),
        "shift": over_seeds(shifts) if clean.ndim == 1 else [None] * len(levels),
        "manifest": manifest,
    }


def _missing(
    context: EvaluationContext,
    test: Split,
    clean: Predictions,
    scorer: _Scorer,
    removed: Mapping[str, tuple[str, ...]],
) -> dict[str, Metrics]:
    """Metrics by what is missing; what the model does not read makes no difference to it."""
    known: dict[frozenset[str], Metrics] = {frozenset(): scorer.metrics(clean)}
    measured: dict[str, Metrics] = {}
    for name, gone in removed.items():
        felt = frozenset(gone).intersection(context.model.modalities)
        if felt not in known:
            remaining = remove(test, gone, context.dataset)
            known[felt] = scorer.metrics(context.predict(remaining))
        measured[name] = known[felt]
    return measured
