"""Graph capsules: sequences that read each other vote for the vertices of small graphs."""

from typing import Any

import torch
from torch import Tensor, nn

from baselines.layers.crossmodal import CrossModalEncoder, unmasked
from benchmark import MODALITIES, Batch, Dims, Stream, UserError

# The reference multiplies its output by 10 for labels in [-3, 3].
GAIN, GAIN_SPAN = 10.0, 3.0
NO_DROPOUT = {
    **{"attention_dropout": 0.0, "relu_dropout": 0.0},
    **{"residual_dropout": 0.0, "embedding_dropout": 0.0},
}


def route(votes: Tensor, rounds: int, dim: int) -> Tensor:
    """Agree on capsules by dynamic routing.

    The agreement that weighs the votes is found on detached votes, so that gradients pass the last
    weighted sum alone.

    Args:
        votes: of every input for every capsule, `(B, I, O, c)`.
        rounds: updates of the agreement.
        dim: axis over which an agreement is normalised: 2 shares each input among the capsules, 1
            each capsule among the inputs.

    Returns:
        The capsules, `(B, O, c)`, each entry in (-1, 1).
    """
    fixed = votes.detach()
    agreement = torch.zeros_like(fixed[..., 0])  # (B, I, O)
    for _ in range(rounds):
        capsules = torch.einsum("bio,bioc->boc", agreement.softmax(dim), fixed).tanh()
        agreement = agreement + torch.einsum("boc,bioc->bio", capsules, fixed)
    return torch.einsum("bio,bioc->boc", agreement.softmax(dim), votes).tanh()


