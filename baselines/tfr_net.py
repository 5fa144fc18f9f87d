"""TFR-Net: learns on incomplete sequences and rebuilds what is missing from what is there."""

from collections.abc import Mapping
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from baselines.layers.convolution import same_length
from baselines.layers.crossmodal import CrossModalEncoder, Positions, unmasked
from baselines.layers.gru import MaskedGRU
from baselines.layers.losses import central_moment_discrepancy
from baselines.layers.text import BORROWED, FINE_TUNING, TextEncoder
from benchmark import (
    MODALITIES,
    Batch,
    Batches,
    Dims,
    Model,
    Output,
    Stream,
    UserError,
    register_model,
)
from robustness.tensors import chosen_tokens, draw_drops, drop_steps, unknown_words, word_slots

# Start mark of a vocabulary -> its unknown token: made from a training split, or that of BERT,
# RoBERTa or DeBERTa.
UNKNOWN_TOKENS = {2: 1, 101: 100, 0: 3, 1: 3}
EPSILON = 1e-4  # of the reference, in the mean over missing numbers
# The reference clips sums of the gradients of 4 batches at 0.8; here they are averaged.
CLIP_VALUE = 0.8 / 4

MOSI = {
    **{"batch_size": 24, "accumulate": 4, "clip_value": CLIP_VALUE},
    **{"lr": 1e-3, "weight_decay": 1e-3, "encoder_lr": 2e-6, "encoder_weight_decay": 1e-4},
    **{"schedule": "plateau", "plateau_patience": 5, "patience": 6},
}
MOSEI = {
    **{"weight_text": 5e-6, "weight_audio": 2e-6, "weight_vision": 2e-5},
    **{**MOSI, "lr": 2e-3, "encoder_lr": 1e-5},
}
SIMS = {
    **{"layers": 2, "output_dropout": 0.1, "relu_dropout": 0.0, "embedding_dropout": 0.1},
    **{"weight_text": 1.0, "weight_audio": 0.01, "weight_vision": 0.0001},
    **{**MOSI, "batch_size": 16, "lr": 2e-3, "encoder_lr": 1e-5, "plateau_patience": 10},
}
NO_DROPOUT = {
    **{"text_dropout": 0.0, "attention_dropout_text": 0.0, "attention_dropout_audio": 0.0},
    **{"attention_dropout_vision": 0.0, "relu_dropout": 0.0, "embedding_dropout": 0.0},
    **{"residual_dropout": 0.0, "fusion_dropout": 0.0, "output_dropout": 0.0},
}


class GatedPooling(nn.Module):
    """A sequence as one vector: a gated GRU beside the input, then the maximum over time.

    Args:
        inputs: features of a step.
        hidden: width of a direction of the GRU and of the vector.
        layers: depth of the GRU.
        reads_padding: take the maximum over all steps, padding included.
    """

    def __init__(self, inputs: int, hidden: int, layers: int, *, reads_padding: bool = False):
        super().__init__()
        self.gru = MaskedGRU(inputs, hidden, layers=layers)
        self.gate = nn.Conv1d(2 * hidden, 1, 3, padding="same")
        self.out = nn.Linear(inputs + 2 * hidden, hidden)
        self.reads_padding = reads_padding

    def forward(self, stream: Stream) -> tuple[Tensor, Tensor]:
        """The GRU's states `(B, L, 2 hidden)` and the vector `(B, hidden)`, 0 for no step."""
        states = self.gru(stream).values
        gate = self.gate(states.transpose(1, 2)).sigmoid().transpose(1, 2)  # (B, L, 1)
        both = torch.cat([stream.values, gate * states.tanh()], dim=2)  # (B, L, inputs + 2 hidden)
        steps = self.out(both).tanh()  # (B, L, hidden)
        if self.reads_padding:
            return states, steps.amax(dim=1)
        steps = steps.masked_fill(~stream.mask.unsqueeze(-1), -1)  # no tanh is smaller
        return states, steps.amax(dim=1) * stream.mask.any(dim=1, keepdim=True)


