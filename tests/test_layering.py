"""Who may import whom, read from the source of every file."""

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import numpy as np
import pytest

from benchmark.plugins import own_models
from benchmark.registry import list_models
from benchmark.running.run import run
from tests.folders import make_folder

ROOT = Path(__file__).parents[1]
FOLDERS = ("benchmark", "robustness", "baselines", "methods", "leaderboard")
OURS = {*FOLDERS, "affectbench", "tests", "scripts"}
MAY_IMPORT = {
    "benchmark": ("benchmark",),
    "robustness": ("benchmark", "robustness"),
    "baselines": ("benchmark", "robustness", "baselines"),
    "methods": ("benchmark", "robustness", "baselines", "methods"),
    "leaderboard": (
        "benchmark.system.atomic",
        "benchmark.errors",
        "benchmark.metrics",
        "benchmark.naming",
        "benchmark.records",
        "benchmark.stats",
        "leaderboard",
        "robustness.reliance",
        "robustness.scores",
    ),
    "affectbench": FOLDERS,
}
# Inside benchmark: a module imports none of a later line. Modules not named here are free, but
# no circle of imports is.
ORDER = (
    {"errors"},
    {"task", "metrics", "stats", "config"},
    {"records", "batch"},
    {"model"},
    {"registry"},
    {"training", "evaluation"},
    {"conformance", "cost"},
    {"running"},
)
WITHOUT_TORCH = ("leaderboard", "robustness.scores", "benchmark.records", "benchmark.stats")
WITHOUT_TORCH = (*WITHOUT_TORCH, "benchmark.metrics", "benchmark.errors", "benchmark.naming")
WITHOUT_TORCH = (
    *WITHOUT_TORCH,
    "robustness.reliance",
    "benchmark.system.atomic",
    "benchmark.config",
)


