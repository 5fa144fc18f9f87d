"""Comparisons of rows as data: over seeds, folds and samples."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmark.metrics import METRICS, evaluate_metrics, sample_scores
from benchmark.records.store import find_records, write_record
from benchmark.stats import holm, permutation_test, t_interval
from benchmark.task import multiclass, regression
from leaderboard import comparisons as module
from leaderboard.build import build_tables
from leaderboard.comparisons import PairedTest
from leaderboard.render.csv import comparisons
from leaderboard.report import write_leaderboard
from leaderboard.samples import compare_samples
from leaderboard.table import Table
from tests.table_records import build, cost_record, lost_record, measured, score_record

SAMPLES = 60


def scores(count: int = 10) -> dict[str, list[float]]:
    generator = np.random.default_rng(0)
    return {
        name: (mean + 0.02 * generator.normal(size=count)).tolist()
        for name, mean in (("a", 0.5), ("b", 0.505), ("c", 0.7))
    }


def table_of(found: dict[str, list[float]], **changes: Any) -> Table:
    return build(
        *(
            score_record(name, seed, metrics={"mae": value}, **changes)
            for name, values in found.items()
            for seed, value in enumerate(values)
        )
    )


def test_the_best_is_compared_with_every_other_ranked_row() -> None:
    found = scores()
    table = table_of(found)
    best = min(found, key=lambda name: float(np.mean(found[name])))
    family = [one for one in table.comparisons if one.metric == "mae"]
    assert {(one.first, one.second) for one in family} == {(best, n) for n in "abc" if n != best}
    for one in family:
        first, second = np.array(found[one.first]), np.array(found[one.second])
        assert (one.table, one.split, one.unit, one.count) == ("toy-quick", "test", "seed", 10)
        assert one.effect == pytest.approx(float((first - second).mean()), abs=1e-15)
        interval = t_interval(first - second)
        assert interval is not None
        assert (one.low, one.high) == (interval.low, interval.high)
        assert one.p == permutation_test(first, second, generator=np.random.default_rng(0))
    assert [one.adjusted for one in family] == holm([one.p for one in family]).tolist()
    similar = {label for (label, key), mark in table.marks.items() if mark.similar and key == "mae"}
    assert similar == {one.second for one in family if one.adjusted > 0.05}
    assert len(similar) == 1


def test_rows_that_are_not_ranked_and_costs_are_not_compared() -> None:
    table = build(
        *(score_record("a", seed) for seed in range(3)),
        *(score_record("b", seed, metrics={"mae": 0.9}) for seed in range(3)),
        *(score_record("prior", seed, stopped="untrainable") for seed in range(3)),
        score_record("lost", 0),
        lost_record("lost", 1, "failed"),
        cost_record("a"),
        cost_record("b", 2.0),
    )
    assert {label for one in table.comparisons for label in (one.first, one.second)} == {"a", "b"}
    metrics = {one.metric for one in table.comparisons}
    assert {"mae", "mean_skill", "skill.missing.text"} <= metrics
    assert not metrics & {"latency_p50", "training_seconds", "parameters"}


def test_rows_with_fewer_than_two_common_runs_are_not_compared_and_take_every_mark() -> None:
    found = scores(10)
    rows = [score_record(n, s, metrics={"mae": v}) for n in "ab" for s, v in enumerate(found[n])]
    others = [score_record("d", 20 + s, metrics={"mae": 0.9}) for s in range(5)]
    table = build(*rows, *others)
    compared = {n for one in table.comparisons for n in (one.first, one.second)}
    assert compared == {"a", "b"}
    assert not any(mark.similar for mark in table.marks.values())
    assert build(score_record("a"), score_record("b")).comparisons == ()


def test_a_single_family_may_have_rows_with_different_runs() -> None:
    found = scores(10) | {"d": scores(6)["c"]}
    family = {one.second: one for one in table_of(found).comparisons if one.metric == "mae"}
    assert family["d"].count == 6
    assert family["c"].count == 10
    assert family["d"].p == pytest.approx(2 / 2**6)


def test_runs_of_folds_are_pairs_of_folds() -> None:
    found = scores(6)
    records = [
        score_record(name, s, metrics={"mae": v}, dataset="toy@folds", fold=s)
        for name, values in found.items()
        for s, v in enumerate(values)
    ]
    assert {one.unit for one in build(*records).comparisons} == {"fold"}


def test_another_test_is_one_object(monkeypatch: pytest.MonkeyPatch) -> None:
    def sure(differences: np.ndarray) -> np.ndarray:
        return np.full(len(differences), 0.01)

    monkeypatch.setattr(module, "TEST", PairedTest("oracle's test", sure, lambda pairs: 0.0))
    table = table_of(scores(5))
    assert {one.p for one in table.comparisons} == {0.01}
    assert {one.test for one in table.comparisons} == {"oracle's test"}
    assert "oracle's test over seeds" in table.significance
    assert not any(mark.similar for mark in table.marks.values())


def arrays(label: np.ndarray, prediction: np.ndarray, first: int = 0) -> dict[str, np.ndarray]:
    ids = np.array([f"s{first + place}" for place in range(len(label))])
    return {"test_id": ids, "test_label": label, "test_prediction": prediction}


def write_runs(folder: Path, *, folds: bool = False, task: Any = None) -> dict[str, np.ndarray]:
    """Three models, two runs each, with predictions; absolute errors `(runs, samples)` by model."""
    task = task or regression(-3, 3)
    generator = np.random.default_rng(1)
    errors = {}
    for number, name in enumerate(("a", "b", "c")):
        own = []
        for seed in range(2):
            label = np.random.default_rng(seed if folds else 0).uniform(-3, 3, SAMPLES)
            if task.kind == "multiclass":
                label, shape = np.arange(SAMPLES) % 3, (SAMPLES, 3)
                prediction = generator.normal(size=shape)
            else:
                prediction = label + generator.normal(scale=0.5 + 0.2 * number, size=SAMPLES)
            metrics = evaluate_metrics(task, label=label, prediction=prediction)
            where = {"dataset": "toy@folds", "fold": seed} if folds else {}
            record = measured(
                score_record(name, seed, **where), accuracy={"valid": metrics, "test": metrics}
            ).model_copy(update={"task": task.to_dict()})
            write_record(folder, record, arrays(label, prediction, SAMPLES * seed * folds))
            own.append(np.abs(prediction.T - label))
        errors[name] = np.array(own)
    return errors


def only_table(folder: Path) -> Table:
    (table,) = build_tables(find_records(folder))
    return table


def test_samples_are_paired_by_their_ids_and_averaged_over_seeds(tmp_path: Path) -> None:
    errors = write_runs(tmp_path)
    family = compare_samples(only_table(tmp_path))
    assert [(one.first, one.second, one.count) for one in family] == [
        ("a", "b", SAMPLES),
        ("a", "c", SAMPLES),
    ]
    for one in family:
        first, second = errors[one.first].mean(axis=0), errors[one.second].mean(axis=0)
        assert (one.unit, one.metric, one.split) == ("sample", "mae", "test")
        assert one.effect == pytest.approx((first - second).mean())
        expected = permutation_test(first, second, generator=np.random.default_rng(0))
        assert one.p == pytest.approx(expected, abs=0.01)
    assert family[1].adjusted < 0.05


def test_samples_of_all_folds_are_taken_together(tmp_path: Path) -> None:
    errors = write_runs(tmp_path, folds=True)
    family = compare_samples(only_table(tmp_path))
    assert {one.count for one in family} == {2 * SAMPLES}
    assert family[0].effect == pytest.approx(float(errors["a"].mean() - errors["b"].mean()))


@pytest.mark.parametrize("lacking", ["npz", "test_label", "test_id", "odd"])
def test_without_the_arrays_there_are_no_lines_over_samples(tmp_path: Path, lacking: str) -> None:
    write_runs(tmp_path)
    _, record = next(iter(find_records(tmp_path)))
    kept = arrays(np.zeros(SAMPLES), np.arange(SAMPLES) / 10)
    if lacking == "odd":
        kept["test_prediction"] = np.array(["high"] * SAMPLES)
    kept.pop(lacking, None)
    write_record(tmp_path, record, {} if lacking == "npz" else kept)
    table = only_table(tmp_path)
    assert compare_samples(table) == []
    assert any(one.metric == "mae" for one in table.comparisons)
    assert "sample" not in comparisons([table], compare_samples(table))


def test_a_selecting_metric_that_is_no_mean_over_samples_has_none(tmp_path: Path) -> None:
    write_runs(tmp_path, task=multiclass("x", "y", "z"))
    table = only_table(tmp_path)
    assert table.selection == "f1_weighted"
    assert compare_samples(table) == []


def test_the_file_has_a_line_for_each_pair_at_full_precision(tmp_path: Path) -> None:
    write_runs(tmp_path)
    pairs = list(find_records(tmp_path))
    files = write_leaderboard(pairs, tmp_path)
    (path,) = [file for file in files if file.name == "comparisons.csv"]
    lines = list(csv.DictReader(path.open()))
    (table,) = build_tables(pairs)
    known = [*table.comparisons, *compare_samples(table)]
    assert len(lines) == len(known)
    for line, one in zip(lines, known, strict=True):
        assert float(line["effect"]) == one.effect
        assert (float(line["low"]), float(line["high"])) == (one.low, one.high)
        assert (float(line["p"]), float(line["adjusted"])) == (one.p, one.adjusted)
        assert (line["first"], line["second"], line["unit"]) == (one.first, one.second, one.unit)
    assert comparisons([]).startswith("table,metric,split,first,second,unit,count,effect,low,high")


@pytest.mark.parametrize("name", [name for name, metric in METRICS.items() if metric.samples])
def test_metrics_are_the_means_of_their_samples(name: str) -> None:
    metric, generator = METRICS[name], np.random.default_rng(2)
    label: Any = generator.integers(0, 3, 40)
    prediction = generator.normal(size=(40, 3))
    if metric.convention == "multilabel":
        label = generator.integers(0, 2, (40, 3))
    elif metric.convention in ("mosi", "sims"):
        label = np.round(generator.uniform(-1, 1, 40) * 5) / 5
        prediction = label + generator.normal(scale=0.3, size=40)
    values = sample_scores(metric, label=label, prediction=prediction)
    assert values.shape == (40,)
    expected = metric.function(label=label, prediction=prediction)
    assert float(values[~np.isnan(values)].mean()) == expected
    if metric.centred:
        shifted = sample_scores(metric, label=label + 3, prediction=prediction + 3, neutral=3)
        np.testing.assert_array_equal(shifted, values)
    order = generator.permutation(40)
    again = sample_scores(metric, label=label[order], prediction=prediction[order])
    np.testing.assert_array_equal(again, values[order])
