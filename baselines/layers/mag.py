"""The multimodal adaptation gate, the rows beside each token, and the settings of the paper."""

from typing import Literal

import torch
from torch import Tensor, nn

from baselines.layers.align import align
from baselines.layers.text import attendable
from benchmark import Batch, Stream

Alignment = Literal["auto", "words", "average"]

PAPER = (
    "Rahman, Hasan, Lee, Zadeh, Mao, Morency, Hoque. Integrating Multimodal Information in "
    "Large Pretrained Transformers. ACL 2020."
)
AUTHORS = {
    **{"optimizer": "adamw", "lr": 1e-5, "weight_decay": 0.01, "batch_size": 48},
    **{"encoder_lr": 1e-5, "encoder_weight_decay": 0.01},
    **{"epochs": 40, "patience": 0, "schedule": "linear", "warmup": 0.1},
    "recipe": "published: the authors' code",
}
FEATURES = {"variant": "mmsa", "gate_dropout": 0.1, "lr": 1e-3, "recipe": "untuned default"}


class AdaptationGate(nn.Module):
    """Shift word vectors by audio and vision (Rahman et al., ACL 2020, Section 3.1).

    g_v = ReLU(W [v; z]), g_a = ReLU(W [a; z]), H = g_v ⊙ W v + g_a ⊙ W a, and the output is
    Dropout(LayerNorm(z + αH)) with α = min(β ‖z‖ / ‖H‖, 1).

    Args:
        text: width of z and of the output.
        audio: width of an audio row.
        vision: width of a vision row.
        beta: longest shift, in lengths of z.
        dropout: on the output.
    """

    def __init__(
        self, text: int, audio: int, vision: int, *, beta: float = 1.0, dropout: float = 0.5
    ):
        super().__init__()
        self.vision_gate = nn.Linear(vision + text, text)
        self.audio_gate = nn.Linear(audio + text, text)
        self.vision_map = nn.Linear(vision, text)
        self.audio_map = nn.Linear(audio, text)
        self.norm = nn.LayerNorm(text)
        self.dropout = nn.Dropout(dropout)
        self.beta = beta
        for module in self.children():
            if isinstance(module, nn.Linear):  # as the language model's own layers
                nn.init.normal_(module.weight, std=0.02)
                nn.init.zeros_(module.bias)

    def shift(self, text: Tensor, audio: Tensor, vision: Tensor) -> Tensor:
        """The shifted vectors z + αH, `(B, L, text)`, before the LayerNorm."""
        vision_gate = self.vision_gate(torch.cat([vision, text], dim=-1)).relu()
        audio_gate = self.audio_gate(torch.cat([audio, text], dim=-1)).relu()
        move = vision_gate * self.vision_map(vision) + audio_gate * self.audio_map(audio)
        length = move.norm(dim=-1, keepdim=True)  # (B, L, 1)
        length = torch.where(length == 0, torch.ones_like(length), length)
        alpha = (self.beta * text.norm(dim=-1, keepdim=True) / (length + 1e-6)).clamp(max=1)
        return text + alpha * move

    def forward(self, text: Tensor, audio: Tensor, vision: Tensor) -> Tensor:
        return self.dropout(self.norm(self.shift(text, audio, vision)))

    def at_tokens(self, batch: Batch, tokens: Tensor, mask: Tensor, alignment: Alignment) -> Tensor:
        """Shifted tokens `(B, K, text)` by what `beside_tokens` puts beside each."""
        audio, vision = (
            beside_tokens(batch, stream, mask, alignment) for stream in (batch.audio, batch.vision)
        )
        return self(tokens, audio, vision)

    def at_steps(self, batch: Batch) -> Stream:
        """The shifted text stream, of at least one step, by the averages over each step's span."""
        mask = attendable(batch.text.mask)
        audio, vision = (align(stream, mask).values for stream in (batch.audio, batch.vision))
        return Stream(self(batch.text.values, audio, vision), mask)


def beside_tokens(
    batch: Batch, stream: Stream, mask: Tensor, alignment: Alignment = "auto"
) -> Tensor:
    """One row of a stream for each token, `(B, K, D)`.

    Word-level streams give each token the row of its word and zeros to the marks at both ends, as
    in the paper. Streams with another clock are averaged over the span of each valid token.

    Args:
        batch: for the words of the tokens.
        stream: audio or vision.
        mask: valid tokens `(B, K)`.
        alignment: `words`, `average`, or `auto`: words where the stream of a sample has several
            rows, one for each of its words or, where its tokens were cut, each step of its text.
    """
    averaged = align(stream, attendable(mask)).values
    if alignment == "average" or batch.token_words is None:
        return averaged
    words = torch.where(mask, batch.token_words, -1)  # (B, K)
    steps = stream.values.shape[1]
    found = (words >= 0) & (words < steps)
    place = words.clamp(0, steps - 1).unsqueeze(-1).expand(-1, -1, stream.values.shape[2])
    copied = stream.values.gather(1, place) * found.unsqueeze(-1)
    if alignment == "words":
        return copied
    count, rows = words.amax(dim=1) + 1, stream.lengths  # (B,)
    cut = (rows == batch.text.lengths) & (rows > count) & (count > 0)  # tokens were truncated
    aligned = (rows > 1) & ((rows == count) | cut)
    return torch.where(aligned.view(-1, 1, 1), copied, averaged)
