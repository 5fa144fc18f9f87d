"""The cross-modal encoder of MulT: one sequence reads another, blind to padding."""

import math
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from baselines.layers.recurrent import last_valid
from benchmark import Stream, UserError

Positions = Literal["valid", "nonzero", "none"]


def unmasked(stream: Stream) -> Stream:
    """The stream with every step valid: what a reference without length masks sees."""
    return Stream(stream.values, torch.ones_like(stream.mask))


class AttentionMask(NamedTuple):
    """Which keys a query may read.

    Attributes:
        bias: added to the scores, 0 or minus infinity, `(B, 1, Tq, Tk)`; a row without any key
            is left open so that its softmax stays finite.
        present: `(B, 1, 1)`, 0 for samples without any key: their attention is zero.
    """

    bias: Tensor
    present: Tensor


def attention_mask(
    target: Tensor, source: Tensor, causal: bool, dtype: torch.dtype
) -> AttentionMask:
    """Hide padded keys and, if causal, keys beyond the offset diagonal.

    Args:
        target: valid queries, bool `(B, Tq)`.
        source: valid keys, bool `(B, Tk)`.
        causal: the i-th valid query reads keys up to the valid key i + |n_source - n_target|, n the
            numbers of valid steps. A query of its own sequence thus never reads ahead, and the last
            valid query always reads all keys.
        dtype: of the bias.
    """
    empty = ~source.any(dim=1, keepdim=True)  # (B, 1)
    allowed = (source | empty).unsqueeze(1)  # (B, 1, Tk)
    if causal:
        queries, keys = target.cumsum(1), source.cumsum(1)  # (B, Tq), (B, Tk)
        offset = (keys[:, -1] - queries[:, -1]).abs().view(-1, 1, 1)
        ahead = keys.unsqueeze(1) > (queries.unsqueeze(2) + offset).clamp(min=1)  # (B, Tq, Tk)
        allowed = allowed & ~ahead
    else:
        allowed = allowed.expand(-1, target.shape[1], -1)
    bias = torch.zeros((), dtype=dtype, device=source.device).masked_fill(~allowed, -math.inf)
    return AttentionMask(bias.unsqueeze(1), (~empty).unsqueeze(2).to(dtype))


class CrossModalAttention(nn.Module):
    """Multi-head attention with one packed projection; queries without any key get zeros.

    Args:
        width: features of a step, a multiple of `heads`.
        heads: attention heads.
        dropout: on the attention weights.
    """

    def __init__(self, width: int, heads: int, dropout: float = 0.0):
        super().__init__()
        if width % heads:
            raise UserError(f"attention of width {width} does not split into {heads} heads evenly")
        self.heads, self.dropout = heads, dropout
        self.in_proj_weight = nn.Parameter(torch.empty(3 * width, width))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * width))
        self.out_proj = nn.Linear(width, width)
        nn.init.xavier_uniform_(self.in_proj_weight)
        _xavier(self.out_proj)

    def forward(self, query: Tensor, keys: Tensor, values: Tensor, mask: AttentionMask) -> Tensor:
        """Attend, `(B, Tq, width)`; tensors that are the same object share one projection."""
        query, keys, values = (self._split(x) for x in self._project(query, keys, values))
        context = self._attend(query, keys, values, mask.bias)  # (B, heads, Tq, width / heads)
        return self.out_proj(context.transpose(1, 2).flatten(2) * mask.present)

    def _attend(self, query: Tensor, keys: Tensor, values: Tensor, bias: Tensor) -> Tensor:
        dropout = self.dropout if self.training else 0.0
        if query.is_cuda or not dropout:
            return F.scaled_dot_product_attention(query, keys, values, bias, dropout)
        # With dropout a CPU has no fused kernel, and the composite one looks for empty rows.
        weights = (query * query.shape[3] ** -0.5) @ keys.transpose(2, 3) + bias
        return F.dropout(weights.softmax(dim=3), dropout) @ values

    def _project(self, query: Tensor, keys: Tensor, values: Tensor) -> tuple[Tensor, ...]:
        weight, bias, width = self.in_proj_weight, self.in_proj_bias, query.shape[2]
        if query is keys and keys is values:
            return F.linear(query, weight, bias).chunk(3, dim=2)
        projected = F.linear(query, weight[:width], bias[:width])
        if keys is values:
            return projected, *F.linear(keys, weight[width:], bias[width:]).chunk(2, dim=2)
        middle = slice(width, 2 * width)
        return (
            projected,
            F.linear(keys, weight[middle], bias[middle]),
            F.linear(values, weight[2 * width :], bias[2 * width :]),
        )

    def _split(self, x: Tensor) -> Tensor:
        return x.unflatten(2, (self.heads, -1)).transpose(1, 2)  # (B, heads, T, width / heads)