@register_model(
    "tfr-net",
    display="TFR-Net",
    paper=(
        "Yuan, Li, Xu, Yu. Transformer-based Feature Reconstruction Network for Robust Multimodal "
        "Sentiment Analysis. ACM MM 2021."
    ),
    source="thuiar/TFR-Net, thuiar/MMSA @ a94e65d",
    defaults={
        "mmmo_mini": {
            **{"layers": 1, "gru_layers": 1, "memory_layers": 1, "lr": 0.003, "batch_size": 16},
            "recipe": "chosen on validation: the learning rate of two, over five folds",
        },
        "mosi": {**MOSI, "recipe": BORROWED},
        "mosei": {**MOSEI, "recipe": BORROWED},
        "sims": {**SIMS, "recipe": BORROWED},
        "synthetic": {
            **{**NO_DROPOUT, "width": 8, "heads": 2, "layers": 1, "memory_layers": 1},
            **{"gru_layers": 1, "gru_text": 16, "gru_audio": 8, "gru_vision": 8, "hidden": 32},
            **{"weight_text": 0.1, "weight_audio": 0.1, "weight_vision": 0.1},
            **{"batch_size": 64, "lr": 5e-3, "epochs": 6, "clip_norm": 0.8},
            "recipe": "chosen on validation: the learning rate, over three seeds",
        },
        "mosi_utterance": {
            **{"layers": 1, "memory_layers": 1, "gru_layers": 1},
            **{"kernel_audio": 1, "kernel_vision": 1},
            **{"weight_text": 0.1, "weight_audio": 0.1, "weight_vision": 0.1},
            **{"batch_size": 64, "lr": 1e-3, "weight_decay": 1e-3, "clip_norm": 0.8},
            "recipe": "untuned default",
        },
        "mosi_std": {
            **{"layers": 2, "kernel_audio": 1, "kernel_vision": 1, "batch_size": 32, "lr": 5e-4},
            **{"weight_decay": 1e-3, "clip_norm": 0.8, "epochs": 10, "recipe": "untuned default"},
        },
    },
    fine_tuning={
        "": FINE_TUNING,
        "mosi": {**MOSI, "recipe": "published: MMSA's configuration"},
        "mosei": {**MOSEI, "recipe": "published: MMSA's configuration"},
        "sims": {**SIMS, "recipe": "published: the authors' code"},
    },
    smoke={
        **{**NO_DROPOUT, "encoder_hidden": 8, "encoder_layers": 1, "encoder_heads": 2},
        **{"width": 8, "heads": 2, "layers": 1, "memory_layers": 1, "gru_layers": 1},
        **{"gru_text": 4, "gru_audio": 3, "gru_vision": 5, "hidden": 9},
    },
)
class TFRNet(Model):
    """Cross-modal encoders over incomplete sequences; generators rebuild the missing steps.

    Yuan et al. Transformer-based Feature Reconstruction Network for Robust Multimodal Sentiment
    Analysis. ACM MM 2021. Code: thuiar/TFR-Net, thuiar/MMSA. In training a fixed set of steps is
    missing from each sample: the pieces of a word become the unknown token, frames zero. From the
    second epoch the generators learn to rebuild the encoder's states and the frames. In evaluation
    the input is taken as it comes.

    Deviations: padded steps are hidden everywhere; the encoder in front of a generator runs along
    the time of a sample, where the code attends to the other samples of the batch; gradients of
    accumulated batches are averaged and applied once, where the code steps at every batch on sums
    that it clears at every fourth; a word is missing as a whole; each modality draws its own
    missing steps; a modality without missing steps adds nothing to the loss, as one that is a
    single vector a sample, which is never taken away. Data without tokens
    lose rows of the text stream. `variant="mmsa"` restores the code's network: no masks but the
    causal one, no position where the first channel is exactly zero, the maximum over padding too,
    and encoders as wide as a sequence is long that attend to the batch.

    Args:
        dims: widths of the data; the variant `mmsa` reads the longest lengths too.
        text_encoder: see `TextEncoder`.
        encoder_hidden: width of a text encoder made from scratch.
        encoder_layers: its depth.
        encoder_heads: its attention heads.
        width: common width d of the modalities; three encoders side by side give 3 d.
        heads: attention heads.
        layers: depth of the cross-modal encoders.
        memory_layers: least depth of the encoders of one sequence, intramodal and in front of the
            generators, which are never shallower than the others.
        temporal_heads: heads of the encoders in front of the generators in the variant `mmsa`.
        kernel_text: odd width of the temporal convolution of text.
        kernel_audio: the same of audio.
        kernel_vision: the same of vision.
        gru_text: width of the text vector in the fusion.
        gru_audio: the same of audio.
        gru_vision: the same of vision.
        gru_layers: depth of the fusion's GRUs.
        hidden: width of the output block.
        text_dropout: on the text states.
        attention_dropout_text: on the attention weights where text is read.
        attention_dropout_audio: where audio is read.
        attention_dropout_vision: where vision is read.
        relu_dropout: inside the feed-forward blocks.
        embedding_dropout: on embedded sequences.
        residual_dropout: on both branches of a layer.
        fusion_dropout: on the three vectors of the fusion.
        output_dropout: in the output block.
        missing_rate: share of words and frames that are missing in training.
        missing_seed: of the choice of these.
        unknown_token: id that a missing token becomes; None finds it by the start mark of the
            training split.
        weight_text: weight of rebuilding the text.
        weight_audio: weight of rebuilding audio.
        weight_vision: weight of rebuilding vision.
        similarity: weight of the distance between distributions within that.
        variant: `paper` or `mmsa`.

    Raises:
        UserError: the unknown token is not in the vocabulary, or the variant `mmsa` lacks lengths
            or has one that its heads do not divide.
    """

    def __init__(
        self,
        dims: Dims,
        *,
        text_encoder: str = "auto",
        encoder_hidden: int = 32,
        encoder_layers: int = 2,
        encoder_heads: int = 4,
        width: int = 30,
        heads: int = 6,
        layers: int = 3,
        memory_layers: int = 3,
        temporal_heads: int = 25,
        kernel_text: int = 1,
        kernel_audio: int = 5,
        kernel_vision: int = 3,
        gru_text: int = 36,
        gru_audio: int = 20,
        gru_vision: int = 48,
        gru_layers: int = 3,
        hidden: int = 128,
        text_dropout: float = 0.2,
        attention_dropout_text: float = 0.2,
        attention_dropout_audio: float = 0.1,
        attention_dropout_vision: float = 0.0,
        relu_dropout: float = 0.2,
        embedding_dropout: float = 0.2,
        residual_dropout: float = 0.2,
        fusion_dropout: float = 0.2,
        output_dropout: float = 0.0,
        missing_rate: float = 0.2,
        missing_seed: int = 1111,
        unknown_token: int | None = None,
        weight_text: float = 5.0,
        weight_audio: float = 2.0,
        weight_vision: float = 20.0,
        similarity: float = 5.0,
        variant: Literal["paper", "mmsa"] = "paper",
    ):
        super().__init__()
        self.encoder = TextEncoder(
            dims, text_encoder, hidden=encoder_hidden, layers=encoder_layers, heads=encoder_heads
        )
        self.literal = variant == "mmsa"
        inputs = by_modality(self.encoder.width, dims.audio, dims.vision)
        attention = by_modality(
            attention_dropout_text, attention_dropout_audio, attention_dropout_vision
        )
        positions: Positions = "nonzero" if self.literal else "valid"
        shared: dict[str, Any] = {
            **{"relu_dropout": relu_dropout, "residual_dropout": residual_dropout},
            **{"embedding_dropout": embedding_dropout},
        }
        deep = max(layers, memory_layers)
        kernels = by_modality(kernel_text, kernel_audio, kernel_vision)
        self.text_dropout = nn.Dropout(text_dropout)
        self.projections = nn.ModuleDict(
            {name: same_length(inputs[name], width, kernels[name]) for name in MODALITIES}
        )
        self.crossings = nn.ModuleDict(
            {
                f"{target}_from_{source}": CrossModalEncoder(
                    width,
                    heads,
                    deep if source == target else layers,
                    attention_dropout=attention[source],
                    positions=positions,
                    **shared,
                )
                for target in MODALITIES
                for source in sources(target)
            }
        )
        wide = 3 * width
        self.rebuilders = nn.ModuleDict()
        for name in MODALITIES:
            size = (self._length(dims, name), temporal_heads) if self.literal else (wide, heads)
            self.rebuilders[name] = CrossModalEncoder(
                *size, deep, attention_dropout=attention[name], positions="none", **shared
            )
        self.generators = nn.ModuleDict(
            {name: nn.Linear(wide, inputs[name]) for name in MODALITIES}
        )
        vectors = by_modality(gru_text, gru_audio, gru_vision)
        self.poolings = nn.ModuleDict(
            {
                name: GatedPooling(wide, vectors[name], gru_layers, reads_padding=self.literal)
                for name in MODALITIES
            }
        )
        self.fusion_dropout = nn.Dropout(fusion_dropout)
        self.norm = nn.BatchNorm1d(sum(vectors.values()))
        self.hidden = nn.Linear(sum(vectors.values()), hidden)
        self.output_dropout = nn.Dropout(output_dropout)
        self.head = nn.Linear(hidden, dims.outputs)
        self.missing_rate, self.missing_seed = missing_rate, missing_seed
        if unknown_token is not None and not 0 <= unknown_token < max(dims.vocabulary, 1):
            raise UserError(
                f"unknown_token={unknown_token} is not in the vocabulary of the data, which has "
                f"{dims.vocabulary} tokens; give an id below that, or None"
            )
        self.unknown_token = unknown_token
        self.weights = by_modality(weight_text, weight_audio, weight_vision)
        self.similarity = similarity
        self.started = False
        self.register_buffer("rebuilds", torch.zeros(()), persistent=False)

    def forward(self, batch: Batch) -> Output:
        if not (self.training and self.started):
            return self.predict(self.align(self._streams(batch)))
        chosen = {
            name: getattr(self, f"missing_{name}").index_select(0, batch.index)
            for name in MODALITIES
        }
        whole, partial = self._streams(batch), self._streams(self._incomplete(batch, chosen))
        if self.encoder.reads_tokens:
            chosen["text"] = chosen_tokens(batch, chosen["text"])
        lost = {
            name: stream.mask & chosen[name][:, : stream.mask.shape[1]]
            for name, stream in whole.items()
        }
        return self.reconstruct(whole, partial, lost)

    def align(self, streams: Mapping[str, Stream]) -> dict[str, Stream]:
        """Each modality beside what it reads in itself and the others, `(B, L, 3 d)` each."""
        low = {}
        for name, projection in self.projections.items():
            stream = unmasked(streams[name]) if self.literal else streams[name]
            values = self.text_dropout(stream.values) if name == "text" else stream.values
            values = projection(values.transpose(1, 2)).transpose(1, 2)  # (B, L, d)
            low[name] = Stream(values * stream.mask.unsqueeze(-1), stream.mask)
        aligned = {}
        for target in MODALITIES:
            parts = [
                self.crossings[f"{target}_from_{source}"](
                    low[target], None if source == target else low[source]
                ).values
                for source in sources(target)
            ]
            aligned[target] = Stream(torch.cat(parts, dim=2), streams[target].mask)
        return aligned

    def predict(self, aligned: Mapping[str, Stream]) -> Output:
        """Fuse aligned streams."""
        features, vectors = {}, []
        for name, pooling in self.poolings.items():
            states, vector = pooling(aligned[name])
            vectors.append(self.fusion_dropout(vector))
            features |= {f"aligned_{name}": aligned[name].values}
            features |= {f"fusion_gru_{name}": states, f"fusion_{name}": vector}
        fused = self.norm(torch.cat(vectors, dim=1))
        hidden = self.output_dropout(F.leaky_relu(self.hidden(fused)))  # (B, hidden)
        return Output(self.head(hidden), features)

    def reconstruct(
        self, whole: Mapping[str, Stream], partial: Mapping[str, Stream], lost: Mapping[str, Tensor]
    ) -> Output:
        """Predict from incomplete streams and rebuild the complete ones.

        Args:
            whole: complete streams, the targets.
            partial: the same with missing steps.
            lost: bool `(B, L)` each, the steps that are missing.
        """
        aligned = self.align(partial)
        output = self.predict(aligned)
        features = dict(output.features)
        for name, rebuilder in self.rebuilders.items():
            stream = aligned[name]
            if self.literal:  # (3 d, B, L): the samples of the batch stand for time
                across = stream.values.permute(2, 0, 1)
                valid = torch.ones(across.shape[:2], dtype=torch.bool, device=across.device)
                values = rebuilder(Stream(across, valid)).values.permute(1, 2, 0)
            else:
                values = rebuilder(stream).values
            features[f"generator_input_{name}"] = values  # (B, L, 3 d)
            features[f"generated_{name}"] = self.generators[name](values)
            features[f"complete_{name}"] = whole[name].values
            features[f"lost_{name}"] = lost[name]
        return Output(output.prediction, features)

    def loss(self, output: Output, batch: Batch) -> Tensor:
        loss = self.task.loss(output.prediction, batch.label)
        if "lost_text" not in output.features:
            return loss
        return loss + self.rebuilds * self.generation_loss(output)

    def generation_loss(self, output: Output) -> Tensor:
        """Weighted error of the rebuilt steps, in value and in distribution, a scalar."""
        total = torch.zeros((), device=output.prediction.device)
        for name, weight in self.weights.items():
            complete = output.features[f"complete_{name}"]
            lost = output.features[f"lost_{name}"].unsqueeze(-1).to(complete.dtype)  # (B, L, 1)
            built, target = output.features[f"generated_{name}"] * lost, complete * lost
            numbers = lost.sum(dtype=torch.float32) * complete.shape[2]
            error = F.smooth_l1_loss(built, target, reduction="sum")
            distance = central_moment_discrepancy(built.flatten(0, 1), target.flatten(0, 1), 3)
            error = (error + self.similarity * distance) / (numbers + EPSILON)
            total = total + weight * error * (numbers > 0)
        return total

    def start_training(self, batches: Batches) -> None:
        whole = batches.whole()
        generator = torch.Generator().manual_seed(self.missing_seed)
        steps = {name: whole.modalities[name].mask.shape[1] for name in MODALITIES}
        for name, count in {**steps, "text": word_slots(whole)}.items():
            rate = self.missing_rate if count > 1 else 0.0  # a vector for a whole sample stays
            chosen = draw_drops(batches.samples, count, rate, generator)
            self.register_buffer(f"missing_{name}", chosen.to(whole.index.device), persistent=False)
        if self.encoder.reads_tokens and self.unknown_token is None:
            self.unknown_token = unknown_token_of(whole)
        self.started = True

    def start_epoch(self, epoch: int, batches: Batches) -> None:
        self.rebuilds.fill_(float(epoch > 1))

    def training_only(self) -> tuple[str, ...]:
        return ("rebuilders", "generators")

    def _streams(self, batch: Batch) -> dict[str, Stream]:
        return by_modality(self.encoder(batch), batch.audio, batch.vision)

    def _incomplete(self, batch: Batch, chosen: Mapping[str, Tensor]) -> Batch:
        if self.encoder.reads_tokens:
            batch = unknown_words(batch, chosen["text"], self.unknown_token)
        else:
            batch = batch.with_stream("text", drop_steps(batch.text, chosen["text"]))
        for name in ("audio", "vision"):
            batch = batch.with_stream(name, drop_steps(batch.modalities[name], chosen[name]))
        return batch

    def _length(self, dims: Dims, name: str) -> int:
        key = "tokens" if name == "text" and self.encoder.reads_tokens else name
        if key not in dims.lengths:
            raise UserError(
                f"variant 'mmsa' of tfr-net is built for fixed lengths and the data states none "
                f"of {key}; give dims.lengths, or use variant 'paper'"
            )
        return dims.lengths[key]


def by_modality(text: Any, audio: Any, vision: Any) -> dict[str, Any]:
    """Three values under the names of the modalities."""
    return dict(zip(MODALITIES, (text, audio, vision), strict=True))


def sources(target: str) -> list[str]:
    """What a modality reads: first itself, then the others in the usual order."""
    return [target, *(name for name in MODALITIES if name != target)]


def unknown_token_of(batch: Batch) -> int:
    """The unknown token of the vocabulary whose start mark opens the samples.

    Raises:
        UserError: no known vocabulary has that mark.
    """
    start = int(batch.token_ids[:, 0].mode().values)  # a sample without text may lack the mark
    if start not in UNKNOWN_TOKENS:
        raise UserError(
            f"tfr-net does not know the unknown token of a vocabulary with start mark {start}; "
            f"give unknown_token, the id that the tokeniser has for unknown words"
        )
    return UNKNOWN_TOKENS[start]
