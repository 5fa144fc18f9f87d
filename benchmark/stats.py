"""Spread, intervals, paired tests and ranks of scores; randomness comes in as a Generator.

A vector of scores is `(runs,)`, one value a seed, or `(samples,)`, one a test utterance; a matrix
is `(runs, samples)` for one model on one test set, or `(models, tasks)` for ranks. Scores are
finite: a cell that failed or an undefined metric is left out by the caller, who says so.

SciPy is imported where it is called: tables need little of it, and it takes a while.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from benchmark.errors import UserError

Array = NDArray[Any]
Floats = NDArray[np.float64]
Statistic = Callable[[Array], float | None]


@dataclass(frozen=True, slots=True)
class Interval:
    """A confidence interval, both ends in the unit of the scores."""

    low: float
    high: float


def mean(values: ArrayLike) -> float | None:
    """Mean of `(runs,)`; None without a run."""
    scores = _vector(values)
    return float(scores.mean()) if len(scores) else None


def standard_deviation(values: ArrayLike) -> float | None:
    """Sample deviation (divisor runs - 1) of `(runs,)`; None for fewer than two runs."""
    scores = _vector(values)
    return float(scores.std(ddof=1)) if len(scores) > 1 else None


def t_interval(values: ArrayLike, *, level: float = 0.95) -> Interval | None:
    """Student interval of the mean over `(runs,)`; None for fewer than two runs.

    It speaks of other seeds on the same data, not of other data.
    """
    scores = _vector(values)
    _check_level(level)
    if len(scores) < 2:
        return None
    error = float(scores.std(ddof=1)) / len(scores) ** 0.5
    reach = _t_quantile((1 + level) / 2, len(scores) - 1) * error
    centre = float(scores.mean())
    return Interval(centre - reach, centre + reach)


def bootstrap_interval(
    values: ArrayLike,
    *,
    generator: np.random.Generator,
    statistic: Statistic = np.mean,
    groups: ArrayLike | None = None,
    repetitions: int = 2000,
    level: float = 0.95,
) -> Interval | None:
    """Percentile bootstrap (Efron, 1979) over the first axis of `values`.

    Args:
        values: `(runs,)`, `(samples,)` or `(samples, ...)`; for a metric of utterances, label and
            prediction side by side, with a statistic that takes them apart.
        generator: the only source of randomness.
        statistic: of the drawn rows to a float; draws where it is None or NaN are left out.
        groups: video or speaker of each row `(samples,)`; whole groups are drawn then, because
            utterances of one video resemble each other and single draws give too short intervals.
        repetitions: number of draws.
        level: share of the draws within the interval.

    Returns:
        The interval, or None without a row or a defined draw.

    Raises:
        UserError: values are not finite, or the groups do not fit.
    """
    rows = _finite(values)
    _check_level(level)
    codes = _codes(groups, len(rows))
    if not len(codes):
        return None
    draws = [statistic(rows[_draw(codes, generator)]) for _ in range(repetitions)]
    return _percentiles(draws, level)


def nested_bootstrap_interval(
    values: ArrayLike,
    *,
    generator: np.random.Generator,
    statistic: Statistic = np.mean,
    groups: ArrayLike | None = None,
    repetitions: int = 2000,
    level: float = 0.95,
) -> Interval | None:
    """Percentile bootstrap over seeds and utterances at once, of the statistic's mean over seeds.

    All seeds share one test set, so each repetition draws the samples once and uses them for every
    seed it drew.

    Args:
        values: `(runs, samples)` or `(runs, samples, ...)`.
        generator: the only source of randomness.
        statistic: of the drawn rows `(samples, ...)` of one run to a float.
        groups: video or speaker of each sample `(samples,)`; whole groups are drawn then.
        repetitions: number of draws.
        level: share of the draws within the interval.

    Returns:
        The interval, or None without a run, a sample or a defined draw.

    Raises:
        UserError: values are not finite, there is one axis only, or the groups do not fit.
    """
    scores = _finite(values)
    _check_level(level)
    if scores.ndim < 2:
        raise UserError(f"a nested bootstrap needs values (runs, samples), got {scores.shape}")
    codes = _codes(groups, scores.shape[1])
    if not len(codes) or not len(scores):
        return None
    draws: list[float | None] = []
    for _ in range(repetitions):
        index = _draw(codes, generator)
        runs = generator.integers(len(scores), size=len(scores))
        chosen = [statistic(scores[run][index]) for run in runs]
        defined = [value for value in chosen if value is not None]
        draws.append(float(np.mean(defined)) if defined else None)
    return _percentiles(draws, level)


def permutation_test(
    first: ArrayLike,
    second: ArrayLike,
    *,
    generator: np.random.Generator,
    groups: ArrayLike | None = None,
    repetitions: int = 10_000,
) -> float:
    """Two-sided p-value that paired scores have the same mean, by flipping signs of differences.

    Exact where all sign patterns are no more than `repetitions` (13 pairs by default), otherwise
    from random patterns with the observed one counted in (Phipson and Smyth, 2010). With n pairs
    the smallest possible value is 2 / 2**n: five seeds cannot reach 0.05.

    Args:
        first: scores of one model, `(runs,)` of common seeds or `(samples,)` of one test set.
        second: scores of the other model, in the same order.
        generator: the only source of randomness.
        groups: video or speaker `(samples,)`; the differences of a group are flipped together.
        repetitions: random patterns.

    Raises:
        UserError: the vectors differ in length, are empty or not finite.
    """
    difference = _difference(first, second)
    sums: Floats = np.bincount(_codes(groups, len(difference)), weights=difference).astype(
        np.float64
    )
    (p_value,) = permutation_tests(sums[None], generator=generator, repetitions=repetitions)
    return float(p_value)


def permutation_tests(
    differences: ArrayLike, *, generator: np.random.Generator, repetitions: int = 10_000
) -> Floats:
    """The p-values of `permutation_test` for several tests at once, `(tests,)`.

    Args:
        differences: of paired scores, `(tests, pairs)`; all tests share the sign patterns.
        generator: the only source of randomness.
        repetitions: random patterns, where not all are tried.

    Raises:
        UserError: there is no pair, or a difference is not finite.
    """
    sums = _finite(differences)
    if sums.ndim != 2 or not sums.shape[1]:
        raise UserError(f"differences must be (tests, pairs) of a pair at least, got {sums.shape}")
    count = sums.shape[1]
    if 2**count <= repetitions:
        signs = _all_signs(count)
        return np.asarray(_as_extreme(sums, signs) / len(signs), np.float64)
    extreme, block = np.zeros(len(sums), np.int64), 1000
    for start in range(0, repetitions, block):
        size = min(block, repetitions - start)
        extreme += _as_extreme(sums, _signs(generator, size, count))
    return np.asarray((extreme + 1) / (repetitions + 1), np.float64)


def sign_test(first: ArrayLike, second: ArrayLike) -> float:
    """Two-sided p-value that either score of a pair is the larger equally often; ties are dropped.

    Args:
        first: scores of one model, `(runs,)` or `(samples,)`, or `(types,)` of corruptions.
        second: scores of the other model, in the same order.

    Raises:
        UserError: the vectors differ in length, are empty or not finite.
    """
    difference = _difference(first, second)
    better, worse = int((difference > 0).sum()), int((difference < 0).sum())
    if not better + worse:
        return 1.0
    from scipy.stats import binomtest

    return float(binomtest(better, better + worse).pvalue)


def wilcoxon_test(first: ArrayLike, second: ArrayLike) -> float:
    """Two-sided p-value of Wilcoxon's signed ranks of paired scores; 1 if all pairs are equal.

    Args:
        first: scores of one model, `(runs,)` or `(samples,)`.
        second: scores of the other model, in the same order.

    Raises:
        UserError: the vectors differ in length, are empty or not finite.
    """
    difference = _difference(first, second)
    if not difference.any():
        return 1.0
    from scipy.stats import wilcoxon

    return float(wilcoxon(difference).pvalue)


def holm(p_values: ArrayLike) -> Floats:
    """P-values `(tests,)` adjusted for their number (Holm, 1979), in the order they came.

    Raises:
        UserError: a value is not finite or outside [0, 1].
    """
    values = _vector(p_values)
    if ((values < 0) | (values > 1)).any():
        raise UserError(f"a p-value must lie in [0, 1], got {values.min()} to {values.max()}")
    order = np.argsort(values, kind="stable")
    steps = values[order] * np.arange(len(values), 0, -1)
    adjusted = np.empty_like(values)
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1)
    return adjusted


def average_ranks(scores: ArrayLike, *, higher_is_better: bool | ArrayLike = True) -> Floats:
    """Mean rank `(models,)` over the tasks, 1 the best; equal scores share their mean rank.

    Args:
        scores: `(models, tasks)`; a task may be a dataset, a metric of one, or a seed.
        higher_is_better: one direction for all tasks, or one for each `(tasks,)`.

    Raises:
        UserError: scores are no finite matrix; leave a model or a task out where one is missing.
    """
    matrix = _finite(scores)
    if matrix.ndim != 2 or not matrix.size:
        raise UserError(f"ranks need scores (models, tasks), got {matrix.shape}")
    directions = np.broadcast_to(np.asarray(higher_is_better, bool), matrix.shape[1:])
    from scipy.stats import rankdata

    ranks: Floats = rankdata(np.where(directions, -matrix, matrix), axis=0)
    average: Floats = ranks.mean(axis=1)
    return average


def _finite(values: ArrayLike) -> Floats:
    scores = np.asarray(values, np.float64)
    wrong = int((~np.isfinite(scores)).sum())
    if wrong:
        raise UserError(f"{wrong} scores are NaN or infinite; leave undefined values out first")
    return scores


def _vector(values: ArrayLike) -> Floats:
    scores = _finite(values)
    if scores.ndim != 1:
        raise UserError(f"scores must be one vector, got the shape {scores.shape}")
    return scores


def _difference(first: ArrayLike, second: ArrayLike) -> Floats:
    one, other = _vector(first), _vector(second)
    if len(one) != len(other) or not len(one):
        raise UserError(
            f"paired scores must be equally many and at least one, got {len(one)} and {len(other)}"
        )
    return one - other


@lru_cache(maxsize=256)
def _t_quantile(share: float, freedom: int) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(freedom, share))


def _check_level(level: float) -> None:
    if not 0 < level < 1:
        raise UserError(f"a confidence level lies between 0 and 1, got {level}")


def _codes(groups: ArrayLike | None, count: int) -> NDArray[np.intp]:
    """Number of each row's group `(count,)`; every row is its own where none are given."""
    if groups is None:
        return np.arange(count)
    names = np.asarray(groups)
    if names.shape != (count,):
        raise UserError(f"groups must name one group a row ({count},), got {names.shape}")
    return np.unique(names, return_inverse=True)[1]


