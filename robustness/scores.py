"""Scores that follow from what the evaluation `robustness` stores; none is stored itself."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from benchmark.errors import UserError
from benchmark.records.measurements import (
    CLEAN,
    LARGEST,
    Curve,
    Robustness,
    removal_name,
    removed,
)
from robustness.reliance import worth

Summary = dict[str, float | None]

ERRORS = ("mae", "mse")
CORRELATIONS = ("corr",)
LEAST_CLEAN_SKILL = 0.1
WORST_CASE_LEVEL = 0.5


@dataclass(frozen=True, slots=True)
class Scores:
    """What follows from the curves and the missing modalities of one record; None is undefined.

    Attributes:
        curves: corruption -> levels, each with the mean skill over noise seeds.
        mean_skill: corruption -> mean of that over the levels.
        missing: what is missing -> skill.
        drop: modality -> skill lost where it alone is missing.
        shapley: modality -> its share of the skill.
        shapley_error: modality -> standard error of that; empty where it is no estimate.
        summary: `clean_skill`, then over all corruptions `mean_skill`, `drop`, `retention`,
            `worst_case`, `flip_rate` and `shift`.
    """

    curves: dict[str, list[tuple[float, float | None]]]
    mean_skill: Summary
    missing: Summary
    drop: Summary
    shapley: Summary
    shapley_error: Summary
    summary: Summary


def score(measured: Robustness) -> Scores:
    """All scores of a record, at full precision."""
    name, prior = measured.skill_metric, measured.prior[measured.skill_metric]

    def defined(value: float | None) -> float | None:
        return value if value is not None and abs(value) <= LARGEST else None

    def own_skill(value: float | None) -> float | None:
        return defined(skill(name, value, prior))

    curves = measured.curves
    by_level = {
        key: [mean(map(own_skill, values)) for values in curve.metrics[name]]
        for key, curve in curves.items()
    }
    missing = {key: own_skill(metrics[name]) for key, metrics in measured.missing.items()}
    mean_skill = {key: mean_over_levels(curves[key].levels, by_level[key]) for key in curves}
    modalities = measured.modalities
    skills: dict[frozenset[str], float | None] = {frozenset(): 0.0}
    for key, value in missing.items():
        skills[frozenset(modalities).difference(removed(key, modalities))] = value
    shares, errors = worth(skills, modalities)
    return Scores(
        curves={
            key: list(zip(curve.levels, by_level[key], strict=True))
            for key, curve in curves.items()
        },
        mean_skill=mean_skill,
        missing=missing,
        drop={key: drop(missing[CLEAN], missing.get(removal_name([key]))) for key in modalities},
        shapley=shares,
        shapley_error=errors,
        summary=_summary(curves, by_level, mean_skill, missing[CLEAN]),
    )


def _summary(
    curves: Mapping[str, Curve],
    by_level: Mapping[str, Sequence[float | None]],
    mean_skill: Summary,
    clean: float | None,
) -> Summary:
    overall = mean(mean_skill.values())
    at_worst = [
        at_level(curve.levels, by_level[key], WORST_CASE_LEVEL) for key, curve in curves.items()
    ]
    known = [value for value in at_worst if value is not None]

    def average(key: str) -> float | None:
        return mean(
            mean_over_levels(curve.levels, getattr(curve, key)) for curve in curves.values()
        )

    return {
        "clean_skill": clean,
        "mean_skill": overall,
        "drop": drop(clean, overall),
        "retention": retention(clean, overall),
        "worst_case": min(known) if known and len(known) == len(at_worst) else None,
        "flip_rate": average("flip_rate"),
        "shift": average("shift"),
    }


def skill(metric: str, value: float | None, prior: float | None) -> float | None:
    """Where a score lies between a predictor that knows the training labels only and perfection.

    Args:
        metric: name of the metric; `mae` and `mse` are errors, `corr` a correlation, all others
            accuracy-like: best at 1. A prefix before an underscore (`sims_mae`) is allowed.
        value: the score, None where undefined.
        prior: the same metric of the constant predictor (majority class or median of the
            training labels, scored on test); not used for a correlation.

    Returns:
        1 - value / prior for an error, (value - prior) / (1 - prior) for an accuracy, the value
        itself for a correlation (0 where it is undefined: a constant predicts nothing). 0 is
        useless, 1 is perfect; not clipped. None where the value is undefined or the prior is
        already perfect.
    """
    kind = metric.rpartition("_")[2]
    if kind in CORRELATIONS:
        return 0.0 if value is None else value
    if value is None or prior is None:
        return None
    if kind in ERRORS:
        return None if prior == 0 else 1 - value / prior
    return None if prior == 1 else (value - prior) / (1 - prior)


def mean(values: Iterable[float | None]) -> float | None:
    """The arithmetic mean; None where there are no values or one of them is undefined."""
    known = list(values)
    if not known or any(value is None for value in known):
        return None
    return float(np.mean(np.array(known, dtype=np.float64)))


def mean_over_levels(levels: Sequence[float], values: Sequence[float | None]) -> float | None:
    """M: the trapezoid integral over the actual levels, divided by their range.

    Args:
        levels: increasing levels `(K,)`.
        values: a metric or skill at each, `(K,)`.

    Returns:
        A number in the unit of the values; with a single level its value; None where a value is
        undefined.

    Raises:
        UserError: no level, levels that do not increase, or another number of values.
    """
    area = auilc(levels, values)
    if len(levels) == 1:
        return values[0]
    return None if area is None else area / (levels[-1] - levels[0])


def drop(clean: float | None, mean_value: float | None) -> float | None:
    """What is lost on average, clean - M, for a score of which more is better."""
    return None if clean is None or mean_value is None else clean - mean_value


def retention(clean_skill: float | None, mean_skill: float | None) -> float | None:
    """Share of the clean skill that remains; None where the clean skill is below 0.1."""
    if clean_skill is None or mean_skill is None or clean_skill < LEAST_CLEAN_SKILL:
        return None
    return mean_skill / clean_skill


def at_level(levels: Sequence[float], values: Sequence[float | None], level: float) -> float | None:
    """The curve at a level, linear between its points; None outside them or where undefined."""
    if not levels or not levels[0] <= level <= levels[-1] or any(v is None for v in values):
        return None
    return float(np.interp(level, levels, np.array(values, dtype=np.float64)))


def mb_relative_raw(values: Sequence[float]) -> float:
    """MultiBench's relative robustness before scaling: step 0.1 whatever the grid was."""
    return float(sum(0.1 * (left + right) / 2 for left, right in pairwise(values)))


def auilc(levels: Sequence[float], values: Sequence[float | None]) -> float | None:
    """Area under the curve over its range, not divided by it (TFR-Net, EMT-DLFR).

    Raises:
        UserError: no level, levels that do not increase, or another number of values.
    """
    if not levels or len(levels) != len(values) or (np.diff(levels) <= 0).any():
        raise UserError(
            f"a curve needs increasing levels with a value each, got levels {list(levels)} and "
            f"{len(values)} values; list the levels in order, each once"
        )
    if any(value is None for value in values):
        return None
    known = np.array(values, dtype=np.float64)
    return float(np.sum(np.diff(levels) * (known[1:] + known[:-1]) / 2))


def lnln_mean(values: Sequence[float | None]) -> float | None:
    """Plain mean of the values at the levels (LNLN)."""
    return mean(values)
