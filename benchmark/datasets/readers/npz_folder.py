"""Plain folders: `train.npz`, `valid.npz`, `test.npz`, or one file with folds, and notes."""

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.batch import MODALITIES
from benchmark.config import digest
from benchmark.datasets.dataset import Floats, Integers, Sequences, Split, Strings
from benchmark.datasets.labels import Labels, refuse_labels
from benchmark.datasets.readers.files import (
    Arrays,
    file_digest,
    named,
    npz_names,
    read_manifest,
    read_npz,
)
from benchmark.datasets.readers.word_vectors import MAX_WORDS, WordVectors, read_word_vectors
from benchmark.datasets.source import SPLITS, Source, missing, padded_left, right_padded, single
from benchmark.datasets.tokens import split_words
from benchmark.errors import UserError
from benchmark.naming import check_name, clipped, shown
from benchmark.task import Task

LEAST_COVERAGE = 0.5  # word vectors that know fewer of the training words are of another language
WORD_VECTORS = "glove_subset"  # the sibling folder looked into when `word_vectors` names no other
FOLDS = ("cv_fold", "fold")  # hold the fold of each sample; the second only without splits
WHOLE = "all"  # the one part of a dataset that has folds and no splits


def is_npz_folder(folder: Path) -> bool:
    """Whether the folder holds the three splits as npz files, or one npz file with folds."""
    return all((folder / f"{name}.npz").is_file() for name in SPLITS) or bool(whole_file(folder))


def whole_file(folder: Path) -> Path | None:
    """The one file of a folder without splits: `all.npz`, or its only npz file if it has folds."""
    paths = sorted(folder.glob("*.npz"))
    if any(path.stem in SPLITS for path in paths):
        return None
    if (folder / f"{WHOLE}.npz").is_file():
        return folder / f"{WHOLE}.npz"
    return paths[0] if len(paths) == 1 and {*FOLDS} & {*npz_names(paths[0])} else None


