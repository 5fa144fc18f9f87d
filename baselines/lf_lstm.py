"""Late fusion LSTM: one LSTM for each modality at its own length, their last states, one layer."""

import torch
from torch import nn

from baselines.layers.recurrent import MaskedLSTM
from benchmark import Batch, Dims, Model, Output, register_model

SMALL = {"hidden_text": 64, "hidden_audio": 32, "hidden_vision": 32, "hidden": 64}


@register_model(
    "lf-lstm",
    display="LF-LSTM",
    paper="Late fusion as named by Tsai, Bai, Liang, Kolter, Morency, Salakhutdinov. "
    "Multimodal Transformer for Unaligned Multimodal Language Sequences. ACL 2019.",
    source="no public reference; our own design",
    defaults={
        "mmmo_mini": {
            **{"lr": 0.003, "batch_size": 16},
            "recipe": "chosen on validation: the learning rate of three, over five folds",
        },
        "mosi": {"batch_size": 32, "clip_norm": 0.8, "recipe": "untuned default"},
        "mosei": {"batch_size": 64, "clip_norm": 0.8, "recipe": "untuned default"},
        "sims": {"batch_size": 32, "clip_norm": 0.8, "recipe": "untuned default"},
        "synthetic": {
            **{"hidden_text": 32, "hidden_audio": 16, "hidden_vision": 16, "hidden": 32},
            **{"dropout": 0.1, "batch_size": 32, "lr": 2.5e-3, "epochs": 12, "clip_norm": 0.8},
            "recipe": "chosen on validation: the learning rate, over three seeds",
        },
        "mosi_utterance": {
            **SMALL,
            "batch_size": 32,
            "clip_norm": 0.8,
            "recipe": "untuned default",
        },
        "mosi_std": {**SMALL, "batch_size": 32, "clip_norm": 0.8, "recipe": "untuned default"},
    },
    smoke={
        **{"hidden_text": 8, "hidden_audio": 7, "hidden_vision": 6, "hidden": 8},
        **{"dropout": 0.0},
    },
)
class LFLSTM(Model):
    """Late fusion LSTM.

    A row of that name stands in Tsai et al., Multimodal Transformer for Unaligned Multimodal
    Language Sequences, ACL 2019, without code or settings. This is our own design: it needs no
    alignment, as each LSTM stops at the last valid step of its own modality.

    Args:
        dims: widths of the data.
        hidden_text: units of the text LSTM.
        hidden_audio: units of the audio LSTM.
        hidden_vision: units of the vision LSTM.
        hidden: width of the hidden layer.
        dropout: before the output.
    """

    def __init__(
        self,
        dims: Dims,
        *,
        hidden_text: int = 128,
        hidden_audio: int = 32,
        hidden_vision: int = 32,
        hidden: int = 128,
        dropout: float = 0.3,
    ):
        super().__init__()
        widths = (hidden_text, hidden_audio, hidden_vision)
        self.lstms = nn.ModuleList(
            MaskedLSTM(width, units) for width, units in zip(dims.inputs, widths, strict=True)
        )
        self.hidden = nn.Linear(sum(widths), hidden)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(hidden, dims.outputs)

    def forward(self, batch: Batch) -> Output:
        finals = [
            lstm(stream)[1][0] for lstm, stream in zip(self.lstms, batch.streams, strict=True)
        ]
        x = torch.cat(finals, dim=1)  # (B, hidden_text + hidden_audio + hidden_vision)
        return Output(self.head(self.dropout(self.hidden(x).relu())))
