"""The evaluation `robustness`: curves over corruption levels, missing modalities, their scores."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.batch import MODALITIES
from benchmark.datasets.dataset import Split
from benchmark.evaluation import EvaluationContext
from benchmark.metrics import evaluate_metrics
from benchmark.registry import register_evaluation
from benchmark.task import Task
from robustness.corruptions import CORRUPTIONS, SUITE, corrupt, fingerprint, release
from robustness.missing import REMOVALS, present
from robustness.scores import at_level, drop, mean, mean_over_levels, retention, shapley, skill

SKILL_METRIC = {"regression": "mae", "multiclass": "accuracy", "multilabel": "accuracy"}
WORST_CASE_LEVEL = 0.5

Metrics = dict[str, float | None]
Predictions = NDArray[np.float32]


@register_evaluation("robustness")
def robustness(context: EvaluationContext) -> dict[str, Any]:
    """Score the one selected checkpoint on corrupted copies of the test split.

    At level 0 every number is computed from `context.prediction`, so it equals the clean one.

    Returns:
        `suite`, `skill_metric`; `prior`: metrics of the constant predictor; `curves`: corruption
        -> levels and metric -> `[level][noise seed]`; `skill`: corruption -> levels and mean over
        noise seeds; `mean_skill`: corruption -> mean over levels; `stability`: corruption ->
        levels, `flip_rate` and `shift`; `missing`: what is missing -> metrics and skill;
        `reliance`: modality -> `drop` where it alone is missing and `shapley`; `manifest`:
        corruption -> hash of the arrays at the highest level; `summary`. Undefined is None.
    """
    test, clean = context.test, context.prediction
    if test is None or clean is None:
        raise ValueError("robustness needs the opened test split and its predictions")
    scorer = _Scorer.of(context.dataset.task, context.dataset.train.label, test.label)
    curves = {
        name: _curve(context, test, clean, scorer, name)
        for name in context.protocol.corruptions
        if name not in REMOVALS  # all of them are measured below, whatever is asked for
    }
    missing = _missing(context, test, clean, scorer)
    release()
    mean_skills = {
        name: mean_over_levels(curve["levels"], curve["skill"]) for name, curve in curves.items()
    }
    return {
        "suite": SUITE,
        "skill_metric": scorer.name,
        "prior": scorer.prior,
        "curves": _pick(curves, "metrics"),
        "skill": {
            name: {"levels": curve["levels"], "values": curve["skill"]}
            for name, curve in curves.items()
        },
        "mean_skill": mean_skills,
        "stability": _pick(curves, "flip_rate", "shift"),
        "manifest": {name: curve["manifest"] for name, curve in curves.items()},
        "missing": missing,
        "reliance": _reliance(missing),
        "summary": _summary(curves, mean_skills, scorer.skill(scorer.metrics(clean))),
    }


@dataclass(frozen=True, slots=True)
class _Scorer:
    """Metrics and skill of predictions on the test labels."""

    task: Task
    label: NDArray[Any]
    prior: Metrics

    @classmethod
    def of(cls, task: Task, train_label: NDArray[Any], label: NDArray[Any]) -> "_Scorer":
        constant = prior_prediction(task, train_label, len(label))
        return cls(task, label, evaluate_metrics(task, label=label, prediction=constant))

    @property
    def name(self) -> str:
        return SKILL_METRIC[self.task.kind]

    def metrics(self, prediction: Predictions) -> Metrics:
        return evaluate_metrics(self.task, label=self.label, prediction=prediction)

    def skill(self, metrics: Mapping[str, float | None]) -> float | None:
        return skill(self.name, metrics[self.name], self.prior[self.name])

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
    levels = list(context.protocol.levels)
    seeds = range(context.protocol.noise_seeds)
    scored: dict[tuple[float, int], Metrics] = {}
    flips: dict[tuple[float, int], float | None] = {}
    shifts: dict[tuple[float, int], float | None] = {}
    manifest = ""
    # A model promises that a modality it does not declare changes nothing (check `modalities`).
    reads = bool(set(CORRUPTIONS[name].modalities) & set(context.model.modalities))
    for seed in seeds:  # the levels of one seed share its draws, so they come next to each other
        for level in levels:
            noisy = corrupt(test, name, level, dataset=context.dataset, noise_seed=seed)
            prediction = context.predict(noisy) if reads and level > 0 else clean
            if seed == 0 and level == max(levels):
                manifest = fingerprint(noisy, CORRUPTIONS[name].modalities)
            scored[level, seed] = scorer.metrics(prediction)
            flips[level, seed] = float(
                (scorer.decisions(prediction) != scorer.decisions(clean)).mean()
            )
            shifts[level, seed] = (
                float(np.abs(prediction - clean).mean()) if clean.ndim == 1 else None
            )
    return {
        "levels": levels,
        "metrics": {
            metric: [[scored[level, seed][metric] for seed in seeds] for level in levels]
            for metric in scorer.prior
        },
        "skill": [mean(scorer.skill(scored[level, seed]) for seed in seeds) for level in levels],
        "flip_rate": [mean(flips[level, seed] for seed in seeds) for level in levels],
        "shift": [mean(shifts[level, seed] for seed in seeds) for level in levels],
        "manifest": manifest,
    }


def _missing(
    context: EvaluationContext, test: Split, clean: Predictions, scorer: _Scorer
) -> dict[str, Metrics]:
    measured: dict[str, Metrics] = {}
    for name, gone in REMOVALS.items():
        prediction = clean
        if set(gone) & set(context.model.modalities):
            remaining = corrupt(test, name, 1.0, dataset=context.dataset, noise_seed=0)
            prediction = context.predict(remaining)
        metrics = scorer.metrics(prediction)
        measured[name] = {**metrics, "skill": scorer.skill(metrics)}
    return measured


def _reliance(missing: Mapping[str, Metrics]) -> dict[str, Metrics]:
    skills = {present(name): metrics["skill"] for name, metrics in missing.items()}
    full = frozenset(MODALITIES)
    shares = shapley({frozenset(): 0.0, **skills}, MODALITIES)
    return {
        name: {"drop": drop(skills[full], skills[full - {name}]), "shapley": shares[name]}
        for name in MODALITIES
    }


def _summary(
    curves: Mapping[str, Mapping[str, Any]],
    mean_skills: Mapping[str, float | None],
    clean_skill: float | None,
) -> Metrics:
    mean_skill = mean(mean_skills.values())
    at_worst = [
        at_level(curve["levels"], curve["skill"], WORST_CASE_LEVEL) for curve in curves.values()
    ]
    known = [value for value in at_worst if value is not None]

    def average(key: str) -> float | None:
        return mean(mean_over_levels(curve["levels"], curve[key]) for curve in curves.values())

    return {
        "clean_skill": clean_skill,
        "mean_skill": mean_skill,
        "drop": drop(clean_skill, mean_skill),
        "retention": retention(clean_skill, mean_skill),
        "worst_case": min(known) if known and len(known) == len(at_worst) else None,
        "flip_rate": average("flip_rate"),
        "shift": average("shift"),
    }


def _pick(curves: Mapping[str, Mapping[str, Any]], *keys: str) -> dict[str, dict[str, Any]]:
    return {
        name: {"levels": curve["levels"], **{key: curve[key] for key in keys}}
        for name, curve in curves.items()
    }
