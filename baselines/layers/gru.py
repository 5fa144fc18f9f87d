"""A bidirectional GRU that never reads padding and keeps static shapes (no packing)."""

from torch import Tensor, cat, nn

from baselines.layers.recurrent import reverse_valid
from benchmark import Stream


class MaskedGRU(nn.Module):
    """Stacked GRU layers that run over the valid steps of a stream in both directions.

    The backward direction runs forward over the reversed valid steps. Equal to packing, without a
    host synchronisation.

    Args:
        inputs: features of a step.
        hidden: width of a direction.
        layers: stacked layers; each reads both directions of the one below.
    """

    def __init__(self, inputs: int, hidden: int, *, layers: int = 1):
        super().__init__()
        widths = [inputs] + [2 * hidden] * (layers - 1)
        self.forwards = nn.ModuleList(nn.GRU(width, hidden, batch_first=True) for width in widths)
        self.backwards = nn.ModuleList(nn.GRU(width, hidden, batch_first=True) for width in widths)

    def forward(self, stream: Stream) -> Stream:
        """States of the top layer `(B, L, 2 hidden)`, forward first, zero beyond the mask."""
        lengths, mask = stream.lengths, stream.mask.unsqueeze(-1)
        values: Tensor = stream.values
        for forwards, backwards in zip(self.forwards, self.backwards, strict=True):
            ahead, _ = forwards(values)  # (B, L, H)
            back, _ = backwards(reverse_valid(values, lengths))
            values = cat([ahead, reverse_valid(back, lengths)], dim=2) * mask  # (B, L, 2H)
        return Stream(values, stream.mask)
