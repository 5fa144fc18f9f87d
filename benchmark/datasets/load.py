"""Load a dataset by name: the embedded one, or a folder of any layout that has a reader."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from benchmark.datasets.checks import refuse_broken
from benchmark.datasets.dataset import SPLITS, Dataset
from benchmark.datasets.folds import count_folds, take_fold
from benchmark.datasets.reader import find_reader, is_dataset
from benchmark.datasets.source import Source, assemble
from benchmark.datasets.synthetic import synthetic_source
from benchmark.datasets.tokens import MAX_TOKENS
from benchmark.errors import NotFound, UserError, unknown
from benchmark.naming import shown
from benchmark.task import MODALITIES

DATA_VARIABLE = "AFFECTBENCH_DATA"


@dataclass(frozen=True, slots=True)
class DatasetInfo:
    """One line of `affectbench data ls`.

    Attributes:
        name: to be given to `load_dataset`.
        format: `embedded`, or the name of its reader.
        task: its kind, with range or number of classes.
        sizes: samples of each split; of `all` where the dataset has folds and no splits.
        dims: features of each modality; 0 where it is missing.
        folds: how many `name@folds` cross-validates over; 0 where the dataset declares none.
        problem: why it cannot be loaded; empty where it can.
    """

    name: str
    format: str
    task: str = ""
    sizes: Mapping[str, int] = field(default_factory=dict)
    dims: Mapping[str, int] = field(default_factory=dict)
    folds: int = 0
    problem: str = ""

    @property
    def shape(self) -> str:
        """Its sizes in words."""
        sizes = "/".join(map(str, self.sizes.values()))
        return f"{sizes} in {self.folds} folds" if self.folds else sizes


def load_dataset(
    name: str,
    *,
    data: Path | str | None = None,
    text_encoder: str = "",
    standardise: tuple[str, ...] = ("audio", "vision"),
    max_tokens: int = MAX_TOKENS,
) -> Dataset:
    """The training and validation splits in memory, the test split closed.

    Args:
        name: `synthetic`, a folder under `data`, or the path of a folder; `name:column` takes one
            of several labels; `name@2` takes fold 2 of a dataset with folds as its test split and
            the next fold as its validation split.
        data: folder of the datasets; by default the variable AFFECTBENCH_DATA.
        text_encoder: whose tokeniser makes token ids from transcripts: a local folder, a hub name,
            or empty or `scratch` for a vocabulary of the training split's words.
        standardise: streams scaled to mean 0 and deviation 1 by the training split.
        max_tokens: most tokens of a sample, the start and end marks included.

    Raises:
        UserError: no such dataset, or it is broken.
    """
    return assemble(
        find_source(name, data),
        text_encoder=text_encoder,
        standardise=tuple(standardise),
        max_tokens=max_tokens,
    )


def find_source(name: str, data: Path | str | None = None) -> Source:
    """What `load_dataset` reads from.

    Raises:
        UserError: no such dataset, or its folder has no known layout.
    """
    name, at, fold = name.rpartition("@") if re.search(r"@\w+$", name) else (name, "", "")
    if at:
        if not re.fullmatch(r"[0-9]{1,9}", fold):
            raise NotFound(f"a fold is a number such as {name}@0, got {shown(fold)}")
        return take_fold(_find_whole(name, data), int(fold))
    return _find_whole(name, data)


def _find_whole(name: str, data: Path | str | None) -> Source:
    """A dataset with all its splits or folds."""
    if name == "synthetic":
        return synthetic_source()
    root = _root(data)
    folder, label = _find_folder(name, root), ""
    if folder is None and ":" in name:
        name, _, label = name.rpartition(":")
        folder = _find_folder(name, root)
    if folder is None:
        error = unknown("dataset", name, ["synthetic", *_dataset_names(root)])
        if root is None:
            raise NotFound(f"{error}; for others name their folder by --data or {DATA_VARIABLE}")
        raise error
    return _open(folder, label)


def data_folder(data: Path | str | None = None) -> str | None:
    """The folder of the datasets as an absolute path; None where none is named.

    Raises:
        UserError: it is not there.
    """
    root = _root(data)
    return None if root is None else str(root.absolute())


def locate(name: str, data: Path | str | None = None) -> str:
    """The name, or for a folder given by its path the same with an absolute path."""
    rest = re.search(r"(@\w+)?$", name)
    end = rest[0] if rest else ""
    base, root = name.removesuffix(end), _root(data)
    for path, label in ((base, ""), base.rpartition(":")[::2]):
        if path and path != "synthetic" and (root is None or not (root / path).is_dir()):
            folder = _find_folder(path, None)
            if folder is not None:
                return f"{folder.absolute()}{label and f':{label}'}{end}"
    return name


def _find_folder(name: str, root: Path | None) -> Path | None:
    if not name:
        return None
    try:
        candidates = [*([] if root is None else [root / name]), Path(name).expanduser()]
        return next((path for path in candidates if path.is_dir()), None)
    except (OSError, RuntimeError):  # too long for a path, or the home of nobody
        return None


def list_datasets(data: Path | str | None = None) -> list[DatasetInfo]:
    """The embedded dataset and every folder under `data` that is a dataset or says it is one."""
    root = _root(data)
    infos = [_describe(synthetic_source())]
    for folder in [] if root is None else _folders(root):
        if not is_dataset(folder) and not (folder / "dataset.json").is_file():
            continue
        try:
            infos.append(_describe(_open(folder), folder.name))
        except UserError as error:
            infos.append(DatasetInfo(folder.name, "", problem=str(error)))
    return infos


def _root(data: Path | str | None) -> Path | None:
    chosen = data if data is not None else os.environ.get(DATA_VARIABLE)
    if not chosen:
        return None
    root = _find_folder(str(chosen), None)
    if root is None:
        raise NotFound(f"the data folder {shown(str(chosen))} is not there; give one by --data")
    return root


def _folders(root: Path) -> list[Path]:
    return sorted(path for path in root.iterdir() if path.is_dir() and path.name[0] != ".")


def _dataset_names(root: Path | None) -> list[str]:
    return [] if root is None else [path.name for path in _folders(root) if is_dataset(path)]


def _open(folder: Path, label: str = "") -> Source:
    return find_reader(folder, in_place=True).open(folder, label, "")


def _describe(source: Source, name: str = "") -> DatasetInfo:
    task, part = source.task, next(iter(source.sizes))
    split = source.read(part)
    refuse_broken(split, source.name, task)
    if task.kind == "regression":
        label = f"regression [{task.low:g}, {task.high:g}]"
    else:
        label = f"{task.kind} ({len(task.names)})"
    streams = {modality: split.modalities[modality] for modality in MODALITIES}
    return DatasetInfo(
        name or source.name,
        source.format,
        label,
        sizes=dict(source.sizes),
        dims={
            modality: stream.values.shape[2] if stream.lengths.any() else 0
            for modality, stream in streams.items()
        },
        folds=_count_folds(source),
    )


def _count_folds(source: Source) -> int:
    """Folds that can be used; a dataset with splits may have none."""
    if source.folds is None:
        return 0
    try:
        return count_folds(source)
    except UserError:
        if set(source.sizes) == set(SPLITS):
            return 0
        raise