class CrossModalPairs(nn.Module):
    """Each modality after reading each of the two others: the encoders of MulT without memories.

    Args:
        dims: widths of the data.
        width: common width d.
        attention_dropout: on the attention weights where text is read.
        embedding_dropout: on the text features and on embedded sequences.
        literal: read padding, give no position to a step whose first channel is exactly zero, and
            leave a modality of the common width unprojected, as the reference does.
        **encoder: further settings of every `CrossModalEncoder`.
    """

    def __init__(
        self,
        dims: Dims,
        width: int,
        *,
        attention_dropout: float,
        embedding_dropout: float,
        literal: bool,
        **encoder: Any,
    ):
        super().__init__()
        self.literal = literal
        self.text_dropout = nn.Dropout(embedding_dropout)
        self.projections = nn.ModuleList(
            nn.Identity() if literal and inputs == width else nn.Linear(inputs, width, bias=False)
            for inputs in dims.inputs
        )
        self.crossings = nn.ModuleDict(
            {
                f"{target}_from_{source}": CrossModalEncoder(
                    width,
                    attention_dropout=attention_dropout if source == "text" else 0.0,
                    embedding_dropout=embedding_dropout,
                    positions="nonzero" if literal else "valid",
                    **encoder,
                )
                for target in MODALITIES
                for source in MODALITIES
                if source != target
            }
        )

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Sequences `(B, T, 2 d)` by modality, zero beyond the masks unless literal."""
        low: dict[str, Stream] = {}
        for name, projection, stream in zip(
            MODALITIES, self.projections, batch.streams, strict=True
        ):
            values = self.text_dropout(stream.values) if name == "text" else stream.values
            projected = Stream(projection(values), stream.mask)
            low[name] = unmasked(projected) if self.literal else projected
        return {
            target: torch.cat(
                [
                    self.crossings[f"{target}_from_{source}"](low[target], low[source]).values
                    for source in MODALITIES
                    if source != target
                ],
                dim=2,
            )
            for target in MODALITIES
        }


class Votes(nn.Module):
    """From a sequence to vertices: each step votes for each vertex with a map of its own.

    A step that is zero casts zero votes. Steps beyond the longest sequence of the data have no map
    and no vote.

    Args:
        steps: the longest sequence T.
        inputs: features of a step.
        vertices: number of vertices n.
        capsule: width c of a vertex.
        routing: updates of the agreement.
    """

    def __init__(self, steps: int, inputs: int, vertices: int, capsule: int, routing: int):
        super().__init__()
        self.routing = routing
        self.maps = nn.Parameter(torch.empty(steps, inputs, vertices, capsule))
        # Xavier-normal of the reference's layout (T, n, inputs, c); this one multiplies faster.
        fans = (vertices + steps) * inputs * capsule
        nn.init.normal_(self.maps, std=(2 / fans) ** 0.5)

    def forward(self, sequence: Tensor) -> Tensor:
        """Vertices `(B, n, c)` of a sequence `(B, T, inputs)`."""
        steps = min(sequence.shape[1], self.maps.shape[0])
        votes = torch.einsum("bti,tinc->btnc", sequence[:, :steps], self.maps[:steps])
        return route(votes, self.routing, dim=2)


class Adjacency(nn.Module):
    """Edges between vertices, `I + ReLU(V Q (V K)ᵀ / c)`.

    Args:
        capsule: width c of a vertex.
    """

    def __init__(self, capsule: int):
        super().__init__()
        self.query, self.key = _xavier(capsule, capsule), _xavier(capsule, capsule)

    def forward(self, vertices: Tensor) -> Tensor:
        """Adjacency `(B, n, n)` of vertices `(B, n, c)`."""
        scores = (vertices @ self.query) @ (vertices @ self.key).transpose(1, 2)
        identity = torch.eye(vertices.shape[1], dtype=scores.dtype, device=scores.device)
        return identity + (scores / vertices.shape[2]).relu()


class GraphLayer(nn.Module):
    """A convolution on a graph, `tanh(A (X C + b) W)`.

    Args:
        capsule: width c of a vertex.
    """

    def __init__(self, capsule: int):
        super().__init__()
        self.convolution = nn.Linear(capsule, capsule)
        self.weight = _xavier(capsule, capsule)

    def forward(self, adjacency: Tensor, vertices: Tensor) -> Tensor:
        """Vertices `(B, n, c)` after the layer."""
        return (adjacency @ self.convolution(vertices) @ self.weight).tanh()


class CapsulePooling(nn.Module):
    """From the vertices of a graph to one vector: each votes with a map of its own.

    Args:
        vertices: number of vertices n.
        capsule: width c of a vertex.
        routing: updates of the agreement.
    """

    def __init__(self, vertices: int, capsule: int, routing: int):
        super().__init__()
        self.routing = routing
        self.maps = _xavier(vertices, capsule, capsule)

    def forward(self, vertices: Tensor) -> Tensor:
        """One capsule `(B, c)` of vertices `(B, n, c)`."""
        votes = torch.einsum("bni,nic->bnc", vertices, self.maps).unsqueeze(2)  # (B, n, 1, c)
        return route(votes, self.routing, dim=1).squeeze(1)


class GraphCapsules(nn.Module):
    """An embedding of each modality: cross-modal encoders, votes, two graph layers, pooling.

    Wu, Mai, Hu. Graph Capsule Aggregation for Unaligned Multimodal Sequences. ICMI 2021. Graph
    layers and pooling are shared by the modalities.

    Args:
        dims: widths of the data and its longest sequences.
        width: common width d of the modalities.
        vertices: vertices n of each graph.
        capsule: width c of a vertex.
        routing: updates of the agreement.
        literal: read padding, as the reference does.
        **encoder: further settings of the cross-modal encoders.
    """

    def __init__(
        self,
        dims: Dims,
        *,
        width: int,
        vertices: int,
        capsule: int,
        routing: int,
        literal: bool,
        **encoder: Any,
    ):
        super().__init__()
        missing = [name for name in MODALITIES if name not in dims.lengths]
        if missing:
            raise UserError(
                f"graph capsules hold weights for every time step and dims.lengths says nothing "
                f"about {', '.join(missing)}; give the longest sequence of each modality"
            )
        self.pairs = CrossModalPairs(dims, width, literal=literal, **encoder)
        self.votes = nn.ModuleDict(
            {
                name: Votes(dims.lengths[name], 2 * width, vertices, capsule, routing)
                for name in MODALITIES
            }
        )
        self.adjacencies = nn.ModuleDict({name: Adjacency(capsule) for name in MODALITIES})
        self.layers = nn.ModuleList(GraphLayer(capsule) for _ in range(2))
        self.poolings = nn.ModuleList(CapsulePooling(vertices, capsule, routing) for _ in range(2))

    def forward(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """Embed each modality.

        Returns:
            Embeddings `(B, 3, 2 c)`, and by modality what led to them: `encoded_*` `(B, T, 2 d)`,
            `vertices_*` `(B, n, c)`, `adjacency_*` `(B, n, n)`.
        """
        features: dict[str, Tensor] = {}
        embeddings = []
        for name, encoded in self.pairs(batch).items():
            vertices = self.votes[name](encoded)  # (B, n, c)
            adjacency = self.adjacencies[name](vertices)  # (B, n, n)
            features |= {f"encoded_{name}": encoded, f"vertices_{name}": vertices}
            features[f"adjacency_{name}"] = adjacency
            pooled = []
            for layer, pooling in zip(self.layers, self.poolings, strict=True):
                vertices = layer(adjacency, vertices)
                pooled.append(pooling(vertices))
            embeddings.append(torch.cat(pooled, dim=1))  # (B, 2c)
        return torch.stack(embeddings, dim=1), features

    def penalty(self) -> Tensor:
        """Sum of the Frobenius norms, not squared, of the three tensors of vote maps."""
        norms = [torch.linalg.vector_norm(votes.maps) for votes in self.votes.values()]
        return torch.stack(norms).sum()


class CapsuleHead(nn.Module):
    """Prediction from the embeddings of the three modalities.

    Args:
        dims: outputs and task.
        capsule: half the width of an embedding.
        dropout: before the last layer.
        literal: multiply by 10 whatever the label range is; else by 10 for a range of [-3, 3], in
            proportion for others. Class logits are always multiplied by 10.
    """

    def __init__(self, dims: Dims, capsule: int, *, dropout: float, literal: bool):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(6 * capsule, 2 * capsule),
            nn.Tanh(),
            nn.Dropout(dropout),
            nn.Linear(2 * capsule, dims.outputs),
        )
        scaled = dims.task.kind == "regression" and not literal
        self.gain = GAIN * dims.task.span / GAIN_SPAN if scaled else GAIN

    def forward(self, embeddings: Tensor) -> Tensor:
        """Prediction `(B, outputs)` of embeddings `(B, 3, 2 c)`."""
        return self.gain * self.layers(embeddings.flatten(1))


def _xavier(*shape: int) -> nn.Parameter:
    return nn.Parameter(nn.init.xavier_normal_(torch.empty(*shape)))
