"""Paired tests as data: the best row of a column against every other one that is ranked."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from benchmark.stats import holm, permutation_tests, t_interval

Floats = NDArray[np.float64]
Unit = Literal["seed", "fold", "sample"]
FEWEST = 2  # pairs; of one there is nothing to test


@dataclass(frozen=True, slots=True)
class PairedTest:
    """A test of the hypothesis that pairs of scores have the same mean.

    Attributes:
        name: in sentences and in `comparisons.csv`.
        p_values: two-sided, of differences `(tests, pairs)`, `(tests,)`.
        least: the smallest p-value that so many pairs can have.
    """

    name: str
    p_values: Callable[[Floats], Floats]
    least: Callable[[int], float]


TEST = PairedTest(
    name="paired permutation test",
    p_values=lambda differences: permutation_tests(differences, generator=np.random.default_rng(0)),
    least=lambda pairs: 2 / 2**pairs,
)


@dataclass(frozen=True, slots=True)
class Comparison:
    """One pair of rows in one column.

    Attributes:
        table: its id.
        metric: the column, as records call it.
        split: whose samples.
        first: label of the row with the best mean.
        second: label of the other row.
        unit: what a pair is.
        count: how many pairs there are.
        effect: mean difference, first minus second, in the unit of the metric.
        low: end of the 95 % Student interval of the effect.
        high: the other end.
        p: of the test, two-sided.
        adjusted: that, for the number of rows that the best is compared with (Holm, 1979).
        test: its name.
    """

    table: str
    metric: str
    split: str
    first: str
    second: str
    unit: Unit
    count: int
    effect: float
    low: float
    high: float
    p: float
    adjusted: float
    test: str


def compare(
    table: str, metric: str, split: str, first: str, unit: Unit, pairs: Mapping[str, Floats]
) -> list[Comparison]:
    """One family of tests, which are adjusted for their number.

    Args:
        table: its id.
        metric: what is compared.
        split: whose samples.
        first: label of the best row.
        unit: what a pair is.
        pairs: label of another row -> scores `(count, 2)` of the best row and of that one.

    Returns:
        Comparisons in the order of the rows, without those that share fewer than two pairs.
    """
    differences = {
        label: pair[:, 0] - pair[:, 1] for label, pair in pairs.items() if len(pair) >= FEWEST
    }
    if not differences:
        return []
    p_values: dict[str, float] = {}
    for count in {len(values) for values in differences.values()}:
        alike = {label: values for label, values in differences.items() if len(values) == count}
        found = TEST.p_values(np.array(list(alike.values())))
        p_values |= dict(zip(alike, found.tolist(), strict=True))
    adjusted = holm([p_values[label] for label in differences]).tolist()
    comparisons = []
    for (second, values), corrected in zip(differences.items(), adjusted, strict=True):
        interval = t_interval(values)
        assert interval is not None  # there are two pairs at least
        comparisons.append(
            Comparison(
                table=table,
                metric=metric,
                split=split,
                first=first,
                second=second,
                unit=unit,
                count=len(values),
                effect=float(values.mean()),
                low=interval.low,
                high=interval.high,
                p=p_values[second],
                adjusted=corrected,
                test=TEST.name,
            )
        )
    return comparisons
