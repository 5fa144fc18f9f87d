"""Reader: one layout that a dataset may come in; and the readers there are."""

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import benchmark.datasets.readers as layouts
from benchmark.datasets.source import Source
from benchmark.errors import UserError
from benchmark.naming import shown


def _nothing(path: Path) -> str:
    return ""


@dataclass(frozen=True)
class Reader:
    """One layout: a module of `benchmark.datasets.readers` declares it as `READER`.

    Attributes:
        name: unique; `affectbench data ls` shows it as the format.
        files: what a folder of this layout holds, in words, one text for each way; empty where it
            is no folder.
        recognises: whether a path has this layout, told without reading its features.
        open: looks at a path: called with it, the label that `name:label` asks for, and the name
            that an import gives the dataset, either of them empty where there is none. Raises a
            `UserError` where the path is broken, and a `NotFound` where it has no such label.
        in_place: whether a dataset of this layout is used where it lies; any other is imported.
        lacks: what a folder that no reader recognises lacks for this layout; empty where it does
            not resemble it.
        last: it takes any file, and so is asked after the others.
    """

    name: str
    files: tuple[str, ...]
    recognises: Callable[[Path], bool]
    open: Callable[[Path, str, str], Source]
    in_place: bool
    lacks: Callable[[Path], str] = _nothing
    last: bool = False


@cache
def readers() -> tuple[Reader, ...]:
    """Every layout, in the order in which they are asked: that of their modules' names."""
    names = sorted(module.name for module in pkgutil.iter_modules(layouts.__path__))
    found = [importlib.import_module(f"{layouts.__name__}.{name}").READER for name in names]
    return tuple(sorted(found, key=lambda reader: reader.last))


def is_dataset(folder: Path) -> bool:
    """Whether a folder has a layout that is used where it lies."""
    return any(reader.in_place and _recognises(reader, folder) for reader in readers())


def _recognises(reader: Reader, path: Path) -> bool:
    try:
        return reader.recognises(path)
    except OSError:  # a path that nobody may look at, or that is too long
        return False


def find_reader(path: Path, *, in_place: bool = False) -> Reader:
    """The first reader that recognises a path.

    Args:
        path: a folder, or for an import also a file.
        in_place: ask only the readers whose layouts are used where they lie.

    Raises:
        UserError: no reader does.
    """
    asked = [reader for reader in readers() if reader.in_place or not in_place]
    for reader in asked:
        if _recognises(reader, path):
            return reader
    for reader in asked:
        if what := reader.lacks(path):
            raise UserError(f"{shown(path.name)} is no dataset: {what}")
    ways = " nor ".join(way for reader in asked for way in reader.files)
    raise UserError(
        f"{shown(path.name)} is no dataset: it has neither {ways}; docs/data.md shows these layouts"
    )
