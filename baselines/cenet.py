"""CENET: inside the text encoder, words are shifted by the audio and vision that they ask for."""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from baselines.layers.crossmodal import attention_mask, unmasked
from baselines.layers.losses import squared_error
from baselines.layers.text import (
    FINE_TUNING,
    TextEncoder,
    attendable,
    expect_layer,
    row_bias,
    spoken,
)
from benchmark import Batch, Batches, Dims, Model, Output, Stream, UserError, register_model

STREAMS = ("vision", "audio")
LITERAL_SCALE = 8.0
CLUSTERED_STEPS = 20_000
ROUNDS = 20


class Codebook(nn.Module):
    """Each step becomes the learned vector of its nearest cluster centre.

    Args:
        inputs: features of a step.
        codes: centres.
        width: features of a vector.
    """

    centres: Tensor

    def __init__(self, inputs: int, codes: int, width: int):
        super().__init__()
        self.register_buffer("centres", torch.randn(codes, inputs))
        self.vectors = nn.Embedding(codes, width)

    def forward(self, values: Tensor) -> Tensor:
        """Vectors `(B, L, width)` for steps `(B, L, inputs)`."""
        return self.vectors(nearest(values, self.centres))

    def fit(self, stream: Stream) -> None:
        """Cluster the valid steps of the training split, evenly thinned out where they are many."""
        points = stream.values[stream.mask]  # (N, inputs)
        if len(points):
            points = points[:: -(-len(points) // CLUSTERED_STEPS)]
            self.centres.copy_(cluster(points, len(self.centres)))


class Reader(nn.Module):
    """Each word asks one sequence: softmax(s Q Kᵀ) V with a single head.

    Args:
        width: features of a word and of a step.
        scale: s; by default one over the root of the width.
    """

    def __init__(self, width: int, scale: float | None):
        super().__init__()
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.scale = scale

    def forward(self, words: Stream, source: Stream) -> Tensor:
        """Answers `(B, K, width)`; zeros where the source is missing."""
        mask = attention_mask(words.mask, source.mask, False, words.values.dtype)
        query, key, value = (
            linear(values).unsqueeze(1)  # (B, 1, T, width)
            for linear, values in (
                (self.query, words.values),
                (self.key, source.values),
                (self.value, source.values),
            )
        )
        answer = F.scaled_dot_product_attention(query, key, value, mask.bias, scale=self.scale)
        return answer.squeeze(1) * mask.present


class Enhancement(nn.Module):
    """Shift words by what they read in vision and audio.

    Args:
        dims: widths of the data.
        width: features of a word.
        codes: cluster centres of each modality; 0 maps the features themselves by two layers.
        scale: of the attention scores, see `Reader`.
    """

    def __init__(self, dims: Dims, width: int, codes: int, scale: float | None):
        super().__init__()
        inputs = {"vision": dims.vision, "audio": dims.audio}
        self.transforms = nn.ModuleDict(
            {
                name: Codebook(inputs[name], codes, width)
                if codes
                else nn.Sequential(
                    nn.Linear(inputs[name], width), nn.ReLU(), nn.Linear(width, width)
                )
                for name in STREAMS
            }
        )
        self.readers = nn.ModuleDict({name: Reader(width, scale) for name in STREAMS})
        self.shift = nn.Linear(2 * width, width)

    def forward(self, words: Stream, batch: Batch, *, literal: bool = False) -> Tensor:
        """The shifted words, `(B, K, width)`."""
        answers = []
        for name in STREAMS:
            stream = unmasked(batch.modalities[name]) if literal else batch.modalities[name]
            source = Stream(self.transforms[name](stream.values), stream.mask)  # (B, L, width)
            answers.append(self.readers[name](words, source))
        return words.values + self.shift(torch.cat(answers, dim=2))


AUTHORS = {
    **{"optimizer": "adamw", "lr": 6e-5, "encoder_lr": 6e-5, "encoder_weight_decay": 0.0},
    **{"batch_size": 64, "epochs": 40, "patience": 0, "schedule": "linear", "warmup": 0.4},
    "clip_norm": 2.0,
}
FEATURES = {
    **{"lr": 1e-3, "batch_size": 64, "clip_norm": 2.0},
    "recipe": "untuned default: the published rates are for a fine-tuned RoBERTa",
}


@register_model(
    "cenet",
    paper=(
        "Wang, Liu, Wang, Tian, He, Gao. Cross-modal Enhancement Network for Multimodal Sentiment "
        "Analysis. IEEE Transactions on Multimedia 2022."
    ),
    source="Say2L/CENet @ e208a83, thuiar/MMSA @ a94e65d",
    defaults={
        "mmmo_mini": {
            **{"lr": 0.003, "batch_size": 16},
            "recipe": "chosen on validation: the learning rate of three, over five folds",
        },
        "synthetic": {
            **{"codes": 0, "lr": 6e-3, "batch_size": 50, "epochs": 20, "clip_norm": 2.0},
            "recipe": "chosen on validation: learning rate and epochs, over three seeds",
        },
        **dict.fromkeys(("mosi", "mosei", "sims"), FEATURES),
        **{
            key: {"codes": 0, "lr": 5e-4, "recipe": "untuned default"}
            for key in ("mosi_utterance", "mosi_std")
        },
    },
    fine_tuning={
        "": FINE_TUNING,
        "mosi": {**AUTHORS, "recipe": "published: the authors' code"},
        "mosei": {**AUTHORS, "recipe": "untuned default: the authors' settings for CMU-MOSI"},
    },
    smoke={"encoder_hidden": 8, "encoder_layers": 2, "encoder_heads": 2, "head_dropout": 0.0},
)
class CENET(Model):
    """Cross-modal Enhancement Network.

    Wang, Liu, Wang, Tian, He, Gao. IEEE TMM 2022. Code: Say2L/CENet (authors), thuiar/MMSA. As in
    the paper, audio and vision are clustered by k-means into a few codes with learned vectors, and
    the loss of a regression is the mean squared error.

    Deviations from the authors' code: any encoder of the BERT family, without the sentiment and
    part-of-speech embeddings of SentiLARE; attention scores are divided by the root of the width
    (the code multiplies them by 8); attention leaves padding out; the clusters are found when
    training starts, on the training split alone. `codes=0` reads the features themselves through
    two layers. `variant="mmsa"` restores that framework: features, scores times 8, padded audio and
    vision are read, word embeddings stay as they are, mean absolute error; its embeddings that
    receive nothing and BERT's unused pooler are left out. Without tokens the vectors of the text
    stream are shifted, and their mean over time feeds the head.

    Args:
        dims: widths of the data.
        text_encoder: see `TextEncoder`; must be of the BERT family.
        encoder_hidden: width of a text encoder made from scratch.
        encoder_layers: its depth.
        encoder_heads: its attention heads.
        injection: index of the layer before which words are shifted.
        codes: clusters of each modality; 0 reads the features.
        head_dropout: on the first state and on the hidden layer of the head.
        variant: `paper` or `mmsa`.

    Raises:
        UserError: the text encoder has no such layer.
    """

    def __init__(
        self,
        dims: Dims,
        *,
        text_encoder: str = "auto",
        encoder_hidden: int = 32,
        encoder_layers: int = 2,
        encoder_heads: int = 4,
        injection: int = 1,
        codes: int = 16,
        head_dropout: float = 0.1,
        variant: Literal["paper", "mmsa"] = "paper",
    ):
        super().__init__()
        self.literal = variant == "mmsa"
        self.injection = injection
        self.encoder = TextEncoder(
            dims, text_encoder, hidden=encoder_hidden, layers=encoder_layers, heads=encoder_heads
        )
        bert, width = self.encoder.model, self.encoder.width
        if bert is not None:
            expect_layer(_layers(bert), injection)
            if self.literal:
                bert.embeddings.requires_grad_(False)
        self.enhancement = Enhancement(
            dims,
            width,
            0 if self.literal else codes,
            LITERAL_SCALE if self.literal else None,
        )
        self.dropout = nn.Dropout(head_dropout)
        self.hidden = nn.Linear(width, width)
        self.out = nn.Linear(width, dims.outputs)

    def forward(self, batch: Batch) -> Output:
        if self.encoder.model is None:
            words = Stream(batch.text.values, attendable(batch.text.mask))
            after = self.enhancement(words, batch, literal=self.literal)
            before, first = words.values, Stream(after, words.mask).mean()
        else:
            before, after, states = self._encode(batch)
            first = states[:, 0]
        hidden = self.hidden(self.dropout(first)).tanh()  # (B, width)
        prediction = self.out(self.dropout(hidden))
        return Output(prediction, {"before_enhancement": before, "after_enhancement": after})

    def loss(self, output: Output, batch: Batch) -> Tensor:
        if self.literal:
            return self.task.loss(output.prediction, batch.label)
        return squared_error(self.task, output.prediction, batch.label)

    def start_training(self, batches: Batches) -> None:
        whole = batches.whole()
        for name, transform in self.enhancement.transforms.items():
            if isinstance(transform, Codebook):
                transform.fit(whole.modalities[name])

    def _encode(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        """Words before and after the shift, and the last states, `(B, K, width)` each."""
        bert, mask = self.encoder.model, attendable(batch.token_mask)
        hidden = bert.embeddings(input_ids=spoken(batch))  # (B, K, width)
        bias = row_bias(mask, hidden.dtype)
        for place, layer in enumerate(bert.encoder.layer):
            if place == self.injection:
                before = hidden
                hidden = after = self.enhancement(Stream(hidden, mask), batch, literal=self.literal)
            states = layer(hidden, bias)
            hidden = states if isinstance(states, Tensor) else states[0]  # a tuple in MPNet
        return before, after, hidden


def nearest(points: Tensor, centres: Tensor) -> Tensor:
    """Index of the centre `(C, D)` next to each point `(..., D)`, int64 `(...)`."""
    return (points @ centres.T - centres.square().sum(dim=1) / 2).argmax(dim=-1)


def cluster(points: Tensor, count: int) -> Tensor:
    """Centres by k-means, `(count, D)`: far starting points, then Lloyd's rounds.

    Arthur, Vassilvitskii. k-means++: The Advantages of Careful Seeding. SODA 2007.

    Args:
        points: `(N, D)`, at least one.
        count: centres; those without any point stay where they are.
    """
    draws = torch.rand(count, generator=torch.Generator().manual_seed(0)).to(points)
    centres = points[:1].repeat(count, 1)
    distance = points.new_ones(len(points))
    for place in range(count):  # drawn with a chance that grows with the squared distance
        total = distance.cumsum(dim=0)
        start = torch.searchsorted(total, draws[place] * total[-1]).clamp(max=len(points) - 1)
        centres[place] = points[start]
        apart = (points - centres[place]).square().sum(dim=1)
        distance = apart if place == 0 else torch.minimum(distance, apart)
    for _ in range(ROUNDS):
        members = F.one_hot(nearest(points, centres), count).to(points.dtype)  # (N, count)
        size = members.sum(dim=0).unsqueeze(1)
        centres = torch.where(size > 0, members.T @ points / size.clamp(min=1), centres)
    return centres


def _layers(bert: nn.Module) -> nn.ModuleList:
    layers = getattr(getattr(bert, "encoder", None), "layer", None)
    if layers is None or not hasattr(bert, "embeddings"):
        raise UserError(
            f"cenet shifts words between two layers of a BERT and this text encoder is a "
            f"{type(bert).__name__}; give an encoder of the BERT family"
        )
    return layers
