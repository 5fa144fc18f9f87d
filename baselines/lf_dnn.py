"""LF-DNN: late fusion of three unimodal vectors in a deep network."""

from typing import Literal

import torch

from baselines.layers.subnets import UnimodalSubnets, decision
from benchmark import Batch, Dims, Model, Output, register_model

SMALL = {"text_outputs": 64, "fusion_hidden": 64, "dropout": 0.3, "fusion_dropout": 0.3}


@register_model(
    "lf-dnn",
    display="LF-DNN",
    paper="Williams, Comanescu, Radu, Tian. DNN Multimodal Fusion Techniques for Predicting Video "
    "Sentiment. Workshop on Multimodal Language, ACL 2018.",
    source="thuiar/MMSA @ a94e65d",
    defaults={
        "mmmo_mini": {
            **{"lr": 0.003, "batch_size": 16},
            "recipe": "chosen on validation: the learning rate of three, over five folds",
        },
        "mosi": {
            **{"text_outputs": 256, "fusion_hidden": 128},
            **{"batch_size": 128, "lr": 1e-3, "weight_decay": 1e-2},
            "recipe": "published: MMSA's configuration",
        },
        "mosei": {
            **{"audio_hidden": 32, "batch_size": 64, "lr": 2e-3, "weight_decay": 1e-3},
            "recipe": "published: MMSA's configuration",
        },
        "sims": {
            **{"audio_hidden": 32, "text_outputs": 256, "fusion_hidden": 32},
            **{"dropout": 0.3, "fusion_dropout": 0.5},
            **{"batch_size": 128, "lr": 5e-3, "weight_decay": 5e-3},
            "recipe": "published: MMSA's configuration",
        },
        "synthetic": {
            **{"text_hidden": 16, "audio_hidden": 8, "vision_hidden": 8, "text_outputs": 8},
            **{"fusion_hidden": 32, "dropout": 0.1, "fusion_dropout": 0.1},
            **{"epochs": 20, "lr": 5e-3},
            "recipe": "chosen on validation: the learning rate, over three seeds",
        },
        "mosi_utterance": {"vision_hidden": 16, **SMALL, "recipe": "untuned default"},
        "mosi_std": {"vision_hidden": 4, **SMALL, "recipe": "untuned default"},
    },
    smoke={
        **{"text_hidden": 8, "audio_hidden": 6, "vision_hidden": 7, "text_outputs": 5},
        **{"fusion_hidden": 8, "dropout": 0.0, "fusion_dropout": 0.0},
    },
)
class LFDNN(Model):
    """Late Fusion Deep Neural Network.

    The baseline of that name in thuiar/MMSA, attributed there to Williams et al. (workshop papers,
    2018); the authors published no code. The subnets are those of TFN.

    Deviations from the reference: averages run over valid steps and the text LSTM ends at the last
    valid step, both read padding there; the text dropout acts, it never does there.
    `variant="mmsa"` restores them.
    """

    def __init__(
        self,
        dims: Dims,
        *,
        text_hidden: int = 128,
        audio_hidden: int = 16,
        vision_hidden: int = 128,
        text_outputs: int = 128,
        fusion_hidden: int = 128,
        dropout: float = 0.2,
        fusion_dropout: float = 0.2,
        variant: Literal["paper", "mmsa"] = "paper",
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
        inputs = sum(self.subnets.widths)
        self.head = decision(inputs, fusion_hidden, dims.outputs, fusion_dropout)

    def forward(self, batch: Batch) -> Output:
        text, audio, vision = self.subnets(batch)
        fusion = torch.cat([audio, vision, text], dim=1)  # (B, A + V + T)
        return Output(
            self.head(fusion), {"text": text, "audio": audio, "vision": vision, "fusion": fusion}
        )
