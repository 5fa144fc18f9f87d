"""BBFN: text is fused with audio and with vision, and a discriminator keeps their domains apart."""

import re
from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from baselines.layers.align import align
from baselines.layers.convolution import same_length
from baselines.layers.crossmodal import AttentionMask, CrossModalAttention, attention_mask
from baselines.layers.gru import MaskedGRU
from baselines.layers.losses import squared_error
from baselines.layers.mag import Alignment, beside_tokens
from baselines.layers.text import BORROWED, FINE_TUNING, Pooling, TextEncoder, attendable
from benchmark import MODALITIES, Batch, Dims, Model, Output, Stream, register_model

PARTNERS = ("audio", "vision")
LAYER_NUMBER = re.compile(r"(?:^|\.)layers?\.(\d+)\.")


class GatedLayer(nn.Module):
    """One direction of a level: a sequence reads its partner through gates (Section 3.3).

    x ← Attention(x, partner) ⊙ σ(W c) + x ⊙ σ(V c), then x ← x + FeedForward(x), where c describes
    both sequences. Query and keys share the first norm.

    Args:
        width: features of a step, a multiple of `heads`.
        heads: attention heads.
        attention_dropout: on the attention weights.
        relu_dropout: inside the feed-forward block.
        residual_dropout: on both branches before they are added.
    """

    def __init__(
        self,
        width: int,
        heads: int,
        *,
        attention_dropout: float,
        relu_dropout: float,
        residual_dropout: float,
    ):
        super().__init__()
        self.attention = CrossModalAttention(width, heads, attention_dropout)
        self.norm_attention = nn.LayerNorm(width)
        self.norm_feed_forward = nn.LayerNorm(width)
        self.attention_gate = nn.Linear(2 * width, width)
        self.residual_gate = nn.Linear(2 * width, width)
        self.wide = nn.Linear(width, 4 * width)
        self.narrow = nn.Linear(4 * width, width)
        self.relu_dropout = nn.Dropout(relu_dropout)
        self.residual_dropout = nn.Dropout(residual_dropout)

    def forward(self, x: Tensor, partner: Tensor, domain: Tensor, mask: AttentionMask) -> Tensor:
        """Update `x` `(B, T, width)` from `partner` `(B, T, width)`, gated by `(B, 2 width)`."""
        keys = self.norm_attention(partner)
        read = self.residual_dropout(self.attention(self.norm_attention(x), keys, keys, mask))
        domain = domain.unsqueeze(1)  # (B, 1, 2 width)
        x = read * self.attention_gate(domain).sigmoid() + x * self.residual_gate(domain).sigmoid()
        hidden = self.relu_dropout(self.wide(self.norm_feed_forward(x)).relu())  # (B, T, 4 width)
        return x + self.residual_dropout(self.narrow(hidden))


class SequenceSummary(nn.Module):
    """A sequence as one vector: both directions of a GRU, averaged over the valid steps."""

    def __init__(self, width: int):
        super().__init__()
        self.gru = MaskedGRU(width, width)

    def forward(self, stream: Stream) -> Tensor:
        return self.gru(stream).mean().unflatten(1, (2, -1)).mean(dim=1)  # (B, width)


class MeanSummary(nn.Module):
    """A sequence as one vector: a linear map of its mean over the valid steps."""

    def __init__(self, width: int):
        super().__init__()
        self.linear = nn.Linear(width, width)

    def forward(self, stream: Stream) -> Tensor:
        return self.linear(stream.mean())  # (B, width)


class Level(nn.Module):
    """Text and its partner read each other; the gates see a summary of both."""

    def __init__(self, width: int, heads: int, first: bool, **dropouts: float):
        super().__init__()
        summary = MeanSummary if first else SequenceSummary
        self.summaries = nn.ModuleList(summary(width) for _ in range(2))
        self.readers = nn.ModuleList(GatedLayer(width, heads, **dropouts) for _ in range(2))

    def forward(
        self, text: Stream, other: Stream, mask: AttentionMask
    ) -> tuple[Stream, Stream, Tensor]:
        """The updated pair, and the summaries `(2, B, width)` of what came in."""
        pair = (text, other)
        domain = torch.stack([own(x) for own, x in zip(self.summaries, pair, strict=True)])
        both = torch.cat(list(domain), dim=1)  # (B, 2 width)
        first, second = (
            Stream(reader(x.values, partner.values, both, mask), x.mask)
            for reader, x, partner in zip(self.readers, pair, reversed(pair), strict=True)
        )
        return first, second, domain


