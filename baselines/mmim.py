"""MMIM: fusion that keeps mutual information between modalities, and with each of them."""

import math
from collections.abc import Mapping
from itertools import islice
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from baselines.layers.recurrent import SequenceEncoder
from baselines.layers.text import BORROWED, FINE_TUNING, Pooling, TextEncoder
from benchmark import MODALITIES, Batch, Batches, Dims, Model, Output, register_model

PAIRS = {"tv": ("text", "vision"), "ta": ("text", "audio"), "va": ("vision", "audio")}
CLIP_NORM = 1.0
RIDGE = 1e-7  # added to every variance

AUTHORS: dict[str, Any] = {
    **{"lr": 1e-3, "weight_decay": 1e-4, "encoder_lr": 5e-5, "encoder_weight_decay": 1e-4},
    **{"batch_size": 32, "epochs": 40, "patience": 10, "clip_norm": CLIP_NORM},
    **{"schedule": "plateau", "plateau_patience": 20, "plateau_factor": 0.5},
}


class InformationBound(nn.Module):
    """Lower bound E log q(y | x) + H(y) of the mutual information of two vectors.

    q is a Gaussian with a diagonal covariance. As in the code, its normaliser -½ Σ log σ² is left
    out: H sees a projection of y only, so that with the normaliser the encoders would gain without
    end by shrinking what it does not see.

    Args:
        inputs: width of x.
        outputs: width of y.
        projected: width of the projection of y whose entropy stands for that of y.
    """

    def __init__(self, inputs: int, outputs: int, projected: int):
        super().__init__()
        self.mean, self.log_variance = (
            nn.Sequential(nn.Linear(inputs, outputs), nn.ReLU(), nn.Linear(outputs, outputs))
            for _ in range(2)
        )
        self.project = nn.Sequential(nn.Linear(outputs, projected), nn.Tanh())

    def log_likelihood(self, x: Tensor, y: Tensor) -> Tensor:
        """Mean of Σ -(μ(x) - y)² / 2σ²(x) over the batch, a scalar."""
        terms = (self.mean(x) - y).square() / (2 * self.log_variance(x).exp())
        return -terms.sum(dim=1).mean()


def mixture_entropy(rows: Tensor, members: Tensor) -> Tensor:
    """Mean entropy ½ logdet Σ_c of the classes, each a Gaussian, without constants; a scalar.

    A class with fewer rows than its covariance needs to be regular, D + 1, counts as 0.

    Args:
        rows: `(R, D)`.
        members: 1 where a row belongs to a class, else 0, `(R, C)`.
    """
    with torch.autocast(rows.device.type, enabled=False):  # no covariance survives rounding
        rows = rows.float()
        counts = members.sum(dim=0)  # (C,)
        total = counts.clamp(min=1).unsqueeze(1)
        centred = rows - (members.T @ rows / total).unsqueeze(1)  # (C, R, D)
        weighted = centred * members.T.unsqueeze(2)
        covariance = weighted.transpose(1, 2) @ centred / total.unsqueeze(2)  # (C, D, D)
        identity = torch.eye(rows.shape[1], device=rows.device)
        enough = (counts > rows.shape[1]).view(-1, 1, 1)
        covariance = torch.where(enough, covariance + RIDGE * identity, identity)
        log_determinants = torch.linalg.slogdet(covariance).logabsdet  # (C,)
    return log_determinants.mean() / 2


def contrastive_loss(vector: Tensor, predicted: Tensor) -> Tensor:
    """Mean of -log softmax_j(x_b · x̂_j) at j = b, both of length 1; a scalar.

    Args:
        vector: x, `(B, D)`.
        predicted: x̂, `(B, D)`.
    """
    vector, predicted = (F.normalize(rows, eps=1e-6) for rows in (vector, predicted))
    scores = vector @ predicted.T  # (B, B)
    return F.cross_entropy(scores, torch.arange(len(scores), device=scores.device))


