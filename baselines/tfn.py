"""TFN: the outer product of three modality vectors, and a small network on top of it."""

import math
from typing import Literal

import torch
from torch import Tensor

from baselines.layers.subnets import UnimodalSubnets, decision, prefix_one
from benchmark import Batch, Dims, Model, Output, register_model


@register_model(
    "tfn",
    paper="Zadeh, Chen, Poria, Cambria, Morency. Tensor Fusion Network for Multimodal Sentiment "
    "Analysis. EMNLP 2017.",
    source="Justin1904/TensorFusionNetworks @ ef0e78b; thuiar/MMSA @ a94e65d",
    defaults={
        "mmmo_mini": {
            **{"lr": 0.003, "batch_size": 16},
            "recipe": "chosen on validation: the learning rate of three, over five folds",
        },
        "mosi": {
            **{"audio_hidden": 32, "vision_hidden": 128, "text_outputs": 32},
            **{"fusion_hidden": 64, "fusion_dropout": 0.5},
            "recipe": "published: MMSA's configuration",
        },
        "mosei": {
            **{"audio_hidden": 16, "vision_hidden": 128, "text_outputs": 128},
            **{"fusion_hidden": 16, "dropout": 0.4, "fusion_dropout": 0.4},
            **{"batch_size": 128, "lr": 5e-3},
            "recipe": "published: MMSA's configuration",
        },
        "sims": {
            **{"audio_hidden": 32, "vision_hidden": 128, "text_outputs": 256},
            **{"dropout": 0.4, "fusion_dropout": 0.4, "lr": 5e-4},
            "recipe": "published: MMSA's configuration",
        },
        "synthetic": {
            **{"text_hidden": 16, "audio_hidden": 8, "vision_hidden": 8, "text_outputs": 8},
            **{"dropout": 0.0, "fusion_dropout": 0.0},
            **{"epochs": 20, "lr": 1e-2, "schedule": "cosine"},
            "recipe": "chosen on validation: the learning rate, over three seeds",
        },
        "mosi_utterance": {
            **{"text_hidden": 64, "audio_hidden": 8, "vision_hidden": 8, "text_outputs": 32},
            "recipe": "untuned default",
        },
        "mosi_std": {
            **{"text_hidden": 64, "audio_hidden": 8, "vision_hidden": 4, "text_outputs": 32},
            "recipe": "untuned default",
        },
    },
    smoke={
        **{"text_hidden": 8, "audio_hidden": 6, "vision_hidden": 7, "text_outputs": 5},
        **{"fusion_hidden": 8, "dropout": 0.0, "fusion_dropout": 0.0},
    },
)
class TFN(Model):
    """Tensor Fusion Network.

    Zadeh, Chen, Poria, Cambria, Morency. EMNLP 2017. The widths of the signature are those of the
    PyTorch code that the authors point to (Justin1904/TensorFusionNetworks); data sets carry the
    settings of thuiar/MMSA.

    Like that code and unlike the paper, the text subnet is one linear layer on the last LSTM state
    (the paper: ReLU layers of width 128) and the decision network is narrower.

    Deviations from the code:
        - averages run over valid steps and the LSTM ends at the last valid step; the code reads
          padding in both;
        - the output is bounded to the label range of the task; the code always bounds it to
          (-3, 3), also for labels in [-1, 1]; class logits are not bounded;
        - the loss is the mean absolute error; the authors' code sums over the batch.

    `variant="orig"` restores the first two; `variant="mmsa"` also drops the text dropout, which
    never acts there (the dropout argument of an LSTM of one layer).
    """

    def __init__(
        self,
        dims: Dims,
        *,
        text_hidden: int = 128,
        audio_hidden: int = 4,
        vision_hidden: int = 16,
        text_outputs: int = 64,
        fusion_hidden: int = 32,
        dropout: float = 0.3,
        fusion_dropout: float = 0.3,
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
        products = math.prod(width + 1 for width in self.subnets.widths)
        self.head = decision(products, fusion_hidden, dims.outputs, fusion_dropout)
        self.bounded = dims.task.kind == "regression"
        self.low, self.high = (dims.task.low, dims.task.high) if variant == "paper" else (-3.0, 3.0)

    def forward(self, batch: Batch) -> Output:
        text, audio, vision = self.subnets(batch)
        prediction = self.head(self.fuse(text, audio, vision))  # (B, outputs)
        if self.bounded:
            prediction = self.low + (self.high - self.low) * prediction.sigmoid()
        return Output(prediction, {"text": text, "audio": audio, "vision": vision})

    def fuse(self, text: Tensor, audio: Tensor, vision: Tensor) -> Tensor:
        """All products of [1; audio], [1; vision] and [1; text], `(B, products)` (section 4.2).

        No feature of the output, which would keep by far the largest tensor to the end of a step.
        """
        pairs = prefix_one(audio).unsqueeze(2) * prefix_one(vision).unsqueeze(1)
        # A matrix product: the backward of a broadcast one would need tensors of the full size.
        return torch.bmm(pairs.flatten(1).unsqueeze(2), prefix_one(text).unsqueeze(1)).flatten(1)
