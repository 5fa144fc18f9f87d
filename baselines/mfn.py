"""Memory fusion network: three LSTMs, attention across their cells, a gated multimodal memory."""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from baselines.layers.align import align_to_text, align_to_text_mmsa
from baselines.layers.memory import GatedMemory, hidden_layer, with_previous
from baselines.layers.recurrent import last_valid
from benchmark import Batch, Dims, Model, Output, Stream, register_model

MOSI = {
    **{"hidden_text": 256, "hidden_audio": 32, "hidden_vision": 256, "memory": 400},
    **{"attention": 32, "attention_dropout": 0.2, "proposal": 64, "proposal_dropout": 0.0},
    **{"retain": 256, "retain_dropout": 0.7, "update": 32, "update_dropout": 0.5},
    **{"out": 128, "out_dropout": 0.0, "batch_size": 128, "lr": 2e-3},
}
MOSEI = {
    **{"hidden_text": 128, "hidden_audio": 32, "hidden_vision": 128, "memory": 128},
    **{"attention": 128, "attention_dropout": 0.2, "proposal": 128, "proposal_dropout": 0.5},
    **{"retain": 256, "retain_dropout": 0.7, "update": 256, "update_dropout": 0.0},
    **{"out": 128, "out_dropout": 0.5, "batch_size": 64, "lr": 5e-4, "weight_decay": 1e-4},
}
SIMS = {
    **{"hidden_text": 64, "hidden_audio": 16, "hidden_vision": 64, "memory": 64},
    **{"attention": 128, "attention_dropout": 0.2, "proposal": 128, "proposal_dropout": 0.0},
    **{"retain": 64, "retain_dropout": 0.2, "update": 64, "update_dropout": 0.7},
    **{"out": 64, "out_dropout": 0.7, "batch_size": 32, "lr": 1e-3},
}
SMALL = {
    **{"hidden_text": 24, "hidden_audio": 16, "hidden_vision": 16, "memory": 24},
    **{"attention": 16, "proposal": 16, "retain": 16, "update": 16, "out": 24},
    **{"batch_size": 64, "lr": 5e-3, "epochs": 10},
}


@register_model(
    "mfn",
    paper="Zadeh, Liang, Mazumder, Poria, Cambria, Morency. "
    "Memory Fusion Network for Multi-view Sequential Learning. AAAI 2018.",
    source="pliang279/MFN @ b0453fb; thuiar/MMSA @ a94e65d",
    defaults={
        "mmmo_mini": {
            **{"lr": 0.001, "batch_size": 16},
            "recipe": "chosen on validation: the learning rate of three, over five folds",
        },
        "mosi": {**MOSI, "recipe": "published: MMSA's configuration"},
        "mosei": {**MOSEI, "recipe": "published: MMSA's configuration"},
        "sims": {**SIMS, "recipe": "published: MMSA's configuration"},
        "synthetic": {
            **SMALL,
            "recipe": "chosen on validation: the learning rate, over three seeds",
        },
        "mosi_utterance": {**SIMS, "out_dropout": 0.5, "recipe": "untuned default"},
        "mosi_std": {**SIMS, "out_dropout": 0.5, "recipe": "untuned default"},
    },
    smoke={
        **{"hidden_text": 6, "hidden_audio": 5, "hidden_vision": 4, "memory": 7},
        **{"attention": 8, "proposal": 8, "retain": 8, "update": 8, "out": 8},
        **{"proposal_dropout": 0.0, "update_dropout": 0.0, "out_dropout": 0.0},
    },
)
class MFN(Model):
    """Memory fusion network.

    Zadeh et al. Memory Fusion Network for Multi-view Sequential Learning. AAAI 2018. Code:
    pliang279/MFN (authors), thuiar/MMSA. Default widths are the authors' best setting by MAE.

    Deviations: audio and vision are brought to the valid text steps by averaging (the identity on
    word-aligned data) and the last step is the last valid one. `variant="orig"` takes the last
    padded step. `variant="mmsa"` does too, and averages audio and vision over the padded time axis
    to one frame that is repeated, as that framework does, so that their course in time is lost.

    Neither the LSTMs nor the attention depend on the memory. They run over all steps at once and
    only the memory itself is a loop.

    Args:
        dims: widths of the data.
        hidden_text: cells of the text LSTM.
        hidden_audio: cells of the audio LSTM.
        hidden_vision: cells of the vision LSTM.
        memory: features of the multimodal memory.
        attention: hidden width of the attention over the cells (NN1).
        attention_dropout: its dropout.
        proposal: hidden width of the net that proposes memories (NN2).
        proposal_dropout: its dropout.
        retain: hidden width of the retain gate (gamma 1).
        retain_dropout: its dropout.
        update: hidden width of the update gate (gamma 2).
        update_dropout: its dropout.
        out: hidden width of the output net.
        out_dropout: its dropout.
        variant: `paper`, `orig` or `mmsa`.
    """

    def __init__(
        self,
        dims: Dims,
        *,
        hidden_text: int = 88,
        hidden_audio: int = 48,
        hidden_vision: int = 16,
        memory: int = 128,
        attention: int = 128,
        attention_dropout: float = 0.0,
        proposal: int = 64,
        proposal_dropout: float = 0.2,
        retain: int = 256,
        retain_dropout: float = 0.0,
        update: int = 64,
        update_dropout: float = 0.2,
        out: int = 64,
        out_dropout: float = 0.5,
        variant: Literal["paper", "orig", "mmsa"] = "paper",
    ):
        super().__init__()
        hidden = (hidden_text, hidden_audio, hidden_vision)
        self.variant = variant
        self.lstms = nn.ModuleList(
            nn.LSTM(width, cells, batch_first=True)
            for width, cells in zip(dims.inputs, hidden, strict=True)
        )
        window = 2 * sum(hidden)
        self.attention = hidden_layer(window, attention, window, attention_dropout)
        self.proposal = hidden_layer(window, proposal, memory, proposal_dropout)
        self.memory = GatedMemory(
            window,
            memory,
            retain=retain,
            update=update,
            retain_dropout=retain_dropout,
            update_dropout=update_dropout,
        )
        self.head = hidden_layer(sum(hidden) + memory, out, dims.outputs, out_dropout)

    def forward(self, batch: Batch) -> Output:
        streams = self._align(*batch.streams)
        states, cells = [], []
        for lstm, stream in zip(self.lstms, streams, strict=True):
            hidden, cell = run_with_cells(lstm, stream.values)
            states.append(hidden)
            cells.append(cell)
        window = with_previous(torch.cat(cells, dim=2))  # (B, T, 2H)
        attended = self.attention(window).softmax(dim=2) * window
        memory = self.memory(attended, self.proposal(attended).tanh())  # (B, T, M)
        last = last_valid(torch.cat([*states, memory], dim=2), streams[0].lengths)  # (B, H + M)
        return Output(self.head(last), {"last_states": last})

    def _align(self, text: Stream, audio: Stream, vision: Stream) -> tuple[Stream, Stream, Stream]:
        if self.variant == "paper":
            return align_to_text(text, audio, vision)
        if self.variant == "mmsa":
            audio, vision = _padded_mean(audio), _padded_mean(vision)
        return align_to_text_mmsa(text, audio, vision)


