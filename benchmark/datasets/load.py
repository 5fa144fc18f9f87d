"""Load a dataset by name: the embedded one, a native folder, or a plain folder of npz files."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from benchmark.datasets.folds import take_fold
from benchmark.datasets.npz import is_npz_folder, open_npz
from benchmark.datasets.source import Source, assemble
from benchmark.datasets.spec import Dataset
from benchmark.datasets.store import is_native_folder, open_store
from benchmark.datasets.synthetic import synthetic_source
from benchmark.datasets.tokens import MAX_TOKENS
from benchmark.errors import UserError, unknown

DATA_VARIABLE = "AFFECTBENCH_DATA"


@dataclass(frozen=True, slots=True)
class DatasetInfo:
    """One line of `affectbench data ls`.

    Attributes:
        name: to be given to `load_dataset`.
        format: `embedded`, `native` or `npz`.
        task: its kind, with range or number of classes.
        sizes: samples of each split.
        dims: features of each modality; 0 where it is missing.
        problem: why it cannot be loaded; empty where it can.
    """

    name: str
    format: str
    task: str = ""
    sizes: Mapping[str, int] = field(default_factory=dict)
    dims: Mapping[str, int] = field(default_factory=dict)
    problem: str = ""


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
        name: `synthetic`, a folder under `data`, or the path of a folder; `name@2` takes fold 2
            of a dataset with folds as its test split and the next fold as its validation split.
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
    if name == "synthetic":
        return synthetic_source()
    name, at, fold = name.rpartition("@") if re.search(r"@\w+$", name) else (name, "", "")
    if at:
        if not fold.isdigit():
            raise UserError(f"a fold is a number such as {name}@0, got {fold!r}")
        return take_fold(find_source(name, data), int(fold))
    root = _root(data)
    candidates = [] if root is None else [root / name]
    folder = next((path for path in (*candidates, Path(name).expanduser()) if path.is_dir()), None)
    if folder is None:
        error = unknown("dataset", name, ["synthetic", *_folder_names(root)])
        if root is None:
            raise UserError(f"{error}; for others name their folder by --data or {DATA_VARIABLE}")
        raise error
    source = _open(folder)
    if source is None:
        raise UserError(
            f"{folder.name!r} is no dataset: it has neither a native dataset.json nor train.npz, "
            f"valid.npz and test.npz; docs/data.md shows both layouts"
        )
    return source


def list_datasets(data: Path | str | None = None) -> list[DatasetInfo]:
    """The embedded dataset and every folder under `data` that has a known layout."""
    root = _root(data)
    infos = [_describe(synthetic_source())]
    for name in _folder_names(root):
        assert root is not None  # it has folders
        folder = root / name
        try:
            source = _open(folder)
            if source is not None:
                infos.append(_describe(source, name))
        except UserError as error:
            infos.append(DatasetInfo(name, "", problem=str(error)))
    return infos


def _root(data: Path | str | None) -> Path | None:
    chosen = data if data is not None else os.environ.get(DATA_VARIABLE)
    if not chosen:
        return None
    root = Path(chosen).expanduser()
    if not root.is_dir():
        raise UserError(f"the data folder {str(chosen)!r} is not there; give one by --data")
    return root


def _folder_names(root: Path | None) -> list[str]:
    """Folders that look like a dataset, without opening them."""
    if root is None:
        return []
    return sorted(
        path.name
        for path in root.iterdir()
        if path.name[0] != "." and (is_native_folder(path) or is_npz_folder(path))
    )


def _open(folder: Path) -> Source | None:
    if is_native_folder(folder):
        return open_store(folder)
    return open_npz(folder) if is_npz_folder(folder) else None


def _describe(source: Source, name: str = "") -> DatasetInfo:
    train, task = source.read("train"), source.task
    if task.kind == "regression":
        label = f"regression [{task.low:g}, {task.high:g}]"
    else:
        label = f"{task.kind} ({len(task.names)})"
    streams = {modality: train.sequences(modality) for modality in ("text", "audio", "vision")}
    dims = {
        modality: stream.values.shape[2] if stream.lengths.any() else 0
        for modality, stream in streams.items()
    }
    return DatasetInfo(name or source.name, source.format, label, dict(source.sizes), dims)
