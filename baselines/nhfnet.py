"""NHFNet: audio and vision meet in a few bottleneck tokens, then text and they read each other."""

from typing import Any, Literal

import torch
from torch import Tensor, nn

from baselines.layers.crossmodal import CrossModalEncoder, unmasked
from baselines.layers.losses import squared_error
from baselines.layers.recurrent import MaskedLSTM, last_valid
from benchmark import Batch, Dims, Model, Output, Stream, register_model

RELEASED = {"lr": 1e-3, "batch_size": 16}


@register_model(
    "nhfnet",
    paper="Fu, Liu, Xu, Qi, Fu, Zhou, Li. NHFNet: A Non-Homogeneous Fusion Network for Multimodal "
    "Sentiment Analysis. ICME 2022.",
    source="skeletonNN/NHFNet @ aae9687",
    defaults={
        "mmmo_mini": {
            **{"layers": 2, "lr": 0.003, "batch_size": 16},
            "recipe": "chosen on validation: the learning rate of two, over five folds",
        },
        "mosi": {**RELEASED, "recipe": "untuned default: the authors' settings for CMU-MOSEI"},
        "mosei": {**RELEASED, "epochs": 10, "recipe": "published: the authors' code"},
        "sims": {**RELEASED, "recipe": "untuned default: the authors' settings for CMU-MOSEI"},
        "synthetic": {
            **{"width": 16, "heads": 2, "layers": 1, "text_hidden": 16, "bottleneck": 2},
            **{"attention_dropout": 0.0, "lr": 5e-3, "batch_size": 64, "epochs": 10},
            "recipe": "chosen on validation: the learning rate, over three seeds",
        },
        "mosi_utterance": {"layers": 1, "lr": 1e-3, "batch_size": 32, "recipe": "untuned default"},
        "mosi_std": {"layers": 2, "lr": 1e-3, "batch_size": 32, "recipe": "untuned default"},
    },
    smoke={
        **{"width": 8, "heads": 2, "layers": 1, "text_hidden": 6, "bottleneck": 2},
        **{"attention_dropout": 0.0},
    },
)
class NHFNet(Model):
    """Non-Homogeneous Fusion Network.

    Fu, Liu, Xu, Qi, Fu, Zhou, Li. IEEE ICME 2022, doi 10.1109/ICME52920.2022.9859836. Code:
    skeletonNN/NHFNet, which does not run as published; this is its evident intent. Text is read as
    features of a frozen encoder. The settings are those of CMU-MOSEI, the only data set of the
    paper.

    Like the code, the bottleneck tokens start as zeros and are not learned, and one audio-visual
    encoder serves its five passes.

    Deviations from the code:
        - padding is not read, and the last step of a sequence is the last valid one;
        - every valid step has a position, the bottleneck tokens too, which tells them apart; in
          the code a step whose first channel is exactly zero has none, so that all tokens stay
          copies of one in the first pass;
        - the two gates that each encoder layer of the code holds and never uses are left out
          (49,920 parameters), in every variant;
        - the epoch is chosen on the validation split; the code reports the best test value of each
          metric.

    `variant="orig"` restores the first two.

    Args:
        dims: widths of the data.
        width: common width e.
        heads: attention heads.
        layers: depth of each of the three encoders.
        text_hidden: width of the first text LSTM.
        bottleneck: number of bottleneck tokens.
        attention_dropout: on the attention weights between text and the audio-visual sequence.
        variant: `paper` or `orig`.
    """

    def __init__(
        self,
        dims: Dims,
        *,
        width: int = 32,
        heads: int = 8,
        layers: int = 4,
        text_hidden: int = 128,
        bottleneck: int = 4,
        attention_dropout: float = 0.4,
        variant: Literal["paper", "orig"] = "paper",
    ):
        super().__init__()
        self.literal, self.bottleneck = variant == "orig", bottleneck
        encoder: dict[str, Any] = {
            "positions": "nonzero" if self.literal else "valid",
            "causal": False,
        }
        self.audio = nn.Linear(dims.audio, width)
        self.vision = nn.Linear(dims.vision, width)
        self.audio_visual = CrossModalEncoder(width, heads, layers, **encoder)
        self.text = nn.ModuleList(
            [MaskedLSTM(dims.text, text_hidden), MaskedLSTM(text_hidden, width)]
        )
        self.norm = nn.LayerNorm(width)
        self.crossing = CrossModalEncoder(
            width, heads, layers, attention_dropout=attention_dropout, **encoder
        )
        self.classification = CrossModalEncoder(width, heads, layers, **encoder)
        self.head = nn.Linear(width, dims.outputs)

    def forward(self, batch: Batch) -> Output:
        text, audio, vision = (
            unmasked(stream) if self.literal else stream for stream in batch.streams
        )
        both = self._meet(_mapped(self.audio, audio), _mapped(self.vision, vision))
        for recurrent in self.text:
            text, _ = recurrent(text)
        text = self.classification(_mapped(self.norm, text))
        lasts = [
            last_valid(text.values, text.lengths),
            last_valid(both.values, both.lengths),
            self.classification.last(self.crossing(text, both)),
            self.classification.last(self.crossing(both, text)),
        ]  # four of (B, e)
        return Output(self.head(torch.stack(lasts).sum(dim=0)), {"audio_visual": both.values})

    def loss(self, output: Output, batch: Batch) -> Tensor:
        return squared_error(self.task, output.prediction, batch.label)

    def _meet(self, audio: Stream, vision: Stream) -> Stream:
        """Vision behind bottleneck tokens that have read audio, `(B, bottleneck + T, e)`."""
        audio, vision = self.audio_visual(audio), self.audio_visual(vision)
        count, steps, width = audio.values.shape
        tokens = Stream(
            audio.values.new_zeros(count, self.bottleneck, width),
            audio.mask.new_ones(count, self.bottleneck),
        )
        read = self.audio_visual(_joined(audio, tokens)).values[:, steps:]  # (B, bottleneck, e)
        both = _joined(Stream(read, tokens.mask), vision)
        return self.audio_visual(self.audio_visual(both))


def _mapped(layer: nn.Module, stream: Stream) -> Stream:
    """A layer on every valid step, zero beyond the mask."""
    return Stream(layer(stream.values) * stream.mask.unsqueeze(-1), stream.mask)


def _joined(first: Stream, second: Stream) -> Stream:
    """One sequence behind the other."""
    return Stream(
        torch.cat([first.values, second.values], dim=1),
        torch.cat([first.mask, second.mask], dim=1),
    )
