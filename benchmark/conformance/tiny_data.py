"""A tiny split and a few training steps on it: what the promises of a model are tried on."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmark.batch import Batch, Stream
from benchmark.build import build_model
from benchmark.config import TrainConfig
from benchmark.model import Model
from benchmark.registry import ModelEntry
from benchmark.task import MODALITIES, Dims, Task, regression
from benchmark.training.batches import SplitBatches
from benchmark.training.step import Step

# Three different widths and lengths, so that a swapped axis or modality fails at once.
WIDTHS = {"text": 7, "audio": 5, "vision": 9}
LENGTHS = {"text": 6, "audio": 11, "vision": 8}
EXTRA_WIDTH, EXTRA_LENGTH = 4, 3
TOKENS = LENGTHS["text"] + 2
VOCABULARY, PAD, START, END, FIRST_WORD = 20, 0, 2, 3, 5
SCORE = regression(-3, 3)


def tiny_dims(cls: type[Model], task: Task = SCORE) -> Dims:
    """What a model is told about the tiny data, with any extra modality that its class names."""
    extra = [name for name in cls.modalities if name not in MODALITIES]
    lengths = {**LENGTHS, "tokens": TOKENS, **dict.fromkeys(extra, EXTRA_LENGTH)}
    return Dims(
        {**WIDTHS, **dict.fromkeys(extra, EXTRA_WIDTH)},
        outputs=task.outputs,
        task=task,
        vocabulary=VOCABULARY,
        lengths=lengths if cls.needs_lengths else {},
    )


def tiny_batch(dims: Dims, samples: int = 6, seed: int = 0) -> Batch:
    """Random features, tokens and labels; the first sample has full length, others vary.

    There are no tokens where `dims.vocabulary` is 0.
    """
    generator = torch.Generator().manual_seed(seed)

    def stream(steps: int, width: int) -> Stream:
        lengths = torch.randint(1, steps + 1, (samples,), generator=generator)
        lengths[0] = steps
        mask = torch.arange(steps) < lengths[:, None]
        return Stream(
            torch.randn(samples, steps, width, generator=generator) * mask[..., None], mask
        )

    streams = {name: stream(LENGTHS[name], WIDTHS[name]) for name in MODALITIES}
    place = torch.arange(TOKENS).expand(samples, -1)  # (B, K)
    last = streams["text"].lengths[:, None] + 1
    ids = torch.randint(FIRST_WORD, VOCABULARY, place.shape, generator=generator)
    ids = ids.masked_fill(place == 0, START).masked_fill(place == last, END)
    if dims.task.kind == "regression":
        label = dims.task.low + 2 * dims.task.span * torch.rand(samples, generator=generator)
    elif dims.task.kind == "multiclass":
        label = torch.arange(samples) % dims.outputs
    else:  # every label is there in some samples and in others not
        label = (torch.arange(samples).unsqueeze(1) + torch.arange(dims.outputs)) % 2  # (B, C)
        label = label.float()
    tokens: dict[str, Any] = {
        "token_ids": ids.masked_fill(place > last, PAD),
        "token_mask": place <= last,
        "token_words": (place - 1).masked_fill((place == 0) | (place >= last), -1),
    }
    streams |= {name: stream(EXTRA_LENGTH, width) for name, width in dims.extra.items()}
    index = torch.arange(samples)
    return Batch(streams, label, index, **(tokens if dims.vocabulary else {}))


def tiny_batches(split: Batch, batch_size: int = 6) -> SplitBatches:
    """A training split of a few samples in its own order, for the hooks of a model."""
    return SplitBatches(split, batch_size)


def build(entry: ModelEntry, dims: Dims, seed: int = 0) -> Model:
    """The model with its `smoke` settings and a text encoder that needs no stored weights."""
    settings: dict[str, Any] = {}
    if "text_encoder" in entry.parameters:
        settings["text_encoder"] = "scratch" if dims.vocabulary else "features"
    torch.manual_seed(seed)
    return build_model(entry.cls, dims, {**settings, **entry.smoke})


def steps(model: Model, batches: SplitBatches, epochs: int) -> Iterator[Tensor]:
    """Train as the harness does; yields the loss of each step while its gradients are there."""
    step = Step.begin(model, batches, TrainConfig(lr=3e-3), epochs=epochs)
    if step is None:
        return
    for epoch in range(1, epochs + 1):
        model.start_epoch(epoch, batches)
        for batch in batches:
            model.train()
            yield step(batch)


def tensors(batch: Batch) -> dict[str, Tensor]:
    """Every tensor of a tiny batch under its name."""
    found = {"label": batch.label, "index": batch.index}
    for name, stream in batch.modalities.items():
        found |= {f"{name}.values": stream.values, f"{name}.mask": stream.mask}
    tokens = (batch.token_ids, batch.token_mask, batch.token_words)
    for name, value in zip(("token_ids", "token_mask", "token_words"), tokens, strict=True):
        if value is not None:
            found[name] = value
    return found


def join(batches: list[Batch]) -> Batch:
    """One batch of the samples of several tiny batches."""
    parts = [tensors(batch) for batch in batches]
    whole: dict[str, Any] = {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
    streams = {
        name: Stream(whole.pop(f"{name}.values"), whole.pop(f"{name}.mask"))
        for name in batches[0].modalities
    }
    return Batch(streams, **whole)


def pad(batch: Batch, name: str, count: int) -> Batch:
    """The same batch with more steps beyond the mask of a stream, or of the `tokens`."""
    if name != "tokens":
        stream = batch.modalities[name]
        values = F.pad(stream.values, (0, 0, 0, count))  # (B, L + count, D)
        return batch.with_stream(name, Stream(values, F.pad(stream.mask, (0, count))))
    named = tensors(batch)
    return replace(
        batch,
        token_ids=F.pad(named["token_ids"], (0, count), value=PAD),
        token_mask=F.pad(named["token_mask"], (0, count)),
        token_words=F.pad(named["token_words"], (0, count), value=-1),
    )
