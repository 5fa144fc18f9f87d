import inspect
import json
import os
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn import metrics as reference

from benchmark import metrics
from benchmark.errors import UserError
from benchmark.metrics import (
    CONVENTIONS,
    METRICS,
    confusion7,
    evaluate_metrics,
    get_metric,
    per_label,
)
from benchmark.task import multiclass, multilabel, regression

ROOT = Path(__file__).parents[2]
PARITY = Path(os.environ.get("AFFECTBENCH_PARITY", ROOT.parent / "shared" / "parity"))
DATA = Path(os.environ.get("AFFECTBENCH_DATA", ROOT.parent / "shared" / "data"))
GOLDEN = PARITY / "metrics.npz"

PREDICTION = np.array([-3.6, -0.5, 0, 0.5, 1.5, 2.5, 0.1, -0.0], np.float32)
LABEL = np.array([-3, -1, 0, 0, 2, 2, 1, -0.2], np.float32)


def sample(convention: str, *, count: int = 60, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Labels and predictions of a convention, with ties, zeros and values out of range."""
    generator = np.random.default_rng(seed)
    if convention == "multiclass":
        label = generator.integers(0, 3, count)
        return label, generator.normal(size=(count, 3)) + np.eye(3)[label]
    if convention == "multilabel":
        label = generator.integers(0, 2, (count, 4))
        return label, generator.normal(size=(count, 4)) + label - 0.5
    limit = 3 if convention == "mosi" else 1
    label = generator.integers(-15, 16, count) / 15 * limit
    return label, label + generator.normal(0, limit / 2, count).round(1)


def classes(*, label: np.ndarray, prediction: np.ndarray) -> dict[str, np.ndarray]:
    """Class labels as arguments of the multiclass metrics."""
    return {"label": label, "prediction": np.eye(3)[prediction]}


# Reference function of the golden file -> its metric -> ours.
REGRESSION = {
    "mmsa_mosi": {
        "Has0_acc_2": "acc2_neg_nonneg",
        "Has0_F1_score": "f1_neg_nonneg",
        "Non0_acc_2": "acc2_neg_pos",
        "Non0_F1_score": "f1_neg_pos",
        "Mult_acc_3": "acc3",
        "Mult_acc_5": "acc5",
        "Mult_acc_7": "acc7",
        "MAE": "mae",
        "Corr": "corr",
    },
    "mult_non0": {
        "MAE": "mae",
        "Corr": "corr",
        "Mult_acc_7": "acc7",
        "Mult_acc_5": "acc5",
        "F1": "f1_neg_pos_pred_weighted",
        "Acc_2": "acc2_neg_pos",
    },
    "mult_all": {
        "MAE": "mae",
        "Corr": "corr",
        "Mult_acc_7": "acc7",
        "Mult_acc_5": "acc5",
        "F1": "f1_nonpos_pos_pred_weighted",
        "Acc_2": "acc2_nonpos_pos",
    },
    "mmsa_sims": {
        "Mult_acc_2": "sims_acc2",
        "Mult_acc_3": "sims_acc3",
        "Mult_acc_5": "sims_acc5",
        "F1_score": "sims_f1",
        "MAE": "sims_mae",
        "Corr": "sims_corr",
    },
    "mmsa_classification": {
        "Has0_acc_2": "three_class_acc2_has0",
        "Has0_F1_score": "three_class_f1_has0",
        "Non0_acc_2": "three_class_acc2_non0_defect",
        "Non0_F1_score": "three_class_f1_non0_defect",
        "Acc_3": "accuracy",
        "F1_score_3": "f1_weighted",
    },
}
AVERAGES = {
    "weighted_accuracy": "multilabel_weighted_accuracy",
    "weighted_F1": "multilabel_f1_weighted",
    "AUC": "multilabel_auroc",
    "accuracy": "multilabel_accuracy",
    "strict_accuracy": "multilabel_exact",
    "subset_accuracy": "multilabel_subset",
    "intersection_accuracy": "multilabel_overlap_defect",
}
LABELWISE = {
    "weighted_accuracy": "weighted_accuracy",
    "weighted_F1": "f1_weighted",
    "F1": "f1_weighted",
    "AUC": "auroc",
    "accuracy": "accuracy",
    "Acc": "accuracy",
}
EMOTIONS = ("Neutral", "Happy", "Sad", "Angry")


def ours(key: str, label: np.ndarray, prediction: np.ndarray) -> float | None:
    """Our value of one entry `<function>/<metric>` of the golden file."""
    function, *place, name = key.split("/")
    if function in REGRESSION:
        return METRICS[REGRESSION[function][name]].function(label=label, prediction=prediction)
    if function == "mult_iemocap":
        pairs = prediction.reshape(len(prediction), 4, 2)
        prediction = pairs[..., 1] - pairs[..., 0]
    elif function == "mult_weighted_accuracy":
        label = label > 0
    elif function.startswith("mer_emotions"):
        threshold = float(function.removeprefix("mer_emotions_"))
        prediction = prediction - np.log(threshold / (1 - threshold))
    if not place or place == ["average"]:
        return METRICS[AVERAGES[name]].function(label=label, prediction=prediction)
    column = (
        EMOTIONS.index(place[0]) if place[0] in EMOTIONS else int(place[0].removeprefix("emotion"))
    )
    return float(per_label(label=label, prediction=prediction)[LABELWISE[name]][column])


def golden_cases() -> list[dict]:
    if not GOLDEN.is_file():
        return []
    index = json.loads((PARITY / "index.json").read_text())["fixtures"]
    return next(entry for entry in index if entry["id"] == "metrics")["cases"]


@pytest.mark.skipif(not GOLDEN.is_file(), reason="no golden numbers beside the project")
@pytest.mark.parametrize("case", golden_cases(), ids=lambda case: case["case"])
def test_golden(case: dict) -> None:
    with np.load(GOLDEN, allow_pickle=False) as file:
        prefix = f"{case['case']}/"
        found = {key.removeprefix(prefix): file[key] for key in file if key.startswith(prefix)}
    label, prediction = found.pop("label"), found.pop("prediction")
    expected = {key.removeprefix("expected/"): float(value) for key, value in found.items()}
    assert {key.split("/")[0] for key in expected} == set(case["references"])
    for key, value in expected.items():
        got = ours(key, label, prediction)
        if np.isnan(value):
            assert got is None, key
        else:
            assert got == pytest.approx(value, abs=1e-6, rel=0), key
    for function in case["raises"]:
        if function in REGRESSION:
            undefined = [name for name in REGRESSION[function].values() if "neg_pos" in name]
            assert undefined
            for name in undefined:
                assert METRICS[name].function(label=label, prediction=prediction) is None
        else:
            scores = per_label(label=label, prediction=prediction)
            assert np.isnan(scores["weighted_accuracy"]).sum() == 1
            rest = ~np.isnan(scores["auroc"])
            mean = metrics.multilabel_auroc(label=label, prediction=prediction)
            assert mean == pytest.approx(scores["auroc"][rest].mean(), abs=1e-12)


def test_hand_checked_mosi() -> None:
    values = evaluate_metrics(regression(-3, 3), label=LABEL, prediction=PREDICTION)
    expected = {
        "acc2_neg_nonneg": 0.875,
        "f1_neg_nonneg": 0.8682,
        "acc2_neg_pos": 1.0,
        "f1_neg_pos": 1.0,
        "acc5": 0.75,
        "acc7": 0.75,
        "mae": 0.4625,
        "corr": 0.9488,
    }
    assert {name: values[name] for name in expected} == pytest.approx(expected, abs=5e-5)


def test_hand_checked_sims() -> None:
    values = evaluate_metrics(regression(-1, 1), label=LABEL / 3, prediction=PREDICTION / 3)
    expected = {
        "acc2": 0.875,
        "acc3": 0.75,
        "acc5": 0.625,
        "f1": 0.8770,
        "mae": 0.1292,
        "corr": 0.9505,
    }
    assert values == pytest.approx(expected, abs=5e-5)


def test_halves_round_to_the_even_number() -> None:
    prediction = np.array([0.5, 1.5, 2.5, -0.5, -1.5, -2.5])
    even = np.array([0.0, 2, 2, 0, -2, -2])
    away = np.array([1.0, 2, 3, -1, -2, -3])
    assert metrics.acc7(label=even, prediction=prediction) == 1
    assert metrics.acc7(label=away, prediction=prediction) == pytest.approx(2 / 6)


def test_classes_are_clipped_and_errors_are_not() -> None:
    label, prediction = np.array([3.0, -3.0]), np.array([9.0, -4.0])
    assert metrics.acc7(label=label, prediction=prediction) == 1
    assert metrics.mae(label=label, prediction=prediction) == 3.5
    # 2 and 3 are one class of Acc-5, 1 to 3 one class of Acc-3.
    assert metrics.acc5(label=np.array([2.0]), prediction=np.array([3.0])) == 1
    assert metrics.acc3(label=np.array([1.0]), prediction=np.array([3.0])) == 1


def test_zero_is_where_the_convention_puts_it() -> None:
    zero, positive, negative = np.zeros(1), np.ones(1), -np.ones(1)
    assert metrics.acc2_neg_nonneg(label=positive, prediction=zero) == 1
    assert metrics.acc2_neg_pos(label=negative, prediction=zero) == 1
    assert metrics.acc2_neg_pos(label=zero, prediction=positive) is None
    assert metrics.acc2_nonpos_pos(label=negative, prediction=zero) == 1
    assert metrics.sims_acc2(label=negative, prediction=zero) == 1


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sims_edges_belong_to_the_lower_bin(dtype: type) -> None:
    edges = np.array([-0.7, -0.1, 0.1, 0.7], np.float32).astype(dtype)
    below = np.array([-0.8, -0.5, 0.0, 0.5])
    above = np.array([-0.5, 0.0, 0.5, 0.8])
    assert metrics.sims_acc5(label=edges, prediction=below) == 1
    assert metrics.sims_acc5(label=edges, prediction=above) == 0


SKEWED = np.array([1, 1, 1, -1]), np.array([1, 1, -1, -1])  # F1 is 4/5 positive, 2/3 negative
BY_TRUTH, BY_PREDICTION = 3 / 4 * 4 / 5 + 1 / 4 * 2 / 3, 1 / 2 * 4 / 5 + 1 / 2 * 2 / 3


@pytest.mark.parametrize("name", ["f1_neg_nonneg", "f1_neg_pos", "f1_nonpos_pos", "sims_f1"])
def test_f1_weights_by_the_truth(name: str) -> None:
    label, prediction = SKEWED
    function = METRICS[name].function
    assert function(label=label, prediction=prediction) == pytest.approx(BY_TRUTH)
    assert function(label=prediction, prediction=label) == pytest.approx(BY_PREDICTION)
    older = METRICS.get(f"{name}_pred_weighted")
    if older is not None:
        assert older.function(label=label, prediction=prediction) == pytest.approx(BY_PREDICTION)


def test_class_f1_weights_by_the_truth() -> None:
    label, prediction = (np.maximum(values, 0) for values in SKEWED)
    right = metrics.f1_weighted(**classes(label=label, prediction=prediction))
    swapped = metrics.f1_weighted(**classes(label=prediction, prediction=label))
    assert right == pytest.approx(BY_TRUTH)
    assert swapped == pytest.approx(BY_PREDICTION)
    macro = metrics.f1_macro(**classes(label=label, prediction=prediction))
    assert macro == pytest.approx((4 / 5 + 2 / 3) / 2)


@pytest.mark.parametrize("name", METRICS)
def test_the_order_of_samples_does_not_matter(name: str) -> None:
    metric = METRICS[name]
    label, prediction = sample(metric.convention)
    value = metric.function(label=label, prediction=prediction)
    order = np.random.default_rng(1).permutation(len(label))
    shuffled = metric.function(label=label[order], prediction=prediction[order])
    assert value is not None
    assert shuffled == pytest.approx(value, abs=1e-12)
    broken = metric.function(label=label, prediction=prediction[order])
    assert broken != pytest.approx(value, abs=1e-12)


@pytest.mark.parametrize("name", METRICS)
def test_the_direction_is_right(name: str) -> None:
    metric = METRICS[name]
    label, prediction = sample(metric.convention)
    if metric.convention == "multiclass":
        perfect = np.eye(3)[label]
    elif metric.convention == "multilabel":
        perfect = label - 0.5
    else:
        perfect = label
    best = metric.function(label=label, prediction=perfect)
    value = metric.function(label=label, prediction=prediction)
    assert best is not None
    assert value is not None
    if "non0_defect" in name:  # positives never match: the value of a perfect model is not 1
        assert best < 1
        return
    assert best == pytest.approx(1 if metric.higher_is_better else 0)
    assert value < best if metric.higher_is_better else value > best


@pytest.mark.parametrize("name", METRICS)
def test_nothing_to_score_is_undefined(name: str) -> None:
    label, prediction = sample(METRICS[name].convention)
    assert METRICS[name].function(label=label[:0], prediction=prediction[:0]) is None


@pytest.mark.parametrize("name", METRICS)
def test_mistakes_are_refused_in_a_sentence(name: str) -> None:
    metric = METRICS[name]
    label, prediction = sample(metric.convention)
    function = metric.function
    with pytest.raises(UserError, match="must"):
        function(label=label[:-1], prediction=prediction)
    with pytest.raises(UserError, match="must"):
        function(label=label[..., None], prediction=prediction)
    broken = prediction.copy()
    broken.flat[3] = np.nan
    with pytest.raises(UserError, match="1 values of the prediction are NaN"):
        function(label=label, prediction=broken)
    broken.flat[3] = np.inf
    with pytest.raises(UserError, match="infinite"):
        function(label=label, prediction=broken)
    with pytest.raises(TypeError):
        function(label, prediction)
    if metric.convention in ("multiclass", "multilabel"):
        with pytest.raises(UserError, match="got values from 3 to 7"):
            function(label=np.clip(label, 0, 1) * 4 + 3, prediction=prediction)


@pytest.mark.parametrize("name", METRICS)
def test_the_arguments_are_not_changed(name: str) -> None:
    label, prediction = sample(METRICS[name].convention)
    kept = label.copy(), prediction.copy()
    METRICS[name].function(label=label, prediction=prediction)
    np.testing.assert_array_equal(label, kept[0])
    np.testing.assert_array_equal(prediction, kept[1])


def test_constants_and_single_samples_have_no_correlation() -> None:
    label = np.array([0.1, 0.7, -0.3])
    for function in (metrics.corr, metrics.sims_corr):
        assert function(label=label, prediction=np.full(3, 0.1)) is None
        assert function(label=np.full(3, 0.1), prediction=label) is None
        assert function(label=label[:1], prediction=label[:1]) is None
    # Values that differ only beyond the range are constant once clipped.
    assert metrics.sims_corr(label=label, prediction=np.array([2.0, 3, 4])) is None


SCORES = arrays(np.float32, st.integers(2, 30), elements=st.floats(-5, 5, width=32))


@settings(max_examples=60, deadline=None, derandomize=True)
@given(SCORES, st.integers(0, 2**32 - 1))
def test_bounds(label: np.ndarray, seed: int) -> None:
    prediction = np.random.default_rng(seed).permutation(label)
    values = {
        name: metric.function(label=label, prediction=prediction)
        for name, metric in METRICS.items()
        if metric.convention in ("mosi", "sims")
    }
    assert values["mae"] ** 2 <= values["mse"] * (1 + 1e-12)
    assert values["acc7"] <= values["acc5"] <= values["acc3"]
    assert values["sims_acc5"] <= values["sims_acc3"]
    for name, value in values.items():
        if value is not None and METRICS[name].higher_is_better:
            low = -1 if name.endswith("corr") else 0
            assert low <= value <= 1, name


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.integers(0, 2**32 - 1), st.integers(1, 40))
def test_against_scikit_learn(seed: int, count: int) -> None:
    label, prediction = sample("mosi", count=count, seed=seed)
    values = evaluate_metrics(regression(-3, 3), label=label, prediction=prediction)
    pair = label >= 0, prediction >= 0
    assert values["acc2_neg_nonneg"] == pytest.approx(reference.accuracy_score(*pair))
    f1 = reference.f1_score(*pair, average="weighted", zero_division=0)
    assert values["f1_neg_nonneg"] == pytest.approx(f1)
    label, prediction = sample("multiclass", count=count, seed=seed)
    values = evaluate_metrics(multiclass("a", "b", "c"), label=label, prediction=prediction)
    pair = label, prediction.argmax(axis=1)
    macro = reference.f1_score(*pair, average="macro", zero_division=0)
    assert values["f1_macro"] == pytest.approx(macro)
    recall = reference.recall_score(
        *pair, average="macro", labels=np.unique(label), zero_division=0
    )
    assert values["balanced_accuracy"] == pytest.approx(recall)


def test_several_labels_against_scikit_learn() -> None:
    label, prediction = sample("multilabel")
    values = evaluate_metrics(
        multilabel("a", "b", "c", "d"), label=label.astype(np.float32), prediction=prediction
    )
    guess = prediction > 0
    assert values["accuracy"] == pytest.approx((label == guess).mean())
    assert values["f1_macro"] == pytest.approx(reference.f1_score(label, guess, average="macro"))
    assert values["exact"] == pytest.approx(reference.accuracy_score(label, guess))
    pairs = [
        np.sign(np.subtract.outer(scores[truth == 1], scores[truth == 0])).mean() / 2 + 0.5
        for truth, scores in zip(label.T, prediction.T, strict=True)
    ]
    assert values["auroc"] == pytest.approx(np.mean(pairs))
    balanced = [reference.balanced_accuracy_score(label[:, i], guess[:, i]) for i in range(4)]
    assert values["weighted_accuracy"] == pytest.approx(np.mean(balanced))


def test_a_label_that_never_occurs_is_left_out() -> None:
    label = np.array([[1, 0], [0, 0], [1, 0]])
    prediction = np.array([[1.0, -1], [1, -1], [1, -1]])
    scores = per_label(label=label, prediction=prediction)
    assert np.isnan(scores["f1"]).tolist() == [False, True]
    assert metrics.multilabel_f1_macro(label=label, prediction=prediction) == pytest.approx(0.8)
    assert metrics.multilabel_accuracy(label=label, prediction=prediction) == pytest.approx(5 / 6)
    assert metrics.multilabel_auroc(label=label * 0, prediction=prediction) is None


def test_confusion_rows_are_the_truth() -> None:
    counts = confusion7(label=[-3.0, 0.5, 4.0, 2.0], prediction=[3.0, 0.0, 2.5, 2.0])
    assert counts.shape == (7, 7)
    assert counts.sum() == 4
    assert counts[0, 6] == 1
    assert counts[3, 3] == 1
    assert counts[6, 5] == 1
    assert counts[5, 5] == 1
    label, prediction = sample("mosi")
    share = np.trace(confusion7(label=label, prediction=prediction)) / len(label)
    assert share == pytest.approx(metrics.acc7(label=label, prediction=prediction))


def test_a_neutral_label_moves_signs_and_classes_only() -> None:
    label, prediction = sample("mosi")
    label, prediction = (label * 2 / 3).round(), prediction * 2 / 3
    centred = evaluate_metrics(regression(-2, 2), label=label, prediction=prediction)
    moved = evaluate_metrics(regression(1, 5), label=label + 3, prediction=prediction + 3)
    assert moved == pytest.approx(centred, abs=1e-12)
    raw = metrics.acc2_neg_pos(label=label + 3, prediction=prediction + 3)
    assert raw != pytest.approx(moved["acc2_neg_pos"])


def test_a_neutral_label_between_numbers_is_exactly_zero() -> None:
    task = regression(0, 0.6, neutral=0.3)
    label = np.array([0.3, 0.1, 0.5], np.float32)
    values = evaluate_metrics(task, label=label, prediction=np.array([0.1, 0.1, 0.5], np.float32))
    assert values["acc2_neg_pos"] == 1
    assert values["acc2_neg_nonneg"] == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ("task", "selection"),
    [
        (regression(-3, 3), "mae"),
        (regression(-1, 1), "mae"),
        (multiclass("a", "b", "c"), "f1_weighted"),
        (multilabel("a", "b", "c", "d"), "f1_macro"),
    ],
    ids=CONVENTIONS,
)
def test_every_task_has_its_metrics(task: object, selection: str) -> None:
    convention = task.convention
    names = [m.key for m in METRICS.values() if m.convention == convention and m.standard]
    label, prediction = sample(convention)
    values = evaluate_metrics(task, label=label, prediction=prediction)
    assert list(values) == names
    assert selection in names
    assert all(isinstance(value, float) for value in values.values())
    assert [get_metric(name, convention).key for name in names] == names


def test_the_table_is_complete_and_unambiguous() -> None:
    keys = {(metric.convention, metric.key) for metric in METRICS.values()}
    assert len(keys) == len(METRICS)
    for name, metric in METRICS.items():
        assert metric.name == name
        assert metric.convention in CONVENTIONS
        assert metric.description.endswith(".")
        assert metric.symbol.isascii()
        kinds = {item.kind for item in inspect.signature(metric.function).parameters.values()}
        assert kinds == {inspect.Parameter.KEYWORD_ONLY}
    assert {name for name, metric in METRICS.items() if not metric.percent} == {
        "mae",
        "mse",
        "corr",
        "sims_mae",
        "sims_corr",
    }
    assert {name for name, metric in METRICS.items() if not metric.higher_is_better} == {
        "mae",
        "mse",
        "sims_mae",
    }


def test_names_are_looked_up_within_a_convention() -> None:
    assert get_metric("mae", "mosi") is METRICS["mae"]
    assert get_metric("mae", "sims") is METRICS["sims_mae"]
    assert get_metric("f1_macro", "multilabel") is METRICS["multilabel_f1_macro"]
    with pytest.raises(UserError, match="unknown metric of sims 'acc7'; did you mean"):
        get_metric("acc7", "sims")
    with pytest.raises(UserError, match="unknown convention 'moosi'; did you mean 'mosi'"):
        get_metric("mae", "moosi")


def test_other_sizes_of_three_class_metrics_are_refused() -> None:
    with pytest.raises(UserError, match="got 4"):
        metrics.three_class_acc2_has0(label=np.array([0, 1]), prediction=np.eye(4)[:2])


def test_the_docs_name_every_metric() -> None:
    text = (ROOT / "docs" / "metrics.md").read_text()
    missing = [name for name in METRICS if f"`{name}`" not in text]
    assert not missing


def test_the_kind_decides_where_a_stored_task_names_no_convention() -> None:
    task = SimpleNamespace(kind="multiclass", convention="mosi", neutral=0.0)
    label, prediction = sample("multiclass")
    assert set(evaluate_metrics(task, label=label, prediction=prediction)) == {
        "accuracy",
        "f1_weighted",
        "f1_macro",
        "balanced_accuracy",
    }


@pytest.mark.shared_data
@pytest.mark.skipif(
    not (DATA / "mosi_std").is_dir(), reason="the MOSI labels are not beside the project"
)
def test_the_median_predictor_on_real_labels() -> None:
    with np.load(DATA / "mosi_std" / "train.npz", allow_pickle=False) as file:
        median = float(np.median(file["label"]))
    with np.load(DATA / "mosi_std" / "test.npz", allow_pickle=False) as file:
        label = file["label"]
    values = evaluate_metrics(
        regression(-3, 3), label=label, prediction=np.full(len(label), median)
    )
    assert values["mae"] == pytest.approx(1.456, abs=5e-4)
    assert values["corr"] is None
    assert values["acc2_neg_nonneg"] == pytest.approx((label >= 0).mean())
