"""Interactive attention: parameter-free attention between modalities, trained on several labels."""

from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor, nn

from baselines.layers.recurrent import MaskedLSTM, last_valid
from baselines.layers.text import BORROWED, FINE_TUNING, Pooling, TextEncoder
from baselines.layers.ulgm import FUSION, LabelGenerator, SelfLabelled, by_head
from benchmark import MODALITIES, Batch, Dims, Output, Stream, UserError, register_model


def attend(query: Stream, key: Stream, value: Tensor, scale: float) -> Stream:
    """softmax(scale · query keyᵀ) value over the valid keys; zeros where there is no key.

    Args:
        query: `(B, Q, d)`.
        key: `(B, K, d)`.
        value: `(B, K, d)`.
        scale: of the scores.
    """
    open_keys = key.mask.unsqueeze(1)  # (B, 1, K)
    scores = query.values @ key.values.transpose(1, 2) * scale  # (B, Q, K)
    scores = scores.masked_fill(~open_keys, torch.finfo(scores.dtype).min)
    weights = scores.softmax(dim=2) * open_keys
    return Stream(weights @ value, query.mask)


MOSI = {"lr": 6e-4, "batch_size": 32}
MOSEI = {**MOSI, "vision_hidden": 32, "audio_lr": 5e-3}


