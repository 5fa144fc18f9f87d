"""GraphCAGE: unaligned sequences become graphs by dynamic routing, and graphs become vectors."""

from typing import Literal

from torch import Tensor

from baselines.layers.graph_capsules import NO_DROPOUT, CapsuleHead, GraphCapsules
from benchmark import Batch, Dims, Model, Output, register_model

TRAINING = {"optimizer": "rmsprop", "lr": 1e-3, "clip_norm": 1.0}
README = {**TRAINING, "routing": 2, "vote_penalty": 1e-4, "batch_size": 16, "epochs": 20}


@register_model(
    "graph-cage",
    paper="Wu, Mai, Hu. Graph Capsule Aggregation for Unaligned Multimodal Sequences. ICMI 2021.",
    source="kenford953/GraphCAGE @ 814481c",
    defaults={
        "mmmo_mini": {
            **{"layers": 1, "lr": 0.001, "batch_size": 16},
            "recipe": "chosen on validation: the learning rate of two, over five folds",
        },
        "mosi": {**README, "recipe": "published: the authors' table"},
        "mosei": {
            **README,
            "capsule": 64,
            "output_dropout": 0.25,
            "recipe": "published: the authors' table",
        },
        "sims": {**README, "recipe": "untuned default: the authors' settings for CMU-MOSI"},
        "synthetic": {
            **{"width": 10, "heads": 2, "layers": 1, "vertices": 6, "capsule": 8, "routing": 2},
            **{"vote_penalty": 1e-4, **NO_DROPOUT},
            **{"lr": 5e-3, "batch_size": 64, "epochs": 10, "clip_norm": 1.0},
            "recipe": "chosen on validation: the learning rate, over three seeds",
        },
        "mosi_utterance": {
            **{"layers": 1, "vertices": 8, "capsule": 16, "vote_penalty": 1e-3},
            **{"output_dropout": 0.25, "lr": 1e-3, "batch_size": 32, "clip_norm": 1.0},
            "recipe": "untuned default",
        },
        "mosi_std": {
            **{"layers": 1, "vertices": 8, "capsule": 16, "vote_penalty": 1e-2},
            **{"embedding_dropout": 0.1, "output_dropout": 0.25},
            **{"lr": 2e-3, "batch_size": 32, "clip_norm": 1.0},
            "recipe": "untuned default",
        },
    },
    smoke={
        **{"width": 8, "heads": 2, "layers": 1, "vertices": 3, "capsule": 5, "routing": 2},
        **{"vote_penalty": 1e-4, **NO_DROPOUT},
    },
)
class GraphCAGE(Model):
    """Graph Capsule Aggregation.

    Wu, Mai, Hu. Graph Capsule Aggregation for Unaligned Multimodal Sequences. ICMI 2021. Code:
    kenford953/GraphCAGE. The signature holds the defaults of that code, data sets the settings of
    its README; CH-SIMS, which it does not treat, has those of MOSI.

    Vote maps belong to time steps, counted from the first valid step of a sequence (the reference
    reads left-padded files, in which sequences end together).

    Deviations from the code:
        - padded steps are neither read nor do they vote; every valid step has a position; the
          causal offset counts valid steps;
        - `output_dropout` acts; the code takes it and never applies it;
        - the factor 10 of the output holds for labels in [-3, 3], others in proportion;
        - every modality is projected to the common width, also one that already has it;
        - the epoch is chosen on the validation split; the code reports the best test epoch.

    `variant="orig"` restores the first four.

    Args:
        dims: widths of the data and its longest sequences.
        width: common width d of the modalities.
        heads: attention heads.
        layers: depth of the cross-modal encoders.
        vertices: vertices n of the graph of each modality.
        capsule: width c of a vertex.
        routing: updates of the agreement.
        vote_penalty: weight λ of the Frobenius norms of the vote maps in the loss.
        attention_dropout: on the attention weights where text is read.
        relu_dropout: inside the feed-forward blocks.
        residual_dropout: on both branches of a layer.
        embedding_dropout: on the text features and on embedded sequences.
        output_dropout: before the last layer.
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
        vote_penalty: float = 1e-3,
        attention_dropout: float = 0.1,
        relu_dropout: float = 0.1,
        residual_dropout: float = 0.1,
        embedding_dropout: float = 0.25,
        output_dropout: float = 0.0,
        variant: Literal["paper", "orig"] = "paper",
    ):
        super().__init__()
        literal = variant == "orig"
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
        self.head = CapsuleHead(
            dims, capsule, dropout=0.0 if literal else output_dropout, literal=literal
        )

    def forward(self, batch: Batch) -> Output:
        embeddings, features = self.capsules(batch)  # (B, 3, 2c)
        return Output(self.head(embeddings), {**features, "graph_embedding": embeddings.flatten(1)})

    def loss(self, output: Output, batch: Batch) -> Tensor:
        """The loss of the task and the penalty on the vote maps."""
        return super().loss(output, batch) + self.vote_penalty * self.capsules.penalty()
