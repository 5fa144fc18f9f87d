"""The `dataset.json` of a folder, refused in one sentence if no one would write it."""

import json
from pathlib import Path
from typing import Any, NoReturn

from benchmark.datasets.files.regular import regular
from benchmark.errors import UserError
from benchmark.naming import check_name, shown, visible

LARGEST = 2**24  # bytes
DEEPEST = 32  # objects and lists within each other


def named(folder: Path, manifest: dict[str, Any]) -> str:
    """The name of a dataset, which is the name of a folder of records too.

    Args:
        folder: names it where the manifest does not.
        manifest: its `dataset.json`.

    Raises:
        UserError: no folder can have it.
    """
    if manifest.get("name") is not None:
        return check_name("the dataset", manifest["name"])
    advice = 'give it another as "name" in its dataset.json'
    return check_name("the dataset", folder.resolve().name, advice)


def read_manifest(folder: Path) -> dict[str, Any]:
    """The `dataset.json` of a folder; empty where there is none.

    Raises:
        UserError: it is not a JSON object, or one that no one would write.
    """
    path = folder / "dataset.json"
    place = f"dataset.json of {shown(folder.name)}"
    if not path.exists():
        return {}
    with regular(path, place) as file:
        content = file.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise UserError(f"{place} has more than {LARGEST >> 20} MiB; see docs/data.md")
    try:
        values = json.loads(
            content.decode("utf-8-sig"), object_pairs_hook=_once, parse_constant=_no_number
        )
    except RecursionError:
        raise _too_deep(place) from None
    except ValueError as error:
        raise UserError(f"{place} cannot be read: {visible(str(error))}") from None
    if not isinstance(values, dict):
        raise UserError(f"{place} holds no JSON object; see docs/data.md")
    _refuse_odd(values, place)
    return values


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for key, value in pairs:
        if key in values:
            raise ValueError(f"the key {shown(key)} is there more than once")
        values[key] = value
    return values


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no finite number, and no JSON")


def _too_deep(place: str) -> UserError:
    return UserError(f"{place} has more than {DEEPEST} lists and objects within each other")


def _refuse_odd(values: dict[str, Any], place: str) -> None:
    """Stop at nesting that other code could not follow, and at text that no file can hold."""
    level: list[Any] = [values]
    for _ in range(DEEPEST):
        for value in level:
            _refuse_surrogates(value, place)
        lists = [value for value in level if isinstance(value, list)]
        objects = [value for value in level if isinstance(value, dict)]
        level = [part for value in lists for part in value]
        level += [part for value in objects for pair in value.items() for part in pair]
    if level:
        raise _too_deep(place)


def _refuse_surrogates(value: object, place: str) -> None:
    try:
        if isinstance(value, str):
            value.encode()
    except UnicodeEncodeError:
        raise UserError(f"{place} has the text {shown(value)}, which is no Unicode") from None
