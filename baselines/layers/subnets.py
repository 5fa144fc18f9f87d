"""The three unimodal subnets that TFN, LMF and LF-DNN put below their fusion."""

from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn

from baselines.layers.crossmodal import unmasked
from baselines.layers.recurrent import MaskedLSTM
from benchmark import Batch, Dims, Stream


class AverageSubnet(nn.Module):
    """Batch norm, dropout and three ReLU layers over a stream's average (TFN, section 4.1).

    Args:
        inputs: features of a step.
        hidden: width of each layer.
        dropout: on the normalised average.
    """

    def __init__(self, inputs: int, hidden: int, *, dropout: float = 0.0):
        super().__init__()
        self.norm = nn.BatchNorm1d(inputs)
        self.dropout = nn.Dropout(dropout)
        self.layers = nn.Sequential(
            nn.Linear(inputs, hidden),
            nn.ReLU(),
            nn.Linear(hidden, hidden),
            nn.ReLU(),
            nn.Linear(hidden, hidden),
            nn.ReLU(),
        )

    def forward(self, stream: Stream) -> Tensor:
        """The modality's vector, `(B, hidden)`."""
        return self.layers(self.dropout(self._normalise(stream.mean())))

    def _normalise(self, average: Tensor) -> Tensor:
        norm = self.norm
        if self.training and len(average) == 1:  # one sample has no variance of its own
            return F.batch_norm(
                average, norm.running_mean, norm.running_var, norm.weight, norm.bias, eps=norm.eps
            )
        return norm(average)


class TextSubnet(nn.Module):
    """An LSTM's last valid state, dropout and one linear layer.

    Args:
        inputs: features of a step.
        hidden: width of the LSTM.
        outputs: width of the vector.
        dropout: on the last state.
    """

    def __init__(self, inputs: int, hidden: int, outputs: int, *, dropout: float = 0.0):
        super().__init__()
        self.lstm = MaskedLSTM(inputs, hidden)
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(hidden, outputs)

    def forward(self, stream: Stream) -> Tensor:
        """The text's vector, `(B, outputs)`."""
        _, (last,) = self.lstm(stream)
        return self.linear(self.dropout(last))


class UnimodalSubnets(nn.Module):
    """One vector for each modality, in the order text, audio, vision.

    Args:
        dims: widths of the data.
        text_hidden: width of the text LSTM.
        audio_hidden: width of the audio vector.
        vision_hidden: width of the vision vector.
        text_outputs: width of the text vector.
        dropout: of each subnet.
        variant: `orig` and `mmsa` average over all steps and run the LSTM to the last step of the
            batch, padding included, as those implementations do; the text dropout of `mmsa` never
            acts.

    Attributes:
        widths: of the three vectors.
    """

    def __init__(
        self,
        dims: Dims,
        *,
        text_hidden: int,
        audio_hidden: int,
        vision_hidden: int,
        text_outputs: int,
        dropout: float,
        variant: Literal["paper", "orig", "mmsa"],
    ):
        super().__init__()
        text_dropout = 0.0 if variant == "mmsa" else dropout
        self.text = TextSubnet(dims.text, text_hidden, text_outputs, dropout=text_dropout)
        self.audio = AverageSubnet(dims.audio, audio_hidden, dropout=dropout)
        self.vision = AverageSubnet(dims.vision, vision_hidden, dropout=dropout)
        self.literal = variant != "paper"
        self.widths = (text_outputs, audio_hidden, vision_hidden)

    def forward(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        """Vectors `(B, text_outputs)`, `(B, audio_hidden)`, `(B, vision_hidden)`."""
        text, audio, vision = (
            unmasked(stream) if self.literal else stream for stream in batch.streams
        )
        return self.text(text), self.audio(audio), self.vision(vision)


def decision(inputs: int, hidden: int, outputs: int, dropout: float) -> nn.Sequential:
    """Dropout and three layers: what TFN and LF-DNN put on top of their fusion."""
    return nn.Sequential(
        nn.Dropout(dropout),
        nn.Linear(inputs, hidden),
        nn.ReLU(),
        nn.Linear(hidden, hidden),
        nn.ReLU(),
        nn.Linear(hidden, outputs),
    )


def prefix_one(vector: Tensor) -> Tensor:
    """[1; z], `(B, D + 1)`: keeps lower-order terms in a product of modalities."""
    return F.pad(vector, (1, 0), value=1.0)