class CrossModalLayer(nn.Module):
    """A pre-norm layer: attention, then a feed-forward block four times as wide.

    Query, keys and values share the first norm, as in the reference.

    Args:
        width: features of a step.
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
        attention_dropout: float = 0.0,
        relu_dropout: float = 0.0,
        residual_dropout: float = 0.0,
    ):
        super().__init__()
        self.attention = CrossModalAttention(width, heads, attention_dropout)
        self.norm_attention = nn.LayerNorm(width)
        self.norm_feed_forward = nn.LayerNorm(width)
        self.wide = nn.Linear(width, 4 * width)
        self.narrow = nn.Linear(4 * width, width)
        self.relu_dropout = nn.Dropout(relu_dropout)
        self.residual_dropout = nn.Dropout(residual_dropout)
        _xavier(self.wide)
        _xavier(self.narrow)

    def forward(
        self,
        x: Tensor,
        mask: AttentionMask,
        keys: Tensor | None = None,
        values: Tensor | None = None,
    ) -> Tensor:
        """Update `x` `(B, Tq, width)` from keys and values `(B, Tk, width)`; by default itself."""
        query = self.norm_attention(x)
        key = query if keys is None else self.norm_attention(keys)
        value = key if values is keys else self.norm_attention(values)
        x = x + self.residual_dropout(self.attention(query, key, value, mask))
        hidden = self.relu_dropout(self.wide(self.norm_feed_forward(x)).relu())  # (B, Tq, 4 width)
        return x + self.residual_dropout(self.narrow(hidden))


class CrossModalEncoder(nn.Module):
    """Layers in which a target sequence reads a source, or itself, then a final norm.

    Tsai et al. Multimodal Transformer for Unaligned Multimodal Language Sequences, ACL 2019. Every
    layer reads the embedded source, which is never updated. Ours: padded keys are hidden and the
    causal offset counts valid steps, so that padding changes nothing; on full masks (`unmasked`)
    the encoder equals the reference.

    Args:
        width: features of a step.
        heads: attention heads.
        layers: depth.
        attention_dropout: on the attention weights.
        relu_dropout: inside the feed-forward blocks.
        residual_dropout: on both branches of a layer.
        embedding_dropout: on the embedded sequences, drawn anew for keys and for values.
        positions: `valid` numbers the valid steps, `nonzero` numbers all steps and leaves those
            without a position whose first channel is exactly zero (the reference), `none`.
        causal: hide keys beyond the offset diagonal.
    """

    def __init__(
        self,
        width: int,
        heads: int,
        layers: int,
        *,
        attention_dropout: float = 0.0,
        relu_dropout: float = 0.0,
        residual_dropout: float = 0.0,
        embedding_dropout: float = 0.0,
        positions: Positions = "valid",
        causal: bool = True,
    ):
        super().__init__()
        self.scale, self.positions, self.causal = math.sqrt(width), positions, causal
        self.layers = nn.ModuleList(
            CrossModalLayer(
                width,
                heads,
                attention_dropout=attention_dropout,
                relu_dropout=relu_dropout,
                residual_dropout=residual_dropout,
            )
            for _ in range(layers)
        )
        self.norm = nn.LayerNorm(width)
        self.embedding_dropout = nn.Dropout(embedding_dropout)

    def forward(self, target: Stream, source: Stream | None = None) -> Stream:
        """The target after all layers, zero beyond its mask."""
        x, keys, values, mask = self._embed(target, source)
        for layer in self.layers:
            x = layer(x, mask, keys, values)
        return Stream(self.norm(x) * target.mask.unsqueeze(-1), target.mask)

    def last(self, target: Stream) -> Tensor:
        """The last valid step of a target that reads itself, `(B, width)`; zeros for an empty one.

        Nothing but that one step passes the top layer. It reads every valid key, causal or not.
        """
        x, _, _, mask = self._embed(target, None)
        for layer in self.layers[:-1]:
            x = layer(x, mask)
        lengths = target.lengths
        mask = attention_mask(target.mask[:, :1], target.mask, False, x.dtype)
        last = last_valid(x, lengths).unsqueeze(1)  # (B, 1, width)
        last = self.norm(self.layers[-1](last, mask, x, x)).squeeze(1)  # (B, width)
        return last * (lengths > 0).unsqueeze(1)

    def _embed(
        self, target: Stream, source: Stream | None
    ) -> tuple[Tensor, Tensor | None, Tensor | None, AttentionMask]:
        embedded = self._scale(target)
        x = self.embedding_dropout(embedded)
        read = (target if source is None else source).mask
        mask = attention_mask(target.mask, read, self.causal, x.dtype)
        if source is None:
            return x, None, None, mask
        embedded = self._scale(source)
        keys = self.embedding_dropout(embedded)
        separate = self.training and self.embedding_dropout.p > 0
        values = self.embedding_dropout(embedded) if separate else keys
        return x, keys, values, mask

    def _scale(self, stream: Stream) -> Tensor:
        scaled = self.scale * stream.values
        if self.positions == "none":
            return scaled
        if self.positions == "valid":
            place = stream.mask.cumsum(1) * stream.mask  # (B, T), 0 on padding
        else:
            steps = torch.arange(1, stream.mask.shape[1] + 1, device=stream.mask.device)
            place = steps * (stream.values[:, :, 0] != 0)
        return scaled + sinusoids(place, scaled.shape[2]).to(scaled.dtype)


def sinusoids(place: Tensor, width: int) -> Tensor:
    """Position embeddings `[sin; cos; 0 if the width is odd]`; zeros at place 0.

    Args:
        place: int64 `(B, T)`, counted from 1.
        width: features of an embedding, at least 2.
    """
    half = width // 2
    exponent = torch.arange(half, device=place.device) * (-math.log(10_000) / max(half - 1, 1))
    angle = place.unsqueeze(-1) * exponent.exp()  # (B, T, half)
    embedding = torch.cat([angle.sin(), angle.cos()], dim=2) * (place > 0).unsqueeze(-1)
    return F.pad(embedding, (0, width % 2))


def _xavier(linear: nn.Linear) -> None:
    nn.init.xavier_uniform_(linear.weight)
    nn.init.zeros_(linear.bias)
