"""Unimodal label generation: labels of single modalities made from distances to class centres."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from benchmark import (
    MODALITIES,
    Batch,
    Batches,
    Model,
    Output,
    Task,
    TrainConfig,
    UserError,
    parameter_groups,
)

FUSION = "fusion"
HEADS = (FUSION, *MODALITIES)
EPSILON = 1e-8


class LabelGenerator(nn.Module):
    """Self-MM's generator of unimodal labels (Yu et al., AAAI 2021, Section 3.3).

    It remembers for every training sample the latest representation F_s of each head s and a label
    y_s, which starts as the multimodal label y. With the distances of F_s to the mean of all
    positive and of all negative samples, δ_s = (D⁻ - D⁺) / (D⁺ + ε) says how far s leans to the
    positive side, and

        new = y (δ_s + δ_m) / (2 δ_m) + (δ_s - δ_m) / 2, clamped to the range of labels,
        y_s ← (n - 1) / (n + 1) · y_s + 2 / (n + 1) · new      from epoch n = 2 on.

    Labels are kept as deviations from the neutral label, so that scales which are not centred on 0
    work too. While a head has no positive or no negative sample its centre does not exist: the
    labels that would need it stay as they are (the reference turns them into NaN).

    Nothing here is learned or saved; all updates are in place, of static shape, and need no host.

    Args:
        widths: head -> width of its representation; `fusion` names the multimodal head.
        task: a regression, whose range the labels keep.
        exclude_zero: neutral samples belong to no class, rather than to the positive one.
        paper_distance: squared distances over the square root of the width, as the paper prints
            them, instead of the plain distances of the code. The root alone would change nothing:
            a common scale cancels in δ_s.

    Attributes:
        labels: `(S, N)`, deviations from the neutral label, heads in the order of `widths`.
        clamped: share of the last batch's generated labels that left the range.

    Raises:
        UserError: the task is no regression.
    """

    labels: Tensor
    clamped: Tensor
    epoch: Tensor

    def __init__(
        self,
        widths: Mapping[str, int],
        task: Task,
        *,
        exclude_zero: bool = True,
        paper_distance: bool = False,
    ):
        super().__init__()
        if task.kind != "regression":
            raise UserError(
                f"unimodal labels are generated from a score, and this task is {task.kind}; "
                f"use a regression dataset or a model without label generation"
            )
        self.widths = dict(widths)
        self.heads = tuple(widths)
        self.low, self.high = task.low - task.neutral, task.high - task.neutral
        self.neutral = task.neutral
        self.exclude_zero = exclude_zero
        self.paper_distance = paper_distance
        self.started = False

    def start(self, batches: Batches) -> None:
        """Size the memories for the training split and set all labels to the multimodal one."""
        label = batches.whole().label - self.neutral  # (N,)
        samples, device = batches.samples, label.device
        self._remember("labels", label.expand(len(self.heads), -1).clone())
        self._remember("clamped", torch.zeros((), device=device))
        self._remember("epoch", torch.ones((), device=device))
        for head, width in self.widths.items():
            self._remember(f"memory_{head}", torch.zeros(samples, width, device=device))
            self._remember(f"positive_{head}", torch.zeros(width, device=device))
            self._remember(f"negative_{head}", torch.zeros(width, device=device))
            self._remember(f"exists_{head}", torch.zeros((), dtype=torch.bool, device=device))
        self.started = True

    def start_epoch(self, epoch: int) -> None:
        """Tell the number of the epoch, counted from 1."""
        self.epoch.fill_(epoch)

    def targets(self, label: Tensor, index: Tensor) -> dict[str, Tensor]:
        """Current label of each head, `(B,)` each; before `start` the multimodal label."""
        if not self.started:
            return dict.fromkeys(self.heads, label)
        own = self.labels[:, index] + self.neutral  # (S, B)
        return dict(zip(self.heads, own.unbind(), strict=True))

    @torch.no_grad()
    def update(self, features: Mapping[str, Tensor], label: Tensor, index: Tensor) -> None:
        """After a batch: labels by the centres of the batch before, memories, then new centres.

        Args:
            features: head -> F_s of the batch, `(B, width)`, with training-mode dropout.
            label: multimodal labels `(B,)`.
            index: places of the samples in the training split, int64 `(B,)`.
        """
        features = {head: features[head].detach().float() for head in self.heads}
        self._update_labels(features, label - self.neutral, index)
        for place, head in enumerate(self.heads):
            memory = getattr(self, f"memory_{head}")
            memory[index] = features[head]
            label_of = self.labels[place]
            positive = label_of > 0 if self.exclude_zero else label_of >= 0
            negative = label_of < 0
            getattr(self, f"positive_{head}").copy_(_centre(memory, positive))
            getattr(self, f"negative_{head}").copy_(_centre(memory, negative))
            getattr(self, f"exists_{head}").copy_(positive.any() & negative.any())

    def _update_labels(self, features: Mapping[str, Tensor], label: Tensor, index: Tensor) -> None:
        lean = {head: self._lean(head, features[head]) for head in self.heads}
        fusion, anchored = lean[FUSION], getattr(self, f"exists_{FUSION}")
        share, outside = 2 / (self.epoch + 1), []
        for place, head in enumerate(self.heads):
            if head == FUSION:
                continue
            ratio = lean[head] / (fusion + EPSILON)
            new = 0.5 * ratio * label + 0.5 * (label + lean[head] - fusion)  # (B,)
            outside.append(((new < self.low) | (new > self.high)).float().mean())
            old = self.labels[place, index]
            mixed = (1 - share) * old + share * new.clamp(self.low, self.high)
            ready = (self.epoch > 1) & anchored & getattr(self, f"exists_{head}")
            self.labels[place, index] = torch.where(ready, mixed, old)
        self.clamped.copy_(torch.stack(outside).mean() * (self.epoch > 1))

    def _lean(self, head: str, features: Tensor) -> Tensor:
        """δ_s of each sample, `(B,)`: positive on the side of the positive centre."""
        positive = (features - getattr(self, f"positive_{head}")).norm(dim=1)
        negative = (features - getattr(self, f"negative_{head}")).norm(dim=1)
        if self.paper_distance:
            root = self.widths[head] ** 0.5
            positive, negative = positive.square() / root, negative.square() / root
        return (negative - positive) / (positive + EPSILON)

    def _remember(self, name: str, value: Tensor) -> None:
        self.register_buffer(name, value, persistent=False)


class SelfLabelled(Model):
    """A model with a head for the fusion and one for each modality, which learns generated labels.

    Its output carries `feature_*` and `prediction_*` of each head; only that of the fusion is
    needed for prediction.

    Attributes:
        generator: of the labels; None in a model that learns the multimodal label alone.
        rates: submodule -> `lr` and `weight_decay` of its own.
    """

    generator: LabelGenerator | None
    rates: Mapping[str, Mapping[str, float]]

    def loss_terms(self, output: Output, batch: Batch) -> dict[str, Tensor]:
        """Weighted loss of each head; those of the single modalities are 0 in the first epoch."""
        predictions = {name: output.features[f"prediction_{name}"] for name in HEADS}
        return head_losses(predictions, self.generator.targets(batch.label, batch.index))

    def param_groups(self, config: TrainConfig) -> list[dict[str, Any]]:
        return parameter_groups(self, config, self.rates)

    def training_only(self) -> tuple[str, ...]:
        return tuple(f"heads.{name}" for name in MODALITIES)

    def start_training(self, batches: Batches) -> None:
        if self.generator is not None:
            self.generator.start(batches)

    def start_epoch(self, epoch: int, batches: Batches) -> None:
        if self.generator is not None:
            self.generator.start_epoch(epoch)

    def after_step(self, output: Output, batch: Batch) -> None:
        if self.generator is not None:
            features = {name: output.features[f"feature_{name}"] for name in HEADS}
            self.generator.update(features, batch.label, batch.index)


class Head(nn.Module):
    """Representation F_s and prediction of one head."""

    def __init__(self, inputs: int, width: int, outputs: int, dropout: float):
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.represent = nn.Linear(inputs, width)
        self.hidden = nn.Linear(width, width)
        self.out = nn.Linear(width, outputs)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        feature = self.represent(self.dropout(x)).relu()  # (B, width)
        return feature, self.out(self.hidden(feature).relu())


class Heads(nn.ModuleDict):
    """The heads of a `SelfLabelled` model, by name.

    Args:
        inputs: head -> width of what it reads.
        widths: head -> width of its representation.
        dropouts: head -> dropout on what it reads.
        outputs: numbers to predict.
    """

    def __init__(
        self,
        inputs: Mapping[str, int],
        widths: Mapping[str, int],
        dropouts: Mapping[str, float],
        outputs: int,
    ):
        super().__init__(
            {name: Head(inputs[name], widths[name], outputs, dropouts[name]) for name in HEADS}
        )

    def forward(self, vectors: Mapping[str, Tensor]) -> Output:
        """The prediction of the fusion, and what every head makes of its vector."""
        features = {}
        for name, head in self.items():
            feature, prediction = head(vectors[name])
            features[f"feature_{name}"] = feature
            features[f"prediction_{name}"] = prediction.squeeze(1)
        return Output(features[f"prediction_{FUSION}"], features)


def by_head(fusion: Any, text: Any, audio: Any, vision: Any) -> dict[str, Any]:
    """Four values under the names of the heads."""
    return dict(zip(HEADS, (fusion, text, audio, vision), strict=True))


def head_losses(
    predictions: Mapping[str, Tensor], targets: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """Loss of each head: mean of w_s |ŷ_s - y_s|, w = 1 for fusion, else tanh |y_s - y_m|.

    Args:
        predictions: head -> `(B,)`.
        targets: head -> `(B,)`; that of `fusion` is the multimodal label.
    """
    losses = {}
    for head, prediction in predictions.items():
        error = (prediction - targets[head]).abs()
        if head != FUSION:
            error = error * (targets[head] - targets[FUSION]).abs().tanh()
        losses[head] = error.mean()
    return losses


def _centre(memory: Tensor, members: Tensor) -> Tensor:
    """Mean of the member rows, `(width,)`; zeros where there is none."""
    weights = members.to(memory.dtype)  # (N,)
    return weights @ memory / weights.sum().clamp(min=1)
