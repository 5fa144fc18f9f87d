"""The floor below every model: the training median, or the class frequencies."""

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmark import Batch, Batches, Dims, Model, Output, register_model

UNTRAINED = "nothing is trained: the prediction is a statistic of the training labels"


@register_model(
    "prior", display="Constant", kind="floor", exempt={"learning": UNTRAINED}, no_capture=UNTRAINED
)
class Prior(Model):
    """Predicts the same for every sample, whatever it says, sounds or looks like.

    The median of the training labels, which has the least mean absolute error of all constants;
    the log frequency of each class (one sample added to each, so that an unseen class stays
    finite); the log odds of each yes-no label (likewise). Before training: the neutral label, or
    all classes alike.
    """

    modalities = ()

    def __init__(self, dims: Dims):
        super().__init__()
        neutral = dims.task.neutral if dims.task.kind == "regression" else 0.0
        self.constant: Tensor
        self.register_buffer("constant", torch.full((dims.outputs,), neutral))

    def forward(self, batch: Batch) -> Output:
        return Output(self.constant.repeat(len(batch), 1))

    def start_training(self, batches: Batches) -> None:
        label = batches.whole().label
        if self.task.kind == "regression":
            constant = label.quantile(0.5).reshape(1)
        elif self.task.kind == "multiclass":
            counts = F.one_hot(label, len(self.constant)).sum(dim=0) + 1  # (C,)
            constant = (counts / counts.sum()).log()
        else:
            frequency = (label.sum(dim=0) + 1) / (len(label) + 2)  # (C,)
            constant = frequency.logit()
        self.constant.copy_(constant)
