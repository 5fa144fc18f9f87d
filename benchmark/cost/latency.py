"""Time of a single sample and samples a second, on data that is on the device already."""

import time
from collections.abc import Sequence
from functools import partial
from statistics import median
from typing import Any

import numpy as np
import torch

from benchmark.batch import Batch
from benchmark.cost.flops import inside_encoders, text_encoders
from benchmark.cost.quiet import Watch
from benchmark.cost.workload import seconds, synchronise
from benchmark.evaluation import EvaluationContext
from benchmark.training.predict import evaluating

BATCH_SIZES = (1, 8, 32, 128)
LATENCY_SAMPLES = 200
BLOCKS = 5  # that the timed calls of the latency come in
TIME_BOX = 0.05  # seconds for each batch size of the throughput
LEAST_CALLS = 3


def lengths(batch: Batch) -> dict[str, int]:
    """Padded steps of each stream and of the tokens."""
    lengths = {name: stream.mask.shape[1] for name, stream in batch.modalities.items()}
    if batch.token_ids is not None:
        lengths["tokens"] = batch.token_ids.shape[1]
    return lengths


def latency(context: EvaluationContext, watch: Watch) -> dict[str, Any]:
    """Time single samples that are on the device already, in blocks, each in a quiet moment."""
    model, valid, protocol = context.model, context.dataset.valid, context.protocol
    count = min(len(valid), LATENCY_SAMPLES)
    chosen = np.linspace(0, len(valid) - 1, count).astype(np.int64)
    samples = valid.select(chosen).batch(context.device)
    batches = [
        samples.select(index) for index in torch.arange(count, device=context.device).chunk(count)
    ]
    with evaluating(model, context.device, protocol.precision):
        for call in range(protocol.warmup_calls):
            model(batches[call % count])
        times: list[float] = []
        for calls in torch.arange(protocol.timed_calls).chunk(BLOCKS):
            chosen_batches = [batches[call % count] for call in calls.tolist()]
            times += watch.measure(partial(_time_calls, context, chosen_batches))
        inside, outside = watch.measure(
            partial(_encoder_apart, context, batches, protocol.timed_calls)
        )
    return {
        **_percentiles(times),
        "encoder_p50_ms": median(inside) * 1e3 if inside else None,
        "without_text_encoder": _percentiles(outside or times),
        "samples": count,
        "warmup_calls": protocol.warmup_calls,
        "timed_calls": protocol.timed_calls,
        "padded_to": lengths(samples),
        **watch.report(),
    }


def _time_calls(context: EvaluationContext, batches: Sequence[Batch]) -> list[float]:
    """Seconds of one call for each batch."""
    return [seconds(partial(context.model, batch), context.device) for batch in batches]


def _percentiles(times: Sequence[float]) -> dict[str, float]:
    """Median, 90th and 99th percentile of seconds, in milliseconds."""
    values = np.percentile(times, [50, 90, 99]) * 1e3
    return dict(zip(("p50_ms", "p90_ms", "p99_ms"), map(float, values), strict=True))


def _encoder_apart(
    context: EvaluationContext, batches: Sequence[Batch], calls: int
) -> tuple[list[float], list[float]]:
    """Seconds that each call spends in text encoders and in all the rest; empty without any."""
    if not text_encoders(context.model):
        return [], []
    spent, entered = 0.0, 0.0

    def now() -> float:
        synchronise(context.device)
        return time.perf_counter()

    def enter() -> None:
        nonlocal entered
        entered = now()

    def leave() -> None:
        nonlocal spent
        spent += now() - entered

    inside, outside = [], []
    with inside_encoders(context.model, enter, leave):
        for call in range(calls):
            spent, batch = 0.0, batches[call % len(batches)]
            whole = seconds(partial(context.model, batch), context.device)
            inside.append(spent)
            outside.append(whole - spent)
    return inside, outside


def throughput(context: EvaluationContext, watch: Watch) -> dict[str, Any]:
    """Samples a second by batch size, in quiet moments; a smaller split is repeated."""
    model, valid = context.model, context.dataset.valid
    chosen = np.arange(max(BATCH_SIZES)) % len(valid)
    samples = valid.select(chosen).batch(context.device)
    speeds: dict[str, float] = {}
    rest: dict[str, float] = {}
    with evaluating(model, context.device, context.protocol.precision):
        for size in BATCH_SIZES:
            batch = samples.select(samples.index[:size])
            model(batch)
            times = watch.measure(partial(_time_box, context, batch))
            speeds[str(size)] = size * len(times) / sum(times)
            _, outside = watch.measure(partial(_encoder_apart, context, [batch], LEAST_CALLS))
            rest[str(size)] = size / median(outside) if outside else speeds[str(size)]
    best = max(speeds, key=lambda size: speeds[size])
    return {
        "samples_per_second": speeds,
        "best": speeds[best],
        "best_batch": int(best),
        "without_text_encoder": {"samples_per_second": rest, "best": max(rest.values())},
        **watch.report(),
    }


def _time_box(context: EvaluationContext, batch: Batch) -> list[float]:
    """Seconds of calls until there are enough."""
    times: list[float] = []
    while len(times) < LEAST_CALLS or sum(times) < TIME_BOX:
        times.append(seconds(partial(context.model, batch), context.device))
    return times
