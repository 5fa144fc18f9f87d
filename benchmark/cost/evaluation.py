"""The evaluation `cost`: parameters, FLOPs, latency, throughput, memory and training time."""

import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from statistics import median
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from benchmark.batch import Batch
from benchmark.build import build_model
from benchmark.cost import memory
from benchmark.cost.flops import count_macs, text_encoders
from benchmark.cost.latency import latency, lengths, throughput
from benchmark.cost.quiet import Watch
from benchmark.cost.workload import (
    duplicate,
    full_length,
    random_batch,
    seconds,
    training_steps,
)
from benchmark.datasets.dataset import Sequences, Split
from benchmark.errors import told
from benchmark.evaluation import EvaluationContext
from benchmark.model import Model
from benchmark.registry import register_evaluation
from benchmark.system.environment import environment
from benchmark.training.batches import SplitBatches

T = TypeVar("T")
TIME_BOX = 0.05  # seconds for further training steps
PATIENCE = 0.015  # seconds of waiting for a quiet machine, for each timed call of the latency
TRAINING_STEPS = 3  # a parameter without a gradient in all of them is dead


@register_evaluation("cost", timed=True)
def cost(context: EvaluationContext) -> dict[str, Any]:
    """Measure a model as initialised, alone on an idle machine.

    Source: the definitions and the procedure are in `docs/cost.md`. What cannot be measured is
    None, with the reason in `notes`; counts are integers, times are in the unit of their key,
    memory is in MiB (2^20 bytes).
    """
    notes: list[str] = []
    watch = Watch(PATIENCE * context.protocol.timed_calls)
    model, device, precision = context.model, context.device, context.protocol.precision
    if device.type != "cuda":
        _attempt("memory", memory.start, notes)  # its import must be over before anything is timed
    if not _trainable(model):
        notes.append("training was not measured: the model has no trainable parameters")
    mode = model.training
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(context.seed)
        dead, training = _training(context)
        peaks = _memory(context, notes)
        rest = _attempt("the model without its text encoder", lambda: _featured(context), notes)
        if rest is not None and training is not None:
            training = {**training, "without_text_encoder": _training(rest)[1]}
            peaks = {**peaks, "without_text_encoder": _memory(rest, notes)}
        measured = {
            "environment": {
                **environment(str(device), torch.get_num_threads(), precision),
                "tf32": torch.get_float32_matmul_precision() != "highest",
                "cudnn_tf32": torch.backends.cudnn.allow_tf32,
            },
            "parameters": _parameters(model, dead, notes),
            "size": _size(model),
            "flops": _attempt("FLOPs", lambda: _flops(context, notes), notes),
            "latency": latency(context, watch),
            "throughput": throughput(context, watch),
            "training": training,
            "memory": peaks,
            "energy": None,
            "feature_extraction": None,
            "notes": notes,
        }
    model.train(mode)
    return measured


def _attempt(what: str, function: Callable[[], T], notes: list[str]) -> T | None:
    """Measure something that an evaluation can do without."""
    try:
        return function()
    except Exception as error:
        notes.append(f"{what} could not be measured: {told(error) or type(error).__name__}")
        return None


def _parameters(model: Model, dead: Sequence[str], notes: list[str]) -> dict[str, Any]:
    unneeded = model.training_only()
    names = [name for name, _ in model.named_parameters()]
    for prefix in unneeded:
        if not any(_within(name, [prefix]) for name in names):
            notes.append(f"training_only names {prefix!r}, which has no parameters")
    encoders = list(text_encoders(model))
    rest = [name for name in names if not _within(name, encoders)]
    return {
        **_count_parameters(model, names, unneeded, dead),
        "without_text_encoder": _count_parameters(model, rest, unneeded, dead),
        "text_encoders": encoders,
    }


def _count_parameters(
    model: Model, names: Iterable[str], unneeded: Sequence[str], dead: Sequence[str]
) -> dict[str, Any]:
    sizes = {name: parameter.numel() for name, parameter in model.named_parameters()}
    trainable = {name for name in names if model.get_parameter(name).requires_grad}
    found = [name for name in dead if name in trainable]
    total = sum(sizes[name] for name in names)
    return {
        "trainable": sum(sizes[name] for name in trainable),
        "frozen": total - sum(sizes[name] for name in trainable),
        "total": total,
        "inference_only": sum(sizes[name] for name in trainable if not _within(name, unneeded)),
        "dead": sum(sizes[name] for name in found),
        "dead_names": found,
    }


def _within(name: str, prefixes: Sequence[str]) -> bool:
    return any(name == prefix or name.startswith(f"{prefix}.") for prefix in prefixes)


def _size(model: Model) -> dict[str, Any]:
    """Bytes of the state dict, shared tensors once."""
    tensors = {
        (tensor.data_ptr(), tensor.shape): tensor
        for tensor in model.state_dict().values()
        if isinstance(tensor, Tensor)
    }.values()
    return {
        "bytes": sum(tensor.numel() * tensor.element_size() for tensor in tensors),
        "dtypes": sorted({str(tensor.dtype).removeprefix("torch.") for tensor in tensors}),
    }


