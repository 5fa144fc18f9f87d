"""ALMT: a hyper-modality gathers from audio and vision what the text asks for, layer by layer."""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from baselines.layers.crossmodal import unmasked
from baselines.layers.losses import squared_error
from baselines.layers.text import BORROWED, FINE_TUNING, TextEncoder
from benchmark import (
    MODALITIES,
    Batch,
    Dims,
    Model,
    Output,
    Stream,
    UserError,
    register_model,
)


class Layer(nn.Module):
    """A pre-norm layer: attention with a norm for each of its inputs, then a small network.

    Args:
        width: features of a step.
        heads: attention heads.
        head_width: features of a head.
        hidden: width of the network.
    """

    def __init__(self, width: int, heads: int, head_width: int, hidden: int):
        super().__init__()
        self.heads = heads
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(3))
        self.maps = nn.ModuleList(
            nn.Linear(width, heads * head_width, bias=False) for _ in range(3)
        )
        self.out = nn.Linear(heads * head_width, width)
        self.feed_forward = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, width)
        )

    def forward(self, x: Tensor, source: Tensor, mask: Tensor | None = None) -> Tensor:
        """Update `x` `(B, T, width)` from the steps of `source` `(B, S, width)` that are valid."""
        query, key, value = (
            split_heads(linear(norm(values)), self.heads)
            for linear, norm, values in zip(self.maps, self.norms, (x, source, source), strict=True)
        )
        open_keys = None if mask is None else mask[:, None, None]  # (B, 1, 1, S)
        context = F.scaled_dot_product_attention(query, key, value, open_keys)
        x = x + self.out(join_heads(context))
        return x + self.feed_forward(x)


class Embedding(nn.Module):
    """A few learned tokens in front of a sequence take up what it says.

    Args:
        inputs: features of a step.
        steps: positions learned; later steps share the last one.
        tokens: learned tokens.
        width: features of a token.
        depth: layers.
        heads: attention heads.
        head_width: features of a head.
        hidden: width of the networks.
    """

    def __init__(
        self,
        inputs: int,
        steps: int,
        tokens: int,
        width: int,
        depth: int,
        *,
        heads: int,
        head_width: int,
        hidden: int,
    ):
        super().__init__()
        self.linear = nn.Linear(inputs, width)
        self.tokens = nn.Parameter(torch.zeros(1, tokens, width))
        self.positions = nn.Parameter(torch.randn(1, tokens + steps, width))
        self.layers = nn.ModuleList(Layer(width, heads, head_width, hidden) for _ in range(depth))

    def forward(self, stream: Stream) -> Tensor:
        """The tokens, `(B, tokens, width)`."""
        samples, count = len(stream.mask), self.tokens.shape[1]
        x = torch.cat([self.tokens.expand(samples, -1, -1), self.linear(stream.values)], dim=1)
        mask = F.pad(stream.mask, (count, 0), value=True)  # (B, tokens + L)
        place = torch.arange(x.shape[1], device=x.device).clamp(max=self.positions.shape[1] - 1)
        x = x + self.positions[:, place]
        *lower, top = self.layers
        for layer in lower:
            x = layer(x, x, mask)
        return top(x[:, :count], x, mask)


class HyperLayer(nn.Module):
    """The text asks audio and vision; their answers are added to the hyper-modality.

    Args:
        width: features of a token.
        heads: attention heads.

    Raises:
        UserError: the width does not split into the heads.
    """

    def __init__(self, width: int, heads: int):
        super().__init__()
        if width % heads:
            raise UserError(
                f"hyper_heads={heads} does not divide width={width}; give a divisor of it"
            )
        self.heads = heads
        self.norms = nn.ModuleDict({name: nn.LayerNorm(width) for name in (*MODALITIES, "hyper")})
        self.query = nn.Linear(width, width, bias=False)
        self.keys = nn.ModuleDict(
            {name: nn.Linear(width, width, bias=False) for name in ("audio", "vision")}
        )
        self.values = nn.ModuleDict(
            {name: nn.Linear(width, width, bias=False) for name in ("audio", "vision")}
        )
        self.out = nn.Linear(width, width)

    def forward(self, hyper: Tensor, text: Tensor, others: dict[str, Tensor]) -> Tensor:
        """Update `hyper` `(B, tokens, width)`; the residual is the normalised hyper-modality."""
        query = split_heads(self.query(self.norms["text"](text)), self.heads)
        answers = []
        for name, tokens in others.items():
            normed = self.norms[name](tokens)
            key, value = self.keys[name](normed), self.values[name](normed)
            answers.append(
                F.scaled_dot_product_attention(
                    query, split_heads(key, self.heads), split_heads(value, self.heads)
                )
            )
        answer = join_heads(torch.stack(answers).sum(dim=0))  # (B, tokens, width)
        return self.norms["hyper"](hyper) + self.out(answer)


