"""The page about the architecture says what is there."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "architecture.md").read_text()
FOLDERS = ("benchmark", "robustness", "baselines", "methods", "leaderboard")
MOST = 14  # files of a folder; a room for each model or method is another matter


def packages() -> list[Path]:
    return sorted(
        path.parent for folder in FOLDERS for path in (ROOT / folder).rglob("__init__.py")
    )


def modules(folder: Path) -> list[str]:
    return sorted(path.stem for path in folder.glob("*.py") if path.stem != "__init__")


def says(folder: Path) -> str:
    return (ast.get_docstring(ast.parse((folder / "__init__.py").read_text())) or "").partition(
        "\n"
    )[0]


def tree() -> str:
    """Every folder of the code with its first sentence and its files."""
    lines = []
    for folder in packages():
        name = folder.relative_to(ROOT).as_posix()
        lines.append(f"{name}/: {says(folder)}")
        if folder.name not in ("baselines", "methods"):
            lines.append(f"    {' '.join(modules(folder))}")
    return "\n".join(lines)


def test_the_tree_is_that_of_the_code() -> None:
    shown = re.search(r"```tree\n(.*?)\n```", PAGE, flags=re.S)
    assert shown is not None
    assert shown[1] == tree(), f"docs/architecture.md must show\n{tree()}"


@pytest.mark.parametrize("folder", packages(), ids=lambda folder: folder.name)
def test_every_folder_says_who_lives_there_and_none_is_a_hall(folder: Path) -> None:
    assert says(folder).endswith(".")
    if folder.name not in ("baselines", "methods", "layers"):
        assert len(modules(folder)) <= MOST


def test_every_file_and_function_that_the_page_names_is_there() -> None:
    for name in re.findall(r"`([\w/]+/[\w/]+\.(?:py|md))`", PAGE):
        assert (ROOT / name).is_file(), name
    for module, function in re.findall(r"`(\w+(?:\.\w+)+)\.(\w+)`", PAGE):
        path = ROOT / f"{module.replace('.', '/')}.py"
        assert path.is_file(), path
        names = {getattr(node, "name", "") for node in ast.walk(ast.parse(path.read_text()))}
        assert function in names, f"{module} has no {function}"