AUTHORS = {
    **{"lr": 5e-4, "encoder_lr": 5e-4, "encoder_weight_decay": 0.0, "clip_norm": 0.8},
    **{"batch_size": 24, "epochs": 40, "patience": 20},
    **{"schedule": "plateau", "plateau_patience": 20, "plateau_factor": 0.1},
}


@register_model(
    "bbfn",
    paper=(
        "Han, Chen, Gelbukh, Zadeh, Morency, Poria. Bi-Bimodal Modality Fusion for "
        "Correlation-Controlled Multimodal Sentiment Analysis. ICMI 2021."
    ),
    source="declare-lab/BBFN @ 1a251bd",
    defaults={
        "mmmo_mini": {
            **{"levels": 2, "lr": 0.003, "batch_size": 16},
            "recipe": "chosen on validation: the learning rate of two, over five folds",
        },
        **{key: {**AUTHORS, "recipe": BORROWED} for key in ("mosi", "mosei", "sims")},
        "synthetic": {
            **{"width": 12, "heads": 2, "levels": 2},
            **{"batch_size": 64, "lr": 1e-2, "epochs": 6, "clip_norm": 0.8},
            "recipe": "chosen on validation: the learning rate, over three seeds",
        },
        "mosi_utterance": {
            **{**AUTHORS, "levels": 2, "batch_size": 32, "lr": 1e-3},
            "recipe": "untuned default",
        },
        "mosi_std": {
            **{"levels": 2, "batch_size": 32, "lr": 5e-4, "clip_norm": 0.8},
            "recipe": "untuned default",
        },
    },
    fine_tuning={
        "": FINE_TUNING,
        **{key: {**AUTHORS, "recipe": "published: the authors' code"} for key in ("mosi", "mosei")},
    },
    smoke={
        **{"encoder_hidden": 8, "encoder_layers": 1, "encoder_heads": 2},
        **{"width": 8, "heads": 2, "levels": 2, "attention_dropout": 0.0},
        **{"relu_dropout": 0.0, "residual_dropout": 0.0, "output_dropout": 0.0},
    },
)
class BBFN(Model):
    """Two stacks of gated cross-modal attention, text with audio and text with vision.

    Han et al. Bi-Bimodal Modality Fusion for Correlation-Controlled Multimodal Sentiment Analysis.
    ICMI 2021. Code: declare-lab/BBFN. Positions, the scaling of the inputs and a final norm, which
    the code creates and never uses, are left out here.

    Deviations: streams that are not word-level are averaged over the span of each token; how many
    layers of a pretrained encoder train is counted from the top, so that encoders of any depth
    keep some. Without tokens the text stream stands for
    BERT's states, and the mean over its steps for the first state. A task that is no regression
    takes its own loss for the squared error.

    Args:
        dims: widths of the data.
        text_encoder: see `TextEncoder`.
        text_pooling: what of the fused sequences is read: the `first` step ([CLS]), the `mean` of
            the valid ones, or `auto`: the first of an encoder's states, the mean of plain features.
        encoder_hidden: width of a text encoder made from scratch.
        encoder_layers: its depth.
        encoder_heads: its attention heads.
        trained_layers: layers of a pretrained encoder that train, from the top; those below stay.
        width: common width of the modalities.
        heads: attention heads.
        levels: depth of both stacks.
        kernel_text: odd width of the temporal convolution of text.
        kernel_audio: the same of audio.
        kernel_vision: the same of vision.
        attention_dropout: on the attention weights.
        relu_dropout: inside the feed-forward blocks.
        residual_dropout: on both branches of a layer.
        output_dropout: in the output block.
        domain_weight: weight λ of the discriminators' cross-entropy.
        alignment: how audio and vision come to the tokens, see `beside_tokens`.
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
        trained_layers: int = 3,
        width: int = 40,
        heads: int = 5,
        levels: int = 5,
        kernel_text: int = 3,
        kernel_audio: int = 3,
        kernel_vision: int = 3,
        attention_dropout: float = 0.1,
        relu_dropout: float = 0.1,
        residual_dropout: float = 0.1,
        output_dropout: float = 0.0,
        domain_weight: float = 0.1,
        alignment: Alignment = "auto",
    ):
        super().__init__()
        self.encoder = TextEncoder(
            dims, text_encoder, hidden=encoder_hidden, layers=encoder_layers, heads=encoder_heads
        )
        if self.encoder.pretrained:
            freeze_below(self.encoder, trained_layers)
        self.first_step = self.encoder.takes_first(text_pooling)
        inputs = (self.encoder.width, dims.audio, dims.vision)
        kernels = (kernel_text, kernel_audio, kernel_vision)
        self.projections = nn.ModuleDict(
            {
                name: same_length(wide, width, kernel)
                for name, wide, kernel in zip(MODALITIES, inputs, kernels, strict=True)
            }
        )
        dropouts: dict[str, Any] = {
            **{"attention_dropout": attention_dropout, "relu_dropout": relu_dropout},
            **{"residual_dropout": residual_dropout},
        }
        self.stacks = nn.ModuleDict(
            {
                name: nn.ModuleList(
                    Level(width, heads, place == 0, **dropouts) for place in range(levels)
                )
                for name in PARTNERS
            }
        )
        self.discriminators = nn.ModuleList(
            nn.Sequential(nn.Linear(width, 4 * width), nn.ReLU(), nn.Linear(4 * width, 1))
            for _ in range(len(PARTNERS) * levels)
        )
        self.residual = nn.Sequential(
            nn.Linear(4 * width, 4 * width),
            nn.ReLU(),
            nn.Dropout(output_dropout),
            nn.Linear(4 * width, 4 * width),
        )
        self.head = nn.Linear(4 * width, dims.outputs)
        self.domain_weight = domain_weight
        self.alignment = alignment

    def forward(self, batch: Batch) -> Output:
        return self.fuse(self._streams(batch))

    def fuse(self, streams: Mapping[str, Stream]) -> Output:
        """Predict from streams that share the steps of the text, `(B, T, D)` each."""
        low = {
            name: Stream(
                projection(streams[name].values.transpose(1, 2)).transpose(1, 2),
                streams[name].mask,
            )
            for name, projection in self.projections.items()
        }  # (B, T, width) each
        valid = low["text"].mask
        mask = attention_mask(valid[:, :1], valid, False, low["text"].values.dtype)
        ends, domains = [], []
        for name, stack in self.stacks.items():
            text, other = low["text"], low[name]
            for level in stack:
                text, other, domain = level(text, other, mask)
                domains.append(domain)
            ends += [text, other]
        pooled = [end.values[:, 0] if self.first_step else end.mean() for end in ends]
        hidden = torch.cat(pooled, dim=1)  # (B, 4 width)
        features = {"fusion_vector": hidden, "domain": torch.stack(domains)}
        return Output(self.head(hidden + self.residual(hidden)), features)

    def loss(self, output: Output, batch: Batch) -> Tensor:
        terms = self.loss_terms(output, batch)
        return terms["prediction"] + self.domain_weight * terms["discriminator"]

    def loss_terms(self, output: Output, batch: Batch) -> dict[str, Tensor]:
        """The error of the prediction, and the discriminators' mean cross-entropy."""
        prediction = squared_error(self.task, output.prediction, batch.label)
        logits = self.domain_logits(output)
        target = torch.zeros_like(logits)
        target[:, 1] = 1  # text is 0, its partner 1
        discriminator = F.binary_cross_entropy_with_logits(logits, target)
        return {"prediction": prediction, "discriminator": discriminator}

    def domain_logits(self, output: Output) -> Tensor:
        """How far each summary looks like a partner's: `(stacks · levels, 2, B)`, text first."""
        domain = output.features["domain"]  # (stacks * levels, 2, B, width)
        logits = [own(x) for own, x in zip(self.discriminators, domain, strict=True)]
        return torch.stack(logits).squeeze(-1)

    def training_only(self) -> tuple[str, ...]:
        return ("discriminators",)

    def _streams(self, batch: Batch) -> dict[str, Stream]:
        states = self.encoder(batch)
        mask = attendable(states.mask)  # a missing text leaves one step to its partners
        streams = {"text": Stream(states.values, mask)}
        for name in PARTNERS:
            stream = batch.modalities[name]
            if self.encoder.reads_tokens:
                streams[name] = Stream(beside_tokens(batch, stream, mask, self.alignment), mask)
            else:
                streams[name] = align(stream, mask)
        return streams


def freeze_below(encoder: TextEncoder, trained: int) -> None:
    """Freeze all but the top `trained` numbered layers; what has no number stays trainable."""
    numbered = {name: LAYER_NUMBER.search(name) for name, _ in encoder.named_parameters()}
    layers = 1 + max((int(found[1]) for found in numbered.values() if found), default=-1)
    for name, parameter in encoder.named_parameters():
        found = numbered[name]
        if found and int(found[1]) < layers - trained:
            parameter.requires_grad_(False)