class Fusion(nn.Module):
    """The text's tokens read the hyper-modality; an extra token in front collects the result."""

    def __init__(
        self, tokens: int, width: int, depth: int, *, heads: int, head_width: int, hidden: int
    ):
        super().__init__()
        self.extra = nn.Parameter(torch.zeros(1, 1, width))
        self.source_positions = nn.Parameter(torch.randn(1, tokens + 1, width))
        self.target_positions = nn.Parameter(torch.randn(1, tokens + 1, width))
        self.layers = nn.ModuleList(Layer(width, heads, head_width, hidden) for _ in range(depth))

    def forward(self, hyper: Tensor, text: Tensor) -> Tensor:
        """The text's tokens behind the extra one, `(B, 1 + tokens, width)`."""
        extra = self.extra.expand(len(text), -1, -1)
        source = torch.cat([extra, hyper], dim=1) + self.source_positions
        target = torch.cat([extra, text], dim=1) + self.target_positions
        for layer in self.layers:
            target = layer(target, source)
        return target


AUTHORS = {
    **{"optimizer": "adamw", "lr": 1e-4, "weight_decay": 1e-4},
    **{"encoder_lr": 1e-4, "encoder_weight_decay": 1e-4, "batch_size": 64, "epochs": 200},
    **{"patience": 32, "schedule": "cosine", "warmup": 0.1},
}
DEPTHS = {"mosi": 2, "mosei": 4, "sims": 4}  # of the fusion
SMALL = {
    **{"width": 32, "head_width": 8, "embedding_heads": 4, "text_heads": 4, "hyper_heads": 4},
    **{"fusion_heads": 4, "fusion_depth": 1, "optimizer": "adamw", "weight_decay": 1e-4},
}


