"""The CTC baselines: learn to align audio and vision to the words, then fuse word by word."""

from collections.abc import Mapping
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from baselines.ef_lstm import EFLSTM
from baselines.layers.ctc import CTCAlignment, ctc_loss
from baselines.mctn import AUTHORS, MCTN
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
        steps: most words L; words beyond L have no audio and no vision.
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
            features[f"aligned_{name}"], features[f"ctc_{name}"] = alignment(batch.modalities[name])
        output = self.model(self._aligned(batch, features))
        return Output(output.prediction, {**output.features, **features})

    def loss(self, output: Output, batch: Batch) -> Tensor:
        loss = self.model.loss(output, self._aligned(batch, output.features))
        words = batch.text.lengths.clamp(max=self.steps)
        for name in NONVERBAL:
            frames = batch.modalities[name].lengths * (words > 0)
            alignment = ctc_loss(output.features[f"ctc_{name}"], frames, words)
            loss = loss + self.ctc_weight * alignment
        return loss

    def training_only(self) -> tuple[str, ...]:
        return tuple(f"model.{name}" for name in self.model.training_only())

    def start_training(self, batches: Batches) -> None:
        self.model.start_training(batches)

    def _aligned(self, batch: Batch, features: Mapping[str, Tensor]) -> Batch:
        """The batch with aligned streams: as many steps as words or, without words, as frames."""
        text = batch.text
        place = torch.arange(max(text.mask.shape[1], self.steps), device=text.mask.device)
        for name in NONVERBAL:
            frames = batch.modalities[name].lengths
            lengths = torch.where(text.lengths > 0, text.lengths, frames.clamp(max=self.steps))
            mask = place < (lengths * (frames > 0)).unsqueeze(1)  # (B, max(T, L))
            values = F.pad(features[f"aligned_{name}"], (0, 0, 0, len(place) - self.steps))
            batch = batch.with_stream(name, Stream(values * mask.unsqueeze(2), mask))
        return batch


EF_LSTM = {"hidden": 128, "batch_size": 32, "lr": 1e-3}


@register_model(
    "ctc-ef-lstm",
    display="CTC + EF-LSTM",
    paper=PAPER,
    source=f"{SOURCE} (module and loss); pliang279/MFN @ b0453fb",
    defaults={
        "mmmo_mini": {
            **{"lr": 0.003, "batch_size": 16},
            "recipe": "chosen on validation: the learning rate of two, over five folds",
        },
        "mosi": {**EF_LSTM, "recipe": "untuned default"},
        "mosei": {**EF_LSTM, "batch_size": 128, "recipe": "untuned default"},
        "sims": {**EF_LSTM, "steps": 39, "recipe": "untuned default"},
        "synthetic": {
            **{"hidden": 32, "dropout": 0.1, "steps": 12},
            **{"batch_size": 50, "lr": 1e-2, "epochs": 12},
            "recipe": "chosen on validation: the learning rate, over three seeds",
        },
        "mosi_utterance": {**EF_LSTM, "hidden": 64, "steps": 1, "recipe": "untuned default"},
        "mosi_std": {**EF_LSTM, "hidden": 64, "recipe": "untuned default"},
    },
    smoke={"hidden": 8, "dropout": 0.0, "steps": 7},
    no_capture=NO_CAPTURE,
)
class CTCEFLSTM(CTCModel):
    """EF-LSTM behind CTC modules; see `CTCModel` and `EFLSTM`.

    Args:
        dims: widths of the data.
        hidden: units of the LSTM and of the hidden layer.
        layers: stacked LSTM layers.
        dropout: between LSTM layers and before the output.
        steps: most words that audio and vision are aligned to.
        ctc_weight: of the CTC losses.
    """

    def __init__(
        self,
        dims: Dims,
        *,
        hidden: int = 128,
        layers: int = 1,
        dropout: float = 0.5,
        steps: int = 50,
        ctc_weight: float = 1.0,
    ):
        model = EFLSTM(dims, hidden=hidden, layers=layers, dropout=dropout)
        super().__init__(dims, model, steps, ctc_weight)


