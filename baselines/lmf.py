"""LMF: the tensor fusion of TFN with a weight tensor of low rank, never built in full."""

from typing import Any, Literal

import torch
from torch import Tensor, nn

from baselines.layers.subnets import UnimodalSubnets, prefix_one
from benchmark import (
    MODALITIES,
    Batch,
    Dims,
    Model,
    Output,
    TrainConfig,
    parameter_groups,
    register_model,
)


@register_model(
    "lmf",
    paper="Liu, Shen, Lakshminarasimhan, Liang, Zadeh, Morency. Efficient Low-rank Multimodal "
    "Fusion With Modality-Specific Factors. ACL 2018.",
    source="Justin1904/Low-rank-Multimodal-Fusion @ ea47551; thuiar/MMSA @ a94e65d",
    defaults={
        "mmmo_mini": {
            **{"lr": 0.003, "batch_size": 16},
            "recipe": "chosen on validation: the learning rate of three, over five folds",
        },
        "mosi": {
            **{"dropout": 0.3, "rank": 3, "batch_size": 64, "lr": 1e-3, "weight_decay": 5e-3},
            "recipe": "published: MMSA's configuration",
        },
        "mosei": {
            **{"dropout": 0.2, "rank": 4, "batch_size": 32, "lr": 1e-3, "weight_decay": 1e-3},
            "recipe": "published: MMSA's configuration",
        },
        "sims": {
            **{"text_hidden": 64, "text_outputs": 32, "audio_hidden": 16, "vision_hidden": 64},
            **{"dropout": 0.2, "rank": 4},
            **{"batch_size": 64, "lr": 2e-3, "factor_lr": 5e-4, "weight_decay": 5e-3},
            "recipe": "published: MMSA's configuration",
        },
        "synthetic": {
            **{"text_hidden": 16, "audio_hidden": 8, "vision_hidden": 8, "text_outputs": 8},
            **{"dropout": 0.0, "epochs": 20, "lr": 1e-2, "schedule": "linear"},
            "recipe": "chosen on validation: the learning rate, over three seeds",
        },
        "mosi_utterance": {"vision_hidden": 16, "lr": 3e-3, "recipe": "untuned default"},
        "mosi_std": {
            **{"text_hidden": 64, "audio_hidden": 8, "vision_hidden": 4, "text_outputs": 32},
            "recipe": "untuned default",
        },
    },
    smoke={
        **{"text_hidden": 8, "audio_hidden": 6, "vision_hidden": 7, "text_outputs": 5},
        **{"rank": 2, "dropout": 0.0},
    },
)
class LMF(Model):
    """Low-rank Multimodal Fusion.

    Liu, Shen, Lakshminarasimhan, Liang, Zadeh, Morency. ACL 2018; equations 5 to 7. Code of the
    authors: Justin1904/Low-rank-Multimodal-Fusion; settings of data sets: thuiar/MMSA.

    As in the authors' code, the ranks are summed with trained weights and a bias; the paper sums
    them with weights of 1, which the factors can absorb. No layer follows the fusion.

    Deviations from the code:
        - averages run over valid steps and the text LSTM ends at the last valid step; the code
          reads padding in both;
        - the loss is the mean absolute error; the authors' code sums over the batch;
        - a dropout that the code declares after the fusion and never applies does not exist.

    `variant="orig"` reads padding. `variant="mmsa"` does too, leaves the rank weights and the bias
    at their initial values, which that optimiser never receives, and drops the text dropout, which
    never acts there.

    Args:
        dims: widths of the data.
        text_hidden: width of the text LSTM.
        audio_hidden: width of the audio vector.
        vision_hidden: width of the vision vector.
        text_outputs: width of the text vector.
        rank: products that are summed.
        factor_lr: learning rate of the factors; None takes `lr`.
        dropout: in the three subnets.
        variant: whose computation.
    """

    def __init__(
        self,
        dims: Dims,
        *,
        text_hidden: int = 128,
        audio_hidden: int = 16,
        vision_hidden: int = 128,
        text_outputs: int = 64,
        rank: int = 4,
        factor_lr: float | None = None,
        dropout: float = 0.3,
        variant: Literal["paper", "orig", "mmsa"] = "paper",
    ):
        super().__init__()
        self.subnets = UnimodalSubnets(
            dims,
            text_hidden=text_hidden,
            audio_hidden=audio_hidden,
            vision_hidden=vision_hidden,
            text_outputs=text_outputs,
            dropout=dropout,
            variant=variant,
        )
        self.factor_lr = factor_lr
        self.factors = nn.ParameterDict(
            {
                name: nn.Parameter(torch.empty(rank, width + 1, dims.outputs))
                for name, width in zip(MODALITIES, self.subnets.widths, strict=True)
            }
        )
        self.rank_weights = nn.Parameter(torch.empty(1, rank))
        self.bias = nn.Parameter(torch.zeros(1, dims.outputs))
        for parameter in (*self.factors.values(), self.rank_weights):
            nn.init.xavier_normal_(parameter)
        if variant == "mmsa":
            self.rank_weights.requires_grad_(False)
            self.bias.requires_grad_(False)

    def forward(self, batch: Batch) -> Output:
        vectors = dict(zip(MODALITIES, self.subnets(batch), strict=True))
        text, audio, vision = (self._project(name, vectors[name]) for name in MODALITIES)
        products = audio * vision * text  # (B, rank, outputs)
        prediction = torch.einsum("or,brk->bk", self.rank_weights, products) + self.bias
        return Output(prediction, {**vectors, "rank_products": products})

    def _project(self, name: str, vector: Tensor) -> Tensor:
        """Each rank's projection of [1; z], `(B, rank, outputs)`."""
        return torch.einsum("bd,rdk->brk", prefix_one(vector), self.factors[name])

    def param_groups(self, config: TrainConfig) -> list[dict[str, Any]]:
        if self.factor_lr is None:
            return parameter_groups(self, config)
        return parameter_groups(self, config, {"factors": {"lr": self.factor_lr}})
