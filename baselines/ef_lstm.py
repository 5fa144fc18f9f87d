"""Early fusion LSTM: concatenate the features of each step, one LSTM, one hidden layer."""

from typing import Literal

import torch
from torch import nn

from baselines.layers.align import align_to_text, align_to_text_mmsa
from baselines.layers.recurrent import MaskedLSTM
from benchmark import Batch, Dims, Model, Output, Stream, UserError, register_model


@register_model(
    "ef-lstm",
    display="EF-LSTM",
    paper="Early fusion as run by Zadeh, Liang, Mazumder, Poria, Cambria, Morency. "
    "Memory Fusion Network for Multi-view Sequential Learning. AAAI 2018.",
    source="pliang279/MFN @ b0453fb; thuiar/MMSA @ a94e65d",
    defaults={
        "mmmo_mini": {
            **{"lr": 0.001, "batch_size": 16},
            "recipe": "chosen on validation: the learning rate of three, over five folds",
        },
        "mosi": {
            "layers": 4,
            "batch_size": 32,
            "lr": 1e-3,
            "weight_decay": 5e-3,
            "recipe": "published: MMSA's configuration",
        },
        "mosei": {
            **{"hidden": 256, "layers": 2, "dropout": 0.4},
            **{"batch_size": 128, "lr": 5e-3, "weight_decay": 1e-4},
            "recipe": "published: MMSA's configuration",
        },
        "sims": {
            **{"hidden": 32, "layers": 3, "steps": 39},
            **{"batch_size": 128, "lr": 5e-4, "weight_decay": 1e-3},
            "recipe": "published: MMSA's configuration",
        },
        "synthetic": {
            "hidden": 32,
            "dropout": 0.1,
            "batch_size": 32,
            "lr": 5e-3,
            "epochs": 15,
            "recipe": "chosen on validation: the learning rate, over three seeds",
        },
        "mosi_utterance": {"hidden": 64, "batch_size": 32, "lr": 1e-3, "recipe": "untuned default"},
        "mosi_std": {"hidden": 64, "batch_size": 32, "lr": 1e-3, "recipe": "untuned default"},
    },
    smoke={"hidden": 8, "layers": 2, "dropout": 0.0},
)
class EFLSTM(Model):
    """Early fusion LSTM.

    No paper of its own. Code: pliang279/MFN (run for Zadeh et al., Memory Fusion Network, AAAI
    2018), thuiar/MMSA; settings for datasets follow the latter.

    Deviations: audio and vision are brought to the valid text steps by averaging (the identity on
    word-aligned data) and the last step is the last valid one; on full masks of equal length the
    model with one layer is that of pliang279/MFN. `variant="mmsa"` restores the other: a batch norm
    whose channels are the time steps before the LSTM, one more dropout behind it, padding read
    like words, audio and vision pooled to the padded length of the text.

    Args:
        dims: widths of the data.
        hidden: units of the LSTM and of the hidden layer.
        layers: stacked LSTM layers.
        dropout: between LSTM layers and before the output.
        steps: `mmsa` only, the padded length of the text, channels of its batch norm.
        variant: `paper` or `mmsa`.
    """

    def __init__(
        self,
        dims: Dims,
        *,
        hidden: int = 128,
        layers: int = 1,
        dropout: float = 0.5,
        steps: int = 50,
        variant: Literal["paper", "mmsa"] = "paper",
    ):
        super().__init__()
        self.norm = nn.BatchNorm1d(steps) if variant == "mmsa" else None
        self.lstm = MaskedLSTM(sum(dims.inputs), hidden, layers=layers, dropout=dropout)
        self.hidden = nn.Linear(hidden, hidden)
        self.head = nn.Linear(hidden, dims.outputs)
        self.dropout = nn.Dropout(dropout)

    def forward(self, batch: Batch) -> Output:
        align = align_to_text if self.norm is None else align_to_text_mmsa
        streams = align(*batch.streams)
        values = torch.cat([stream.values for stream in streams], dim=2)  # (B, T, Dt + Da + Dv)
        if self.norm is not None:
            if values.shape[1] != self.norm.num_features:
                raise UserError(
                    f"ef-lstm was built for {self.norm.num_features} text steps and got "
                    f"{values.shape[1]}; set steps={values.shape[1]} or variant=paper"
                )
            values = self.norm(values)
        _, finals = self.lstm(Stream(values, streams[0].mask))
        last = finals[-1] if self.norm is None else self.dropout(finals[-1])  # (B, hidden)
        return Output(self.head(self.dropout(self.hidden(last).relu())))
