"""Which numbers of the records become columns, and how each is read."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial

from benchmark.metrics import METRICS, Metric
from benchmark.records.measurements import Cost, Count, Peak, removed
from benchmark.records.record import Record
from leaderboard.names import removal_title
from leaderboard.source import Run
from leaderboard.table import VALID, Column, Place, Split
from robustness.reliance import EXACT
from robustness.scores import Summary

SELECTION = {
    "mosi": ("regression", "mae"),
    "sims": ("regression", "mae"),
    "multiclass": ("multiclass", "f1_weighted"),
    "multilabel": ("multilabel", "f1_macro"),
}


def find_convention(records: Iterable[Record]) -> str:
    """The convention of the records' metrics; empty if none states its task."""
    return next((str(record.task["convention"]) for record in records if record.task), "")


def score_columns(convention: str) -> list[Column]:
    """Every standard metric on the test split, the printed ones first; then on validation."""
    metrics = sorted(_metrics(convention), key=lambda metric: metric.place or len(METRICS))
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
            places=_score_places(metric) if split == "test" else (),
            pair=metric.pair if split == "test" else "",
            split=split,
        )
        for split in splits
        for metric in metrics
    ]


def measured_columns(records: Sequence[Record]) -> list[Column]:
    """Everything but accuracies, as far as any record has it: the columns of `runs.csv` too."""
    return [*robustness_columns(records), *extra_columns(records), *cost_columns(records)]


def robustness_columns(records: Iterable[Record]) -> list[Column]:
    """Skill scores of the evaluation `robustness`, as far as any record has it."""
    known = (record.measurements.robustness for record in records)
    found = [robustness for robustness in known if robustness is not None]
    if not found:
        return []

    def column(
        key: str, header: str, part: str, name: str, *places: Place, better: bool = True
    ) -> Column:
        read = partial(_robustness, part=part, name=name)
        return Column(
            key, header, "robustness", "", better, read, decimals=3, places=places, split="test"
        )

    corruptions = dict.fromkeys(name for values in found for name in values.curves)
    removals = {
        name: (removed(name, values.modalities), values.modalities)
        for values in found
        for name in values.missing
    }
    sets = list(dict.fromkeys(tuple(values.modalities) for values in found))
    modalities = list(dict.fromkeys(name for names in sets for name in names))
    estimated = dict.fromkeys(name for names in sets if len(names) > EXACT for name in names)
    return [
        column("mean_skill", "Robust", "summary", "mean_skill", "page", "terminal", "paper"),
        column("clean_skill", "Clean skill", "summary", "clean_skill", "page"),
        column("retention", "Retention", "summary", "retention", "page"),
        column("worst_case", "Worst case", "summary", "worst_case", "page"),
        *(column(f"mean_skill.{name}", name, "mean_skill", name, "page") for name in corruptions),
        column("drop", "Drop", "summary", "drop", better=False),
        column("flip_rate", "Flip rate", "summary", "flip_rate", better=False),
        column("shift", "Shift", "summary", "shift", better=False),
        *(
            column(f"skill.{name}", removal_title(*what), "missing", name, *_removal_places(*what))
            for name, what in removals.items()
        ),
        *(
            column(f"drop.{name}", f"Drop {name}", "drop", name, better=False)
            for name in modalities
        ),
        *(column(f"shapley.{name}", f"Shapley {name}", "shapley", name) for name in modalities),
        *(
            column(f"shapley_error.{n}", f"Error {n}", "shapley_error", n, better=False)
            for n in estimated
        ),
    ]


def _removal_places(gone: Sequence[str], modalities: Sequence[str]) -> tuple[Place, ...]:
    """Printed is what happens without one modality, and with one alone."""
    return ("missing",) if len(gone) < 2 or len(gone) == len(modalities) - 1 else ()


def extra_columns(records: Iterable[Record]) -> list[Column]:
    """The columns that users' evaluations declare, by evaluation; of one key the first."""
    columns: dict[str, Column] = {}
    for record in records:
        for name, extra in record.measurements.extra.items():
            for declared in extra.columns:
                key = f"{name}.{declared.key}"
                column = Column(
                    key=key,
                    header=declared.header,
                    group=name,
                    unit="%" if declared.percent else declared.unit,
                    higher_is_better=declared.higher_is_better,
                    read=partial(_extra, name=name, key=declared.key),
                    decimals=declared.decimals,
                    percent=declared.percent,
                    places=("page", "terminal") if declared.printed else (),
                    split=declared.split,
                    timed=record.cell.timed,
                )
                columns.setdefault(key, column)
    return sorted(columns.values(), key=lambda column: column.group)


