"""MISA: each modality split into a shared and a private part, fused by one transformer layer."""

from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from baselines.layers.losses import central_moment_discrepancy, squared_error
from baselines.layers.recurrent import MaskedLSTM
from baselines.layers.text import BORROWED, FINE_TUNING, TextEncoder
from benchmark import Batch, Dims, Model, Output, Stream, register_model

ORDER = ("text", "vision", "audio")  # of the fused sequence and of the discriminator's classes
PAIRS = (("text", "vision"), ("text", "audio"), ("audio", "vision"))

# MMSA sums the gradients of two batches before it clips their values; here they are averaged.
SHARED: dict[str, Any] = {
    **{"text_pooling": "mean", "objective": "absolute"},
    **{"lr": 1e-4, "encoder_lr": 1e-4, "encoder_weight_decay": 0.0, "accumulate": 2},
}
MMSA: dict[str, dict[str, Any]] = {
    "mosi": {
        **{**SHARED, "dropout": 0.2, "difference_weight": 0.1, "similarity_weight": 0.3},
        **{"batch_size": 16, "clip_value": 0.8 / 2},
    },
    "mosei": {
        **{**SHARED, "dropout": 0.5, "difference_weight": 0.3, "similarity_weight": 0.8},
        **{"batch_size": 64, "clip_value": 0.8 / 2},
    },
    "sims": {
        **{**SHARED, "dropout": 0.0, "difference_weight": 0.3, "similarity_weight": 1.0},
        **{"reconstruction_weight": 0.8, "batch_size": 64, "clip_value": 1.0 / 2},
    },
}


class SequenceEncoder(nn.Module):
    """Two stacked BiLSTMs with a LayerNorm between them; the final states of both."""

    def __init__(self, inputs: int):
        super().__init__()
        self.first = MaskedLSTM(inputs, inputs, bidirectional=True)
        self.norm = nn.LayerNorm(2 * inputs)
        self.second = MaskedLSTM(2 * inputs, inputs, bidirectional=True)
        self.width = 4 * inputs

    def forward(self, stream: Stream) -> Tensor:
        states, (forward_first, backward_first) = self.first(stream)
        values = self.norm(states.values) * stream.mask.unsqueeze(-1)
        _, (forward_second, backward_second) = self.second(Stream(values, stream.mask))
        return torch.cat(
            [forward_first, forward_second, backward_first, backward_second], dim=1
        )  # (B, 4 D)


