"""MAG-XLNet: a gate after XLNet's first layer shifts each token by its audio and vision."""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from baselines.layers.losses import squared_error
from baselines.layers.mag import AUTHORS, FEATURES, PAPER, AdaptationGate, Alignment
from baselines.layers.text import FINE_TUNING, TextEncoder, attendable, expect_layer, spoken
from benchmark import Batch, Dims, Model, Output, UserError, register_model


class XLNetEncoder(TextEncoder):
    """XLNet's parts, called one by one so that a gate fits between two layers.

    Raises:
        UserError: the encoder is no XLNet.
    """

    def __init__(self, dims: Dims, name: str, *, hidden: int, layers: int, heads: int):
        super().__init__(dims, name, hidden=hidden, layers=layers, heads=heads)
        if self.model is None:
            return
        if self.model.config.model_type != "xlnet":
            raise UserError(
                f"mag-xlnet needs an XLNet and {name!r} is a {type(self.model).__name__}; give an "
                f"XLNet or use mag-bert"
            )
        del self.model.mask_emb  # serves pretraining only and would never receive a gradient

    @staticmethod
    def from_scratch(vocabulary: int, hidden: int, layers: int, heads: int) -> nn.Module:
        from transformers import XLNetConfig, XLNetModel

        config = XLNetConfig(
            vocab_size=vocabulary,
            d_model=hidden,
            n_layer=layers,
            n_head=heads,
            d_inner=4 * hidden,
        )
        return XLNetModel(config)

    def prepare(self, ids: Tensor, mask: Tensor) -> tuple[Tensor, dict[str, Tensor | None]]:
        """Embeddings `(K, B, width)` and what every layer is given beside them.

        The last valid token is the summary token: its segment is 2, that of padding 3, of all
        others 0; attention asks only whether two segments are equal.
        """
        model, length = self.model, ids.shape[1]
        hidden = model.dropout(model.word_embedding(ids.T))  # (K, B, width)
        places = torch.arange(length, device=ids.device)
        segment = torch.where(mask, 0, 3)
        segment = torch.where(mask & (places == last_place(mask).unsqueeze(1)), 2, segment)
        differs = (segment.T[:, None] != segment.T[None, :]).long()  # (K, K, B)
        itself = torch.eye(length, dtype=torch.bool, device=ids.device)
        closed = ~mask.T[None, :] & ~itself[:, :, None]  # (K, K, B); padding still sees itself
        position = model.relative_positional_encoding(
            length, length, bsz=len(ids), device=ids.device
        )
        return hidden, {
            "output_g": None,
            "attn_mask_h": closed.unsqueeze(-1).to(hidden.dtype),
            "attn_mask_g": None,
            "r": model.dropout(position),
            "seg_mat": F.one_hot(differs, 2).to(hidden.dtype),
        }


