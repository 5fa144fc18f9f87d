"""MCTN: learn to translate text into vision and audio and back, then read the text alone."""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from baselines.layers.align import align
from baselines.layers.recurrent import reverse_valid
from baselines.layers.text import attendable
from benchmark import Batch, Batches, Dims, Model, Output, Stream, register_model

AUTHORS = {"lr": 1e-4, "batch_size": 32, "epochs": 200, "patience": 20}


class KerasLSTM(nn.Module):
    """States of an LSTM with a single bias, as in Keras: the weight of a constant input."""

    def __init__(self, inputs: int, hidden: int):
        super().__init__()
        self.lstm = nn.LSTM(inputs + 1, hidden, bias=False, batch_first=True)

    def forward(self, values: Tensor) -> Tensor:
        states, _ = self.lstm(F.pad(values, (0, 1), value=1.0))
        return states  # (B, T, hidden)


class Encoder(nn.Module):
    """LSTM in both directions over the valid steps, whose states are added."""

    def __init__(self, inputs: int, hidden: int):
        super().__init__()
        self.ahead = KerasLSTM(inputs, hidden)
        self.back = KerasLSTM(inputs, hidden)

    def forward(self, stream: Stream) -> Stream:
        lengths = stream.lengths
        back = reverse_valid(self.back(reverse_valid(stream.values, lengths)), lengths)
        states = self.ahead(stream.values) + back  # (B, T, hidden)
        return Stream(states * stream.mask.unsqueeze(2), stream.mask)


class Decoder(nn.Module):
    """LSTM that reads the encoder through attention; one output for each encoder step.

    It does not read its own outputs. What does not depend on its state is computed at once for all
    steps before the loop, the contribution of each encoder step to the gates included.
    """

    def __init__(self, hidden: int, outputs: int, released: bool):
        super().__init__()
        self.score = nn.Linear(2 * hidden, 1)
        self.context = nn.Linear(hidden, 4 * hidden)
        self.state = nn.Linear(hidden, 4 * hidden)
        self.out = nn.Linear(hidden, outputs)
        self.released = released

    def forward(self, encoded: Stream) -> Tensor:
        values, width = encoded.values, encoded.values.shape[2]
        fixed = F.linear(values, self.score.weight[:, :width], self.score.bias).squeeze(2)  # (B, T)
        closed, mixed = ~attendable(encoded.mask), self.context(values)  # mixed (B, T, 4 hidden)
        moving = self.score.weight[:, width:].t()  # (hidden, 1)
        hidden = cell = torch.zeros_like(values[:, 0])
        states = []
        for _ in range(values.shape[1]):
            score = fixed + cell @ moving
            score = score if self.released else score.tanh()
            weights = score.masked_fill(closed, -torch.inf).softmax(dim=1).unsqueeze(1)
            gates = (weights @ mixed).squeeze(1) + self.state(hidden)  # (B, 4 hidden)
            enter, forget, new, leave = gates.chunk(4, dim=1)
            forget = enter if self.released else forget
            cell = forget.sigmoid() * cell + enter.sigmoid() * new.tanh()
            hidden = leave.sigmoid() * cell.tanh()
            states.append(hidden)
        return self.out(torch.stack(states, dim=1)).tanh()  # (B, T, outputs)


