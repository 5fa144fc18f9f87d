"""Late fusion: average each modality over time, concatenate, one hidden layer."""

import torch
from torch import nn

from benchmark import Batch, Dims, Model, Output, register_model


@register_model(
    "late-fusion",
    display="Late fusion",
    kind="floor",
    defaults={
        "mmmo_mini": {
            **{"lr": 0.003, "batch_size": 16},
            "recipe": "chosen on validation: the learning rate of three, over five folds",
        },
    },
    smoke={"hidden": 8},
)
class LateFusion(Model):
    def __init__(self, dims: Dims, *, hidden: int = 64, dropout: float = 0.2):
        super().__init__()
        self.hidden = nn.Linear(sum(dims.inputs), hidden)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(hidden, dims.outputs)

    def forward(self, batch: Batch) -> Output:
        x = torch.cat([stream.mean() for stream in batch.streams], dim=1)  # (B, Dt + Da + Dv)
        x = self.dropout(self.hidden(x).relu())  # (B, hidden)
        return Output(self.head(x))
