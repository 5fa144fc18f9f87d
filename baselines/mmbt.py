"""MMBT: frames of audio and vision, mapped into BERT's embedding space, stand before the words."""

from dataclasses import replace
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from baselines.layers.align import align
from baselines.layers.text import FINE_TUNING, TextEncoder, plain_encoder, row_bias
from benchmark import Batch, Batches, Dims, Model, Output, Stream, UserError, register_model

NONVERBAL = ("audio", "vision")
START, END = 2, 3  # marks of a vocabulary made from scratch, until training shows the real ones
MARKS_ALONE = 4  # vocabulary of a BERT that reads no words
ADAPTED: dict[str, Any] = {
    **{"optimizer": "adamw", "lr": 5e-4, "encoder_lr": 5e-5, "encoder_weight_decay": 0.01},
    **{"batch_size": 32, "epochs": 10, "patience": 0, "schedule": "linear", "warmup": 0.1},
    "recipe": "untuned default: decay, rate and warm-up of the paper, in ten epochs",
}
FEATURES: dict[str, Any] = {
    **{"encoder_hidden": 64, "encoder_layers": 2, "batch_size": 32, "lr": 5e-4},
    **{"epochs": 40, "schedule": "linear", "warmup": 0.1, "recipe": "untuned default"},
}


class Segment(NamedTuple):
    """A part of the sequence, before BERT adds positions and types.

    Attributes:
        values: word vectors or mapped frames `(B, K, width)`.
        mask: what attention may read, bool `(B, K)`.
        places: positions, int64 `(B, K)`.
        kind: token type.
    """

    values: Tensor
    mask: Tensor
    places: Tensor
    kind: int


