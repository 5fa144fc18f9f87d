"""Which numbers of the records become columns, and how each is read."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from benchmark.metrics import METRICS, Metric
from benchmark.records.record import Record
from leaderboard.names import one_line
from leaderboard.table import VALID, Column, Split

MAIN = {
    "mosi": (
        *("acc2_neg_nonneg", "acc2_neg_pos", "f1_neg_nonneg", "f1_neg_pos"),
        *("acc7", "acc5", "mae", "corr"),
    ),
    "sims": ("acc2", "f1", "acc5", "acc3", "mae", "corr"),
    "multiclass": ("accuracy", "f1_weighted", "f1_macro", "balanced_accuracy"),
    "multilabel": ("accuracy", "f1_weighted", "f1_macro", "weighted_accuracy", "auroc", "exact"),
}
# Printed in one column, `-/0+ / -/+`, where space is short.
PAIRS = {
    "mosi": {
        "Acc-2": ("acc2_neg_nonneg", "acc2_neg_pos"),
        "F1": ("f1_neg_nonneg", "f1_neg_pos"),
    }
}
SELECTION = {
    "mosi": ("regression", "mae"),
    "sims": ("regression", "mae"),
    "multiclass": ("multiclass", "f1_weighted"),
    "multilabel": ("multilabel", "f1_macro"),
}
MODALITIES = {"t": "text", "a": "audio", "v": "vision"}


def find_convention(records: Iterable[Record]) -> str:
    """The convention of the records' metrics; empty if none states its task."""
    return next((str(record.task["convention"]) for record in records if record.task), "")


def score_columns(convention: str) -> list[Column]:
    """Every standard metric on the test split, the printed ones first; then on validation."""
    order = MAIN.get(convention, ())
    metrics = sorted(
        _metrics(convention),
        key=lambda metric: order.index(metric.key) if metric.key in order else len(order),
    )
    splits: tuple[Split, ...] = ("test", "valid")
    return [
        Column(
            key=metric.key if split == "test" else VALID + metric.key,
            header=metric.symbol,
            group="score",
            unit="%" if metric.percent else "",
            higher_is_better=metric.higher_is_better,
            read=partial(_score, name=metric.key, split=split),
            decimals=1 if metric.percent else 3,
            percent=metric.percent,
            main=split == "test" and metric.key in order,
            split=split,
        )
        for split in splits
        for metric in metrics
    ]


def robustness_columns(records: Iterable[Record]) -> list[Column]:
    """Skill scores of the evaluation `robustness`, as far as any record has it."""
    found = [
        record.measurements["robustness"]
        for record in records
        if "robustness" in record.measurements
    ]
    if not found:
        return []

    def column(key: str, header: str, *path: str, better: bool = True, main: bool = True) -> Column:
        read = partial(_dig, path=("robustness", *path))
        return Column(
            key, header, "robustness", "", better, read, decimals=3, main=main, split="test"
        )

    corruptions = dict.fromkeys(name for values in found for name in values["mean_skill"])
    removals = dict.fromkeys(name for values in found for name in values["missing"])
    modalities = dict.fromkeys(name for values in found for name in values["reliance"])
    return [
        column("mean_skill", "Robust", "summary", "mean_skill"),
        column("clean_skill", "Clean skill", "summary", "clean_skill"),
        column("retention", "Retention", "summary", "retention"),
        column("worst_case", "Worst case", "summary", "worst_case"),
        *(column(f"mean_skill.{name}", name, "mean_skill", name) for name in corruptions),
        column("drop", "Drop", "summary", "drop", better=False, main=False),
        column("flip_rate", "Flip rate", "summary", "flip_rate", better=False, main=False),
        column("shift", "Shift", "summary", "shift", better=False, main=False),
        *(column(f"skill.{name}", name, "missing", name, "skill", main=False) for name in removals),
        *(
            column(f"shapley.{name}", f"Shapley {name}", "reliance", name, "shapley", main=False)
            for name in modalities
        ),
    ]


