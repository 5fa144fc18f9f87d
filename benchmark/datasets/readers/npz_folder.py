"""Plain folders: `train.npz`, `valid.npz`, `test.npz`, or one file with folds, and notes."""

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.config import digest
from benchmark.datasets.checks import refuse_labels
from benchmark.datasets.dataset import SPLITS, Integers, Sequences, Split, Strings
from benchmark.datasets.files.dataset_json import named, read_manifest
from benchmark.datasets.files.npz import npz_names
from benchmark.datasets.files.npz_part import WHOLE, Part
from benchmark.datasets.files.padding import missing
from benchmark.datasets.files.regular import file_digest
from benchmark.datasets.files.word_vectors import MAX_WORDS, WordVectors, read_word_vectors
from benchmark.datasets.labels import Labels
from benchmark.datasets.reader import Reader
from benchmark.datasets.source import Source
from benchmark.datasets.tokens import split_words
from benchmark.errors import UserError
from benchmark.naming import check_name, shown
from benchmark.task import MODALITIES, Task

LEAST_COVERAGE = 0.5  # word vectors that know fewer of the training words are of another language
WORD_VECTORS = "glove_subset"  # the sibling folder looked into when `word_vectors` names no other
FOLDS = ("cv_fold", "fold")  # hold the fold of each sample; the second only without splits


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


def what_is_missing(folder: Path) -> str:
    """What a folder that resembles a plain one lacks; empty where it does not.

    Raises:
        UserError: it holds broken word vectors.
    """
    vectors = read_word_vectors(folder)
    if vectors is not None:
        return (
            f"it holds {len(vectors.rows)} word vectors, which a dataset with transcripts takes as "
            f'"word_vectors": "{folder.name}" in its dataset.json'
        )
    for name in (*SPLITS, WHOLE):
        path = folder / f"{name}.npz"
        if path.exists() and not path.is_file():
            return f"{path.name} is no file but a folder, pipe or device; put an npz file there"
    absent = [f"{name}.npz" for name in SPLITS if not (folder / f"{name}.npz").is_file()]
    if len(absent) == len(SPLITS):
        return ""
    return f"it lacks {' and '.join(absent)}; every split is one npz file"


def open_npz(folder: Path, label: str, name: str) -> Source:
    """Look at a folder; features are read split by split.

    Args:
        folder: of the npz files and `dataset.json`.
        label: which label or which column of it, where the folder has several.
        name: not looked at: the folder has its own.

    Raises:
        UserError: a file is missing or corrupt, or it is not clear what the label means.
    """
    opened = _Folder(folder, label)
    return Source(
        task=opened.task,
        name=check_name("the dataset", opened.name + opened.labels.suffix),
        format=READER.name,
        title="a npz folder",
        sizes={part: len(opened.read_ids(part)) for part in opened.parts},
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
    chosen: str
    manifest: dict[str, Any] = field(init=False)
    name: str = field(init=False)
    labels: Labels = field(init=False)
    whole: Path | None = field(init=False)
    parts: tuple[str, ...] = field(init=False)
    extra: list[str] = field(init=False)

    def __post_init__(self) -> None:
        self.manifest = read_manifest(self.folder)
        self.name = named(self.folder, self.manifest)
        self.labels = Labels(self.name, self.manifest, self.chosen)
        self.extra = self._extra()
        self.whole = whole_file(self.folder)
        self.parts = (WHOLE,) if self.whole else SPLITS

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

    def _path(self, split: str) -> Path:
        return self.whole or self.folder / f"{split}.npz"

    def _load(self, split: str, wanted: tuple[str, ...] | None = None) -> Part:
        return Part(self.name, split, self._path(split), wanted)

    @cached_property
    def train(self) -> Part:
        """What decides for all parts: the training split, or the whole."""
        return self._load(self.parts[0])

    @cached_property
    def task(self) -> Task:
        return self.labels.task(self._label(self.train))

    def _label(self, part: Part) -> NDArray[Any]:
        return self.labels.pick(part.place, part.array(self.labels.key))

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
        return self.train.texts("raw_text")

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

    def folds(self) -> dict[str, Integers] | None:
        """The fold of each sample of every part; None where one has none.

        Raises:
            UserError: folds are no whole numbers, or a whole without splits has none.
        """
        found = {}
        for name in self.parts:
            part = self._load(name, FOLDS if self.whole else FOLDS[:1])
            key = next((key for key in FOLDS if key in part), None)
            if key is None and self.whole:
                raise UserError(
                    f"{self.whole.name} of {self.name!r} has no array 'fold' with the fold of each "
                    f"sample; add it, or write train.npz, valid.npz and test.npz"
                )
            if key is None:
                return None
            found[name] = part.folds(key)
        return found

    def read_ids(self, split: str) -> Strings:
        """The ids alone; where there are none, labels are counted and not looked at."""
        if split == self.parts[0]:
            return self.train.ids(self.labels.key)
        part = self._load(split, ("id", "video_id", "clip"))
        if "id" not in part and not ("video_id" in part and "clip" in part):
            part = self._load(split, ("id", "video_id", "clip", self.labels.key))
        return part.ids(self.labels.key)

    def read(self, split: str) -> Split:
        """One split, right-padded, with a masked stream for a modality that is not there."""
        part = self.train if split == self.parts[0] else self._load(split)
        ids = part.ids(self.labels.key)
        label = self._label(part)
        refuse_labels(part.place, label, self.task)
        extra = {name: part.sequences(name, self.train) for name in self.extra}
        streams = {name: self._stream(part, name) for name in MODALITIES}
        transcripts = part.texts("raw_text") if "raw_text" in part else None
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
        group = next((key for key in ("video_id", "group", "speaker") if key in part), None)
        result = Split(
            name=split,
            ids=ids,
            label=label.astype(np.int64 if self.task.kind == "multiclass" else np.float32),
            modalities={**streams, **extra},
            groups=None if group is None else part.texts(group),
            transcripts=transcripts,
            unimodal_labels={
                name: part.numbers(f"label_{name}")
                for name in MODALITIES
                if f"label_{name}" in part
            },
        )
        self._refuse_uneven(result)
        return result

    def _stream(self, part: Part, name: str) -> Sequences:
        """A modality that may be missing, from all splits."""
        if name in self.train:
            return part.sequences(name, self.train)
        if name in part:
            raise UserError(
                f"{part.place} has {name} but the training split has none; give it in every split "
                f"or in none"
            )
        return missing(len(part.ids(self.labels.key)))

    def _refuse_uneven(self, split: Split) -> None:
        counts = {"label": len(split.label), "ids": len(split.ids)}
        counts |= {name: len(stream.values) for name, stream in split.modalities.items()}
        optional = {"groups": split.groups, "raw_text": split.transcripts}
        counts |= {name: len(value) for name, value in optional.items() if value is not None}
        counts |= {f"label_{name}": len(value) for name, value in split.unimodal_labels.items()}
        for name, count in counts.items():
            if count != len(split.ids):
                raise UserError(
                    f"the {split.name} split of {self.name!r} has {count} rows of {name} for "
                    f"{len(split.ids)} samples; every array needs one row a sample"
                )


READER = Reader(
    name="npz",
    files=("train.npz, valid.npz and test.npz", "one all.npz with an array fold"),
    recognises=is_npz_folder,
    open=open_npz,
    in_place=True,
    lacks=what_is_missing,
)
