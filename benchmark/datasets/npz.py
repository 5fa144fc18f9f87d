"""Plain folders of `train.npz`, `valid.npz`, `test.npz` and a lenient `dataset.json`."""

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.batch import MODALITIES
from benchmark.config import digest
from benchmark.datasets.source import (
    SPLITS,
    Arrays,
    Source,
    file_digest,
    missing,
    padded_left,
    read_manifest,
    read_npz,
    right_padded,
)
from benchmark.datasets.spec import Integers, Sequences, Split, Strings
from benchmark.datasets.tokens import split_words
from benchmark.datasets.vectors import MAX_WORDS, WordVectors, read_word_vectors
from benchmark.errors import UserError
from benchmark.task import Task, multiclass, multilabel, regression

LEAST_COVERAGE = 0.5  # word vectors that know fewer of the training words are of another language
WORD_VECTORS = "glove_subset"  # the sibling folder looked into when `word_vectors` names no other


def is_npz_folder(folder: Path) -> bool:
    """Whether the folder holds the three splits as npz files."""
    return all((folder / f"{name}.npz").is_file() for name in SPLITS)


def open_npz(folder: Path) -> Source:
    """Look at a folder; features are read split by split.

    Raises:
        UserError: a file is missing or corrupt, or it is not clear what the label means.
    """
    opened = _Folder(folder)
    return Source(
        name=opened.name,
        task=opened.task,
        format="npz",
        sizes={name: len(opened.read_ids(name)) for name in SPLITS},
        read=opened.read,
        read_ids=opened.read_ids,
        digest=opened.digest(),
        provenance=opened.provenance(),
        folds=opened.folds(),
    )