@register_model(
    "mctn",
    paper="Pham, Liang, Manzini, Morency, Póczos. Found in Translation: Learning Robust Joint "
    "Representations by Cyclic Translations Between Modalities. AAAI 2019.",
    source="hainow/MCTN @ 5c03e35",
    defaults={
        "mmmo_mini": {
            **{"lr": 0.001, "batch_size": 16},
            "recipe": "chosen on validation: the learning rate of three, over five folds",
        },
        "mosi": {**AUTHORS, "recipe": "published: the authors' code"},
        "mosei": {**AUTHORS, "batch_size": 128, "recipe": "untuned default"},
        "sims": {**AUTHORS, "recipe": "untuned default: the authors' settings for CMU-MOSI"},
        "synthetic": {
            "hidden": 24,
            "batch_size": 100,
            "lr": 1e-2,
            "epochs": 6,
            "recipe": "chosen on validation: the learning rate, over three seeds",
        },
        "mosi_utterance": {**AUTHORS, "lr": 1e-3, "recipe": "untuned default"},
        "mosi_std": {**AUTHORS, "lr": 1e-3, "targets": "audio", "recipe": "untuned default"},
    },
    smoke={"hidden": 16},
)
class MCTN(Model):
    """Multimodal cyclic translation network.

    Pham et al. Found in Translation. AAAI 2019. Code: hainow/MCTN (authors). An encoder of the text
    feeds a decoder that translates it into a second modality, and the translation, encoded and
    decoded by the same two, has to give back the text. A second encoder above the first feeds the
    translation into the third modality, and the regression. Prediction needs the text alone.

    Deviations: audio and vision are averaged over the windows of the text steps, where they and the
    text are present, padding is neither read nor counted in an error, and both are scaled as
    targets to [-1, 1] by the largest training value of each feature (the code scales vision), which
    is what a translation can reach. The code's decoder attends by a linear score, in which the
    state of the decoder cancels out of the softmax: attention stands still and a part of its
    weights never trains. Here the score goes through tanh, like that of the regression. The code
    also feeds the forget gate with the input gate. `variant="released"` restores both.

    Args:
        dims: widths of the data; modalities are zero-padded to the widest.
        hidden: width of every encoder, of the decoders and of the regression.
        targets: what the text is translated into, in this order; one name leaves out the second
            level.
        translation_weight: of each translation error in the loss.
        cycle_weight: of the error of the text that comes back.
        penalty: on the squared weights of the last layer.
        variant: `paper` or `released`.
    """

    modalities = ("text",)  # audio and vision teach and are not read

    def __init__(
        self,
        dims: Dims,
        *,
        hidden: int = 32,
        targets: Literal["vision-audio", "audio-vision", "vision", "audio"] = "vision-audio",
        translation_weight: float = 0.1,
        cycle_weight: float = 0.1,
        penalty: float = 0.01,
        variant: Literal["paper", "released"] = "paper",
    ):
        super().__init__()
        self.targets = targets.split("-")
        self.width, released = max(dims.inputs), variant == "released"
        self.encoder = Encoder(self.width, hidden)
        self.decoders = nn.ModuleList(Decoder(hidden, self.width, released) for _ in self.targets)
        self.upper = Encoder(hidden, hidden) if len(self.targets) == 2 else None
        self.reader = KerasLSTM(hidden, hidden)
        self.score = nn.Linear(hidden, 1)
        self.head = nn.Linear(hidden, dims.outputs)
        self.translation_weight, self.cycle_weight = translation_weight, cycle_weight
        self.penalty = penalty
        for name in self.targets:
            self.register_buffer(f"scale_{name}", torch.ones(getattr(dims, name)))

    def forward(self, batch: Batch) -> Output:
        encoded = self.encoder(self._widen(batch.text))
        first = encoded
        if self.upper is not None:
            encoded = self.upper(encoded)
        states = self.reader(encoded.values)  # (B, T, hidden)
        score = self.score(states).squeeze(2).tanh()
        weights = score.masked_fill(~attendable(encoded.mask), -torch.inf).softmax(dim=1)
        weights = weights * encoded.mask  # a missing text has nothing to say
        summary = (weights.unsqueeze(1) @ states).squeeze(1)  # (B, hidden)
        translations = self._translate(first, encoded) if self.training else {}
        return Output(self.head(summary), {"summary": summary, **translations})

    def loss(self, output: Output, batch: Batch) -> Tensor:
        loss = self.task.loss(output.prediction, batch.label)
        if not self.training:
            return loss
        loss = loss + self.penalty * self.head.weight.square().sum()
        present = batch.text.mask
        for name in self.targets:
            target = align(batch.modalities[name], present).values / getattr(self, f"scale_{name}")
            known = present & (batch.modalities[name].lengths > 0).unsqueeze(1)
            error = self._error(output.features[f"text_to_{name}"], target, known)
            loss = loss + self.translation_weight * error
        returned = self._error(output.features["cycle"], batch.text.values, present)
        return loss + self.cycle_weight * returned

    def training_only(self) -> tuple[str, ...]:
        return ("decoders",)

    def start_training(self, batches: Batches) -> None:
        whole = batches.whole()
        for name in self.targets:
            values = whole.modalities[name].values
            largest = torch.maximum(values.amax(dim=(0, 1)), -values.amin(dim=(0, 1)))  # (D,)
            scale = torch.where(largest > 0, largest, torch.ones_like(largest))
            getattr(self, f"scale_{name}").copy_(scale)

    def _translate(self, first: Stream, second: Stream) -> dict[str, Tensor]:
        """All translations, `(B, T, width)` each."""
        translated = self.decoders[0](first)
        back = self.encoder(Stream(translated, first.mask))
        found = {f"text_to_{self.targets[0]}": translated, "cycle": self.decoders[0](back)}
        if self.upper is not None:
            found[f"text_to_{self.targets[1]}"] = self.decoders[1](second)
        return found

    def _widen(self, stream: Stream) -> Stream:
        missing = self.width - stream.values.shape[2]
        return Stream(F.pad(stream.values, (0, missing)), stream.mask)

    def _error(self, translated: Tensor, target: Tensor, mask: Tensor) -> Tensor:
        """Squared error, the mean over the width and the steps of the mask, a scalar."""
        # A target may come from a layer that learns: translation shall not move it.
        target = F.pad(target.detach(), (0, self.width - target.shape[2]))
        error = (translated - target).square().mean(dim=2) * mask  # (B, T)
        return error.sum() / mask.sum().clamp(min=1)
