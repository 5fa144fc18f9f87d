"""RAVEN: the sound and the face within each word shift the vector of that word."""

from typing import Literal

import torch
from torch import Tensor, nn

from baselines.layers.losses import squared_error
from baselines.layers.recurrent import MaskedLSTM
from benchmark import Batch, Dims, Model, Output, Stream, UserError, register_model

NONVERBAL = ("audio", "vision")
SMALL = {"projection": 16, "cell": 16, "hidden": 32, "dropout": 0.1}


def split_by_words(stream: Stream, words: Tensor, frames: int) -> Stream:
    """Cut a stream into the frames of each word.

    Of n valid frames, word j of m valid ones gets floor(j n / m) to ceil((j + 1) n / m) - 1, the
    windows of `align`; of more than `frames`, as many at even distances.

    Args:
        stream: audio or vision, values `(B, L, D)`.
        words: valid words, bool `(B, W)`.
        frames: most frames of a word, F.

    Returns:
        Values `(B W, F, D)`, word by word; an empty source or a padded word has no frame.
    """
    source = stream.lengths.unsqueeze(1)  # (B, 1)
    target = words.sum(dim=1, keepdim=True).clamp(min=1)
    word = torch.arange(words.shape[1], device=words.device)
    start = (word * source) // target  # (B, W)
    end = ((word + 1) * source + target - 1) // target
    span = ((end - start) * words).unsqueeze(2)  # (B, W, 1)
    count = span.clamp(max=frames)
    frame = torch.arange(frames, device=words.device)
    mask = frame < count  # (B, W, F)
    place = start.unsqueeze(2) + frame * span // count.clamp(min=1)
    place = torch.where(mask, place, 0).flatten(1).unsqueeze(2)  # (B, W F, 1)
    values = stream.values.gather(1, place.expand(-1, -1, stream.values.shape[2]))
    mask = mask.flatten(0, 1)  # (B W, F)
    return Stream(values.reshape(*mask.shape, -1) * mask.unsqueeze(2), mask)