@register_model(
    "interactive-attention",
    display="Interactive attention",
    paper=(
        "Zhou, Li. A multimodal sentiment model of interactive attention and multi-task learning."
    ),
    source="no public code; encoders and label generation after thuiar/Self-MM @ 1786283",
    defaults={
        "mmmo_mini": {
            **{"lr": 0.0005, "batch_size": 16},
            "recipe": "chosen on validation: the learning rate of three, over five folds",
        },
        "synthetic": {
            **{"width": 32, "audio_hidden": 16, "vision_hidden": 16},
            **{"audio_lr": 5e-3, "vision_lr": 5e-3, "lr": 5e-3, "batch_size": 50, "epochs": 10},
            "recipe": "chosen on validation: the learning rate, over three seeds",
        },
        "mosi": {**MOSI, "recipe": BORROWED},
        "mosei": {**MOSEI, "recipe": BORROWED},
        "sims": {**MOSI, "audio_hidden": 16, "recipe": "untuned default"},
        **{key: {**MOSI, "recipe": "untuned default"} for key in ("mosi_utterance", "mosi_std")},
    },
    fine_tuning={
        "": FINE_TUNING,
        "mosi": {**MOSI, "recipe": "published: the paper's rates and batch size"},
        "mosei": {**MOSEI, "recipe": "published: the paper's rates and batch size"},
    },
    smoke={
        "width": 6,
        "audio_hidden": 4,
        "vision_hidden": 5,
        "encoder_hidden": 8,
        "encoder_layers": 1,
        "encoder_heads": 2,
    },
    exempt={"classification": "unimodal labels are generated from the sign of a score"},
)
class InteractiveAttention(SelfLabelled):
    """Cross-modal and self-attention without parameters, with generated unimodal labels.

    There is no public code and the description contradicts itself in places. Our reading, each
    point with the argument that changes it: text enters as all states of BERT
    (`text_states="first"`: the [CLS] state alone, which makes attention from text the identity);
    all modalities are mapped to one width (`width`); an attention carries the values of the other
    modality (`value="self"`: its own, for aligned streams of one length only); its scores are
    divided by the root of the width (`scaled=False`: plain); the two attended sequences of a
    modality are added (`combine="concatenate"`), the six pooled vectors concatenated
    (`fusion="sum"`), and the hidden layer is as wide as they are (`fusion_width`); text is pooled
    at its first state, audio and vision by their mean (`sequence_pooling="last"`);
    `attention="feature"` is the reading in which attention compares features instead of steps.
    Loss weights are constants of a batch (`detach_weights=False` differentiates them, which can
    push the smallest loss up). Labels come from Self-MM's generator (`exclude_zero`,
    `paper_distance`). Auxiliary tasks stay on when `bi`, `uni` or `weight` are off;
    `multitask=False` removes them. One step per batch, nothing is accumulated; encoder biases and
    norms get no weight decay, and all the rest none by default.

    Args:
        dims: widths of the data; with auxiliary tasks a regression.
        bi: attention between modalities; without it a modality's own vector stands in.
        uni: self-attention before the auxiliary heads; without it the modality's own vector.
        weight: weigh each loss by its share of the sum of losses.
        multitask: auxiliary heads on generated labels.
        text_encoder: see `TextEncoder`.
        text_pooling: `first` state ([CLS]), `mean`, or `auto`: the first state of an encoder, the
            mean of plain features.
        encoder_hidden: width of a text encoder made from scratch.
        encoder_layers: its depth.
        encoder_heads: its attention heads.
        audio_hidden: width of a direction of the audio LSTM.
        vision_hidden: width of a direction of the vision LSTM.
        width: common width d.
        attention: what the scores compare, `sequence` (steps) or `feature`.
        text_states: `all` or `first`.
        value: whose values an attention between modalities carries, `other` or `self`.
        scaled: divide scores by the square root of the width.
        combine: how the two attended versions of a modality meet, `sum` or `concatenate`.
        fusion: how the six pooled vectors meet, `concatenate` or `sum`.
        fusion_width: width of the hidden fusion layer; None for that of its input.
        sequence_pooling: `mean` over valid steps or `last` valid step of audio and vision.
        detach_weights: treat the loss weights as constants.
        exclude_zero: neutral samples belong to neither class centre.
        paper_distance: squared distances to the centres over the square root of the width.
        audio_lr: learning rate of the audio LSTM.
        vision_lr: learning rate of the vision LSTM.

    Raises:
        UserError: `combine` and `fusion` do not fit, or streams of unequal length with
            `value="self"`.
    """

    def __init__(
        self,
        dims: Dims,
        *,
        bi: bool = True,
        uni: bool = True,
        weight: bool = True,
        multitask: bool = True,
        text_encoder: str = "auto",
        text_pooling: Pooling = "auto",
        encoder_hidden: int = 32,
        encoder_layers: int = 2,
        encoder_heads: int = 4,
        audio_hidden: int = 32,
        vision_hidden: int = 64,
        width: int = 128,
        attention: Literal["sequence", "feature"] = "sequence",
        text_states: Literal["all", "first"] = "all",
        value: Literal["other", "self"] = "other",
        scaled: bool = True,
        combine: Literal["sum", "concatenate"] = "sum",
        fusion: Literal["concatenate", "sum"] = "concatenate",
        fusion_width: int | None = None,
        sequence_pooling: Literal["mean", "last"] = "mean",
        detach_weights: bool = True,
        exclude_zero: bool = True,
        paper_distance: bool = False,
        audio_lr: float = 6e-4,
        vision_lr: float = 6e-5,
    ):
        super().__init__()
        self.encoder = TextEncoder(
            dims, text_encoder, hidden=encoder_hidden, layers=encoder_layers, heads=encoder_heads
        )
        text = "first" if self.encoder.takes_first(text_pooling) else "mean"
        self.pooling = {"text": text, "audio": sequence_pooling, "vision": sequence_pooling}
        self.audio = MaskedLSTM(dims.audio, audio_hidden, bidirectional=True)
        self.vision = MaskedLSTM(dims.vision, vision_hidden, bidirectional=True)
        self.project = nn.ModuleDict(
            {
                "text": nn.Linear(self.encoder.width, width),
                "audio": nn.Linear(self.audio.width, width),
                "vision": nn.Linear(self.vision.width, width),
            }
        )
        attended = width * (2 if bi and combine == "concatenate" else 1)
        if fusion == "sum" and attended != width:
            raise UserError(
                "fusion='sum' adds vectors of one width and combine='concatenate' makes two; "
                "use combine='sum' or fusion='concatenate'"
            )
        inputs = 3 * (attended + width) if fusion == "concatenate" else width
        hidden = fusion_width or inputs
        self.fuse = nn.Linear(inputs, hidden)
        self.out = nn.Linear(hidden, dims.outputs)
        self.bi, self.uni, self.weight = bi, uni, weight
        self.attention, self.text_states, self.value = attention, text_states, value
        self.scale = width**-0.5 if scaled else 1.0
        self.combine, self.fusion, self.detach_weights = combine, fusion, detach_weights
        self.rates = {"audio": {"lr": audio_lr}, "vision": {"lr": vision_lr}}
        if multitask and dims.task.kind != "regression":
            raise UserError(
                f"interactive-attention generates unimodal labels from a score, and this task is "
                f"{dims.task.kind}; set interactive-attention.multitask=false for the network alone"
            )
        self.generator = None
        if multitask:
            self.generator = LabelGenerator(
                by_head(hidden, width, width, width),
                dims.task,
                exclude_zero=exclude_zero,
                paper_distance=paper_distance,
            )
            self.represent = nn.ModuleDict({name: nn.Linear(width, width) for name in MODALITIES})
            self.predict = nn.ModuleDict(
                {name: nn.Linear(width, dims.outputs) for name in MODALITIES}
            )

    def forward(self, batch: Batch) -> Output:
        streams, own = self._encode(batch)
        parts = [self._inter(name, streams) if self.bi else own[name] for name in MODALITIES]
        parts += [own[name] for name in MODALITIES]
        fused = sum(parts[1:], parts[0]) if self.fusion == "sum" else torch.cat(parts, dim=1)
        feature = self.fuse(fused).relu()  # (B, hidden)
        prediction = self.out(feature)
        if self.generator is None:
            return Output(prediction)
        features = {
            FUSION: fused,
            f"feature_{FUSION}": feature,
            f"prediction_{FUSION}": prediction.squeeze(1),
        }
        for name in MODALITIES:
            vector = self._intra(name, streams) if self.uni else own[name]
            feature = self.represent[name](vector).relu()  # (B, d)
            features[f"feature_{name}"] = feature
            features[f"prediction_{name}"] = self.predict[name](feature).squeeze(1)
        return Output(prediction, features)

    def loss(self, output: Output, batch: Batch) -> Tensor:
        if self.generator is None or not self.training:
            return self.task.loss(output.prediction, batch.label)
        losses = torch.stack(list(self.loss_terms(output, batch).values()))  # (4,)
        if not self.weight:
            return losses.sum()
        shares = losses / losses.sum().clamp(min=1e-8)
        return ((shares.detach() if self.detach_weights else shares) * losses).sum()

    def training_only(self) -> tuple[str, ...]:
        return () if self.generator is None else ("represent", "predict")

    def _encode(self, batch: Batch) -> tuple[dict[str, Stream], dict[str, Tensor]]:
        """The projected sequence of each modality and its own vector h."""
        text = self.encoder(batch)
        if self.text_states == "first":
            text = Stream(text.values[:, :1], text.mask[:, :1])
        audio, audio_ends = self.audio(batch.audio)
        vision, vision_ends = self.vision(batch.vision)
        streams = {
            name: Stream(self.project[name](stream.values), stream.mask)
            for name, stream in zip(MODALITIES, (text, audio, vision), strict=True)
        }
        own = {
            "text": self._pool("text", streams["text"]),
            "audio": self.project["audio"](torch.cat(audio_ends, dim=1)),
            "vision": self.project["vision"](torch.cat(vision_ends, dim=1)),
        }
        if self.attention == "feature":
            streams = {
                name: Stream(
                    vector.unsqueeze(2), torch.ones_like(vector, dtype=torch.bool)
                )  # (B, d, 1)
                for name, vector in own.items()
            }
        return streams, own

    def _inter(self, name: str, streams: Mapping[str, Stream]) -> Tensor:
        """H_m pooled: what a modality finds in the two others, `(B, d)` or `(B, 2d)`."""
        found = []
        for other in MODALITIES:
            if other == name:
                continue
            query, key = streams[name], streams[other]
            if self.value == "self" and query.values.shape != key.values.shape:
                raise UserError(
                    f"value='self' multiplies attention over {other} with {name} and needs "
                    f"aligned streams of one length, got {query.values.shape[1]} steps of {name} "
                    f"and {key.values.shape[1]} of {other}; use value='other'"
                )
            value = key.values if self.value == "other" else query.values
            found.append(
                self._pool(name, attend(self._asking(name, query), key, value, self.scale))
            )
        return found[0] + found[1] if self.combine == "sum" else torch.cat(found, dim=1)

    def _intra(self, name: str, streams: Mapping[str, Stream]) -> Tensor:
        """U_m pooled: self-attention of a modality, `(B, d)`."""
        stream = streams[name]
        query = self._asking(name, stream)
        return self._pool(name, attend(query, stream, stream.values, self.scale))

    def _asking(self, name: str, stream: Stream) -> Stream:
        """The steps whose attention is needed: only the first where pooling reads no other."""
        if self.attention == "feature" or self.pooling[name] != "first":
            return stream
        return Stream(stream.values[:, :1], stream.mask[:, :1])

    def _pool(self, name: str, stream: Stream) -> Tensor:
        if stream.values.shape[2] == 1 and self.attention == "feature":
            return stream.values.squeeze(2)  # features stand on the axis of steps
        if self.pooling[name] == "first":
            return stream.values[:, 0] * stream.mask[:, :1]
        if self.pooling[name] == "last":
            return last_valid(stream.values, stream.lengths)
        return stream.mean()