@register_model(
    "almt",
    paper=(
        "Zhang, Wang, Yin, Liu, Liu, Yu. Learning Language-guided Adaptive Hyper-modality "
        "Representation for Multimodal Sentiment Analysis. EMNLP 2023."
    ),
    source="Haoyu-ha/ALMT @ da94610, thuiar/MMSA @ a94e65d",
    defaults={
        "mmmo_mini": {
            **{"lr": 0.0005, "batch_size": 16},
            "recipe": "chosen on validation: the learning rate of three, over five folds",
        },
        "synthetic": {
            **{**SMALL, "width": 16, "head_width": 4, "tokens": 4},
            **{"lr": 1e-2, "schedule": "cosine", "warmup": 0.1, "batch_size": 50, "epochs": 14},
            "recipe": "chosen on validation: learning rate and epochs, over three seeds",
        },
        **{
            name: {**AUTHORS, "fusion_depth": depth, "recipe": BORROWED}
            for name, depth in DEPTHS.items()
        },
        **{
            key: {**SMALL, "lr": 5e-4, "recipe": "untuned default"}
            for key in ("mosi_utterance", "mosi_std")
        },
    },
    fine_tuning={
        "": FINE_TUNING,
        **{
            name: {**AUTHORS, "fusion_depth": depth, "recipe": "published: the authors' code"}
            for name, depth in DEPTHS.items()
        },
    },
    smoke={
        **{"encoder_hidden": 8, "encoder_layers": 1, "encoder_heads": 2, "width": 8, "tokens": 3},
        **{"head_width": 4, "hidden": 9, "embedding_heads": 2, "text_heads": 3, "hyper_heads": 4},
        **{"fusion_heads": 2, "fusion_hidden": 7, "fusion_depth": 1},
    },
)
class ALMT(Model):
    """Adaptive Language-guided Multimodal Transformer.

    Zhang, Wang, Yin, Liu, Liu, Yu. EMNLP 2023. Code: Haoyu-ha/ALMT (authors), thuiar/MMSA. The
    loss of a regression is the mean squared error.

    Deviations: padded steps are hidden from attention, and steps beyond the longest training
    sequence share its last position; `variant="mmsa"` reads padding as the code does. The last
    embedding layer computes the tokens alone; nothing else of it is read. The code's schedule
    starts at a rate of zero for a whole epoch; ours rises with every step. Without tokens the text
    stream stands for BERT's states.

    Args:
        dims: widths of the data and the longest sequences.
        text_encoder: see `TextEncoder`.
        encoder_hidden: width of a text encoder made from scratch.
        encoder_layers: its depth.
        encoder_heads: its attention heads.
        width: features of a token.
        tokens: learned tokens of each modality.
        head_width: features of a head everywhere but in the hyper-modality layers.
        hidden: width of the networks in the embeddings.
        embedding_depth: layers of the embeddings.
        embedding_heads: their attention heads.
        text_heads: attention heads of the layers between the text's states.
        hyper_depth: hyper-modality layers; the text has one layer less and as many states.
        hyper_heads: their attention heads, which share the width.
        fusion_depth: layers of the fusion.
        fusion_heads: their attention heads.
        fusion_hidden: width of the networks in the fusion.
        variant: `paper` or `mmsa`.

    Raises:
        UserError: `dims` does not tell the longest sequences.
    """

    needs_lengths = True

    def __init__(
        self,
        dims: Dims,
        *,
        text_encoder: str = "auto",
        encoder_hidden: int = 32,
        encoder_layers: int = 2,
        encoder_heads: int = 4,
        width: int = 128,
        tokens: int = 8,
        head_width: int = 64,
        hidden: int = 128,
        embedding_depth: int = 1,
        embedding_heads: int = 8,
        text_heads: int = 8,
        hyper_depth: int = 3,
        hyper_heads: int = 8,
        fusion_depth: int = 2,
        fusion_heads: int = 8,
        fusion_hidden: int = 128,
        variant: Literal["paper", "mmsa"] = "paper",
    ):
        super().__init__()
        self.literal = variant == "mmsa"
        self.encoder = TextEncoder(
            dims, text_encoder, hidden=encoder_hidden, layers=encoder_layers, heads=encoder_heads
        )
        inputs = dict(zip(MODALITIES, (self.encoder.width, dims.audio, dims.vision), strict=True))
        clocks = {name: name for name in MODALITIES}
        clocks["text"] = "tokens" if self.encoder.reads_tokens else "text"
        unknown = [clock for clock in clocks.values() if clock not in dims.lengths]
        if unknown:
            raise UserError(
                f"almt learns a vector for each step and is not told how many there are of "
                f"{', '.join(unknown)}; give Dims its lengths"
            )
        self.embeddings = nn.ModuleDict(
            {
                name: Embedding(
                    inputs[name],
                    dims.lengths[clock],
                    tokens,
                    width,
                    embedding_depth,
                    heads=embedding_heads,
                    head_width=head_width,
                    hidden=hidden,
                )
                for name, clock in clocks.items()
            }
        )
        self.text_positions = nn.Parameter(torch.randn(1, tokens, width))
        self.text_layers = nn.ModuleList(
            Layer(width, text_heads, head_width, width) for _ in range(hyper_depth - 1)
        )
        self.hyper = nn.Parameter(torch.ones(1, tokens, width))
        self.hyper_layers = nn.ModuleList(
            HyperLayer(width, hyper_heads) for _ in range(hyper_depth)
        )
        self.fusion = Fusion(
            tokens,
            width,
            fusion_depth,
            heads=fusion_heads,
            head_width=head_width,
            hidden=fusion_hidden,
        )
        self.head = nn.Linear(width, dims.outputs)

    def forward(self, batch: Batch) -> Output:
        streams = (self.encoder(batch), batch.audio, batch.vision)
        if self.literal:
            streams = tuple(unmasked(stream) for stream in streams)
        tokens = {
            name: self.embeddings[name](stream)
            for name, stream in zip(MODALITIES, streams, strict=True)
        }  # (B, tokens, width) each
        states = [tokens.pop("text") + self.text_positions]
        for layer in self.text_layers:
            states.append(layer(states[-1], states[-1]))
        hyper = self.hyper.expand(len(batch), -1, -1)
        for layer, text in zip(self.hyper_layers, states, strict=True):
            hyper = layer(hyper, text, tokens)
        fused = self.fusion(hyper, states[-1])  # (B, 1 + tokens, width)
        return Output(self.head(fused[:, 0]), {"hyper_modality": hyper, "fusion_sequence": fused})

    def loss(self, output: Output, batch: Batch) -> Tensor:
        return squared_error(self.task, output.prediction, batch.label)


def split_heads(x: Tensor, heads: int) -> Tensor:
    """Of `(B, T, heads * d)`, `(B, heads, T, d)`."""
    return x.unflatten(2, (heads, -1)).transpose(1, 2)


def join_heads(x: Tensor) -> Tensor:
    """Of `(B, heads, T, d)`, `(B, T, heads * d)`."""
    return x.transpose(1, 2).flatten(2)
