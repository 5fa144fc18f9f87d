"""The CTC baselines: learn to align audio and vision to the words, then fuse word by word."""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from baselines.ef_lstm import EFLSTM
from baselines.layers.ctc import CTCAlignment, ctc_loss
from baselines.mctn import MCTN
from baselines.raven import RAVEN
from benchmark import Batch, Batches, Dims, Model, Output, Stream, register_model

NONVERBAL = ("audio", "vision")
PAPER = (
    "Tsai, Bai, Liang, Kolter, Morency, Salakhutdinov. Multimodal Transformer for Unaligned "
    "Multimodal Language Sequences. ACL 2019 (its CTC baselines)"
)
SOURCE = "yaohungt/Multimodal-Transformer @ a670936"
NO_CAPTURE = "the CTC loss reads lengths on the host"


class CTCModel(Model):
    """A word-aligned model behind a CTC module for each of audio and vision.

    Tsai et al., ACL 2019; of these baselines the authors published the module and the loss. The
    modules pool each stream into `steps` places, of which a sample uses as many as it has words,
    and learn from loss = loss of the model + CTC loss of audio + CTC loss of vision. Where the text
    is missing there are no words to align to and the CTC loss is not taken.

    Deviations: the target of a sample is its own number of words rather than the padded length;
    one optimiser and one clipping serve all parts, so leave `clip_norm` off: the CTC losses are
    sums over the batch and would shrink the gradients of everything else.

    Args:
        dims: widths of the data.
        model: reads the aligned streams.
        steps: most words L; later ones have no audio and no vision.
        ctc_weight: of the CTC losses.
    """

    def __init__(self, dims: Dims, model: Model, steps: int, ctc_weight: float):
        super().__init__()
        model.task = dims.task
        self.model = model
        self.alignments = nn.ModuleDict(
            {name: CTCAlignment(getattr(dims, name), steps) for name in NONVERBAL}
        )
        self.steps, self.ctc_weight = steps, ctc_weight

    def forward(self, batch: Batch) -> Output:
        features = {}
        for name, alignment in self.alignments.items():
            features[f"aligned_{name}"], features[f"ctc_{name}"] = alignment(batch.stream(name))
        output = self.model(self._aligned(batch, features))
        return Output(output.prediction, {**output.features, **features})

    def loss(self, output: Output, batch: Batch) -> Tensor:
        loss = self.model.loss(output, self._aligned(batch, output.features))
        words = batch.text.lengths.clamp(max=self.steps)
        for name in NONVERBAL:
            frames = batch.stream(name).lengths * (words > 0)
            alignment = ctc_loss(output.features[f"ctc_{name}"], frames, words)
            loss = loss + self.ctc_weight * alignment
        return loss

    def training_only(self) -> tuple[str, ...]:
        return tuple(f"model.{name}" for name in self.model.training_only())

    def start_training(self, batches: Batches) -> None:
        self.model.start_training(batches)

    def start_epoch(self, epoch: int, batches: Batches) -> None:
        self.model.start_epoch(epoch, batches)

    def after_step(self, output: Output, batch: Batch) -> None:
        self.model.after_step(output, batch)

    def _aligned(self, batch: Batch, features: dict[str, Tensor]) -> Batch:
        """The batch with aligned streams: as many steps as words or, without words, as frames."""
        text = batch.text
        place = torch.arange(text.mask.shape[1], device=text.mask.device)
        for name in NONVERBAL:
            source = batch.stream(name).lengths
            lengths = torch.where(text.lengths > 0, text.lengths, source) * (source > 0)
            mask = place < lengths.unsqueeze(1)  # (B, T)
            values = features[f"aligned_{name}"]  # (B, L, D)
            values = F.pad(values, (0, 0, 0, max(0, len(place) - self.steps)))[:, : len(place)]
            batch = batch.with_stream(name, Stream(values * mask.unsqueeze(2), mask))
        return batch