def open_npz(folder: Path, label: str = "") -> Source:
    """Look at a folder; features are read split by split.

    Args:
        folder: of the npz files and `dataset.json`.
        label: which label or which column of it, where the folder has several.

    Raises:
        UserError: a file is missing or corrupt, or it is not clear what the label means.
    """
    opened = _Folder(folder, label)
    return Source(
        task=opened.task,
        name=check_name("the dataset", opened.name + opened.labels.suffix),
        format="npz",
        sizes={name: len(opened.read_ids(name)) for name in opened.parts},
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
    chosen: str = ""
    manifest: dict[str, Any] = field(init=False)
    name: str = field(init=False)
    labels: Labels = field(init=False)
    parts: tuple[str, ...] = field(init=False)
    extra: list[str] = field(init=False)

    def __post_init__(self) -> None:
        self.manifest = read_manifest(self.folder)
        self.name = named(self.folder, self.manifest)
        self.labels = Labels(self.name, self.manifest, self.chosen)
        self.extra = self._extra()
        self.whole = whole_file(self.folder)
        self.parts = (WHOLE,) if self.whole else SPLITS

    def digest(self) -> str:
        parts = [file_digest(self._path(name)) for name in self.parts]
        vectors = self.word_vectors
        used = [] if vectors is None else [vectors.digest, MAX_WORDS]
        return digest([parts, self.labels.meaning(self.manifest), used])

    def provenance(self) -> dict[str, Any]:
        known = ("title", "publication", "terms", "split_rule", "warning", "missing", "trust")
        found = {key: self.manifest[key] for key in known if key in self.manifest}
        found |= self.labels.neutral(self.task)
        vectors = self.word_vectors
        if vectors is not None:
            counts = [len(split_words(str(text))) for text in self._transcripts]
            found["word_vectors"] = {
                "from": vectors.name,
                "covered": vectors.coverage(self._transcripts),
                "most_words": MAX_WORDS,
                "cut_in_train": sum(count > MAX_WORDS for count in counts),
            }
        return found

    @cached_property
    def train(self) -> Arrays:
        """What decides for all parts: the training split, or the whole."""
        return self._load(self.parts[0])

    @cached_property
    def task(self) -> Task:
        return self.labels.task(self._label(self.train, self.parts[0]))

    def _label(self, arrays: Arrays, split: str) -> NDArray[Any]:
        return self.labels.pick(self._place(split), self._array(arrays, split, self.labels.key))

    @cached_property
    def word_vectors(self) -> WordVectors | None:
        """Vectors for the transcripts, where the folder has no text features of its own."""
        if "text" in self.train or "raw_text" not in self.train:
            return None
        chosen = self.manifest.get("word_vectors")
        name = WORD_VECTORS if chosen is None else check_name("the folder word_vectors", chosen)
        vectors = read_word_vectors(self.folder.resolve().parent / name)
        if vectors is None and chosen is not None:
            raise UserError(
                f"{self.name!r} asks for the word vectors {chosen!r}, but beside it there is no "
                f"such folder with one npz file of 'word' and 'vector'"
            )
        if vectors is None or vectors.coverage(self._transcripts) < LEAST_COVERAGE:
            return None
        return vectors

    @property
    def _transcripts(self) -> Strings:
        return self._strings(self.train, self.parts[0], "raw_text")

    def folds(self) -> dict[str, Integers] | None:
        """The fold of each sample of every part; None where one has none.

        Raises:
            UserError: folds are no whole numbers, or a whole without splits has none.
        """
        found = {}
        for name in self.parts:
            arrays = self._load(name, FOLDS if self.whole else FOLDS[:1])
            key = next((key for key in FOLDS if key in arrays), None)
            if key is None and self.whole:
                raise UserError(
                    f"{self.whole.name} of {self.name!r} has no array 'fold' with the fold of each "
                    f"sample; add it, or write train.npz, valid.npz and test.npz"
                )
            if key is None:
                return None
            found[name] = self._folds(self._array(arrays, name, key), name, key)
        return found

    def _folds(self, fold: NDArray[Any], split: str, key: str) -> Integers:
        whole = fold.dtype.kind in "iu" and fold.ndim == 1
        if not whole or ((fold < 0) | (fold >= 2**31)).any():
            raise UserError(
                f"{key!r} of {self._path(split).name} of {self.name!r} is {fold.dtype} of shape "
                f"{fold.shape}; it must be one whole number from 0 a sample"
            )
        return fold.astype(np.int64)

    def read_ids(self, split: str) -> Strings:
        """The ids alone; where there are none, labels are counted and not looked at."""
        if split == self.parts[0]:
            return self._ids(self.train, split)
        arrays = self._load(split, ("id", "video_id", "clip"))
        if "id" not in arrays and not {"video_id", "clip"} <= set(arrays):
            arrays |= self._load(split, (self.labels.key,))
        return self._ids(arrays, split)

    def _ids(self, arrays: Arrays, split: str) -> Strings:
        if "id" in arrays:
            return self._strings(arrays, split, "id")
        if "video_id" in arrays and "clip" in arrays:
            videos, clips = (self._strings(arrays, split, key) for key in ("video_id", "clip"))
            if len(videos) == len(clips):
                pairs = zip(videos, clips, strict=True)
                return np.array([f"{video}_{clip}" for video, clip in pairs], dtype=np.str_)
        count = len(self._array(arrays, split, self.labels.key))
        return np.array([f"{split}-{place:05d}" for place in range(count)], dtype=np.str_)

    def read(self, split: str) -> Split:
        """One split, right-padded, with a masked stream for a modality that is not there."""
        arrays = self.train if split == self.parts[0] else self._load(split)
        ids = self._ids(arrays, split)
        label = self._label(arrays, split)
        refuse_labels(self._place(split), label, self.task)
        extra = {name: self._sequences(arrays, split, name) for name in self.extra}
        streams = {name: self._sequences(arrays, split, name) for name in MODALITIES}
        transcripts = self._strings(arrays, split, "raw_text") if "raw_text" in arrays else None
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
        group = next((key for key in ("video_id", "group", "speaker") if key in arrays), None)
        result = Split(
            name=split,
            ids=ids,
            label=label.astype(np.int64 if self.task.kind == "multiclass" else np.float32),
            text=streams["text"],
            audio=streams["audio"],
            vision=streams["vision"],
            groups=None if group is None else self._strings(arrays, split, group),
            transcripts=transcripts,
            unimodal_labels={
                name: self._unimodal(arrays, split, f"label_{name}")
                for name in MODALITIES
                if f"label_{name}" in arrays
            },
            extra=extra,
        )
        self._refuse_uneven(result)
        return result

    def _unimodal(self, arrays: Arrays, split: str, name: str) -> Floats:
        label = self._array(arrays, split, name)
        if label.dtype.kind not in "fiub" or label.ndim != 1:
            raise UserError(
                f"{self._place(split)} has {name} of type {label.dtype} and shape {label.shape}; "
                f"it must be one number a sample"
            )
        return label.astype(np.float32)

    def _extra(self) -> list[str]:
        """Names of further modalities; none may stand for another array."""
        extra = self.manifest.get("extra")
        if extra is None:
            return []
        if not isinstance(extra, list):
            raise UserError(
                f'"extra" in dataset.json of {self.name!r} is {shown(extra)}; it must be a list of '
                f"names"
            )
        names = [check_name("a modality", name) for name in extra]
        for place, name in enumerate(names):
            if name in (*MODALITIES, *names[:place]) or name.endswith(("_lengths", "_mask")):
                raise UserError(
                    f'"extra" in dataset.json of {self.name!r} has {name!r}, which stands for '
                    f"something else; name each further modality once"
                )
        return names

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
        if name not in self.train and name in MODALITIES:
            if name in arrays:
                raise UserError(
                    f"{self._place(split)} has {name} but the training split has none; give it in "
                    f"every split or in none"
                )
            return missing(len(self._ids(arrays, split)))
        values = self._array(arrays, split, name)
        if values.dtype.kind not in "fiu" or values.ndim not in (2, 3):
            raise UserError(
                f"{name} of the {split} split of {self.name!r} is {values.dtype} of shape "
                f"{values.shape}; it must be numbers (samples, features) or "
                f"(samples, steps, features)"
            )
        if values.ndim != self._array(self.train, self.parts[0], name).ndim:
            raise UserError(
                f"{name} of {self._place(split)} has shape {values.shape}, that of the training "
                f"split {self.train[name].shape}; give both steps or neither"
            )
        if not all(values.shape[1:]):
            raise UserError(
                f"{name} of {self._place(split)} has shape {values.shape}; it needs one step and "
                f"one feature at least: leave it out of every split if it is missing"
            )
        if values.ndim == 2:
            ones = np.ones(len(values), dtype=np.int64)
            return Sequences(single(values[:, None]), ones)
        content, left = self._content(arrays, split, name, values)
        if content.shape != values.shape[:2]:
            raise UserError(
                f"the mask or lengths of {name} in the {split} split of {self.name!r} do not fit "
                f"its {values.shape[0]} samples of {values.shape[1]} steps"
            )
        return right_padded(values, content, left=left)

    def _content(
        self, arrays: Arrays, split: str, name: str, values: NDArray[Any]
    ) -> tuple[NDArray[np.bool_], bool | None]:
        """Where samples begin and end: a mask, lengths, or else the steps that are not zero."""
        if f"{name}_mask" in arrays:
            mask = arrays[f"{name}_mask"]
            if mask.dtype.kind not in "biuf":
                raise UserError(
                    f"{name}_mask of {self._place(split)} is {mask.dtype}; it must be true or false"
                )
            return mask.astype(bool), None
        shared = arrays.get("mask")
        if shared is not None and shared.dtype.kind in "biuf" and shared.shape == values.shape[:2]:
            some = (values != 0).any(axis=(1, 2))  # a shared mask does not say what is missing
            return shared.astype(bool) & some[:, None], None
        for key in (f"{name}_lengths", f"{name}_length"):
            if key in arrays:
                return self._steps(arrays[key], key, split, values), False
        return _nonzero(values), padded_left(_nonzero(self.train[name]))

    def _steps(
        self, lengths: NDArray[Any], key: str, split: str, values: NDArray[Any]
    ) -> NDArray[np.bool_]:
        steps = values.shape[1]
        numbers = lengths.dtype.kind in "fiu" and lengths.size == len(values)
        if not numbers or not np.isin(lengths, np.arange(steps + 1)).all():
            raise UserError(
                f"{key} of {self._place(split)} must be one whole number from 0 to {steps} a "
                f"sample, the steps that are there"
            )
        found: NDArray[np.bool_] = np.arange(steps) < lengths.reshape(-1, 1)
        return found

    def _array(self, arrays: Arrays, split: str, name: str) -> NDArray[Any]:
        file = self._path(split).name
        if name not in arrays:
            raise UserError(
                f"{file} of {self.name!r} has no array {shown(name)}, which every split needs; it "
                f"has {', '.join(map(clipped, sorted(arrays)[:20])) or 'none'}"
            )
        if not arrays[name].ndim:
            raise UserError(
                f"{name!r} in {file} of {self.name!r} is one value; it needs one row a sample"
            )
        return arrays[name]

    def _strings(self, arrays: Arrays, split: str, name: str) -> Strings:
        values = self._array(arrays, split, name)
        if values.ndim != 1:
            raise UserError(
                f"{name!r} in {self._path(split).name} of {self.name!r} has shape {values.shape}; "
                f"it needs one text a sample"
            )
        if values.dtype.kind not in "USiuf":
            raise UserError(
                f"{name!r} in {self._path(split).name} of {self.name!r} is {values.dtype}; it "
                f"needs one text a sample"
            )
        try:
            return values.astype(np.str_)
        except UnicodeDecodeError:
            raise UserError(
                f"{name!r} in {self._path(split).name} of {self.name!r} has bytes that are no "
                f"ASCII; write it as text"
            ) from None

    def _place(self, split: str) -> str:
        return f"{self.name!r}" if self.whole else f"the {split} split of {self.name!r}"

    def _path(self, split: str) -> Path:
        return self.whole or self.folder / f"{split}.npz"

    def _load(self, split: str, wanted: tuple[str, ...] | None = None) -> Arrays:
        return read_npz(self._path(split), wanted)


def _nonzero(values: NDArray[Any]) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = (values != 0).any(axis=2)
    return found