def cost_columns(records: Iterable[Record]) -> list[Column]:
    """Costs from cost records and training times from score records, as far as there are any."""
    known = list(records)
    columns: list[Column] = []
    costs = [record.measurements.cost for record in known if record.measurements.cost is not None]
    if costs:
        encoders = any(map(_encoder_parameters, costs))
        columns += [
            column for column in _MEASURED if encoders or not column.key.startswith("encoder_")
        ]
    if any(record.training is not None for record in known):
        columns += _TRAINING
    return columns


def _metrics(convention: str) -> list[Metric]:
    return [
        metric for metric in METRICS.values() if metric.convention == convention and metric.standard
    ]


def _score_places(metric: Metric) -> tuple[Place, ...]:
    if not metric.place:
        return ()
    return ("page", "terminal", "paper") if metric.terminal else ("page", "paper")


def _score(run: Run, name: str, split: str) -> float | None:
    return run.record.metric(name, split)


def _robustness(run: Run, part: str, name: str) -> float | None:
    found: Summary = {} if run.robustness is None else getattr(run.robustness, part)
    return found.get(name)


def _extra(run: Run, name: str, key: str) -> float | None:
    extra = run.record.measurements.extra.get(name)
    declared = extra is not None and any(column.key == key for column in extra.columns)
    return extra.number(key) if extra is not None and declared else None


def _inference(count: Count) -> float | None:
    """Parameters that inference uses, frozen ones included."""
    needed, frozen = count.inference_only, count.frozen
    return None if needed is None or frozen is None else float(needed + frozen)


def _parameters(cost: Cost) -> float | None:
    return _inference(cost.parameters.without_text_encoder)


def _encoder_parameters(cost: Cost) -> float | None:
    whole, own = _inference(cost.parameters), _parameters(cost)
    return None if whole is None or own is None else whole - own


def _flops(cost: Cost) -> float | None:
    whole = None if cost.flops is None else cost.flops.flops
    return None if whole is None else float(whole)


def _encoder_flops(cost: Cost) -> float | None:
    whole = _flops(cost)
    own = None if cost.flops is None else cost.flops.without_text_encoder.flops
    return None if whole is None or own is None else whole - own


def _peak(cost: Cost, name: str) -> float | None:
    peak: Peak | None = None if cost.memory is None else getattr(cost.memory, name)
    return None if peak is None else peak.peak_mib


def _cost(run: Run, read: Callable[[Cost], float | None]) -> float | None:
    cost = run.record.measurements.cost
    return None if cost is None else read(cost)


def _training(run: Run, name: str) -> float | None:
    training = run.record.training
    return None if training is None else float(getattr(training, name))


def _timed(
    key: str,
    header: str,
    unit: str,
    read: Callable[[Cost], float | None],
    *places: Place,
    better: bool = False,
) -> Column:
    own = partial(_cost, read=read)
    return Column(key, header, "cost", unit, better, own, places=places, timed=True)


def _trained(key: str, header: str, name: str, *places: Place) -> Column:
    return Column(key, header, "cost", "s", False, partial(_training, name=name), places=places)


_EVERYWHERE: tuple[Place, ...] = ("page", "terminal", "paper")
_MEASURED = [
    _timed("parameters", "Params", "", _parameters, *_EVERYWHERE),
    _timed("encoder_parameters", "Encoder params", "", _encoder_parameters, "page"),
    _timed("flops", "FLOPs", "", _flops, "page", "paper"),
    _timed("encoder_flops", "Encoder FLOPs", "", _encoder_flops),
    _timed("latency_p50", "Latency", "ms", lambda cost: cost.latency.p50_ms, *_EVERYWHERE),
    _timed("latency_p90", "Latency p90", "ms", lambda cost: cost.latency.p90_ms),
    _timed("latency_p99", "Latency p99", "ms", lambda cost: cost.latency.p99_ms),
    _timed("throughput", "Throughput", "1/s", lambda c: c.throughput.best, "page", better=True),
    _timed("memory_inference", "Memory", "MiB", partial(_peak, name="inference"), "page"),
    _timed("memory_training", "Training memory", "MiB", partial(_peak, name="training"), "page"),
]
_TRAINING = [
    _trained("training_seconds", "Train", "seconds", *_EVERYWHERE),
    _trained("epoch_seconds", "Epoch", "seconds_per_epoch", "page"),
]
TRAINING_TIMES = tuple(column.key for column in _TRAINING)
