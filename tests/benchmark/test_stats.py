from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.errors import UserError
from benchmark.metrics import mae
from benchmark.stats import (
    Interval,
    average_ranks,
    bootstrap_interval,
    holm,
    mean,
    nested_bootstrap_interval,
    permutation_test,
    permutation_tests,
    sign_test,
    standard_deviation,
    t_interval,
    wilcoxon_test,
)


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def width(interval: Interval | None) -> float:
    assert interval is not None
    return interval.high - interval.low


def covers(interval: Interval | None, value: float) -> bool:
    assert interval is not None
    return interval.low <= value <= interval.high


def test_mean_and_deviation() -> None:
    assert mean([1, 2, 3, 6]) == 3
    assert standard_deviation([1, 2, 3, 6]) == pytest.approx((14 / 3) ** 0.5)
    assert mean([2]) == 2
    assert standard_deviation([2]) is None
    assert mean([]) is None
    assert t_interval([2]) is None


def test_t_interval_by_hand() -> None:
    interval = t_interval([1, 2, 3, 4, 5])
    assert interval is not None
    reach = 2.776445 * 2.5**0.5 / 5**0.5  # the 0.975 quantile of Student's t with 4 degrees
    assert (interval.low, interval.high) == pytest.approx((3 - reach, 3 + reach), abs=1e-6)
    assert width(t_interval([1, 2, 3, 4, 5], level=0.8)) < width(interval)
    assert width(t_interval([4, 4, 4])) == 0


def test_t_interval_covers_the_mean_as_often_as_it_says() -> None:
    draws = generator().normal(7, 3, (1000, 5))
    share = np.mean([covers(t_interval(row), 7) for row in draws])
    assert 0.93 < share < 0.97


def test_bootstrap_covers_the_mean() -> None:
    draws = generator().exponential(2, (150, 80))
    share = np.mean(
        [
            covers(bootstrap_interval(row, generator=generator(), repetitions=200), 2)
            for row in draws
        ]
    )
    assert 0.86 < share < 0.99


def test_grouped_bootstrap_covers_where_the_plain_one_does_not() -> None:
    source = generator()
    grouped, plain = [], []
    groups = np.repeat(np.arange(20), 10)
    for _ in range(100):
        values = np.repeat(source.normal(size=20), 10) + source.normal(0, 0.2, 200)
        grouped.append(
            covers(bootstrap_interval(values, generator=source, groups=groups, repetitions=200), 0)
        )
        plain.append(covers(bootstrap_interval(values, generator=source, repetitions=200), 0))
    assert np.mean(grouped) > 0.85
    assert np.mean(plain) < 0.7


def test_bootstrap_of_one_group_has_no_width() -> None:
    values = generator().normal(size=30)
    one = bootstrap_interval(values, generator=generator(), groups=["video"] * 30)
    assert width(one) == pytest.approx(0, abs=1e-12)
    assert covers(bootstrap_interval(values, generator=generator()), values.mean())


def test_bootstrap_of_a_mean_has_the_width_of_theory() -> None:
    values = generator().normal(size=400)
    error = values.std() / 20
    for level, reach in ((0.95, 1.96), (0.8, 1.2816)):
        interval = bootstrap_interval(values, generator=generator(), level=level)
        assert width(interval) == pytest.approx(2 * reach * error, rel=0.07)


def test_groups_are_drawn_whole() -> None:
    groups = np.array(["b", "a", "b", "c", "a", "b"])
    seen = []

    def remember(rows: np.ndarray) -> float:
        seen.append(rows)
        return 0.0

    bootstrap_interval(
        np.arange(6), generator=generator(), statistic=remember, groups=groups, repetitions=50
    )
    for rows in seen:
        times = np.bincount(rows.astype(int), minlength=6)
        assert times[0] == times[2] == times[5]
        assert times[1] == times[4]
        assert times[0] + times[1] + times[3] == 3


