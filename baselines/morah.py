"""MORAH: the graph capsules of GraphCAGE, exchanged along a hypergraph over the mini-batch."""

from typing import Literal

import torch
from torch import Tensor

from baselines.layers.graph_capsules import NO_DROPOUT, CapsuleHead, GraphCapsules
from benchmark import Batch, Dims, Model, Output, register_model

RELEASED = {"lr": 1e-4, "batch_size": 32, "clip_norm": 1.0}
SHALLOW = {
    **{"layers": 1, "vertices": 8, "capsule": 16, "dropout": 0.25},
    **{"lr": 1e-3, "batch_size": 32, "clip_norm": 1.0},
}


@register_model(
    "morah",
    paper="Zong, Zhou, Xie, Zhang, Xu. Multi-Modal Emotion Recognition Based on Hypergraph. "
    "Chinese Journal of Computers 46(12), 2023.",
    source="ZhouJiahui-dlut/MORAH @ 7bf9b2a",
    defaults={
        "mmmo_mini": {
            **{"layers": 1, "lr": 0.003, "batch_size": 16},
            "recipe": "chosen on validation: the learning rate of two, over five folds",
        },
        "mosi": {**RELEASED, "recipe": "published: the authors' code"},
        "mosei": {**RELEASED, "recipe": "published: the authors' code"},
        "sims": {**RELEASED, "recipe": "untuned default: the authors' settings for CMU-MOSI"},
        "synthetic": {
            **{"width": 10, "heads": 2, "layers": 1, "vertices": 6, "capsule": 8, "routing": 2},
            **{"vote_penalty": 1e-4, **NO_DROPOUT},
            **{"lr": 5e-3, "batch_size": 64, "epochs": 10, "clip_norm": 1.0},
            "recipe": "chosen on validation: the learning rate, over three seeds",
        },
        "mosi_utterance": {**SHALLOW, "recipe": "untuned default"},
        "mosi_std": {**SHALLOW, "recipe": "untuned default"},
    },
    smoke={
        **{"width": 8, "heads": 2, "layers": 1, "vertices": 3, "capsule": 5, "routing": 2},
        **{"neighbours": 2, "vote_penalty": 1e-4, **NO_DROPOUT},
    },
    exempt={
        "neighbours": "by design samples of a batch exchange features along a hypergraph; "
        "predictions hold for the order of the split and the evaluation batch of the protocol"
    },
)
class MORAH(Model):
    """Multi-modal emotion Recognition bAsed on Hypergraph.

    Zong, Zhou, Xie, Zhang, Xu. Chinese Journal of Computers 46(12), 2023,
    doi 10.11897/SP.J.1016.2023.02520. Code: ZhouJiahui-dlut/MORAH, which this follows.

    A prediction depends on the other samples of its batch, in training and in evaluation. Splits
    are evaluated in their own order in batches of the protocol's `evaluation_batch`; another order
    or size gives other numbers, a sample alone exchanges with its own modalities only.

    Like the code, a sample joins those that are most distant from it.

    Deviations from the code:
        - the deviations of GraphCAGE on padding, positions, projection and output factor;
        - a batch of fewer than `neighbours` samples takes all of them; in the code it also lowers
          the number for the rest of the run;
        - the incidence matrix is never written out (see `exchange`).

    `variant="orig"` restores the first.

    Args:
        dims: widths of the data and its longest sequences.
        width: common width d of the modalities.
        heads: attention heads.
        layers: depth of the cross-modal encoders.
        vertices: vertices n of the graph of each modality.
        capsule: width c of a vertex.
        routing: updates of the agreement.
        propagations: steps L along the hypergraph.
        neighbours: most distant samples k₂ that a hyperedge is expanded by.
        vote_penalty: weight λ of the Frobenius norms of the vote maps in the loss.
        attention_dropout: on the attention weights where text is read.
        relu_dropout: inside the feed-forward blocks.
        residual_dropout: on both branches of a layer.
        embedding_dropout: on the text features and on embedded sequences.
        dropout: before the last layer.
        variant: `paper` or `orig`.
    """

    needs_lengths = True

    def __init__(
        self,
        dims: Dims,
        *,
        width: int = 30,
        heads: int = 5,
        layers: int = 5,
        vertices: int = 20,
        capsule: int = 32,
        routing: int = 3,
        propagations: int = 3,
        neighbours: int = 8,
        vote_penalty: float = 1e-3,
        attention_dropout: float = 0.1,
        relu_dropout: float = 0.1,
        residual_dropout: float = 0.1,
        embedding_dropout: float = 0.25,
        dropout: float = 0.0,
        variant: Literal["paper", "orig"] = "paper",
    ):
        super().__init__()
        literal = variant == "orig"
        self.propagations, self.neighbours = propagations, neighbours
        self.vote_penalty = vote_penalty
        self.capsules = GraphCapsules(
            dims,
            width=width,
            heads=heads,
            layers=layers,
            vertices=vertices,
            capsule=capsule,
            routing=routing,
            attention_dropout=attention_dropout,
            relu_dropout=relu_dropout,
            residual_dropout=residual_dropout,
            embedding_dropout=embedding_dropout,
            literal=literal,
        )
        self.head = CapsuleHead(dims, capsule, dropout=dropout, literal=literal)

    def forward(self, batch: Batch) -> Output:
        nodes, features = self.capsules(batch)  # (B, 3, 2c)
        samples = nodes.mean(dim=1)  # (B, 2c)
        matrix = exchange(samples.detach(), self.neighbours)  # (B, B)
        total = nodes
        for _ in range(self.propagations):
            # One step gives the three nodes of a sample the same value (see `exchange`).
            samples = matrix @ samples
            total = total + samples.unsqueeze(1)
        propagated = total / (self.propagations + 1)
        features |= {"nodes": nodes, "exchange": matrix, "propagated": propagated.flatten(1)}
        return Output(self.head(propagated), features)

    def loss(self, output: Output, batch: Batch) -> Tensor:
        """The loss of the task and the penalty on the vote maps."""
        return super().loss(output, batch) + self.vote_penalty * self.capsules.penalty()


def exchange(samples: Tensor, neighbours: int) -> Tensor:
    """How much each sample of a batch takes from each in one step along the hypergraph.

    A sample has three nodes, one a modality. Each sample is a hyperedge, and each hyperedge is
    expanded to a second one by those most distant from it. A step is `A X` with
    `A = D⁻¹ H B⁻¹ Hᵀ`, H the incidence of 3 B nodes and 2 B hyperedges. As no hyperedge parts the
    nodes of a sample, H is three times the incidence S of samples and hyperedges, and `A X` is
    `P = D⁻¹ S B⁻¹ Sᵀ` (B now counts samples) on the means of the nodes.

    Args:
        samples: means of the three nodes of each sample, `(B, 2 c)`.
        neighbours: most distant samples to expand by; at most all of the batch, itself included.

    Returns:
        P, `(B, B)`; rows sum to 1.
    """
    count = len(samples)
    distance = torch.cdist(samples, samples, p=1)
    distant = distance.topk(min(neighbours, count), dim=1).indices  # (B, k)
    own = torch.eye(count, dtype=samples.dtype, device=samples.device)
    members = torch.cat([own, own.scatter(1, distant, 1.0)])  # (2B, B), hyperedge by sample
    to_edges = members / members.sum(dim=1, keepdim=True)
    from_edges = members.T / members.sum(dim=0).unsqueeze(1)  # (B, 2B)
    return from_edges @ to_edges
