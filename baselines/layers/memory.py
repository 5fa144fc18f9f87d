"""The gated memory of memory fusion networks; what does not recur stays off its loop."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class GatedMemory(nn.Module):
    """A memory that retains and takes up through two gates at every step.

    u_t = g1 * u_{t-1} + g2 * p_t with u_0 = 0 and gates g = sigmoid(net([context_t; u_{t-1}])),
    each net Lin, ReLU, Dropout, Lin.

    Args:
        inputs: features of the context.
        memory: features of the memory.
        retain: hidden width of the retain gate.
        update: hidden width of the update gate.
        retain_dropout: inside the retain gate.
        update_dropout: inside the update gate.
    """

    def __init__(
        self,
        inputs: int,
        memory: int,
        *,
        retain: int,
        update: int,
        retain_dropout: float = 0.0,
        update_dropout: float = 0.0,
    ):
        super().__init__()
        self.retain_hidden = nn.Linear(inputs + memory, retain)
        self.retain_gate = nn.Linear(retain, memory)
        self.update_hidden = nn.Linear(inputs + memory, update)
        self.update_gate = nn.Linear(update, memory)
        self.retain_dropout = nn.Dropout(retain_dropout)
        self.update_dropout = nn.Dropout(update_dropout)

    def forward(self, context: Tensor, proposal: Tensor) -> Tensor:
        """The memory after every step, `(B, T, memory)`.

        Args:
            context: what the gates see beside the memory, `(B, T, inputs)`.
            proposal: what may enter the memory, `(B, T, memory)`.
        """
        inputs, hidden = context.shape[2], self.retain_hidden.out_features
        weight = torch.cat([self.retain_hidden.weight, self.update_hidden.weight])
        bias = torch.cat([self.retain_hidden.bias, self.update_hidden.bias])
        outer = F.linear(context, weight[:, :inputs], bias)  # (B, T, retain + update)
        recurrent = weight[:, inputs:].t()
        memory, memories = torch.zeros_like(proposal[:, 0]), []
        for seen, proposed in zip(outer.unbind(1), proposal.unbind(1), strict=True):
            gates = torch.addmm(seen, memory, recurrent).relu()  # (B, retain + update)
            retain = self.retain_gate(self.retain_dropout(gates[:, :hidden])).sigmoid()
            update = self.update_gate(self.update_dropout(gates[:, hidden:])).sigmoid()
            memory = retain * memory + update * proposed
            memories.append(memory)
        return torch.stack(memories, dim=1)


def hidden_layer(inputs: int, hidden: int, outputs: int, dropout: float) -> nn.Sequential:
    """Lin, ReLU, Dropout, Lin: the small net of which memory fusion networks are made."""
    return nn.Sequential(
        nn.Linear(inputs, hidden), nn.ReLU(), nn.Dropout(dropout), nn.Linear(hidden, outputs)
    )


def with_previous(states: Tensor) -> Tensor:
    """Each step's state behind the one before it, zeros before the first.

    Args:
        states: `(B, T, H)`.

    Returns:
        `(B, T, 2H)`.
    """
    return torch.cat([F.pad(states, (0, 0, 1, 0))[:, :-1], states], dim=2)