def test_bootstrap_of_a_metric() -> None:
    source = generator()
    label = source.normal(size=200)
    pairs = np.column_stack([label, label + source.choice((-1, 1), 200)])
    interval = bootstrap_interval(
        pairs,
        generator=source,
        statistic=lambda rows: mae(label=rows[:, 0], prediction=rows[:, 1]),
        repetitions=100,
    )
    assert interval == Interval(pytest.approx(1), pytest.approx(1))


def test_undefined_draws_are_left_out() -> None:
    values = np.array([1.0, 1, 1, 2])

    def ratio(rows: np.ndarray) -> float | None:
        return 5.0 if (rows == 2).any() else None

    assert bootstrap_interval(values, generator=generator(), statistic=ratio) == Interval(5, 5)
    nothing = bootstrap_interval(values, generator=generator(), statistic=lambda rows: None)
    assert nothing is None
    assert bootstrap_interval([], generator=generator()) is None


def test_the_generator_rules_the_bootstrap() -> None:
    values = generator().normal(size=40)
    first = bootstrap_interval(values, generator=generator(3), repetitions=100)
    assert bootstrap_interval(values, generator=generator(3), repetitions=100) == first
    assert bootstrap_interval(values, generator=generator(4), repetitions=100) != first


def test_nested_bootstrap_adds_the_spread_of_seeds() -> None:
    source = generator()
    samples = source.normal(size=100)
    seeds = source.normal(size=(5, 1))
    equal_runs = np.tile(samples, (5, 1))
    plain = bootstrap_interval(samples, generator=generator(1), repetitions=1000)
    same = nested_bootstrap_interval(equal_runs, generator=generator(1), repetitions=1000)
    wider = nested_bootstrap_interval(equal_runs + seeds, generator=generator(1), repetitions=1000)
    # Five equal runs of one test set are no more evidence than one.
    assert width(same) == pytest.approx(width(plain), rel=0.15)
    assert width(wider) > 1.5 * width(same)
    with pytest.raises(UserError, match="runs, samples"):
        nested_bootstrap_interval(samples, generator=generator())


@pytest.mark.parametrize("pairs", [1, 6, 30])
def test_several_permutation_tests_are_the_single_ones(pairs: int) -> None:
    differences = generator(pairs).normal(0.2, 1, (7, pairs))
    found = permutation_tests(differences, generator=generator())
    single = [permutation_test(row, np.zeros(pairs), generator=generator()) for row in differences]
    assert found.tolist() == single
    with pytest.raises(UserError, match="of a pair at least"):
        permutation_tests(np.zeros((3, 0)), generator=generator())


def test_permutation_test_counts_every_sign_pattern() -> None:
    difference = np.array([0.3, -0.1, 0.4, 0.2, -0.05, 0.6])
    total = abs(difference.sum())
    patterns = product((-1, 1), repeat=6)
    extreme = sum(abs(np.dot(signs, difference)) >= total - 1e-12 for signs in patterns)
    first = np.linspace(0, 1, 6)
    p_value = permutation_test(first, first - difference, generator=generator())
    assert p_value == extreme / 64


def test_five_seeds_cannot_be_significant() -> None:
    first = np.array([0.80, 0.81, 0.82, 0.79, 0.83])
    assert permutation_test(first, first - 0.1, generator=generator()) == 2 / 32
    assert sign_test(first, first - 0.1) == pytest.approx(2 / 32)
    assert wilcoxon_test(first, first - [0.1, 0.2, 0.3, 0.4, 0.5]) == pytest.approx(2 / 32)


def test_drawn_patterns_agree_with_all_patterns() -> None:
    source = generator()
    first, second = source.normal(0.4, 1, 12), source.normal(0, 1, 12)
    exact = permutation_test(first, second, generator=source)
    drawn = permutation_test(first, second, generator=source, repetitions=4000)
    assert exact == permutation_test(second, first, generator=source)
    assert drawn != exact
    assert drawn == pytest.approx(exact, abs=0.03)


