"""Graph memory fusion network: a dynamic fusion graph over the LSTM states feeds a gated memory."""

import torch
from torch import Tensor, nn

from baselines.layers.align import align_to_text
from baselines.layers.memory import GatedMemory, hidden_layer, with_previous
from baselines.layers.recurrent import last_valid
from benchmark import Batch, Dims, Model, Output, register_model

MOSI = {
    **{"hidden_text": 256, "hidden_audio": 32, "hidden_vision": 256, "memory": 300, "node": 64},
    **{"proposal": 32, "proposal_dropout": 0.0, "retain": 128, "retain_dropout": 0.5},
    **{"update": 64, "update_dropout": 0.5, "out": 256, "out_dropout": 0.0},
    **{"batch_size": 32, "lr": 2e-3, "weight_decay": 5e-3},
}
MOSEI = {
    **{"hidden_text": 64, "hidden_audio": 16, "hidden_vision": 64, "memory": 300, "node": 128},
    **{"proposal": 32, "proposal_dropout": 0.5, "retain": 64, "retain_dropout": 0.0},
    **{"update": 256, "update_dropout": 0.7, "out": 128, "out_dropout": 0.7},
    **{"batch_size": 64, "lr": 2e-3, "weight_decay": 1e-3},
}
SIMS = {
    **{"hidden_text": 256, "hidden_audio": 32, "hidden_vision": 256, "memory": 64, "node": 128},
    **{"proposal": 256, "proposal_dropout": 0.5, "retain": 32, "retain_dropout": 0.2},
    **{"update": 32, "update_dropout": 0.7, "out": 256, "out_dropout": 0.2},
    **{"batch_size": 64, "lr": 5e-4, "weight_decay": 1e-3},
}
SMALL = {
    **{"hidden_text": 24, "hidden_audio": 16, "hidden_vision": 16, "memory": 24, "node": 16},
    **{"proposal": 16, "retain": 16, "update": 16, "out": 24},
    **{"batch_size": 64, "lr": 5e-3, "epochs": 10},
}
BOTTLENECK = 100
PAIRS = ((0, 1), (0, 2), (1, 2))


@register_model(
    "graph-mfn",
    display="Graph-MFN",
    paper="Zadeh, Liang, Poria, Cambria, Morency. Multimodal Language Analysis in the Wild: "
    "CMU-MOSEI Dataset and Interpretable Dynamic Fusion Graph. ACL 2018.",
    source="thuiar/MMSA @ a94e65d",
    defaults={
        "mmmo_mini": {
            **{"lr": 0.003, "batch_size": 16},
            "recipe": "chosen on validation: the learning rate of three, over five folds",
        },
        "mosi": {**MOSI, "recipe": "published: MMSA's configuration"},
        "mosei": {**MOSEI, "recipe": "published: MMSA's configuration"},
        "sims": {**SIMS, "recipe": "published: MMSA's configuration"},
        "synthetic": {
            **SMALL,
            "recipe": "chosen on validation: the learning rate, over three seeds",
        },
        "mosi_utterance": {
            **SIMS,
            "hidden_text": 64,
            "hidden_vision": 64,
            "recipe": "untuned default",
        },
        "mosi_std": {**SIMS, "hidden_text": 64, "hidden_vision": 64, "recipe": "untuned default"},
    },
    smoke={
        **{"hidden_text": 6, "hidden_audio": 5, "hidden_vision": 4, "memory": 7, "node": 6},
        **{"proposal": 8, "retain": 8, "update": 8, "out": 8},
    },
)
class GraphMFN(Model):
    """Graph memory fusion network.

    Zadeh et al. Multimodal Language Analysis in the Wild: CMU-MOSEI Dataset and Interpretable
    Dynamic Fusion Graph. ACL 2018. Code: thuiar/MMSA.

    Deviations: that code keeps the nets of the pair and triple vertices in a plain dictionary, so
    they are neither trained nor saved; here they are. Audio and vision are brought to the valid
    text steps by averaging (the identity on word-aligned data), and the last step is the last
    valid one, not the last padded one. On full masks of equal length the forward pass is the same.

    Neither the LSTMs nor the graph depend on the memory. They run over all steps at once and only
    the memory itself is a loop.

    Args:
        dims: widths of the data.
        hidden_text: units of the text LSTM.
        hidden_audio: units of the audio LSTM.
        hidden_vision: units of the vision LSTM.
        memory: features of the multimodal memory.
        node: features of a vertex that joins others.
        proposal: hidden width of the net that proposes memories.
        proposal_dropout: its dropout.
        retain: hidden width of the retain gate.
        retain_dropout: its dropout.
        update: hidden width of the update gate.
        update_dropout: its dropout.
        out: hidden width of the output net.
        out_dropout: its dropout.
    """

    def __init__(
        self,
        dims: Dims,
        *,
        hidden_text: int = 64,
        hidden_audio: int = 16,
        hidden_vision: int = 64,
        memory: int = 128,
        node: int = 64,
        proposal: int = 32,
        proposal_dropout: float = 0.0,
        retain: int = 64,
        retain_dropout: float = 0.0,
        update: int = 64,
        update_dropout: float = 0.0,
        out: int = 64,
        out_dropout: float = 0.0,
    ):
        super().__init__()
        hidden = (hidden_text, hidden_audio, hidden_vision)
        self.lstms = nn.ModuleList(
            nn.LSTM(width, units, batch_first=True)
            for width, units in zip(dims.inputs, hidden, strict=True)
        )
        self.vertices = nn.ModuleList(nn.Linear(2 * units, units) for units in hidden)
        self.graph = DynamicFusionGraph(hidden, node)
        self.proposal = hidden_layer(node, proposal, memory, proposal_dropout)
        self.memory = GatedMemory(
            node,
            memory,
            retain=retain,
            update=update,
            retain_dropout=retain_dropout,
            update_dropout=update_dropout,
        )
        self.head = hidden_layer(sum(hidden) + memory, out, dims.outputs, out_dropout)

    def forward(self, batch: Batch) -> Output:
        streams = align_to_text(*batch.streams)
        states = [
            lstm(stream.values)[0] for lstm, stream in zip(self.lstms, streams, strict=True)
        ]  # three of (B, T, h)
        vertices = [
            vertex(with_previous(state)).relu()
            for vertex, state in zip(self.vertices, states, strict=True)
        ]
        fused, efficacies = self.graph(vertices)  # (B, T, node), (B, T, 19)
        memory = self.memory(fused, self.proposal(fused).tanh())  # (B, T, M)
        last = last_valid(torch.cat([*states, memory], dim=2), streams[0].lengths)  # (B, H + M)
        return Output(self.head(last), {"efficacies": efficacies, "graph_output": fused})