def cost_columns(records: Iterable[Record]) -> list[Column]:
    """Costs from cost records and training times from score records, as far as there are any."""
    known = list(records)
    columns: list[Column] = []
    if any("cost" in record.measurements for record in known):
        encoders = any(_encoder_parameters(record) for record in known)
        columns += [
            column for column in _MEASURED if encoders or not column.key.startswith("encoder_")
        ]
    if any(record.training is not None for record in known):
        columns += _TRAINING
    return columns


def removal_title(name: str) -> str:
    """`missing.av` as `only text`, `missing.t` as `no text`."""
    letters = name.removeprefix("missing.")
    if letters == "none":
        return "nothing\nmissing"
    if len(letters) == 1:
        return f"no\n{MODALITIES.get(letters, one_line(letters))}"
    rest = [title for letter, title in MODALITIES.items() if letter not in letters]
    return "only\n" + ", ".join(rest)


def _metrics(convention: str) -> list[Metric]:
    return [
        metric for metric in METRICS.values() if metric.convention == convention and metric.standard
    ]


def _score(record: Record, name: str, split: str) -> float | None:
    return record.metric(name, split)


def _dig(record: Record, path: tuple[str, ...]) -> float | None:
    value: Any = record.measurements
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return float(value) if isinstance(value, int | float) else None


def _parameters(record: Record, *where: str) -> float | None:
    """Parameters that inference uses, frozen ones included."""
    path = ("cost", "parameters", *where)
    needed, frozen = (_dig(record, (*path, name)) for name in ("inference_only", "frozen"))
    return None if needed is None or frozen is None else needed + frozen


def _own_parameters(record: Record) -> float | None:
    return _parameters(record, "without_text_encoder")


def _encoder_parameters(record: Record) -> float | None:
    whole, own = _parameters(record), _own_parameters(record)
    return None if whole is None or own is None else whole - own


def _encoder_flops(record: Record) -> float | None:
    whole = _dig(record, ("cost", "flops", "flops"))
    own = _dig(record, ("cost", "flops", "without_text_encoder", "flops"))
    return None if whole is None or own is None else whole - own


def _training(record: Record, name: str) -> float | None:
    return None if record.training is None else float(getattr(record.training, name))


def _cost(
    key: str,
    header: str,
    unit: str,
    read: Callable[[Record], float | None],
    *,
    better: bool = False,
    main: bool = True,
) -> Column:
    return Column(key, header, "cost", unit, better, read, main=main)


def _at(*path: str) -> Callable[[Record], float | None]:
    return partial(_dig, path=("cost", *path))


_MEASURED = [
    _cost("parameters", "Params", "", _own_parameters),
    _cost("encoder_parameters", "Encoder params", "", _encoder_parameters),
    _cost("flops", "FLOPs", "", _at("flops", "flops")),
    _cost("encoder_flops", "Encoder FLOPs", "", _encoder_flops, main=False),
    _cost("latency_p50", "Latency", "ms", _at("latency", "p50_ms")),
    _cost("latency_p90", "Latency p90", "ms", _at("latency", "p90_ms"), main=False),
    _cost("latency_p99", "Latency p99", "ms", _at("latency", "p99_ms"), main=False),
    _cost("throughput", "Throughput", "1/s", _at("throughput", "best"), better=True),
    _cost("memory_inference", "Memory", "MiB", _at("memory", "inference", "peak_mib")),
    _cost("memory_training", "Training memory", "MiB", _at("memory", "training", "peak_mib")),
]
_TRAINING = [
    _cost("training_seconds", "Train", "s", partial(_training, name="seconds")),
    _cost("epoch_seconds", "Epoch", "s", partial(_training, name="seconds_per_epoch")),
]
TRAINING_TIMES = tuple(column.key for column in _TRAINING)
