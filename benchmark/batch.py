"""Stream and Batch: the only things that loaders, corruptions and models exchange."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from benchmark.errors import UserError
from benchmark.task import further


@dataclass(frozen=True, slots=True)
class Stream:
    """One modality of a batch.

    Attributes:
        values: float `(B, L, D)`, zero beyond the mask.
        mask: bool `(B, L)`, True on valid steps, a prefix of each row. A missing modality is an
            all-False row with zero values.
    """

    values: Tensor
    mask: Tensor

    @property
    def lengths(self) -> Tensor:
        """Valid steps of each sample, int64 `(B,)`; 0 where the modality is missing."""
        return self.mask.sum(dim=1)

    def mean(self) -> Tensor:
        """Mean over the valid steps, `(B, D)`; zeros where the modality is missing."""
        weights = self.mask.unsqueeze(-1).to(self.values.dtype)  # (B, L, 1)
        return (self.values * weights).sum(dim=1) / weights.sum(dim=1).clamp(min=1)


class Sealed(Tensor):
    """Stands where prediction has no label and no place in the split: shape and device are told.

    What is below is NaN (-1 for whole numbers), so that nothing is there to be found either.
    """

    blank: Tensor

    @staticmethod
    def of(value: Tensor) -> "Sealed":
        """A seal of the same shape, type and device."""
        if isinstance(value, Sealed):
            return value
        filler = float("nan") if value.is_floating_point() else -1
        blank = torch.full_like(value, filler)
        sealed: Sealed = blank.as_subclass(Sealed)
        sealed.blank = blank
        return sealed

    @classmethod
    def __torch_function__(
        cls, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Answer questions about shape and device, refuse all others.

        Raises:
            UserError: the values are asked for.
        """
        if getattr(func, "__self__", func) in _TOLD or func in _TOLD:
            return super().__torch_function__(  # type: ignore[no-untyped-call]
                func, types, args, kwargs or {}
            )
        raise UserError(
            "the model reads label, unimodal_labels or index while it predicts; they are known in "
            "training only: predict from the streams and the tokens"
        )


_TOLD = {
    *(getattr(Tensor, name) for name in ("shape", "device", "dtype", "ndim", "is_cuda")),
    *(getattr(Tensor, name) for name in ("size", "dim", "numel", "__len__", "is_floating_point")),
    *(getattr(Tensor, name) for name in ("__repr__",)),
}


@dataclass(frozen=True, slots=True)
class Batch:
    """Samples with their labels, on one device.

    Attributes:
        modalities: streams by name: text (word or utterance vectors; missing where a dataset
            holds tokens only), audio, vision, then further ones, which models that do not name
            them never see.
        label: float `(B,)` for regression, the deviation from the task's neutral label; int64
            `(B,)` for classes, float `(B, C)` for multilabel. Sealed while a model predicts.
        index: int64 `(B,)`, the place of each sample in its split. Sealed likewise.
        token_ids: int64 `(B, K)` or None where the dataset has no tokens; first and last valid
            token are the start and end marks of the vocabulary.
        token_mask: bool `(B, K)`, a prefix of each row; all False where the text is missing.
        token_words: int64 `(B, K)`, the word (a row of a word-level stream) that a token belongs
            to; -1 on marks and padding.
        unimodal_labels: labels of single modalities, each `(B,)`, where annotated.
    """

    modalities: Mapping[str, Stream]
    label: Tensor
    index: Tensor
    token_ids: Tensor | None = None
    token_mask: Tensor | None = None
    token_words: Tensor | None = None
    unimodal_labels: Mapping[str, Tensor] = field(default_factory=dict)

    def __len__(self) -> int:
        return int(self.text.mask.shape[0])

    @property
    def text(self) -> Stream:
        """Word or utterance vectors."""
        return self.modalities["text"]

    @property
    def audio(self) -> Stream:
        """Acoustic features."""
        return self.modalities["audio"]

    @property
    def vision(self) -> Stream:
        """Visual features."""
        return self.modalities["vision"]

    @property
    def extra(self) -> dict[str, Stream]:
        """The streams beyond text, audio and vision, by name."""
        return further(self.modalities)

    @property
    def streams(self) -> tuple[Stream, Stream, Stream]:
        """Text, audio, vision: the order that holds everywhere."""
        return self.text, self.audio, self.vision

    @property
    def device(self) -> torch.device:
        """Where the samples are."""
        return self.text.mask.device

    def select(self, index: Tensor) -> "Batch":
        """The samples at `index`, int64 `(b,)`, as a new batch."""
        return self._map(lambda tensor: tensor.index_select(0, index))

    def to(self, device: torch.device | str) -> "Batch":
        """The same batch on another device."""
        return self._map(lambda tensor: tensor.to(device))

    def with_stream(self, name: str, stream: Stream) -> "Batch":
        """The same batch with one modality replaced."""
        return replace(self, modalities={**self.modalities, name: stream})

    def without(self, *modalities: str) -> "Batch":
        """The same batch with these modalities missing (their tokens too)."""
        batch = self
        for name in modalities:
            stream = batch.modalities[name]
            batch = batch.with_stream(
                name, Stream(torch.zeros_like(stream.values), torch.zeros_like(stream.mask))
            )
        if "text" in modalities and batch.token_ids is not None:
            assert batch.token_mask is not None  # tokens and their mask come together
            batch = replace(batch, token_mask=torch.zeros_like(batch.token_mask))
        return batch

    def sealed(self) -> "Batch":
        """The same batch as prediction gets it: whoever reads labels or places meets an error."""
        return replace(
            self,
            label=Sealed.of(self.label),
            index=Sealed.of(self.index),
            unimodal_labels={
                name: Sealed.of(value) for name, value in self.unimodal_labels.items()
            },
        )

    def centred(self, centre: float) -> "Batch":
        """The same batch with labels as deviations from `centre`; itself where that is 0."""
        if not centre:
            return self
        unimodal = {name: value - centre for name, value in self.unimodal_labels.items()}
        return replace(self, label=self.label - centre, unimodal_labels=unimodal)

    def _map(self, function: Callable[[Tensor], Tensor]) -> "Batch":
        def stream(value: Stream) -> Stream:
            return Stream(function(value.values), function(value.mask))

        def maybe(value: Tensor | None) -> Tensor | None:
            return None if value is None else function(value)

        def kept(value: Tensor) -> Tensor:
            return (
                Sealed.of(function(value.blank)) if isinstance(value, Sealed) else function(value)
            )

        return Batch(
            modalities={name: stream(value) for name, value in self.modalities.items()},
            label=kept(self.label),
            index=kept(self.index),
            token_ids=maybe(self.token_ids),
            token_mask=maybe(self.token_mask),
            token_words=maybe(self.token_words),
            unimodal_labels={name: kept(value) for name, value in self.unimodal_labels.items()},
        )