@register_model(
    "mmbt",
    paper="Kiela, Bhooshan, Firooz, Perez, Testuggine. Supervised Multimodal Bitransformers for "
    "Classifying Images and Text. arXiv 1909.02950, 2019.",
    source="facebookresearch/mmbt @ ad71e9c",
    no_capture="a pretrained encoder is frozen for the first epochs",
    defaults={
        "mmmo_mini": {
            **{"lr": 0.003, "batch_size": 16},
            "recipe": "chosen on validation: the learning rate of three, over five folds",
        },
        "mosi": FEATURES,
        "mosei": {**FEATURES, "batch_size": 64},
        "sims": FEATURES,
        "synthetic": {
            **{"encoder_layers": 1, "frames": 6, "batch_size": 50, "lr": 5e-3, "epochs": 14},
            **{"schedule": "linear", "warmup": 0.1},
            "recipe": "chosen on validation: learning rate and epochs, over three seeds",
        },
        "mosi_utterance": FEATURES,
        "mosi_std": FEATURES,
    },
    fine_tuning={"": FINE_TUNING, **dict.fromkeys(("mosi", "mosei", "sims"), ADAPTED)},
    smoke={"encoder_hidden": 8, "encoder_layers": 1, "encoder_heads": 2, "dropout": 0.0},
)
class MMBT(Model):
    """Multimodal bitransformer, adapted from text and images to text, audio and vision.

    Kiela et al. Supervised Multimodal Bitransformers for Classifying Images and Text. 2019. Code:
    facebookresearch/mmbt (authors). There, pooled vectors of an image, mapped to BERT's width,
    stand between [CLS] and [SEP] before the text, share BERT's embeddings of position and type, and
    the first [CLS] is pooled and classified.

    Ours is an adaptation, not a reproduction: each of audio and vision is such a segment, audio
    first, of frames averaged to at most `frames`; positions restart with each segment; both have
    token type 0 and the text type 1. Padded frames are masked, and so are the marks of an absent
    modality, except the [CLS] that is pooled. A pretrained BERT is frozen for the first epochs, as
    the paper freezes it. Without tokens the vectors of the text stream are mapped like frames, into
    a third segment of type 1, in a small BERT made from scratch.

    Args:
        dims: widths of the data.
        text_encoder: see `TextEncoder`; must be a BERT.
        encoder_hidden: width of a text encoder made from scratch.
        encoder_layers: its depth.
        encoder_heads: its attention heads.
        frames: most frames of a modality; longer streams are averaged over even windows.
        dropout: on the pooled vector.
        freeze_epochs: epochs in which a pretrained BERT keeps its weights.

    Raises:
        UserError: the text encoder is no BERT, or has too few positions for the frames.
    """

    def __init__(
        self,
        dims: Dims,
        *,
        text_encoder: str = "auto",
        encoder_hidden: int = 32,
        encoder_layers: int = 2,
        encoder_heads: int = 4,
        frames: int = 20,
        dropout: float = 0.1,
        freeze_epochs: int = 1,
    ):
        super().__init__()
        name = plain_encoder(dims, text_encoder)
        words = name != "features"
        self.encoder = TextEncoder(
            dims if words else replace(dims, vocabulary=MARKS_ALONE),
            name if words else "scratch",
            hidden=encoder_hidden,
            layers=encoder_layers,
            heads=encoder_heads,
        )
        self.encoder.reads_tokens = words
        width = self.encoder.width
        self._check(text_encoder, frames)
        mapped = NONVERBAL if words else (*NONVERBAL, "text")
        self.maps = nn.ModuleDict({name: nn.Linear(getattr(dims, name), width) for name in mapped})
        self.pooler = nn.Linear(width, width)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(width, dims.outputs)
        self.frames, self.freeze_epochs = frames, freeze_epochs
        self.register_buffer("marks", torch.tensor([START, END]))

    def forward(self, batch: Batch) -> Output:
        segments = [
            self._frames(name, batch.modalities[name], self.frames, 0) for name in NONVERBAL
        ]
        if self.encoder.reads_tokens:
            segments.append(self._words(batch))
        else:
            longest = self.encoder.model.config.max_position_embeddings - 2
            segments.append(self._frames("text", batch.text, longest, 1))
        pooled = self.dropout(self.pooler(self._encode(segments)[:, 0]).tanh())  # (B, width)
        return Output(self.head(pooled), {"pooled": pooled})

    def start_training(self, batches: Batches) -> None:
        """Take the start and end marks of the vocabulary from any sample that has a text."""
        whole = batches.whole()
        if self.encoder.reads_tokens and bool(whole.token_mask.any()):
            row = int(whole.token_mask.any(dim=1).float().argmax())
            ids = whole.token_ids[row][whole.token_mask[row]]
            self.marks.copy_(ids[[0, -1]])

    def start_epoch(self, epoch: int, batches: Batches) -> None:
        if self.encoder.pretrained:
            self.encoder.requires_grad_(epoch > self.freeze_epochs)

    def _check(self, text_encoder: str, frames: int) -> None:
        config = self.encoder.model.config
        if config.model_type != "bert":
            raise UserError(
                f"mmbt shares the embeddings of a BERT and {text_encoder!r} is of the type "
                f"{config.model_type}; give an encoder of the type bert"
            )
        if not 1 <= frames <= config.max_position_embeddings - 2:
            raise UserError(
                f"mmbt puts frames={frames} between two marks, and its encoder has "
                f"{config.max_position_embeddings} positions; set frames to 1 ... "
                f"{config.max_position_embeddings - 2}"
            )

    def _frames(self, name: str, stream: Stream, limit: int, kind: int) -> Segment:
        """[CLS], at most `limit` mapped frames, [SEP]; all of it hidden if there is no frame."""
        steps = torch.arange(min(limit, stream.mask.shape[1]), device=stream.mask.device)
        count = stream.lengths.clamp(max=limit).unsqueeze(1)  # (B, 1)
        frames = align(stream, steps < count)
        start, end = (
            mark.expand(len(count), 1, -1)
            for mark in self.encoder.model.embeddings.word_embeddings(self.marks)
        )
        values = torch.cat([start, self.maps[name](frames.values), end], dim=1)  # (B, N + 2, width)
        present = count > 0
        places = (1 + steps).expand(len(count), -1)
        return Segment(
            values,
            torch.cat([present, frames.mask, present], dim=1),
            torch.cat([torch.zeros_like(count), places, 1 + count], dim=1),
            kind,
        )

    def _words(self, batch: Batch) -> Segment:
        values = self.encoder.model.embeddings.word_embeddings(batch.token_ids)
        places = torch.arange(values.shape[1], device=values.device).expand(len(values), -1)
        return Segment(values, batch.token_mask, places, 1)

    def _encode(self, segments: list[Segment]) -> Tensor:
        """Last hidden states of the sequence of all segments, `(B, K, width)`."""
        bert = self.encoder.model
        states = bert.embeddings(
            inputs_embeds=torch.cat([segment.values for segment in segments], dim=1),
            position_ids=torch.cat([segment.places for segment in segments], dim=1),
            token_type_ids=torch.cat(
                [torch.full_like(segment.places, segment.kind) for segment in segments], dim=1
            ),
        )
        mask = torch.cat([segment.mask for segment in segments], dim=1)
        mask = torch.cat([torch.ones_like(mask[:, :1]), mask[:, 1:]], dim=1)  # [CLS] is pooled
        bias = row_bias(mask, states.dtype)
        return bert.encoder(states, attention_mask=bias).last_hidden_state
