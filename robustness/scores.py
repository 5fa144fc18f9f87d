"""Scores of a robustness curve: skill, mean over levels, drop, retention, reliance."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations, pairwise
from math import factorial

import numpy as np

from benchmark.errors import UserError

ERRORS = ("mae", "mse")
CORRELATIONS = ("corr",)
LEAST_CLEAN_SKILL = 0.1


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


def shapley(
    scores: Mapping[frozenset[str], float | None], players: Sequence[str]
) -> dict[str, float | None]:
    """Shapley value of each modality: its mean contribution over all orders of adding them.

    Args:
        scores: skill with exactly these modalities present, for all 2^M subsets; the empty set
            is the prior, skill 0.
        players: names of the M modalities.

    Returns:
        Modality -> value; together they sum to the score of the full set minus that of the empty
        one. None for all where a score is undefined.
    """
    known = {subset: score for subset, score in scores.items() if score is not None}
    if len(known) < len(scores):
        return dict.fromkeys(players)
    total = factorial(len(players))
    values: dict[str, float | None] = {}
    for player in players:
        others = [name for name in players if name != player]
        value = 0.0
        for size in range(len(players)):
            weight = factorial(size) * factorial(len(others) - size) / total
            for chosen in combinations(others, size):
                subset = frozenset(chosen)
                value += weight * (known[subset | {player}] - known[subset])
        values[player] = value
    return values
