"""Recurrent layers that never read padding and keep static shapes (no packing)."""

import torch
from torch import Tensor, nn

from benchmark import Stream


def last_valid(states: Tensor, lengths: Tensor) -> Tensor:
    """State at the last valid step, `(B, H)`; zeros for an empty sequence.

    Args:
        states: `(B, L, H)`.
        lengths: int64 `(B,)`.
    """
    place = (lengths - 1).clamp(min=0).view(-1, 1, 1).expand(-1, 1, states.shape[2])
    last = states.gather(1, place).squeeze(1)  # (B, H)
    return last * (lengths > 0).unsqueeze(1)


def reverse_valid(values: Tensor, lengths: Tensor) -> Tensor:
    """Reverse each sequence within its own length; padding stays behind it.

    Args:
        values: `(B, L, D)`.
        lengths: int64 `(B,)`.
    """
    steps = torch.arange(values.shape[1], device=values.device)
    place = lengths.unsqueeze(1) - 1 - steps  # (B, L), negative beyond the length
    place = torch.where(place >= 0, place, steps)
    return values.gather(1, place.unsqueeze(-1).expand_as(values))


class MaskedLSTM(nn.Module):
    """LSTM over the valid steps of a stream.

    A backward direction runs forward over the reversed valid steps, so that no step ever sees
    padding and shapes stay static. Equal to packing, without a host synchronisation.

    Args:
        inputs: features of a step.
        hidden: width of a direction.
        layers: stacked layers; each reads all directions of the one below.
        bidirectional: run both directions.
        dropout: between layers.
    """

    def __init__(
        self,
        inputs: int,
        hidden: int,
        *,
        layers: int = 1,
        bidirectional: bool = False,
        dropout: float = 0.0,
    ):
        super().__init__()
        directions = 2 if bidirectional else 1
        widths = [inputs] + [hidden * directions] * (layers - 1)
        self.forwards = nn.ModuleList(nn.LSTM(width, hidden, batch_first=True) for width in widths)
        self.backwards = nn.ModuleList(
            nn.LSTM(width, hidden, batch_first=True) for width in widths if bidirectional
        )
        self.dropout = nn.Dropout(dropout)
        self.width = hidden * directions

    def forward(self, stream: Stream) -> tuple[Stream, list[Tensor]]:
        """Run over a stream.

        Returns:
            The top layer's states `(B, L, width)`, zero beyond the mask, and the final states
            `(B, hidden)` in the order layer by layer, forward before backward.
        """
        lengths, mask = stream.lengths, stream.mask.unsqueeze(-1)
        values, finals = stream.values, []
        for layer, forwards in enumerate(self.forwards):
            if layer:
                values = self.dropout(values)
            states, _ = forwards(values)  # (B, L, H)
            finals.append(last_valid(states, lengths))
            if len(self.backwards):
                reverse, _ = self.backwards[layer](reverse_valid(values, lengths))
                finals.append(last_valid(reverse, lengths))
                states = torch.cat([states, reverse_valid(reverse, lengths)], dim=2)  # (B, L, 2H)
            values = states * mask
        return Stream(values, stream.mask), finals


class SequenceEncoder(nn.Module):
    """LSTM over a stream; the final state of each direction through dropout and a linear map."""

    def __init__(
        self, inputs: int, hidden: int, outputs: int, dropout: float, bidirectional: bool = False
    ):
        super().__init__()
        self.lstm = MaskedLSTM(inputs, hidden, bidirectional=bidirectional)
        self.dropout = nn.Dropout(dropout)
        self.out = nn.Linear(self.lstm.width, outputs)

    def forward(self, stream: Stream) -> Tensor:
        _, finals = self.lstm(stream)
        return self.out(self.dropout(torch.cat(finals, dim=1)))  # (B, outputs)