class ReverseGradient(torch.autograd.Function):
    """The identity, whose gradient is multiplied by a negative weight."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, weight: float) -> Tensor:
        ctx.weight = weight
        return values.view_as(values)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return -ctx.weight * gradient, None


def difference_loss(first: Tensor, second: Tensor) -> Tensor:
    """Mean squared entry of ÂᵀB̂: 0 if the two subspaces are orthogonal over the batch.

    Rows are centred by the batch mean and scaled to length 1; the length counts as a constant.

    Args:
        first: `(B, h)`.
        second: `(B, h)`.
    """

    def normalise(rows: Tensor) -> Tensor:
        rows = rows - rows.mean(dim=0)
        return rows / (rows.detach().norm(dim=1, keepdim=True) + 1e-6)

    return (normalise(first).T @ normalise(second)).square().mean()


@register_model(
    "misa",
    paper="Hazarika, Zimmermann, Poria. MISA: Modality-Invariant and -Specific Representations "
    "for Multimodal Sentiment Analysis. ACM MM 2020.",
    source="declare-lab/MISA @ ec42fad; thuiar/MMSA @ a94e65d",
    defaults={
        "mmmo_mini": {
            **{"lr": 0.001, "batch_size": 16},
            "recipe": "chosen on validation: the learning rate of two, over five folds",
        },
        **{name: {**values, "recipe": BORROWED} for name, values in MMSA.items()},
        "synthetic": {
            **{"hidden": 32, "feedforward": 32, "dropout": 0.0, "fusion_dropout": 0.0},
            **{"difference_weight": 0.003, "similarity_weight": 0.1, "reconstruction_weight": 0.1},
            **{"objective": "absolute", "batch_size": 50, "lr": 5e-3},
            **{"epochs": 10, "schedule": "cosine", "warmup": 0.1, "clip_norm": 1.0},
            "recipe": "chosen on validation: learning rate and pooling, over three seeds",
        },
        "mosi_utterance": {
            **{"text_pooling": "mean", "hidden": 64, "feedforward": 128, "objective": "absolute"},
            **{"batch_size": 64, "lr": 1e-3, "clip_value": 1.0, "recipe": "untuned default"},
        },
        "mosi_std": {
            **{"text_pooling": "mean", "hidden": 64, "feedforward": 128, "objective": "absolute"},
            **{"batch_size": 32, "lr": 5e-4, "clip_value": 1.0, "recipe": "untuned default"},
        },
    },
    fine_tuning={
        "": FINE_TUNING,
        **{
            name: {**values, "recipe": "published: MMSA's configuration"}
            for name, values in MMSA.items()
        },
    },
    smoke={
        **{"hidden": 8, "feedforward": 12, "dropout": 0.0, "fusion_dropout": 0.0},
        **{"encoder_hidden": 8, "encoder_layers": 1, "encoder_heads": 2},
    },
)
class MISA(Model):
    """Modality-invariant and -specific representations.

    Hazarika, Zimmermann, Poria. ACM MM 2020. Code: declare-lab/MISA (authors), thuiar/MMSA. The
    signature has the authors' settings for MOSI, data sets those of MMSA, which trains on the
    absolute error.

    Deviations from the authors' code: 1e-12 inside the roots of the moment discrepancy, whose
    gradient is infinite at 0; the discriminator of shared against private vectors and the
    LayerNorm for text, which the code builds and never uses, do not exist (the LayerNorm does in
    the recurrent text encoder, where it is used); audio and vision are standardised by the
    protocol, not within each sample; no layer of the text encoder is frozen (the code freezes the
    first nine on MOSEI). `variant="mmsa"` restores MMSA: audio and vision end at the token count of
    the text, even if they are longer or shorter, and recurrent matrices do not start orthogonal.

    Args:
        dims: widths of the data.
        text_encoder: see `TextEncoder`.
        text_pooling: `mean` over the valid states, `lstm` (the two stacked BiLSTMs, the authors'
            form for word vectors), or `auto`: the mean for an encoder, `lstm` for plain features.
        encoder_hidden: width of a text encoder made from scratch.
        encoder_layers: its depth.
        encoder_heads: its attention heads.
        hidden: width h of all representations.
        heads: of the fusion layer.
        feedforward: width inside the fusion layer.
        dropout: in the output block and the discriminator.
        fusion_dropout: in the fusion layer.
        objective: `squared` error (paper) or `absolute`; class tasks keep their own loss.
        similarity: brings shared vectors together by `moments` (central moment discrepancy) or
            `adversarial` (a modality discriminator behind a gradient reversal).
        similarity_weight: of that loss.
        difference_weight: of the orthogonality loss.
        reconstruction_weight: of the reconstruction loss.
        reversal_weight: of the reversed gradient.
        variant: `paper` or `mmsa`.
    """

    def __init__(
        self,
        dims: Dims,
        *,
        text_encoder: str = "auto",
        text_pooling: Literal["auto", "mean", "lstm"] = "auto",
        encoder_hidden: int = 32,
        encoder_layers: int = 2,
        encoder_heads: int = 4,
        hidden: int = 128,
        heads: int = 2,
        feedforward: int = 2048,
        dropout: float = 0.5,
        fusion_dropout: float = 0.1,
        objective: Literal["squared", "absolute"] = "squared",
        similarity: Literal["moments", "adversarial"] = "moments",
        similarity_weight: float = 1.0,
        difference_weight: float = 0.3,
        reconstruction_weight: float = 1.0,
        reversal_weight: float = 1.0,
        variant: Literal["paper", "mmsa"] = "paper",
    ):
        super().__init__()
        self.encoder = TextEncoder(
            dims, text_encoder, hidden=encoder_hidden, layers=encoder_layers, heads=encoder_heads
        )
        plain = not self.encoder.reads_tokens
        recurrent = plain if text_pooling == "auto" else text_pooling == "lstm"
        self.sequences = nn.ModuleDict(
            {
                name: SequenceEncoder(width)
                for name, width in (
                    ("text", self.encoder.width),
                    ("vision", dims.vision),
                    ("audio", dims.audio),
                )
                if name != "text" or recurrent
            }
        )
        widths = {"text": self.encoder.width}
        widths |= {name: encoder.width for name, encoder in self.sequences.items()}
        self.project = nn.ModuleDict(
            {
                name: nn.Sequential(
                    nn.Linear(widths[name], hidden), nn.ReLU(), nn.LayerNorm(hidden)
                )
                for name in ORDER
            }
        )
        self.private = nn.ModuleDict({name: nn.Linear(hidden, hidden) for name in ORDER})
        self.shared = nn.Linear(hidden, hidden)
        self.reconstruct = nn.ModuleDict({name: nn.Linear(hidden, hidden) for name in ORDER})
        self.fusion = nn.TransformerEncoderLayer(
            hidden, heads, feedforward, fusion_dropout, batch_first=True
        )
        self.head = nn.Sequential(
            nn.Linear(6 * hidden, 3 * hidden),
            nn.Dropout(dropout),
            nn.ReLU(),
            nn.Linear(3 * hidden, dims.outputs),
        )
        if similarity == "adversarial":
            self.discriminator = nn.Sequential(
                nn.Linear(hidden, hidden),
                nn.ReLU(),
                nn.Dropout(dropout),
                nn.Linear(hidden, len(ORDER)),
            )
        self.adversarial = similarity == "adversarial"
        self.reversal_weight = reversal_weight
        self.squared = objective == "squared"
        self.weights = {
            "prediction": 1.0,
            "similarity": similarity_weight,
            "difference": difference_weight,
            "reconstruction": reconstruction_weight,
        }
        self.cut_to_text = variant == "mmsa"
        if variant == "paper":
            for name, parameter in self.sequences.named_parameters():
                if "weight_hh" in name:
                    nn.init.orthogonal_(parameter)

    def forward(self, batch: Batch) -> Output:
        features: dict[str, Tensor] = {}
        for name, vector in self._encode(batch).items():
            projected = self.project[name](vector)  # (B, h)
            features[f"projected_{name}"] = projected
            features[f"private_{name}"] = self.private[name](projected).sigmoid()
            features[f"shared_{name}"] = self.shared(projected).sigmoid()
        parts = [features[f"{part}_{name}"] for part in ("private", "shared") for name in ORDER]
        fusion = self.fusion(torch.stack(parts, dim=1)).flatten(1)  # (B, 6 h)
        features["fusion"] = fusion
        return Output(self.head(fusion), features)

    def loss(self, output: Output, batch: Batch) -> Tensor:
        terms = self.loss_terms(output, batch)
        return torch.stack([self.weights[name] * term for name, term in terms.items()]).sum()

    def loss_terms(self, output: Output, batch: Batch) -> dict[str, Tensor]:
        """The four losses before their weights."""
        features = output.features
        private, shared, projected = (
            {name: features[f"{part}_{name}"].float() for name in ORDER}
            for part in ("private", "shared", "projected")
        )
        if self.squared:
            prediction = squared_error(self.task, output.prediction, batch.label)
        else:
            prediction = self.task.loss(output.prediction, batch.label)
        same = [difference_loss(private[name], shared[name]) for name in ORDER]
        cross = [difference_loss(private[first], private[second]) for first, second in PAIRS]
        errors = [
            F.mse_loss(rebuilt, projected[name]) for name, rebuilt in self.rebuild(features).items()
        ]
        return {
            "prediction": prediction,
            "similarity": self._similarity(shared),
            "difference": torch.stack(same + cross).sum(),
            "reconstruction": torch.stack(errors).mean(),
        }

    def rebuild(self, features: Any) -> dict[str, Tensor]:
        """Projected vectors rebuilt from private plus shared ones, `(B, h)` each."""
        return {
            name: self.reconstruct[name](features[f"private_{name}"] + features[f"shared_{name}"])
            for name in ORDER
        }

    def training_only(self) -> tuple[str, ...]:
        return ("reconstruct", "discriminator") if self.adversarial else ("reconstruct",)

    def _encode(self, batch: Batch) -> dict[str, Tensor]:
        """One vector for each modality, in the order of the fused sequence."""
        text = self.encoder(batch)
        streams = {"text": text, "vision": batch.vision, "audio": batch.audio}
        if self.cut_to_text:
            streams = {name: _cut(stream, text.lengths) for name, stream in streams.items()}
        return {
            name: self.sequences[name](stream) if name in self.sequences else stream.mean()
            for name, stream in streams.items()
        }

    def _similarity(self, shared: dict[str, Tensor]) -> Tensor:
        if not self.adversarial:
            gaps = [
                central_moment_discrepancy(shared[first], shared[second]) for first, second in PAIRS
            ]
            return torch.stack(gaps).mean()
        rows = torch.cat([shared[name] for name in ORDER])  # (3 B, h)
        logits = self.discriminator(ReverseGradient.apply(rows, self.reversal_weight))
        classes = torch.arange(len(ORDER), device=rows.device)
        return F.cross_entropy(logits, classes.repeat_interleave(len(rows) // len(ORDER)))


def _cut(stream: Stream, lengths: Tensor) -> Stream:
    """The stream with as many steps as `lengths` says, padding among them if it is shorter."""
    steps = torch.arange(stream.mask.shape[1], device=lengths.device)
    return Stream(stream.values, steps < lengths.unsqueeze(1))