@pytest.mark.parametrize("test", ["permutation", "sign", "wilcoxon"])
def test_paired_tests_hold_their_level_and_find_differences(test: str) -> None:
    source = generator(5)

    def p_value(shift: float) -> float:
        common = source.normal(size=15)  # what makes the pairs alike must cancel
        first = common + shift + source.normal(0, 0.3, 15)
        second = common + source.normal(0, 0.3, 15)
        if test == "permutation":
            return permutation_test(first, second, generator=source, repetitions=300)
        return sign_test(first, second) if test == "sign" else wilcoxon_test(first, second)

    assert np.mean([p_value(0) <= 0.05 for _ in range(300)]) < 0.085
    assert np.mean([p_value(0.6) <= 0.05 for _ in range(60)]) > 0.8


def test_groups_flip_together() -> None:
    difference = np.repeat([1.0, 1, 1], 20)
    groups = np.repeat(["a", "b", "c"], 20)
    zero = np.zeros(60)
    assert permutation_test(difference, zero, generator=generator(), groups=groups) == 2 / 8
    assert permutation_test(difference, zero, generator=generator()) == pytest.approx(1 / 10_001)


def test_equal_scores_are_no_evidence() -> None:
    scores = np.arange(6.0)
    assert permutation_test(scores, scores, generator=generator()) == 1
    assert sign_test(scores, scores) == 1
    assert wilcoxon_test(scores, scores) == 1


def test_holm_by_hand() -> None:
    adjusted = holm([0.04, 0.01, 0.03, 0.5])
    assert adjusted == pytest.approx([0.09, 0.04, 0.09, 0.5])
    assert holm([0.9, 0.8]) == pytest.approx([1, 1])
    assert holm([]).size == 0
    with pytest.raises(UserError, match="0, 1"):
        holm([0.5, 1.2])


@settings(max_examples=50, deadline=None, derandomize=True)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_lies_between_raw_and_bonferroni(values: list[float]) -> None:
    raw = np.array(values)
    adjusted = holm(raw)
    assert (adjusted >= raw).all()
    assert (adjusted <= min(1, raw.max() * len(raw)) + 1e-12).all()
    assert adjusted.max() <= 1
    order = np.argsort(raw, kind="stable")
    assert (np.diff(adjusted[order]) >= 0).all()
    assert adjusted[order[0]] == min(1, raw.min() * len(raw))


def test_average_ranks_by_hand() -> None:
    scores = [[0.9, 0.5], [0.8, 0.7], [0.8, 0.1]]
    assert average_ranks(scores) == pytest.approx([1.5, 1.75, 2.75])
    assert average_ranks(scores, higher_is_better=False) == pytest.approx([2.5, 2.25, 1.25])
    mixed = average_ranks(scores, higher_is_better=[True, False])
    assert mixed == pytest.approx([1.5, 2.75, 1.75])


def test_average_ranks_share_a_fixed_sum() -> None:
    ranks = average_ranks(generator().integers(0, 3, (6, 9)))
    assert ranks.sum() == pytest.approx(6 * 7 / 2)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: mean([1.0, np.nan]), "1 scores are NaN"),
        (lambda: mean([[1.0]]), "one vector"),
        (lambda: t_interval([1, 2], level=95), "between 0 and 1"),
        (lambda: sign_test([1, 2], [1]), "got 2 and 1"),
        (lambda: wilcoxon_test([], []), "at least one"),
        (lambda: average_ranks([1, 2]), "models, tasks"),
        (lambda: average_ranks([[1, np.nan]]), "NaN"),
        (
            lambda: bootstrap_interval([1, 2], generator=generator(), groups=["a"]),
            "one group a row",
        ),
    ],
)
def test_mistakes_are_refused_in_a_sentence(call: object, words: str) -> None:
    with pytest.raises(UserError, match=words):
        call()