def run_with_cells(lstm: nn.LSTM, values: Tensor) -> tuple[Tensor, Tensor]:
    """Hidden states and cells of a one-layer LSTM after every step, `(B, T, H)` each.

    Its own kernel leaves the cells out. On a GPU they are rebuilt from the hidden states, so that
    only c = f * c + i * g is left of the recurrence; on a CPU a loop of our own costs less than
    computing the gates twice.

    Args:
        lstm: batch first, one layer, one direction.
        values: its input `(B, T, D)`.
    """
    if values.is_cuda:
        hidden, _ = lstm(values)
        return hidden, _cells(lstm, values, hidden)
    outer = F.linear(values, lstm.weight_ih_l0, lstm.bias_ih_l0 + lstm.bias_hh_l0)  # (B, T, 4H)
    recurrent = lstm.weight_hh_l0.t()
    state = cell = values.new_zeros(len(values), lstm.hidden_size)
    states, cells = [], []
    for seen in outer.unbind(1):
        take, keep, new, show = torch.addmm(seen, state, recurrent).chunk(4, dim=1)
        cell = torch.addcmul(take.sigmoid() * new.tanh(), keep.sigmoid(), cell)
        state = show.sigmoid() * cell.tanh()
        states.append(state)
        cells.append(cell)
    return torch.stack(states, dim=1), torch.stack(cells, dim=1)


def _cells(lstm: nn.LSTM, values: Tensor, hidden: Tensor) -> Tensor:
    """The cells behind known hidden states, `(B, T, H)`; the output gate is not needed."""
    rows = 3 * lstm.hidden_size
    before = F.pad(hidden, (0, 0, 1, 0))[:, :-1]  # (B, T, H)
    gates = F.linear(values, lstm.weight_ih_l0[:rows], lstm.bias_ih_l0[:rows])
    gates = gates + F.linear(before, lstm.weight_hh_l0[:rows], lstm.bias_hh_l0[:rows])
    take, keep, new = gates.chunk(3, dim=2)
    entering, keep = take.sigmoid() * new.tanh(), keep.sigmoid()
    cell, cells = torch.zeros_like(hidden[:, 0]), []
    for kept, entered in zip(keep.unbind(1), entering.unbind(1), strict=True):
        cell = torch.addcmul(entered, kept, cell)
        cells.append(cell)
    return torch.stack(cells, dim=1)


def _padded_mean(stream: Stream) -> Stream:
    """One frame, the mean over all steps, padding included."""
    return Stream(stream.values.mean(dim=1, keepdim=True), stream.mask[:, :1])
