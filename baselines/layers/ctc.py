"""The CTC module that softly aligns a stream to the steps of the text."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmark import Stream


class CTCAlignment(nn.Module):
    """Predict for each source step the target step it belongs to, and pool by it.

    Tsai et al. Multimodal Transformer for Unaligned Multimodal Language Sequences, ACL 2019: the
    front of its CTC baselines (yaohungt/Multimodal-Transformer). The predictor is a two-layer LSTM
    whose outputs, in (-1, 1), are the CTC logits.

    Args:
        width: features of a source step.
        steps: target steps L; the predictor is L + 1 wide.
    """

    def __init__(self, width: int, steps: int):
        super().__init__()
        self.predictor = nn.LSTM(width, steps + 1, num_layers=2, batch_first=True)

    def forward(self, stream: Stream) -> tuple[Tensor, Tensor]:
        """Align a source.

        Returns:
            The aligned values `(B, L, D)`, zeros where the source is missing, and the logits
            `(B, T, L + 1)`, index 0 the blank, which `ctc_loss` reads.
        """
        logits, _ = self.predictor(stream.values)  # (B, T, L + 1)
        places = logits.softmax(dim=2)[:, :, 1:] * stream.mask.unsqueeze(-1)  # (B, T, L)
        return places.transpose(1, 2) @ stream.values, logits


def ctc_loss(logits: Tensor, source_lengths: Tensor, target_lengths: Tensor) -> Tensor:
    """CTC loss with the labels 1, 2, ... of each sample, summed over the batch, a scalar.

    Graves et al. Connectionist Temporal Classification, ICML 2006. Not normalised by length, as in
    the reference. A source with fewer steps than its target cannot be aligned and adds nothing.

    Args:
        logits: `(B, T, L + 1)`, index 0 the blank.
        source_lengths: valid source steps, int64 `(B,)`.
        target_lengths: valid target steps, int64 `(B,)`, at most L.
    """
    labels = torch.arange(1, logits.shape[2], device=logits.device)
    return F.ctc_loss(
        logits.log_softmax(dim=2).transpose(0, 1),  # (T, B, L + 1)
        labels.expand(logits.shape[0], -1),
        source_lengths,
        target_lengths,
        reduction="sum",
        zero_infinity=True,
    )