@register_model(
    "ctc-raven",
    display="CTC + RAVEN",
    paper=f"{PAPER}; Wang, Shen, Liu, Liang, Zadeh, Morency. Words Can Shift. AAAI 2019",
    source=f"{SOURCE} (module and loss); victorywys/RAVEN @ c276657",
    defaults={
        "mmmo_mini": {
            **{"lr": 0.003, "batch_size": 16},
            "recipe": "chosen on validation: the learning rate of two, over five folds",
        },
        "mosi": {"batch_size": 20, "recipe": "untuned default"},
        "mosei": {"batch_size": 64, "recipe": "untuned default"},
        "sims": {"batch_size": 20, "steps": 39, "recipe": "untuned default"},
        "synthetic": {
            **{"projection": 16, "cell": 16, "hidden": 32, "dropout": 0.1, "steps": 12},
            **{"batch_size": 50, "lr": 1e-2, "epochs": 10},
            "recipe": "chosen on validation: the learning rate, over three seeds",
        },
        "mosi_utterance": {"hidden": 128, "steps": 1, "recipe": "untuned default"},
        "mosi_std": {"batch_size": 20, "recipe": "untuned default"},
    },
    smoke={"projection": 8, "cell": 6, "hidden": 8, "dropout": 0.0, "steps": 7},
    no_capture=NO_CAPTURE,
)
class CTCRAVEN(CTCModel):
    """RAVEN behind CTC modules, one aligned frame for each word; see `CTCModel` and `RAVEN`.

    Args:
        dims: widths of the data.
        projection: width of a frame before its LSTM.
        cell: width of the LSTMs over frames.
        hidden: width of the LSTM over words.
        dropout: on frames and on shifted words.
        shift: β, the longest shift in lengths of the word.
        steps: most words that audio and vision are aligned to.
        ctc_weight: of the CTC losses.
    """

    def __init__(
        self,
        dims: Dims,
        *,
        projection: int = 150,
        cell: int = 150,
        hidden: int = 300,
        dropout: float = 0.2,
        shift: float = 0.2,
        steps: int = 50,
        ctc_weight: float = 1.0,
    ):
        model = RAVEN(
            dims,
            projection=projection,
            cell=cell,
            hidden=hidden,
            dropout=dropout,
            shift=shift,
            frames_per_word=1,
        )
        super().__init__(dims, model, steps, ctc_weight)


@register_model(
    "ctc-mctn",
    display="CTC + MCTN",
    paper=f"{PAPER}; Pham, Liang, Manzini, Morency, Póczos. Found in Translation. AAAI 2019",
    source=f"{SOURCE} (module and loss); hainow/MCTN @ 5c03e35",
    defaults={
        "mmmo_mini": {
            **{"lr": 0.003, "batch_size": 16},
            "recipe": "chosen on validation: the learning rate of two, over five folds",
        },
        "mosi": {**AUTHORS, "recipe": "untuned default"},
        "mosei": {**AUTHORS, "batch_size": 128, "recipe": "untuned default"},
        "sims": {**AUTHORS, "steps": 39, "recipe": "untuned default"},
        "synthetic": {
            **{"hidden": 24, "steps": 12},
            **{"batch_size": 100, "lr": 1e-2, "epochs": 6},
            "recipe": "chosen on validation: the learning rate, over three seeds",
        },
        "mosi_utterance": {**AUTHORS, "lr": 1e-3, "steps": 1, "recipe": "untuned default"},
        "mosi_std": {**AUTHORS, "lr": 1e-3, "targets": "audio", "recipe": "untuned default"},
    },
    smoke={"hidden": 16, "steps": 7},
    no_capture=NO_CAPTURE,
)
class CTCMCTN(CTCModel):
    """MCTN that translates into aligned streams; see `CTCModel` and `MCTN`.

    The aligned streams are targets and nothing else: the modules learn from the CTC loss alone, and
    prediction needs neither them nor what they align.

    Args:
        dims: widths of the data; modalities are zero-padded to the widest.
        hidden: width of every encoder, of the decoders and of the regression.
        targets: what the text is translated into, in this order.
        translation_weight: of each translation error in the loss.
        cycle_weight: of the error of the text that comes back.
        penalty: on the squared weights of the last layer.
        steps: most words that audio and vision are aligned to.
        ctc_weight: of the CTC losses.
    """

    modalities = MCTN.modalities

    def __init__(
        self,
        dims: Dims,
        *,
        hidden: int = 32,
        targets: Literal["vision-audio", "audio-vision", "vision", "audio"] = "vision-audio",
        translation_weight: float = 0.1,
        cycle_weight: float = 0.1,
        penalty: float = 0.01,
        steps: int = 50,
        ctc_weight: float = 1.0,
    ):
        model = MCTN(
            dims,
            hidden=hidden,
            targets=targets,
            translation_weight=translation_weight,
            cycle_weight=cycle_weight,
            penalty=penalty,
        )
        super().__init__(dims, model, steps, ctc_weight)

    def forward(self, batch: Batch) -> Output:
        return super().forward(batch) if self.training else self.model(batch)

    def loss(self, output: Output, batch: Batch) -> Tensor:
        if not self.training:
            return self.model.loss(output, batch)
        return super().loss(output, batch)

    def training_only(self) -> tuple[str, ...]:
        return (*super().training_only(), "alignments")
