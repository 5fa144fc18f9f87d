"""What is built for others: a wheel with all code and no tests, a source archive with all files."""

import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BUILD = "from setuptools import build_meta as b; b.build_wheel('out'); b.build_sdist('out')"
NOT_OURS = ("build", "dist", "out", "results", "__pycache__", "*.egg-info", "*.pyc", ".*")


def declared() -> dict:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return settings["tool"]["setuptools"]


def code() -> set[str]:
    """The files of all packages and modules that pyproject names."""
    packages = [ROOT / name.replace(".", "/") for name in declared()["packages"]]
    files = {path for package in packages for path in package.glob("*.py")}
    modules = {ROOT / f"{name}.py" for name in declared()["py-modules"]}
    return {path.relative_to(ROOT).as_posix() for path in files | modules}


def test_every_folder_of_code_is_a_declared_package() -> None:
    tops = {name.partition(".")[0] for name in declared()["packages"]}
    found = {path.parent for top in tops for path in (ROOT / top).rglob("*.py")}
    names = {".".join(folder.relative_to(ROOT).parts) for folder in found}
    assert names == set(declared()["packages"])
    assert all((folder / "__init__.py").is_file() for folder in found)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the repository, built in its folder `out` without network."""
    try:
        number = int(version("setuptools").partition(".")[0])
    except PackageNotFoundError:
        number = 0
    if number < 77:
        pytest.skip("building needs setuptools 77 or later in this environment")
    copy = tmp_path_factory.mktemp("copy") / "affectbench"
    ignored = shutil.ignore_patterns(*NOT_OURS)

    def ignore(folder: str, names: list[str]) -> set[str]:
        kept = {"results"} if Path(folder).name == "leaderboard" else set()
        return ignored(folder, names) - kept

    shutil.copytree(ROOT, copy, ignore=ignore)
    command = [sys.executable, "-c", BUILD]
    answer = subprocess.run(command, cwd=copy, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    return copy


def test_the_wheel_has_all_code_and_nothing_else(built: Path) -> None:
    (path,) = (built / "out").glob("*.whl")
    with zipfile.ZipFile(path) as wheel:
        names = {name for name in wheel.namelist() if ".dist-info/" not in name}
        about = {Path(name).name for name in wheel.namelist()} - {Path(n).name for n in names}
    assert names == code()
    assert {"METADATA", "entry_points.txt", "LICENSE"} <= about


def test_the_source_archive_has_all_files(built: Path) -> None:
    (path,) = (built / "out").glob("*.tar.gz")
    with tarfile.open(path) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    made = ("build", "out", "affectbench.egg-info")
    files = {file.relative_to(built) for file in built.rglob("*") if file.is_file()}
    kept = {file.as_posix() for file in files if file.parts[0] not in made}
    assert kept - names == set()
    assert {"tests/conftest.py", "baselines/README.md", "docs/results.md"} <= kept
    results = {file.rpartition("/")[2] for file in kept if file.startswith("leaderboard/results/")}
    assert {"sections.toml", "synthetic.jsonl", "synthetic.npz.xz"} <= results