class DynamicFusionGraph(nn.Module):
    """Vertices for one, two and three modalities, joined by efficacies that the input decides.

    A vertex above the single modalities is a linear map of the vertices below it, each scaled by
    its own efficacy; so is the output, of all seven.

    Args:
        widths: features of the text, audio and vision vertices.
        node: features of every other vertex and of the output.
    """

    def __init__(self, widths: tuple[int, int, int], node: int):
        super().__init__()
        total = sum(widths)
        self.efficacies = nn.Sequential(_linear(total, node), nn.Linear(node, 19))
        self.pairs = nn.ModuleList(_linear(widths[i] + widths[j], node) for i, j in PAIRS)
        self.triple = _linear(total + 3 * node, node)
        self.output = _linear(total + 4 * node, node)

    def forward(self, singles: list[Tensor]) -> tuple[Tensor, Tensor]:
        """Fuse three vertices `(B, T, h)`.

        Returns:
            The output `(B, T, node)`, and the efficacies `(B, T, 19)`: two for each pair (text and
            audio, text and vision, audio and vision), six for the triple (singles, then pairs),
            seven for the output (singles, pairs, triple).
        """
        efficacies = self.efficacies(torch.cat(singles, dim=2))  # (B, T, 19)
        edges = list(efficacies.split([2, 2, 2, 6, 7], dim=2))
        pairs = [
            net(_scaled([singles[i], singles[j]], edge))
            for net, (i, j), edge in zip(self.pairs, PAIRS, edges[:3], strict=True)
        ]
        triple = self.triple(_scaled([*singles, *pairs], edges[3]))
        return self.output(_scaled([*singles, *pairs, triple], edges[4])), efficacies


def _linear(inputs: int, outputs: int) -> nn.Sequential:
    """Two linear maps without an activation between them, as in the reference."""
    return nn.Sequential(nn.Linear(inputs, BOTTLENECK), nn.Linear(BOTTLENECK, outputs))


def _scaled(vertices: list[Tensor], efficacies: Tensor) -> Tensor:
    """Concatenate vertices `(B, T, h)`, each times its column of `(B, T, n)`."""
    columns = efficacies.split(1, dim=2)
    return torch.cat([v * column for v, column in zip(vertices, columns, strict=True)], dim=2)