def _flops(context: EvaluationContext, notes: list[str]) -> dict[str, Any]:
    """Count one sample as long as the split allows."""
    valid = context.dataset.valid
    longest = 0 if valid.tokens is None else int(np.argmax(valid.tokens.lengths))
    batch = full_length(valid.select(np.array([longest])).batch(context.device), context.seed)
    count = count_macs(context.model, batch, precision=context.protocol.precision)
    if count.uncounted:
        notes.append(f"FLOPs leave out operators of unknown work: {', '.join(count.uncounted)}")
    rest = count.macs - count.encoder_macs
    return {
        "lengths": lengths(batch),
        "macs": count.macs,
        "flops": 2 * count.macs,
        "without_text_encoder": {"macs": rest, "flops": 2 * rest},
    }


def _featured(context: EvaluationContext) -> EvaluationContext | None:
    """The same network over hidden states that are there already; None without a text encoder.

    Its text stream is as wide as the encoder and as long as the tokens, and the model reads it in
    the mode `features`.
    """
    encoders = list(text_encoders(context.model).values())
    tokens = context.dataset.train.tokens
    if not encoders or tokens is None or context.model.text_input != "tokens":
        return None
    width: Any = encoders[0].width
    steps = tokens.ids.shape[1]

    def over_states(split: Split) -> Split:
        assert split.tokens is not None
        states = np.zeros((len(split), steps, width), np.float32)
        text = Sequences(states, split.tokens.lengths)
        return replace(split, tokens=None).with_sequences("text", text)

    widths = {**context.dataset.dims.widths, "text": width}
    dims = replace(context.dataset.dims, widths=widths, vocabulary=0)
    dataset = replace(
        context.dataset,
        dims=dims,
        train=over_states(context.dataset.train),
        valid=over_states(context.dataset.valid),
        vocabulary=None,
    )
    settings = {**context.settings, "text_encoder": "features"}
    for name in ("text_pooling", "pooling"):  # `auto` could choose another network for features
        if settings.get(name) == "auto":
            settings[name] = "mean"
    model = build_model(type(context.model), dims, settings)
    return replace(context, dataset=dataset, settings=settings, model=model.to(context.device))


def _trainable(model: Model) -> bool:
    return any(parameter.requires_grad for parameter in model.parameters())


def _training(context: EvaluationContext) -> tuple[list[str], dict[str, Any] | None]:
    """Train a copy for a few steps on a random batch: parameters without gradient, and times."""
    if not _trainable(context.model):
        return [], None
    model, device = duplicate(context.model), context.device
    size = min(context.config.batch_size, len(context.dataset.train))
    # One batch is the whole split: some losses need a sample's outputs of an earlier epoch.
    centre = context.dataset.task.centre
    batch = random_batch(
        context.dataset.train, size, seed=context.seed, device=device, centre=centre
    )
    batches = SplitBatches(batch, size)
    alive: set[str] = set()
    times: list[float] = []
    for step in training_steps(model, batches, context.config, context.protocol.precision):
        times.append(seconds(step, device))
        if len(times) <= TRAINING_STEPS:
            alive |= {
                name
                for name, parameter in model.named_parameters()
                if parameter.grad is not None and bool(parameter.grad.any())
            }
        # The first step also makes the optimiser's state and is not counted.
        if len(times) > TRAINING_STEPS and sum(times[1:]) > TIME_BOX:
            break
    dead = [
        name
        for name, parameter in model.named_parameters()
        if parameter.requires_grad and name not in alive
    ]
    timing = {"step_s": median(times[1:]), "batch": size, "timed_steps": len(times) - 1}
    return dead, timing


def _memory(context: EvaluationContext, notes: list[str]) -> dict[str, Any]:
    """Peaks of inference at the evaluation batch and of training at the training batch."""
    train, valid = context.dataset.train, context.dataset.valid
    batches = {
        "inference": (valid, context.protocol.evaluation_batch),
        "training": (train, min(context.config.batch_size, len(train))),
    }
    measured: dict[str, Any] = {
        "unit": "MiB",
        "method": "device allocator"
        if context.device.type == "cuda"
        else "resident memory of a fresh process",
    }
    if not _trainable(context.model):
        measured["training"] = None
        del batches["training"]
    for name, (split, size) in batches.items():
        centre = context.dataset.task.centre
        batch = random_batch(split, size, seed=context.seed, device=context.device, centre=centre)
        job = _job(context, batch, training=name == "training")
        peak = _attempt(f"{name} memory", partial(_peak, context, job), notes)
        measured[name] = None if peak is None else {"batch": size, **peak}
    return measured


def _job(context: EvaluationContext, batch: Batch, *, training: bool) -> memory.Job:
    cls = type(context.model)
    return memory.Job(
        module=cls.__module__,
        file=getattr(sys.modules[cls.__module__], "__file__", None) or "",
        qualname=cls.__qualname__,
        settings=context.settings,
        dims=context.dataset.dims,
        config=context.config,
        precision=context.protocol.precision,
        threads=torch.get_num_threads(),
        batch=batch,
        training=training,
        imports=tuple(sorted({type(part).__module__ for part in context.model.modules()})),
    )


def _peak(context: EvaluationContext, job: memory.Job) -> dict[str, float | None]:
    if context.device.type != "cuda":
        return memory.host_peak(job)
    model = duplicate(context.model)
    return memory.device_peak(lambda: job.work(model, job.batch), context.device)
