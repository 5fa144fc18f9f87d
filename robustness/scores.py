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
    over_levels = {
        key: _over_levels(curve.levels, by_level[key], curve.flip_rate, curve.shift)
        for key, curve in curves.items()
    }
    mean_skill = {key: values[0] for key, values in over_levels.items()}
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
        summary=_summary(curves, by_level, list(over_levels.values()), missing[CLEAN]),
    )


def _summary(
    curves: Mapping[str, Curve],
    by_level: Mapping[str, Sequence[float | None]],
    over_levels: Sequence[Sequence[float | None]],
    clean: float | None,
) -> Summary:
    overall, flip_rate, shift = (mean(values[n] for values in over_levels) for n in range(3))
    at_worst = [
        at_level(curve.levels, by_level[key], WORST_CASE_LEVEL) for key, curve in curves.items()
    ]
    known = [value for value in at_worst if value is not None]
    return {
        "clean_skill": clean,
        "mean_skill": overall,
        "drop": drop(clean, overall),
        "retention": retention(clean, overall),
        "worst_case": min(known) if known and len(known) == len(at_worst) else None,
        "flip_rate": flip_rate,
        "shift": shift,
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
    listed = list(values)
    known = [value for value in listed if value is not None]
    if not known or len(known) < len(listed):
        return None
    if len(known) == 1:
        return known[0] + 0.0  # a mean is never -0
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
    _check_levels(levels, values)
    return _over_levels(levels, values)[0]


def _over_levels(levels: Sequence[float], *rows: Sequence[float | None]) -> list[float | None]:
    """The same for several rows of values over the same levels."""
    if len(levels) == 1:
        return [values[0] for values in rows]
    areas = _areas(levels, *rows)
    return [None if area is None else area / (levels[-1] - levels[0]) for area in areas]


def _areas(levels: Sequence[float], *rows: Sequence[float | None]) -> list[float | None]:
    """By the trapezoid rule; None where a value is undefined."""
    known = [row for row in rows if None not in row]
    values = np.array(known, dtype=np.float64).reshape(len(known), len(levels))
    areas = np.sum(np.diff(levels) * (values[:, 1:] + values[:, :-1]) / 2, axis=1).tolist()
    return [None if None in row else areas.pop(0) for row in rows]


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
    if not levels or not levels[0] <= level <= levels[-1] or None in values:
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
    _check_levels(levels, values)
    return _areas(levels, values)[0]


def _check_levels(levels: Sequence[float], values: Sequence[float | None]) -> None:
    if not levels or len(levels) != len(values) or (np.diff(levels) <= 0).any():
        raise UserError(
            f"a curve needs increasing levels with a value each, got levels {list(levels)} and "
            f"{len(values)} values; list the levels in order, each once"
        )


def lnln_mean(values: Sequence[float | None]) -> float | None:
    """Plain mean of the values at the levels (LNLN)."""
    return mean(values)