@register_model(
    "mag-xlnet",
    display="MAG-XLNet",
    paper=PAPER,
    source="WasifurRahman/BERT_multimodal_transformer @ dc7876f",
    defaults={
        "mmmo_mini": {
            **{"lr": 0.003, "batch_size": 16},
            "recipe": "chosen on validation: mag-bert's, the same network without tokens",
        },
        "synthetic": {
            **{"variant": "mmsa", "gate_dropout": 0.1},
            **{"lr": 5e-3, "batch_size": 32, "epochs": 15},
            "recipe": "chosen on validation: learning rate and epochs, over three seeds, for "
            "mag-bert, which is the same network on features",
        },
        **dict.fromkeys(("mosi", "mosei", "sims", "mosi_utterance", "mosi_std"), FEATURES),
    },
    fine_tuning={
        "": FINE_TUNING,
        "mosi": AUTHORS,
        "mosei": AUTHORS,
    },
    smoke={"encoder_hidden": 8, "encoder_layers": 2, "encoder_heads": 2, "gate_dropout": 0.0},
)
class MAGXLNet(Model):
    """XLNet with a multimodal adaptation gate on the states that enter its second layer.

    The default follows the paper: mean squared error; `variant="mmsa"` trains on the absolute
    error like the THUIAR framework's models. Deviations: sequences are padded on the right instead
    of the left, which relative positions and masks make the same computation; XLNet's unused mask
    embedding is left out; streams that are not word-level are averaged over the span of each
    token. Without tokens the gate acts on the vectors of the text stream, whose mean over time
    feeds the summary.

    Args:
        dims: widths of the data.
        text_encoder: `auto`, `scratch`, `features`, a folder or a hub name of an XLNet.
        encoder_hidden: width of a text encoder made from scratch.
        encoder_layers: its depth.
        encoder_heads: its attention heads.
        injection: index of the layer before which the gate acts.
        beta: longest shift, in lengths of the text vector.
        gate_dropout: on the output of the gate.
        head_dropout: on the summary vector.
        alignment: how audio and vision come to the tokens, see `beside_tokens`.
        variant: `paper` or `mmsa`.

    Raises:
        UserError: the encoder has no layer of the index `injection`.
    """

    def __init__(
        self,
        dims: Dims,
        *,
        text_encoder: str = "auto",
        encoder_hidden: int = 32,
        encoder_layers: int = 2,
        encoder_heads: int = 4,
        injection: int = 1,
        beta: float = 1.0,
        gate_dropout: float = 0.5,
        head_dropout: float = 0.1,
        alignment: Alignment = "auto",
        variant: Literal["paper", "mmsa"] = "paper",
    ):
        super().__init__()
        self.encoder = XLNetEncoder(
            dims, text_encoder, hidden=encoder_hidden, layers=encoder_layers, heads=encoder_heads
        )
        xlnet, width = self.encoder.model, self.encoder.width
        if xlnet is not None:
            expect_layer(xlnet.layer, injection)
        self.gate = AdaptationGate(width, dims.audio, dims.vision, beta=beta, dropout=gate_dropout)
        self.summary = nn.Linear(width, width)
        self.dropout = nn.Dropout(head_dropout)
        self.out = nn.Linear(width, dims.outputs)
        self.injection = injection
        self.alignment = alignment
        self.variant = variant

    def forward(self, batch: Batch) -> Output:
        if self.encoder.model is None:
            words = self.gate.at_steps(batch)
            gated, pooled = words.values, words.mean()  # (B, L, width), (B, width)
        else:
            gated, pooled = self._encode(batch)
        summary = self.dropout(self.summary(pooled).tanh())  # (B, width)
        return Output(self.out(summary), {"gate": gated})

    def loss(self, output: Output, batch: Batch) -> Tensor:
        if self.variant == "paper":
            return squared_error(self.task, output.prediction, batch.label)
        return self.task.loss(output.prediction, batch.label)

    def _encode(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """The gated states `(B, K, width)` and the last state of the summary token."""
        xlnet, mask = self.encoder.model, batch.token_mask
        hidden, shared = self.encoder.prepare(spoken(batch), attendable(mask))
        for place, layer in enumerate(xlnet.layer):
            if place == self.injection:
                tokens = hidden.transpose(0, 1)  # (B, K, width)
                gated = self.gate.at_tokens(batch, tokens, mask, self.alignment)
                hidden = gated.transpose(0, 1)
            hidden = layer(hidden, **shared)[0]  # (K, B, width)
        hidden = xlnet.dropout(hidden).transpose(0, 1)  # (B, K, width)
        place = last_place(attendable(mask)).view(-1, 1, 1).expand(-1, 1, hidden.shape[2])
        return gated, hidden.gather(1, place).squeeze(1)


def last_place(mask: Tensor) -> Tensor:
    """Place of the last valid step of each row, int64 `(B,)`, on whichever side the padding is."""
    places = torch.arange(mask.shape[1], device=mask.device)
    return (mask * places).amax(dim=1)
