"""Dataset, Split, Sequences and Vocabulary: data in memory, before it becomes tensors."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from benchmark.task import Dims, Task, further

if TYPE_CHECKING:
    import torch

    from benchmark.batch import Batch, Stream

Floats = NDArray[np.float32]
Integers = NDArray[np.int64]
Strings = NDArray[np.str_]

SPLITS = ("train", "valid", "test")


@dataclass(frozen=True, slots=True)
class Sequences:
    """One modality of a split: `values` float32 `(N, L, D)`, zero beyond `lengths` int64 `(N,)`."""

    values: Floats
    lengths: Integers

    @property
    def mask(self) -> NDArray[np.bool_]:
        """True on valid steps, bool `(N, L)`."""
        return np.arange(self.values.shape[1]) < self.lengths[:, None]

    def stream(self) -> "Stream":
        """The same as tensors."""
        import torch  # imported late: what reads data alone needs no PyTorch

        from benchmark.batch import Stream

        return Stream(torch.tensor(self.values), torch.from_numpy(self.mask))


@dataclass(frozen=True, slots=True)
class Tokens:
    """Token ids of a split.

    Attributes:
        ids: int64 `(N, K)`, right-padded with the padding id.
        lengths: int64 `(N,)`, valid tokens including the start and end marks.
        words: int64 `(N, K)`, the word each token belongs to, -1 on marks and padding.
    """

    ids: Integers
    lengths: Integers
    words: Integers

    @property
    def mask(self) -> NDArray[np.bool_]:
        """True on valid tokens, bool `(N, K)`."""
        return np.arange(self.ids.shape[1]) < self.lengths[:, None]


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Size of the token vocabulary and its special ids."""

    size: int
    pad: int = 0
    unknown: int = 1
    start: int = 2
    end: int = 3
    mask: int = 4


@dataclass(frozen=True, slots=True)
class Split:
    """The samples of one split, in a fixed order.

    Attributes:
        name: `train`, `valid` or `test`.
        ids: unique sample ids `(N,)`.
        label: float32 `(N,)`, int64 `(N,)` for classes, float32 `(N, C)` for multilabel.
        modalities: features by name: text (of width 0 only if the dataset has tokens alone),
            audio, vision, then further ones.
        tokens: token ids, if the dataset has any.
        groups: video or speaker of each sample `(N,)`, if known.
        transcripts: raw text `(N,)`, if known.
        unimodal_labels: float32 `(N,)` by modality, if annotated.
        oracle: the best reachable prediction `(N,)`, for synthetic data.
    """

    name: str
    ids: Strings
    label: NDArray[Any]
    modalities: Mapping[str, Sequences]
    tokens: Tokens | None = None
    groups: Strings | None = None
    transcripts: Strings | None = None
    unimodal_labels: Mapping[str, Floats] = field(default_factory=dict)
    oracle: Floats | None = None

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def text(self) -> Sequences:
        """Text features."""
        return self.modalities["text"]

    @property
    def audio(self) -> Sequences:
        """Acoustic features."""
        return self.modalities["audio"]

    @property
    def vision(self) -> Sequences:
        """Visual features."""
        return self.modalities["vision"]

    @property
    def extra(self) -> dict[str, Sequences]:
        """The features beyond text, audio and vision, by name."""
        return further(self.modalities)

    def with_sequences(self, modality: str, sequences: Sequences) -> "Split":
        """The same split with one modality replaced."""
        return replace(self, modalities={**self.modalities, modality: sequences})

    def select(self, index: Integers | NDArray[np.bool_]) -> "Split":
        """The samples at `index`, int64 `(n,)` or bool `(N,)`, as a split of the same name."""
        return replace(
            self, **{part.name: _rows(getattr(self, part.name), index) for part in fields(self)}
        )

    def batch(self, device: "torch.device | str" = "cpu", *, centre: float = 0.0) -> "Batch":
        """The whole split as one batch on a device, its labels as deviations from `centre`."""
        import torch

        from benchmark.batch import Batch

        tokens = self.tokens
        batch = Batch(
            modalities={name: value.stream() for name, value in self.modalities.items()},
            label=torch.tensor(self.label),
            index=torch.arange(len(self)),
            token_ids=None if tokens is None else torch.tensor(tokens.ids),
            token_mask=None if tokens is None else torch.from_numpy(tokens.mask),
            token_words=None if tokens is None else torch.tensor(tokens.words),
            unimodal_labels={
                name: torch.tensor(value) for name, value in self.unimodal_labels.items()
            },
        )
        return batch.centred(centre).to(device)


def _rows(value: Any, index: Integers | NDArray[np.bool_]) -> Any:
    """The samples at `index` of whatever a split holds: arrays, sequences, mappings of these."""
    if isinstance(value, Sequences | Tokens):
        return replace(
            value, **{part.name: getattr(value, part.name)[index] for part in fields(value)}
        )
    if isinstance(value, Mapping):
        return {name: _rows(part, index) for name, part in value.items()}
    return value[index] if isinstance(value, np.ndarray) else value


@dataclass(frozen=True)
class Dataset:
    """A dataset whose test split stays closed until it is asked for.

    Attributes:
        name: the name used in commands, records and tables.
        task: what the label means.
        dims: widths, outputs and vocabulary; `dims.lengths` holds the longest sequences.
        train: the training split.
        valid: the validation split.
        open_test: reads the test split from its store; nothing of it is in memory before.
        fingerprint: hash of all arrays, the test split's too, and of the tokeniser.
        vocabulary: special token ids, if there are tokens.
        encoder: the text encoder whose tokeniser made the tokens, `scratch` for our own
            vocabulary, or empty.
        provenance: where the data comes from; for a regression `neutral` says whether the neutral
            label was `stated` (or follows from a range symmetric about 0) or `assumed`.
        standardised: streams that were scaled by the statistics of the training split.
    """

    name: str
    task: Task
    dims: Dims
    train: Split
    valid: Split
    open_test: Callable[[], Split]
    fingerprint: str
    vocabulary: Vocabulary | None = None
    encoder: str = ""
    provenance: Mapping[str, Any] = field(default_factory=dict)
    standardised: tuple[str, ...] = ()

    def verify_test(self) -> None:
        """Read the test split as it will be read after training, and keep nothing of it.

        Raises:
            UserError: it is broken, and no training should begin.
        """
        self.open_test()


@dataclass(frozen=True, slots=True)
class Scale:
    """Mean and standard deviation of each feature over the valid steps of a training split."""

    mean: Floats
    deviation: Floats

    @classmethod
    def of(cls, sequences: Sequences) -> "Scale":
        """Statistics of a stream; a constant or absent feature has deviation 0."""
        values = sequences.values[sequences.mask].astype(np.float64)  # (steps, D)
        if not len(values):
            width = sequences.values.shape[2]
            return cls(np.zeros(width, np.float32), np.zeros(width, np.float32))
        return cls(values.mean(axis=0).astype(np.float32), values.std(axis=0).astype(np.float32))

    def apply(self, sequences: Sequences) -> Sequences:
        """Scale the valid steps to mean 0 and deviation 1; a constant feature becomes 0."""
        divisor = np.where(self.deviation > 0, self.deviation, 1)
        values = (sequences.values - self.mean) / divisor * sequences.mask[..., None]
        return Sequences(values.astype(np.float32), sequences.lengths)