def imports(source: str, module: str = "") -> Iterator[str]:
    """Dotted names that a source imports, in functions and branches too."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = module.split(".")[: -node.level] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            for alias in node.names:
                name = f"{base}.{alias.name}"
                yield name if name in modules() else base


@cache
def modules() -> dict[str, Path]:
    """Every module of ours by its dotted name; a package is the name of its folder."""
    found = {"affectbench": ROOT / "affectbench.py"}
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(part for part in parts if part != "__init__")] = path
    return found


def within(name: str, allowed: tuple[str, ...]) -> bool:
    return any(name == door or name.startswith(f"{door}.") for door in allowed)


def forbidden(module: str, source: str) -> list[str]:
    """The imports of ours that a module of this name may not have."""
    allowed = MAY_IMPORT[module.partition(".")[0]]
    named = (name for name in imports(source, module) if name.partition(".")[0] in OURS)
    return [name for name in named if not within(name, allowed)]


@pytest.mark.parametrize("module", modules())
def test_layers(module: str) -> None:
    wrong = forbidden(module, modules()[module].read_text())
    assert not wrong, f"{module} may not import {', '.join(wrong)}"


@pytest.mark.parametrize(
    ("module", "source", "wrong"),
    [
        ("benchmark.training.loop", "from robustness import corrupt", ["robustness"]),
        ("benchmark.training.loop", "def f():\n    import baselines.tfn as tfn", ["baselines.tfn"]),
        ("benchmark.training.loop", "if True:\n    from tests import helpers", ["tests"]),
        ("robustness.evaluation", "from baselines.layers import text", ["baselines.layers.text"]),
        ("baselines.tfn", "import methods", ["methods"]),
        ("baselines.tfn", "from benchmark import Batch\nimport robustness.scores", []),
        ("methods.mine", "from baselines.layers.text import TextEncoder", []),
        ("leaderboard.build", "from benchmark import Batch", ["benchmark"]),
        ("leaderboard.build", "from benchmark.model import Model", ["benchmark.model"]),
        ("leaderboard.build", "from benchmark import records, registry", ["benchmark.registry"]),
        ("leaderboard.build", "from . import names\nfrom .names import one_line", []),
        ("leaderboard.build", "from ..benchmark import records", []),
        ("affectbench", "import leaderboard.build\nimport methods", []),
        ("affectbench", "from tests.parity import harness", ["tests.parity"]),
    ],
)
def test_a_wrong_import_is_found(module: str, source: str, wrong: list[str]) -> None:
    assert forbidden(module, source) == wrong


def test_order_inside_benchmark() -> None:
    place = {f"benchmark.{name}": line for line, names in enumerate(ORDER) for name in names}
    assert set(place) <= set(modules())

    def line(module: str) -> int | None:
        return next((place[name] for name in place if within(module, (name,))), None)

    wrong = [
        f"{module} imports {name}"
        for module, path in modules().items()
        if (own := line(module)) is not None
        for name in imports(path.read_text(), module)
        if (line(name) or 0) > own
    ]
    assert not wrong


def test_no_circle_of_imports() -> None:
    graph = {
        module: {name for name in imports(path.read_text(), module) if name in modules()}
        for module, path in modules().items()
        if not path.name.startswith("__init__")
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"circle of imports: {' <- '.join(error.args[1])}")


def test_nothing_inside_benchmark_imports_the_package_itself() -> None:
    wrong = [
        module
        for module, path in modules().items()
        if module.startswith("benchmark.") and "benchmark" in imports(path.read_text(), module)
    ]
    assert not wrong


@pytest.mark.parametrize("module", [name for name in modules() if within(name, WITHOUT_TORCH)])
def test_readers_of_records_do_not_import_torch(module: str) -> None:
    heads = {name.partition(".")[0] for name in imports(modules()[module].read_text(), module)}
    assert not heads & {"torch", "transformers", "safetensors"}


def test_tables_are_made_without_torch() -> None:
    """Through whatever is imported on the way; the test above sees direct imports only."""
    names = [name for name in modules() if within(name, WITHOUT_TORCH)]
    assert {"leaderboard.report", "leaderboard.build", "leaderboard.runs"} <= set(names)
    assert {"benchmark.records.store", "benchmark.stats", "benchmark.metrics"} <= set(names)
    heavy = "{'torch', 'transformers', 'safetensors'} & set(sys.modules)"
    code = f"import sys, {', '.join(names)}; sys.exit(' '.join({heavy}) or 0)"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, timeout=60)


def test_the_command_starts_without_torch() -> None:
    code = "import affectbench, sys; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, timeout=60)


WITHOUT = """
import sys
import affectbench
from typer.testing import CliRunner
result = CliRunner().invoke(affectbench.app, sys.argv[1:])
print(result.output[-500:])
loaded = sorted({'torch', 'transformers', 'sklearn'} & set(sys.modules))
sys.exit(f"loaded {loaded}" if loaded else result.exit_code)
"""


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An output folder with a record, and predictions of a dataset beside it."""
    folder = tmp_path_factory.mktemp("finished")
    make_folder(folder / "data", "made", "mosi")
    run(models=["prior"], seeds=1, datasets=["made"], data=folder / "data", folder=folder, jobs=0)
    with np.load(folder / "data" / "made" / "test.npz") as arrays:
        lines = [f"{name},0.5" for name in arrays["id"]]
    (folder / "mine.csv").write_text("\n".join(["id,prediction", *lines]) + "\n")
    return folder


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["run", "--help"],
        ["--version"],
        ["ls", "datasets", "--data", "data"],
        ["ls", "protocols"],
        ["data", "check", "made", "--data", "data"],
        ["leaderboard", "."],
        ["score", "made", "mine.csv", "--data", "data"],
        ["score", "made", "mine.csv", "--data", "data", "-o", "."],
    ],
    ids=" ".join,
)
def test_what_reads_data_and_records_never_loads_torch(
    finished: Path, arguments: list[str]
) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", WITHOUT, *arguments],
        cwd=finished,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_names_of_our_models_are_read_from_their_files() -> None:
    ours = {entry.name for entry in list_models() if entry.kind != "plugin"}
    assert own_models() == ours