@register_model(
    "raven",
    paper="Wang, Shen, Liu, Liang, Zadeh, Morency. Words Can Shift: Dynamically Adjusting Word "
    "Representations Using Nonverbal Behaviors. AAAI 2019.",
    source="victorywys/RAVEN @ c276657",
    defaults={
        "mmmo_mini": {
            **{"lr": 0.003, "batch_size": 16},
            "recipe": "chosen on validation: the learning rate of two, over five folds",
        },
        "mosi": {"batch_size": 20, "recipe": "published: the authors' code"},
        "mosei": {"batch_size": 64, "recipe": "untuned default"},
        "sims": {"batch_size": 20, "recipe": "untuned default: the authors' settings for CMU-MOSI"},
        "synthetic": {
            **SMALL,
            **{"frames_per_word": 4, "batch_size": 50, "lr": 1e-2, "epochs": 10},
            "recipe": "chosen on validation: the learning rate, over three seeds",
        },
        "mosi_utterance": {"hidden": 128, "frames_per_word": 1, "recipe": "untuned default"},
        "mosi_std": {"batch_size": 20, "frames_per_word": 1, "recipe": "untuned default"},
    },
    smoke={"projection": 8, "cell": 6, "hidden": 8, "dropout": 0.0, "frames_per_word": 3},
)
class RAVEN(Model):
    """Recurrent attended variation embedding network.

    Wang et al. Words Can Shift. AAAI 2019. Code: victorywys/RAVEN (authors). An LSTM reads the
    frames within a word, a gate weighs its last state h against the word e, and

        h_m = W [σ(w_a · [h_a; e]) h_a; σ(w_v · [h_v; e]) h_v] + b,
        e + min(β ‖e‖ / ‖h_m‖, 1) h_m

    goes to the LSTM over words. Without words there is nothing to shift: where the text is missing
    the prediction is that of an empty sentence. The loss of a regression is the squared error.

    Deviations: the default is the paper's form, trained end to end. The code has no sigmoid on the
    gates, shifts by β ‖e‖ h_m / max(‖h_m‖, 1), normalises audio by the statistics of each word
    position over the whole batch, padding included, keeps dropout on at test, and cuts the graph
    behind the shift, so that nothing nonverbal ever learns. `variant="released"` restores all of
    this but the dropout, `variant="attached"` the same with the graph left whole. Our streams carry
    no word boundaries: the frames of a sentence are shared out evenly among its words.

    Args:
        dims: widths of the data.
        projection: width of a frame before its LSTM.
        cell: width of the LSTMs over frames.
        hidden: width of the LSTM over words.
        dropout: on frames and on shifted words.
        shift: β, the longest shift in lengths of the word.
        frames_per_word: most frames read of a word; 1 on word-aligned data saves time.
        words: `attached` and `released` only, the padded length of the text.
        variant: `paper`, `attached` or `released`.
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
        frames_per_word: int = 20,
        words: int = 50,
        variant: Literal["paper", "attached", "released"] = "paper",
    ):
        super().__init__()
        widths = dict(zip(NONVERBAL, (dims.audio, dims.vision), strict=True))
        self.audio_norm = (
            None if variant == "paper" else nn.BatchNorm2d(words, track_running_stats=False)
        )
        self.projections = nn.ModuleDict(
            {name: nn.Linear(width, projection) for name, width in widths.items()}
        )
        self.frames = nn.ModuleDict({name: MaskedLSTM(projection, cell) for name in NONVERBAL})
        if frames_per_word == 1:  # a single frame has no past
            for lstm in self.frames.values():
                lstm.forwards[0].weight_hh_l0.requires_grad_(False)
        self.gates = nn.ModuleDict({name: nn.Linear(cell + dims.text, 1) for name in NONVERBAL})
        self.shift = nn.Linear(2 * cell, dims.text)
        self.words = MaskedLSTM(dims.text, hidden)
        self.head = nn.Linear(hidden, dims.outputs)
        self.dropout = nn.Dropout(dropout)
        self.beta, self.frames_per_word, self.variant = shift, frames_per_word, variant

    def forward(self, batch: Batch) -> Output:
        audio, vision = (
            split_by_words(stream, batch.text.mask, self._count(stream))
            for stream in (batch.audio, batch.vision)
        )
        return self.read(batch.text, audio, vision)

    def read(self, text: Stream, audio: Stream, vision: Stream) -> Output:
        """Predict from words and the frames of each.

        Args:
            text: values `(B, W, Dt)`.
            audio: values `(B W, F, Da)`.
            vision: values `(B W, F, Dv)`.
        """
        move = self.shift(
            torch.cat(
                [
                    self._behaviour("audio", self._normalise(audio, text), text.values),
                    self._behaviour("vision", vision, text.values),
                ],
                dim=2,
            )
        )  # (B, W, Dt)
        shifted = self.dropout(text.values + self._scale(move, text.values))
        _, (last,) = self.words(Stream(shifted, text.mask))  # (B, hidden)
        return Output(self.head(last), {"shifted": shifted})

    def loss(self, output: Output, batch: Batch) -> Tensor:
        return squared_error(self.task, output.prediction, batch.label)

    def _count(self, stream: Stream) -> int:
        """Frames kept for each word; the released norm also counts those that are not there."""
        if self.audio_norm is not None:
            return self.frames_per_word
        return min(self.frames_per_word, stream.mask.shape[1])

    def _normalise(self, audio: Stream, text: Stream) -> Stream:
        if self.audio_norm is None:
            return audio
        if text.mask.shape[1] != self.audio_norm.num_features:
            raise UserError(
                f"raven was built for {self.audio_norm.num_features} text steps and got "
                f"{text.mask.shape[1]}; set words={text.mask.shape[1]} or variant=paper"
            )
        by_word = audio.values.unflatten(0, text.mask.shape)  # (B, W, F, Da)
        return Stream(self.audio_norm(by_word).flatten(0, 1), audio.mask)

    def _behaviour(self, name: str, frames: Stream, words: Tensor) -> Tensor:
        """Gated last state of the frames of each word, `(B, W, cell)`, zero without frames."""
        projected = self.projections[name](self.dropout(frames.values))
        _, (state,) = self.frames[name](Stream(projected, frames.mask))  # (B W, cell)
        state = state.unflatten(0, words.shape[:2])
        gate = self.gates[name](torch.cat([state, words], dim=2))  # (B, W, 1)
        return state * (gate.sigmoid() if self.variant == "paper" else gate)

    def _scale(self, move: Tensor, words: Tensor) -> Tensor:
        length, word = move.norm(dim=2, keepdim=True), words.norm(dim=2, keepdim=True)
        if self.variant == "paper":
            length = torch.where(length == 0, torch.ones_like(length), length)
            return move * (self.beta * word / length).clamp(max=1)
        move = move * self.beta / length.clamp(min=1)
        return word * (move.detach() if self.variant == "released" else move)
