"""The metrics of the field as pure functions, and METRICS, the table that describes them.

Every function takes `label` and `prediction` by keyword and returns a float at full precision, or
None where the metric is undefined (no sample to score, the correlation of a constant). Conventions:

- `mosi`: label and prediction `(N,)`, labels in [-3, 3] about 0, as MMSA and MulT score them;
- `sims`: label and prediction `(N,)`, labels in [-1, 1], both clipped before anything is computed;
- `multiclass`: label int `(N,)`, prediction logits `(N, C)`;
- `multilabel`: label 0 or 1 `(N, C)`, prediction logits `(N, C)`, present where the logit is > 0.

A wrong shape, a label outside its set or a value that is not finite raises `UserError`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from benchmark.errors import UserError, unknown

if TYPE_CHECKING:
    from benchmark.task import Task

Array = NDArray[Any]
Floats = NDArray[np.float64]


class MetricFunction(Protocol):
    """A metric as it is called: by keyword, so that truth and prediction cannot be swapped."""

    def __call__(self, *, label: ArrayLike, prediction: ArrayLike) -> float | None:
        """Score the predictions of all samples; None where the metric is undefined."""
        ...


class SampleFunction(Protocol):
    """What a metric is the mean of."""

    def __call__(self, *, label: ArrayLike, prediction: ArrayLike) -> Array:
        """The value of every sample `(N,)`, NaN where one does not count."""
        ...


@dataclass(frozen=True, slots=True)
class Metric:
    """What tables, plots and model selection know of a metric.

    Attributes:
        name: unique name, the key of `METRICS`.
        key: its name within its convention, used in records: `sims_mae` is `mae` there.
        function: the metric itself.
        convention: `mosi`, `sims`, `multiclass` or `multilabel`.
        symbol: a short ASCII header.
        description: one sentence.
        higher_is_better: the direction.
        percent: shown times 100.
        centred: for a regression, computed on deviations from the neutral label.
        standard: part of every evaluation; the others are forms of older papers, on request.
        samples: values of single samples whose mean it is; None where it is no such mean.
        place: among the printed columns of its convention, from 1; 0 is in the CSV files only.
        terminal: printed on the terminal too, where room is short.
        pair: title of the one column that it shares with another metric where room is short.
    """

    name: str
    key: str
    function: MetricFunction
    convention: str
    symbol: str
    description: str
    higher_is_better: bool = True
    percent: bool = True
    centred: bool = False
    standard: bool = True
    samples: SampleFunction | None = None
    place: int = 0
    terminal: bool = False
    pair: str = ""


METRICS: dict[str, Metric] = {}
EQUAL = 1e-6  # labels and predictions that differ by less are the same
CONVENTIONS = ("mosi", "sims", "multiclass", "multilabel")


def get_metric(name: str, convention: str) -> Metric:
    """The metric that a record of this convention calls `name`.

    Raises:
        UserError: no such convention, or no such metric in it.
    """
    if convention not in CONVENTIONS:
        raise unknown("convention", convention, CONVENTIONS)
    found = {metric.key: metric for metric in METRICS.values() if metric.convention == convention}
    if name not in found:
        raise unknown(f"metric of {convention}", name, found)
    return found[name]


def evaluate_metrics(
    task: "Task", *, label: ArrayLike, prediction: ArrayLike
) -> dict[str, float | None]:
    """Every standard metric of the task; None where undefined.

    Args:
        task: says which convention holds and where a regression is neutral: signs, classes and
            clipping work on the deviation from `task.neutral`.
        label: `(N,)`, or `(N, C)` for multilabel.
        prediction: `(N,)` for a regression, logits `(N, C)` otherwise.

    Raises:
        UserError: the shapes do not fit or a value is not allowed.
    """
    truth, guess = np.asarray(label), np.asarray(prediction)
    # Subtracting in the arrays' own precision keeps a label that equals the neutral one exactly 0.
    shifted = (truth - task.neutral, guess - task.neutral) if task.neutral else (truth, guess)
    values: dict[str, float | None] = {}
    for metric in _standard(task):
        own_label, own_prediction = shifted if metric.centred else (truth, guess)
        values[metric.key] = metric.function(label=own_label, prediction=own_prediction)
    return values


def sample_scores(
    metric: Metric, *, label: ArrayLike, prediction: ArrayLike, neutral: float = 0.0
) -> Floats:
    """The values of single samples `(N,)` whose mean the metric is, NaN where one does not count.

    Args:
        metric: with `samples`.
        label: `(N,)`, or `(N, C)` for multilabel.
        prediction: `(N,)` for a regression, logits `(N, C)` otherwise.
        neutral: label of a regression that signs and classes are about.

    Raises:
        UserError: the metric is no such mean, the shapes do not fit or a value is not allowed.
    """
    if metric.samples is None:
        raise UserError(f"{metric.name} is no mean over samples")
    truth, guess = np.asarray(label), np.asarray(prediction)
    if metric.centred and neutral:
        truth, guess = truth - neutral, guess - neutral
    truth, guess = _ARRAYS[metric.convention](truth, guess)
    return np.asarray(metric.samples(label=truth, prediction=guess), np.float64)


def refuse_impossible(
    task: "Task", label: ArrayLike, prediction: ArrayLike, oracle: ArrayLike | None = None
) -> None:
    """Stop at predictions of a regression that no model can have made without the labels.

    Predictions near the oracle's can be a little better than it by chance. So they are refused
    where their absolute error is lower by more than four standard errors of the difference.

    Args:
        task: classes are not judged: all of them may be right.
        label: `(N,)`.
        prediction: `(N,)`.
        oracle: the best reachable prediction `(N,)`, where it is known.

    Raises:
        UserError: all predictions equal the labels, or they are better than the oracle's.
    """
    if task.kind != "regression":
        return
    truth, guess = _regression_arrays(label, prediction)
    if len(truth) and np.ptp(truth) > 0 and np.abs(guess - truth).max() <= EQUAL:
        raise UserError(
            f"all {len(truth)} predictions equal the labels; a model that is never wrong has seen "
            f"them: look for a leak"
        )
    if oracle is None or not len(truth):
        return
    best = np.abs(np.asarray(oracle, np.float64) - truth)
    gain = best - np.abs(guess - truth)
    error = 4 * float(gain.std()) / len(gain) ** 0.5
    if gain.mean() > error + EQUAL:
        raise UserError(
            f"the predictions have a mean absolute error of {best.mean() - gain.mean():.4f}, the "
            f"best possible ones {best.mean():.4f}; who beats them has seen the labels: look for a "
            f"leak"
        )


def _standard(task: "Task") -> list[Metric]:
    convention = task.convention if task.kind == "regression" else task.kind
    return [
        metric for metric in METRICS.values() if metric.convention == convention and metric.standard
    ]


def _metric(
    symbol: str, convention: str, **facts: Any
) -> Callable[[MetricFunction], MetricFunction]:
    """Check the arrays before the call and enter the function in `METRICS`."""

    def register(function: MetricFunction) -> MetricFunction:
        @wraps(function)
        def checked(*, label: ArrayLike, prediction: ArrayLike) -> float | None:
            truth, guess = _ARRAYS[convention](label, prediction)
            return function(label=truth, prediction=guess) if len(truth) else None

        name = str(getattr(function, "__name__", symbol))
        METRICS[name] = Metric(
            name=name,
            key=name.removeprefix(f"{convention}_"),
            function=checked,
            convention=convention,
            symbol=symbol,
            description=(function.__doc__ or "").partition("\n")[0],
            **facts,
        )
        return checked

    return register


def _mean_metric(
    symbol: str, convention: str, **facts: Any
) -> Callable[[SampleFunction], MetricFunction]:
    """Enter the mean of what a function says of single samples."""

    def register(samples: SampleFunction) -> MetricFunction:
        @wraps(samples)
        def average(*, label: ArrayLike, prediction: ArrayLike) -> float | None:
            values = np.asarray(samples(label=label, prediction=prediction), np.float64)
            counted = values[~np.isnan(values)]
            return float(counted.mean()) if len(counted) else None

        return _metric(symbol, convention, samples=samples, **facts)(average)

    return register


def _finite(label: Array, prediction: Array) -> None:
    for what, values in (("label", label), ("prediction", prediction)):
        wrong = int((~np.isfinite(values)).sum())
        if wrong:
            raise UserError(f"{wrong} values of the {what} are NaN or infinite; a metric needs all")


def _regression_arrays(label: ArrayLike, prediction: ArrayLike) -> tuple[Floats, Floats]:
    truth, guess = np.asarray(label, np.float64), np.asarray(prediction, np.float64)
    if truth.ndim != 1 or truth.shape != guess.shape:
        raise UserError(
            f"label {truth.shape} and prediction {guess.shape} of a regression must both be (N,)"
        )
    _finite(truth, guess)
    return truth, guess


def _class_arrays(label: ArrayLike, prediction: ArrayLike) -> tuple[Array, Floats]:
    truth, guess = np.asarray(label), np.asarray(prediction, np.float64)
    if truth.ndim != 1 or guess.ndim != 2 or len(truth) != len(guess):
        raise UserError(
            f"label {truth.shape} must be (N,) and prediction {guess.shape} logits (N, C)"
        )
    _finite(truth, guess)
    if not np.isin(truth, np.arange(guess.shape[1])).all():
        raise UserError(
            f"a class label must be a whole number from 0 to {guess.shape[1] - 1}, "
            f"got values from {truth.min()} to {truth.max()}"
        )
    return truth.astype(np.int64), guess


def _multilabel_arrays(label: ArrayLike, prediction: ArrayLike) -> tuple[Array, Floats]:
    truth, guess = np.asarray(label), np.asarray(prediction, np.float64)
    if truth.ndim != 2 or truth.shape != guess.shape:
        raise UserError(
            f"label {truth.shape} and prediction {guess.shape} of yes-no labels must both be (N, C)"
        )
    _finite(truth, guess)
    if not np.isin(truth, (0, 1)).all():
        raise UserError(
            f"a yes-no label must be 0 or 1, got values from {truth.min()} to {truth.max()}"
        )
    return truth.astype(bool), guess


_ARRAYS: dict[str, Callable[[ArrayLike, ArrayLike], tuple[Array, Floats]]] = {
    "mosi": _regression_arrays,
    "sims": _regression_arrays,
    "multiclass": _class_arrays,
    "multilabel": _multilabel_arrays,
}


def _same(truth: Array, predicted: Array) -> Array:
    return np.asarray(truth == predicted)


def _agreement(truth: Array, predicted: Array) -> float | None:
    return float((truth == predicted).mean()) if len(truth) else None


def _f1_by_class(truth: Array, predicted: Array) -> tuple[Floats, Array, Array]:
    """F1 `(K,)` of every class of truth or prediction, its frequency in each."""
    _, codes = np.unique(np.concatenate([truth, predicted]), return_inverse=True)
    true_code, predicted_code = np.split(codes, 2)
    classes = int(codes.max()) + 1
    in_truth = np.bincount(true_code, minlength=classes)
    in_prediction = np.bincount(predicted_code, minlength=classes)
    hits = np.bincount(true_code[true_code == predicted_code], minlength=classes)
    return 2 * hits / (in_truth + in_prediction), in_truth, in_prediction


def _weighted_f1(truth: Array, predicted: Array, *, by_prediction: bool = False) -> float | None:
    """Mean of the class F1 scores by frequency in the truth, or (older papers) the prediction."""
    if not len(truth):
        return None
    scores, in_truth, in_prediction = _f1_by_class(truth, predicted)
    return float(np.average(scores, weights=in_prediction if by_prediction else in_truth))


def _rounded(values: ArrayLike, limit: int) -> NDArray[np.int64]:
    """Nearest whole numbers of the clipped values, halves to the even one."""
    clipped: Array = np.clip(np.asarray(values), -limit, limit)
    return np.rint(clipped).astype(np.int64)


def _pearson(label: Floats, prediction: Floats) -> float | None:
    if np.ptp(label) == 0 or np.ptp(prediction) == 0:
        return None
    x, y = label - label.mean(), prediction - prediction.mean()
    scale = float(np.linalg.norm(x) * np.linalg.norm(y))
    return float(np.clip(x @ y / scale, -1, 1)) if scale > 0 else None


def _signs(label: ArrayLike, prediction: ArrayLike, split: str) -> tuple[Array, Array]:
    """Two classes as bool: `>= 0`, `> 0`, or `> 0` where the label is not exactly 0."""
    truth, guess = np.asarray(label), np.asarray(prediction)
    if split == "neg_nonneg":
        return truth >= 0, guess >= 0
    if split == "neg_pos":
        kept = truth != 0
        truth, guess = truth[kept], guess[kept]
    return truth > 0, guess > 0


@_mean_metric("MAE", "mosi", higher_is_better=False, percent=False, place=7, terminal=True)
def mae(*, label: ArrayLike, prediction: ArrayLike) -> Array:
    """Mean absolute error of the values as they are, not clipped."""
    return np.abs(np.subtract(prediction, label))


@_mean_metric("MSE", "mosi", higher_is_better=False, percent=False)
def mse(*, label: ArrayLike, prediction: ArrayLike) -> Array:
    """Mean squared error of the values as they are, not clipped."""
    return np.square(np.subtract(prediction, label))


@_metric("Corr", "mosi", percent=False, place=8, terminal=True)
def corr(*, label: ArrayLike, prediction: ArrayLike) -> float | None:
    """Pearson correlation of the values as they are; undefined if either side is constant."""
    return _pearson(np.asarray(label), np.asarray(prediction))


@_mean_metric("Acc-7", "mosi", centred=True, place=5, terminal=True)
def acc7(*, label: ArrayLike, prediction: ArrayLike) -> Array:
    """Share of samples whose values, clipped to [-3, 3] and rounded half to even, agree."""
    return _same(_rounded(label, 3), _rounded(prediction, 3))


@_mean_metric("Acc-5", "mosi", centred=True, place=6)
def acc5(*, label: ArrayLike, prediction: ArrayLike) -> Array:
    """Share of samples whose values, clipped to [-2, 2] and rounded half to even, agree."""
    return _same(_rounded(label, 2), _rounded(prediction, 2))


@_mean_metric("Acc-3", "mosi", centred=True)
def acc3(*, label: ArrayLike, prediction: ArrayLike) -> Array:
    """Share of samples whose values, clipped to [-1, 1] and rounded half to even, agree."""
    return _same(_rounded(label, 1), _rounded(prediction, 1))


@_mean_metric("Acc-2 (-/0+)", "mosi", centred=True, place=1, terminal=True, pair="Acc-2")
def acc2_neg_nonneg(*, label: ArrayLike, prediction: ArrayLike) -> Array:
    """Share of all samples on the right side, negative or not; 0 is non-negative."""
    return _same(*_signs(label, prediction, "neg_nonneg"))


@_metric("F1 (-/0+)", "mosi", centred=True, place=3, terminal=True, pair="F1")
def f1_neg_nonneg(*, label: ArrayLike, prediction: ArrayLike) -> float | None:
    """F1 of negative and non-negative, weighted by their frequency in the truth."""
    return _weighted_f1(*_signs(label, prediction, "neg_nonneg"))


@_mean_metric("Acc-2 (-/+)", "mosi", centred=True, place=2, pair="Acc-2")
def acc2_neg_pos(*, label: ArrayLike, prediction: ArrayLike) -> Array:
    """Share on the right side among samples whose label is not 0; a prediction of 0 is negative."""
    truth, guess = np.asarray(label), np.asarray(prediction)
    return np.where(truth != 0, (truth > 0) == (guess > 0), np.nan)


@_metric("F1 (-/+)", "mosi", centred=True, place=4, pair="F1")
def f1_neg_pos(*, label: ArrayLike, prediction: ArrayLike) -> float | None:
    """F1 of negative and positive where the label is not 0, weighted by frequency in the truth."""
    return _weighted_f1(*_signs(label, prediction, "neg_pos"))


@_metric("F1p (-/0+)", "mosi", centred=True)
def f1_neg_nonneg_pred_weighted(*, label: ArrayLike, prediction: ArrayLike) -> float | None:
    """As `f1_neg_nonneg`, weighted by frequency in the prediction as some older papers do."""
    return _weighted_f1(*_signs(label, prediction, "neg_nonneg"), by_prediction=True)


@_metric("F1p (-/+)", "mosi", centred=True)
def f1_neg_pos_pred_weighted(*, label: ArrayLike, prediction: ArrayLike) -> float | None:
    """As `f1_neg_pos`, weighted by frequency in the prediction as some older papers do."""
    return _weighted_f1(*_signs(label, prediction, "neg_pos"), by_prediction=True)


@_mean_metric("Acc-2 (-0/+)", "mosi", centred=True, standard=False)
def acc2_nonpos_pos(*, label: ArrayLike, prediction: ArrayLike) -> Array:
    """Share of all samples on the right side, positive or not; 0 is non-positive (MulT's flag)."""
    return _same(*_signs(label, prediction, "nonpos_pos"))


@_metric("F1 (-0/+)", "mosi", centred=True, standard=False)
def f1_nonpos_pos(*, label: ArrayLike, prediction: ArrayLike) -> float | None:
    """F1 of non-positive and positive, weighted by their frequency in the truth."""
    return _weighted_f1(*_signs(label, prediction, "nonpos_pos"))


@_metric("F1p (-0/+)", "mosi", centred=True, standard=False)
def f1_nonpos_pos_pred_weighted(*, label: ArrayLike, prediction: ArrayLike) -> float | None:
    """As `f1_nonpos_pos`, weighted by frequency in the prediction (MulT's flag)."""
    return _weighted_f1(*_signs(label, prediction, "nonpos_pos"), by_prediction=True)


def confusion7(*, label: ArrayLike, prediction: ArrayLike) -> NDArray[np.int64]:
    """Counts `(7, 7)` of the classes of `acc7`: rows the truth from -3 to 3, columns predicted.

    Raises:
        UserError: the arrays are not two finite vectors of one length.
    """
    truth, guess = _regression_arrays(label, prediction)
    cells = 7 * (_rounded(truth, 3) + 3) + _rounded(guess, 3) + 3
    return np.bincount(cells, minlength=49).reshape(7, 7)


def _bins(values: ArrayLike, *edges: float) -> NDArray[np.int64]:
    """Number of the half-open interval (a, b] of every value.

    Labels are stored as float32, where 0.1 lies above the float64 edge 0.1: compared in float32,
    a label on an edge falls into the lower interval whatever precision it went through.
    """
    return np.searchsorted(
        np.asarray(edges, np.float32), np.asarray(values, np.float32), side="left"
    )


def _clipped(label: ArrayLike, prediction: ArrayLike) -> tuple[Floats, Floats]:
    return np.clip(np.asarray(label), -1, 1), np.clip(np.asarray(prediction), -1, 1)


@_mean_metric("MAE", "sims", higher_is_better=False, percent=False, place=5, terminal=True)
def sims_mae(*, label: ArrayLike, prediction: ArrayLike) -> Array:
    """Mean absolute error of the values clipped to [-1, 1]."""
    truth, guess = _clipped(label, prediction)
    return np.abs(guess - truth)


@_metric("Corr", "sims", percent=False, place=6, terminal=True)
def sims_corr(*, label: ArrayLike, prediction: ArrayLike) -> float | None:
    """Pearson correlation of the values clipped to [-1, 1]; undefined if either is constant."""
    return _pearson(*_clipped(label, prediction))


@_mean_metric("Acc-5", "sims", centred=True, place=3, terminal=True)
def sims_acc5(*, label: ArrayLike, prediction: ArrayLike) -> Array:
    """Share of samples in the right one of five bins: up to -0.7, -0.1, 0.1, 0.7 and above."""
    edges = (-0.7, -0.1, 0.1, 0.7)
    return _same(_bins(label, *edges), _bins(prediction, *edges))


@_mean_metric("Acc-3", "sims", centred=True, place=4)
def sims_acc3(*, label: ArrayLike, prediction: ArrayLike) -> Array:
    """Share of samples in the right one of three bins: up to -0.1, up to 0.1 and above."""
    return _same(_bins(label, -0.1, 0.1), _bins(prediction, -0.1, 0.1))


@_mean_metric("Acc-2", "sims", centred=True, place=1, terminal=True)
def sims_acc2(*, label: ArrayLike, prediction: ArrayLike) -> Array:
    """Share of samples on the right side, up to 0 or above; 0 is negative."""
    return _same(_bins(label, 0), _bins(prediction, 0))


@_metric("F1", "sims", centred=True, place=2, terminal=True)
def sims_f1(*, label: ArrayLike, prediction: ArrayLike) -> float | None:
    """F1 of the two classes of `sims_acc2`, weighted by their frequency in the truth."""
    return _weighted_f1(_bins(label, 0), _bins(prediction, 0))


def _decide(label: ArrayLike, prediction: ArrayLike) -> tuple[Array, Array]:
    return np.asarray(label), np.asarray(prediction).argmax(axis=1)


@_mean_metric("Acc", "multiclass", place=1, terminal=True)
def accuracy(*, label: ArrayLike, prediction: ArrayLike) -> Array:
    """Share of samples whose largest logit is the label's; the first one of equals."""
    return _same(*_decide(label, prediction))


@_metric("wF1", "multiclass", place=2, terminal=True)
def f1_weighted(*, label: ArrayLike, prediction: ArrayLike) -> float | None:
    """F1 of the classes, weighted by their frequency in the truth."""
    return _weighted_f1(*_decide(label, prediction))


@_metric("mF1", "multiclass", place=3, terminal=True)
def f1_macro(*, label: ArrayLike, prediction: ArrayLike) -> float | None:
    """Plain mean of the F1 of every class that occurs in the truth or in the prediction."""
    return float(_f1_by_class(*_decide(label, prediction))[0].mean())


@_metric("bAcc", "multiclass", place=4, terminal=True)
def balanced_accuracy(*, label: ArrayLike, prediction: ArrayLike) -> float | None:
    """Plain mean of the share found of every class that occurs in the truth."""
    truth, predicted = _decide(label, prediction)
    return float(np.mean([(predicted[truth == name] == name).mean() for name in np.unique(truth)]))


def _three_classes(label: ArrayLike, prediction: ArrayLike) -> tuple[Array, Array]:
    """Truth `(N,)` and 1 where the positive score beats the negative one."""
    scores = np.asarray(prediction)
    if scores.shape[1] != 3:
        raise UserError(
            f"this metric needs negative, neutral and positive logits, got {scores.shape[1]}"
        )
    return np.asarray(label), (scores[:, 2] > scores[:, 0]).astype(np.int64)


@_metric("Acc-2 (-0/+)", "multiclass", standard=False)
def three_class_acc2_has0(*, label: ArrayLike, prediction: ArrayLike) -> float | None:
    """MMSA's two-class accuracy of three logits: neutral labels are negative, its logit unread."""
    truth, predicted = _three_classes(label, prediction)
    return _agreement(truth == 2, predicted == 1)


@_metric("F1 (-0/+)", "multiclass", standard=False)
def three_class_f1_has0(*, label: ArrayLike, prediction: ArrayLike) -> float | None:
    """F1 of the two classes of `three_class_acc2_has0`, weighted by frequency in the truth."""
    truth, predicted = _three_classes(label, prediction)
    return _weighted_f1(truth == 2, predicted == 1)


@_metric("Acc-2 (defect)", "multiclass", standard=False)
def three_class_acc2_non0_defect(*, label: ArrayLike, prediction: ArrayLike) -> float | None:
    """MMSA's defect, for comparison only: truth 0 or 2 against prediction 0 or 1."""
    truth, predicted = _three_classes(label, prediction)
    return _agreement(truth[truth != 1], predicted[truth != 1])


@_metric("F1 (defect)", "multiclass", standard=False)
def three_class_f1_non0_defect(*, label: ArrayLike, prediction: ArrayLike) -> float | None:
    """Weighted F1 of `three_class_acc2_non0_defect`, for comparison only."""
    truth, predicted = _three_classes(label, prediction)
    return _weighted_f1(truth[truth != 1], predicted[truth != 1])


def per_label(*, label: ArrayLike, prediction: ArrayLike) -> dict[str, Floats]:
    """Scores of every label, each `(C,)`, NaN where undefined.

    Args:
        label: 0 or 1 `(N, C)`.
        prediction: logits `(N, C)`; a label is predicted where its logit is > 0.

    Returns:
        `accuracy`; `f1` of the present class; `f1_weighted`, the F1 of present and absent weighted
        by frequency in the truth; `weighted_accuracy`, (TP N/P + TN) / (2 N), the emotion metric of
        CMU-MOSEI (Zadeh et al., 2018); `auroc`, the area under the ROC curve.

    Raises:
        UserError: the shapes differ or a value is not allowed.
    """
    truth, logits = _multilabel_arrays(label, prediction)
    auroc = np.array([_auroc(*pair) for pair in zip(truth.T, logits.T, strict=True)])
    return {**_decided(truth, logits), "auroc": auroc}


def _decided(truth: Array, logits: Floats) -> dict[str, Floats]:
    """Scores of every label that depend on decisions alone, each `(C,)`."""
    guess = logits > 0
    present, absent = truth.sum(axis=0), (~truth).sum(axis=0)
    hits, rejections = (truth & guess).sum(axis=0), (~truth & ~guess).sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        f1 = 2 * hits / (present + guess.sum(axis=0))
        f1_absent = 2 * rejections / (absent + (~guess).sum(axis=0))
        # A class that the truth lacks has weight 0, also where its F1 is undefined.
        weighted = (present * np.nan_to_num(f1) + absent * np.nan_to_num(f1_absent)) / len(truth)
        return {
            "accuracy": (hits + rejections) / len(truth),
            "f1": f1,
            "f1_weighted": weighted,
            "weighted_accuracy": (hits / present + rejections / absent) / 2,
        }


def _auroc(truth: Array, scores: Floats) -> float:
    """Chance that a present sample outscores an absent one, ties half; NaN without either."""
    from sklearn.metrics import roc_auc_score  # imported late: tables never compute it

    return float("nan") if truth.all() or not truth.any() else float(roc_auc_score(truth, scores))


def _average(label: ArrayLike, prediction: ArrayLike, key: str) -> float | None:
    """Mean over the labels for which the score is defined."""
    return _mean_defined(_decided(*_multilabel_arrays(label, prediction))[key])


def _mean_defined(scores: Floats) -> float | None:
    defined = scores[~np.isnan(scores)]
    return float(defined.mean()) if len(defined) else None


@_metric("Acc", "multilabel", place=1, terminal=True)
def multilabel_accuracy(*, label: ArrayLike, prediction: ArrayLike) -> float | None:
    """Mean over the labels of the share of samples decided rightly."""
    return _average(label, prediction, "accuracy")


@_metric("wF1", "multilabel", place=2, terminal=True)
def multilabel_f1_weighted(*, label: ArrayLike, prediction: ArrayLike) -> float | None:
    """Mean over the labels of the F1 of present and absent, weighted by frequency in the truth."""
    return _average(label, prediction, "f1_weighted")


@_metric("mF1", "multilabel", place=3, terminal=True)
def multilabel_f1_macro(*, label: ArrayLike, prediction: ArrayLike) -> float | None:
    """Mean F1 of `present` over the labels that occur in the truth or in the prediction."""
    return _average(label, prediction, "f1")


@_metric("WA", "multilabel", place=4, terminal=True)
def multilabel_weighted_accuracy(*, label: ArrayLike, prediction: ArrayLike) -> float | None:
    """Mean over the labels of the mean of true positive and true negative rate."""
    return _average(label, prediction, "weighted_accuracy")


@_metric("AUROC", "multilabel", place=5, terminal=True)
def multilabel_auroc(*, label: ArrayLike, prediction: ArrayLike) -> float | None:
    """Mean over the labels of the area under the ROC curve."""
    return _mean_defined(per_label(label=label, prediction=prediction)["auroc"])


@_mean_metric("Exact", "multilabel", place=6)
def multilabel_exact(*, label: ArrayLike, prediction: ArrayLike) -> Array:
    """Share of samples with every label right."""
    truth, guess = np.asarray(label, bool), np.asarray(prediction) > 0
    return np.asarray(_same(truth, guess).all(axis=1))


@_metric("Subset", "multilabel", standard=False)
def multilabel_subset(*, label: ArrayLike, prediction: ArrayLike) -> float | None:
    """Share of samples with every label right, or some predicted and all of those present."""
    truth, guess = np.asarray(label, bool), np.asarray(prediction) > 0
    exact, within = (truth == guess).all(axis=1), (guess <= truth).all(axis=1)
    return float((exact | within & guess.any(axis=1)).mean())


@_metric("Overlap (defect)", "multilabel", standard=False)
def multilabel_overlap_defect(*, label: ArrayLike, prediction: ArrayLike) -> float | None:
    """A defect, for comparison only: a right label must precede the first wrong one in order."""
    truth, guess = np.asarray(label, bool), np.asarray(prediction) > 0
    exact, clean = (truth == guess).all(axis=1), (guess <= truth).cumprod(axis=1).astype(bool)
    return float((exact | (truth & guess & clean).any(axis=1)).mean())