def _draw(codes: NDArray[np.intp], generator: np.random.Generator) -> NDArray[np.intp]:
    """Rows of as many groups as there are, drawn with replacement; a group comes whole."""
    groups = int(codes.max()) + 1
    times = np.bincount(generator.integers(groups, size=groups), minlength=groups)
    return np.repeat(np.arange(len(codes)), times[codes])


def _percentiles(draws: list[float | None], level: float) -> Interval | None:
    defined = [value for value in draws if value is not None and not np.isnan(value)]
    if not defined:
        return None
    low, high = np.quantile(defined, ((1 - level) / 2, (1 + level) / 2))
    return Interval(float(low), float(high))


def _signs(generator: np.random.Generator, patterns: int, count: int) -> Floats:
    """Random patterns, `(patterns, count)`."""
    return np.asarray(2.0 * generator.integers(2, size=(patterns, count)) - 1, np.float64)


@lru_cache(maxsize=2)
def _all_signs(count: int) -> Floats:
    """Every pattern of signs, `(2 ** count, count)`."""
    return np.asarray(2.0 * (np.arange(2**count)[:, None] >> np.arange(count) & 1) - 1)


def _as_extreme(sums: Floats, signs: Floats) -> NDArray[np.int64]:
    """Of each test `(tests, groups)` the sign patterns `(patterns, groups)` that are as extreme.

    Their total is no nearer to 0 than the observed one.
    """
    # Without the margin, patterns equal to the observed one are lost to rounding.
    least = np.abs(sums.sum(axis=1)) - 1e-12 * np.abs(sums).sum(axis=1)
    return np.asarray((np.abs(signs @ sums.T) >= least).sum(axis=0))