@dataclass
class _Folder:
    """One folder; what its training split decides holds for the other splits too."""

    folder: Path
    manifest: dict[str, Any] = field(init=False)
    name: str = field(init=False)

    def __post_init__(self) -> None:
        self.manifest = read_manifest(self.folder)
        self.name = str(self.manifest.get("name", self.folder.resolve().name))

    def digest(self) -> str:
        parts = [file_digest(self.folder / f"{name}.npz") for name in SPLITS]
        vectors = self.word_vectors
        meaning = {key: self.manifest.get(key) for key in ("labels", "extra")}
        used = [] if vectors is None else [vectors.digest, MAX_WORDS]
        return digest([parts, meaning, used])

    def provenance(self) -> dict[str, Any]:
        known = ("title", "publication", "terms", "split_rule", "warning", "missing", "trust")
        found = {key: self.manifest[key] for key in known if key in self.manifest}
        vectors = self.word_vectors
        if vectors is not None:
            counts = [len(split_words(str(text))) for text in self.train["raw_text"]]
            found["word_vectors"] = {
                "from": vectors.name,
                "covered": vectors.coverage(self.train["raw_text"]),
                "most_words": MAX_WORDS,
                "cut_in_train": sum(count > MAX_WORDS for count in counts),
            }
        return found

    @cached_property
    def train(self) -> Arrays:
        return self._load("train")

    @cached_property
    def task(self) -> Task:
        labels = self.manifest.get("labels", {})
        label = self._array(self.train, "train", self.label_key)
        names = labels.get("names", labels.get(f"{self.label_key}_names"))
        low_high = labels.get("range")
        try:
            if isinstance(names, list):
                return (multilabel if label.ndim == 2 else multiclass)(*map(str, names))
            if label.ndim == 1 and low_high is None and label.dtype.kind in "iub":
                return multiclass(*(f"class {number}" for number in range(int(label.max()) + 1)))
            if low_high is None:
                raise UserError(
                    f"{self.name!r} does not say what its labels mean; put "
                    f'"labels": {{"range": [low, high]}} or {{"names": [...]}} into dataset.json'
                )
            low, high = map(float, low_high)
            neutral = labels.get("neutral")
            return regression(low, high, neutral=None if neutral is None else float(neutral))
        except (TypeError, ValueError) as error:
            if isinstance(error, UserError):
                raise
            raise UserError(
                f"the labels of {self.name!r} cannot be understood from dataset.json: {error}"
            ) from None

    @property
    def label_key(self) -> str:
        labels = self.manifest.get("labels", {})
        return str(labels.get("key", next(iter(labels.get("keys", ())), "label")))

    @cached_property
    def word_vectors(self) -> WordVectors | None:
        """Vectors for the transcripts, where the folder has no text features of its own."""
        if "text" in self.train or "raw_text" not in self.train:
            return None
        chosen = self.manifest.get("word_vectors")
        vectors = read_word_vectors(self.folder.resolve().parent / str(chosen or WORD_VECTORS))
        if vectors is None and chosen:
            raise UserError(
                f"{self.name!r} asks for the word vectors {chosen!r}, but beside it there is no "
                f"such folder with one npz file of 'word' and 'vector'"
            )
        if vectors is None or vectors.coverage(self.train["raw_text"]) < LEAST_COVERAGE:
            return None
        return vectors

    def folds(self) -> dict[str, Integers] | None:
        """The array `cv_fold` of every split; None where one has none."""
        found = {name: self._load(name, ("cv_fold",)).get("cv_fold") for name in SPLITS}
        if any(fold is None for fold in found.values()):
            return None
        return {name: np.asarray(fold, dtype=np.int64) for name, fold in found.items()}

    def read_ids(self, split: str) -> Strings:
        """The ids alone; where there are none, labels are counted and not looked at."""
        if split == "train":
            return self._ids(self.train, split)
        arrays = self._load(split, ("id", "video_id", "clip"))
        if "id" not in arrays and len(arrays) < 2:
            arrays |= self._load(split, (self.label_key,))
        return self._ids(arrays, split)

    def _ids(self, arrays: Arrays, split: str) -> Strings:
        if "id" in arrays:
            return arrays["id"].astype(np.str_)
        if "video_id" in arrays and "clip" in arrays:
            pairs = zip(arrays["video_id"], arrays["clip"], strict=True)
            return np.array([f"{video}_{clip}" for video, clip in pairs], dtype=np.str_)
        count = len(self._array(arrays, split, self.label_key))
        return np.array([f"{split}-{place:05d}" for place in range(count)], dtype=np.str_)

    def read(self, split: str) -> Split:
        """One split, right-padded, with a masked stream for a modality that is not there."""
        arrays = self.train if split == "train" else self._load(split)
        ids = self._ids(arrays, split)
        label = self._array(arrays, split, self.label_key)
        if self.task.kind == "regression" and label.ndim == 2 and label.shape[1] == 1:
            label = label[:, 0]
        extra = {str(name): self._sequences(arrays, split, name) for name in self._extra}
        streams = {name: self._sequences(arrays, split, name) for name in MODALITIES}
        transcripts = arrays.get("raw_text")
        if "text" not in self.train and transcripts is not None:
            vectors = self.word_vectors
            streams["text"] = (
                missing(len(ids), 0) if vectors is None else vectors.embed(transcripts)
            )
        elif not any(name in self.train for name in MODALITIES):
            raise UserError(
                f"{self.name!r} has neither features nor transcripts; a split needs 'text', "
                f"'audio', 'vision' or 'raw_text'"
            )
        groups = next(
            (arrays[key] for key in ("video_id", "group", "speaker") if key in arrays), None
        )
        result = Split(
            name=split,
            ids=ids,
            label=label.astype(np.int64 if self.task.kind == "multiclass" else np.float32),
            text=streams["text"],
            audio=streams["audio"],
            vision=streams["vision"],
            groups=None if groups is None else groups.astype(np.str_),
            transcripts=None if transcripts is None else transcripts.astype(np.str_),
            unimodal_labels={
                name: arrays[f"label_{name}"].astype(np.float32)
                for name in MODALITIES
                if f"label_{name}" in arrays
            },
            extra=extra,
        )
        self._refuse_uneven(result)
        return result

    @property
    def _extra(self) -> list[str]:
        return list(self.manifest.get("extra", []))

    def _refuse_uneven(self, split: Split) -> None:
        counts = {"label": len(split.label), "ids": len(split.ids)}
        counts |= {name: len(split.sequences(name).values) for name in (*MODALITIES, *split.extra)}
        optional = {"groups": split.groups, "raw_text": split.transcripts}
        counts |= {name: len(value) for name, value in optional.items() if value is not None}
        counts |= {f"label_{name}": len(value) for name, value in split.unimodal_labels.items()}
        for name, count in counts.items():
            if count != len(split.ids):
                raise UserError(
                    f"the {split.name} split of {self.name!r} has {count} rows of {name} for "
                    f"{len(split.ids)} samples; every array needs one row a sample"
                )

    def _sequences(self, arrays: Arrays, split: str, name: str) -> Sequences:
        if name not in self.train:
            count = len(self._array(arrays, split, self.label_key))
            return missing(count)
        values = self._array(arrays, split, name)
        if values.dtype.kind not in "fiu" or values.ndim not in (2, 3):
            raise UserError(
                f"{name} of the {split} split of {self.name!r} is {values.dtype} of shape "
                f"{values.shape}; it must be numbers (samples, features) or "
                f"(samples, steps, features)"
            )
        if values.ndim == 2:
            ones = np.ones(len(values), dtype=np.int64)
            return Sequences(values[:, None].astype(np.float32), ones)
        content, left = self._content(arrays, name, values)
        if content.shape != values.shape[:2]:
            raise UserError(
                f"the mask or lengths of {name} in the {split} split of {self.name!r} do not fit "
                f"its {values.shape[0]} samples of {values.shape[1]} steps"
            )
        return right_padded(values, content, left=left)

    def _content(
        self, arrays: Arrays, name: str, values: NDArray[Any]
    ) -> tuple[NDArray[np.bool_], bool | None]:
        """Where samples begin and end: a mask, lengths, or else the steps that are not zero."""
        if f"{name}_mask" in arrays:
            return arrays[f"{name}_mask"].astype(bool), None
        if "mask" in arrays and arrays["mask"].shape == values.shape[:2]:
            some = (values != 0).any(axis=(1, 2))  # a shared mask does not say what is missing
            return arrays["mask"].astype(bool) & some[:, None], None
        for key in (f"{name}_lengths", f"{name}_length"):
            if key in arrays:
                return np.arange(values.shape[1]) < arrays[key].reshape(-1, 1), False
        return _nonzero(values), padded_left(_nonzero(self.train[name]))

    def _array(self, arrays: Arrays, split: str, name: str) -> NDArray[Any]:
        if name not in arrays:
            raise UserError(
                f"{split}.npz of {self.name!r} has no array {name!r}; it has "
                f"{', '.join(sorted(arrays)) or 'none'}"
            )
        return arrays[name]

    def _load(self, split: str, wanted: tuple[str, ...] | None = None) -> Arrays:
        return read_npz(self.folder / f"{split}.npz", wanted)


def _nonzero(values: NDArray[Any]) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = (values != 0).any(axis=2)
    return found