@register_model(
    "mmim",
    paper="Han, Chen, Poria. Improving Multimodal Fusion with Hierarchical Mutual Information "
    "Maximization for Multimodal Sentiment Analysis. EMNLP 2021.",
    source="declare-lab/Multimodal-Infomax @ cd0774c; thuiar/MMSA @ a94e65d",
    defaults={
        "mmmo_mini": {
            **{"lr": 0.003, "batch_size": 16},
            "recipe": "chosen on validation: the learning rate of three, over five folds",
        },
        "mosi": {**AUTHORS, "recipe": BORROWED},
        "mosei": {**AUTHORS, "bound_share": 0.5, "recipe": BORROWED},
        "sims": {**AUTHORS, "recipe": BORROWED},
        "synthetic": {
            **{"width": 32, "bound_lr": 5e-3, "batch_size": 60, "lr": 1e-2, "epochs": 15},
            **{"schedule": "cosine", "clip_norm": CLIP_NORM},
            "recipe": "chosen on validation: learning rate and epochs, over three seeds",
        },
        "mosi_utterance": {
            **AUTHORS,
            **{"audio_hidden": 32, "vision_hidden": 32, "dropout": 0.3, "lr": 3e-4},
            "recipe": "untuned default",
        },
        "mosi_std": {**AUTHORS, "recipe": BORROWED},
    },
    fine_tuning={
        "": FINE_TUNING,
        "mosi": {**AUTHORS, "recipe": "published: the authors' code"},
        "mosei": {**AUTHORS, "bound_share": 0.5, "recipe": "published: the authors' code"},
        "sims": {
            **{**AUTHORS, "bidirectional": True, "patience": 8},
            "recipe": "published: MMSA's configuration",
        },
    },
    smoke={
        **{"audio_hidden": 4, "vision_hidden": 5, "audio_out": 6, "vision_out": 7, "width": 8},
        **{"projected_audio": 2, "projected_vision": 3, "dropout": 0.0},
        **{"encoder_hidden": 8, "encoder_layers": 1, "encoder_heads": 2},
    },
)
class MMIM(Model):
    """Multimodal InfoMax.

    Han, Chen, Poria. EMNLP 2021. Code: declare-lab/Multimodal-Infomax (authors), thuiar/MMSA (the
    same with `bidirectional=True`).

    Each epoch has two stages. The first, in `start_epoch`, fits the bounds to the training split
    with an optimiser of the model's own and leaves everything else alone. The second, the
    harness's, trains everything else on

        L_task + α L_contrast - β log q - β H

    The bounds are frozen for it, so that they stand in no parameter group; gradients pass through
    them to the encoders. The entropy projection gets no gradient in the first stage either and
    keeps its initial values, as in the code. H is taken over this batch and the one before, from
    the third batch of an epoch on; its classes are the positive and the negative samples, or the
    classes of the task.

    Deviations from the code: 1e-7 on the diagonal of the covariances; a class with too few rows
    for a covariance counts as 0 instead of NaN; the first stage computes no gradients that it
    does not apply, and gradients of the bounds do not count in the norm that clips the second; the
    test split selects nothing. Without tokens the text stream stands for BERT's states, and its
    mean for the first state.

    Args:
        dims: widths of the data.
        text_encoder: see `TextEncoder`.
        text_pooling: `first` state ([CLS]), `mean` over the valid steps, or `auto`: the first
            state of an encoder, the mean of plain features.
        encoder_hidden: width of a text encoder made from scratch.
        encoder_layers: its depth.
        encoder_heads: its attention heads.
        audio_hidden: width of the audio LSTM.
        vision_hidden: width of the vision LSTM.
        audio_out: width of the audio vector.
        vision_out: width of the vision vector.
        bidirectional: whether both LSTMs run in two directions.
        sequence_dropout: on the final states of both LSTMs.
        width: of the fusion vector Z.
        dropout: on the input of the fusion.
        projected_audio: width of the audio projection whose entropy is taken.
        projected_vision: the same of vision.
        vision_audio: a third bound, between vision and audio.
        contrast_weight: α.
        bound_weight: β.
        bound_lr: learning rate of the first stage.
        bound_weight_decay: its weight decay.
        bound_share: share of an epoch's batches that the first stage reads.
    """

    def __init__(
        self,
        dims: Dims,
        *,
        text_encoder: str = "auto",
        text_pooling: Pooling = "auto",
        encoder_hidden: int = 32,
        encoder_layers: int = 2,
        encoder_heads: int = 4,
        audio_hidden: int = 16,
        vision_hidden: int = 16,
        audio_out: int = 16,
        vision_out: int = 16,
        bidirectional: bool = False,
        sequence_dropout: float = 0.0,
        width: int = 128,
        dropout: float = 0.1,
        projected_audio: int = 4,
        projected_vision: int = 4,
        vision_audio: bool = False,
        contrast_weight: float = 0.1,
        bound_weight: float = 0.1,
        bound_lr: float = 1e-3,
        bound_weight_decay: float = 1e-4,
        bound_share: float = 1.0,
    ):
        super().__init__()
        self.encoder = TextEncoder(
            dims, text_encoder, hidden=encoder_hidden, layers=encoder_layers, heads=encoder_heads
        )
        self.first_state = self.encoder.takes_first(text_pooling)
        shared = {"dropout": sequence_dropout, "bidirectional": bidirectional}
        self.audio = SequenceEncoder(dims.audio, audio_hidden, audio_out, **shared)
        self.vision = SequenceEncoder(dims.vision, vision_hidden, vision_out, **shared)
        widths = {"text": self.encoder.width, "audio": audio_out, "vision": vision_out}
        projected = {"audio": projected_audio, "vision": projected_vision}
        self.fusion = nn.Sequential(
            nn.Dropout(dropout),
            nn.Linear(sum(widths.values()), width),
            nn.Tanh(),
            nn.Linear(width, width),
            nn.Tanh(),
        )
        self.head = nn.Linear(width, dims.outputs)
        self.predictors = nn.ModuleDict(
            {name: nn.Linear(width, widths[name]) for name in MODALITIES}
        )
        self.bounds = nn.ModuleDict(
            {
                pair: InformationBound(widths[x], widths[y], projected[y])
                for pair, (x, y) in PAIRS.items()
                if pair != "va" or vision_audio
            }
        ).requires_grad_(False)
        for name, parameter in self.named_parameters():
            if not name.startswith("encoder.") and parameter.ndim > 1:
                nn.init.xavier_normal_(parameter)
        self.contrast_weight, self.bound_weight = contrast_weight, bound_weight
        self.bound_options = {"lr": bound_lr, "weight_decay": bound_weight_decay}
        self.bound_share = bound_share
        self.bound_optimiser: torch.optim.Optimizer | None = None

    def forward(self, batch: Batch) -> Output:
        vectors = self._encode(batch)
        fusion = self.fusion(torch.cat([vectors[name] for name in MODALITIES], dim=1))
        return Output(self.head(fusion), {**vectors, "fusion": fusion})

    def loss(self, output: Output, batch: Batch) -> Tensor:
        terms = self.loss_terms(output, batch)
        bound = terms["log_likelihood"] + terms["entropy"]
        return terms["task"] + self.contrast_weight * terms["contrast"] - self.bound_weight * bound

    def loss_terms(self, output: Output, batch: Batch) -> dict[str, Tensor]:
        """The losses of the second stage before their weights."""
        vectors = output.features
        contrasts = [
            contrastive_loss(vectors[name], self.predictors[name](vectors["fusion"]))
            for name in MODALITIES
        ]
        likelihoods = self.log_likelihoods(vectors)
        entropies = self.entropies(vectors, batch.label)
        return {
            "task": self.task.loss(output.prediction, batch.label),
            "contrast": torch.stack(contrasts).sum(),
            "log_likelihood": torch.stack(list(likelihoods.values())).sum(),
            "entropy": torch.stack(list(entropies.values())).sum(),
        }

    def log_likelihoods(self, vectors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Mean log q(y | x) of each pair."""
        return {
            pair: bound.log_likelihood(*(vectors[name] for name in PAIRS[pair]))
            for pair, bound in self.bounds.items()
        }

    def entropies(self, vectors: Mapping[str, Tensor], label: Tensor) -> dict[str, Tensor]:
        """H of each pair over this batch and the memory; 0 while there is no memory."""
        if self.bound_optimiser is None:
            return {pair: label.new_zeros(()) for pair in self.bounds}
        members = torch.cat([self.memory_members, self._members(label)])  # (M + B, C)
        remembered = self.batches_seen > 1
        entropies = {}
        for pair, rows in self.projections(vectors).items():
            rows = torch.cat([getattr(self, f"memory_{pair}"), rows])  # (M + B, d)
            entropy = mixture_entropy(rows, members)
            entropies[pair] = torch.where(remembered, entropy, 0.0)
        return entropies

    def projections(self, vectors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """What the entropy of each pair is taken of, `(B, d)`."""
        return {
            pair: bound.project(vectors[PAIRS[pair][1]].float())
            for pair, bound in self.bounds.items()
        }

    def training_only(self) -> tuple[str, ...]:
        return ("predictors", "bounds")

    def start_training(self, batches: Batches) -> None:
        parameters = [
            parameter
            for bound in self.bounds.values()
            for part in (bound.mean, bound.log_variance)
            for parameter in part.parameters()
        ]
        self.bound_optimiser = torch.optim.Adam(parameters, **self.bound_options)
        label = batches.whole().label
        # A last batch of one sample may join the one before it.
        rows = min(batches.batch_size + 1, batches.samples)
        members = self._members(label[:1])
        self._remember("memory_members", members.new_zeros(rows, members.shape[1]))
        self._remember("batches_seen", torch.zeros((), device=label.device))
        for pair, bound in self.bounds.items():
            width = bound.project[0].out_features
            self._remember(f"memory_{pair}", members.new_zeros(rows, width))

    def start_epoch(self, epoch: int, batches: Batches) -> None:
        """Forget the last epoch's memory, then fit the bounds: the first stage."""
        self.memory_members.zero_()
        self.batches_seen.zero_()
        optimiser = self.bound_optimiser
        parameters = optimiser.param_groups[0]["params"]
        count = math.ceil(self.bound_share * batches.samples / batches.batch_size)
        self.train()
        for parameter in parameters:
            parameter.requires_grad_(True)
        for batch in islice(batches, count):
            with torch.no_grad():
                vectors = self._encode(batch)
            likelihood = torch.stack(list(self.log_likelihoods(vectors).values())).sum()
            (-likelihood).backward()
            nn.utils.clip_grad_norm_(parameters, CLIP_NORM)
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
        for parameter in parameters:
            parameter.requires_grad_(False)

    @torch.no_grad()
    def after_step(self, output: Output, batch: Batch) -> None:
        self.memory_members.zero_()
        self.memory_members[: len(batch)] = self._members(batch.label)
        for pair, rows in self.projections(output.features).items():
            getattr(self, f"memory_{pair}")[: len(batch)] = rows
        self.batches_seen += 1

    def _encode(self, batch: Batch) -> dict[str, Tensor]:
        states = self.encoder(batch)
        return {
            "text": states.values[:, 0] if self.first_state else states.mean(),
            "audio": self.audio(batch.audio),
            "vision": self.vision(batch.vision),
        }

    def _members(self, label: Tensor) -> Tensor:
        """1 where a sample belongs to a class of the entropy's mixture, `(B, C)`."""
        if self.task.kind == "regression":
            members = torch.stack([label > self.task.neutral, label < self.task.neutral], dim=1)
        elif self.task.kind == "multiclass":
            members = F.one_hot(label, self.task.outputs)
        else:
            members = label
        return members.float()

    def _remember(self, name: str, value: Tensor) -> None:
        self.register_buffer(name, value, persistent=False)
