"""The version of the harness: what changes it, and that results are known by it."""

from pathlib import Path

import pytest

import benchmark.records.harness as harness
from benchmark.records.harness import DECISIVE, NUMBER, ROOT, harness_version
from benchmark.records.record import Cell

CELL = {
    **{"model": "tfn", "kind": "baseline", "variant": "", "dataset": "mosi", "fingerprint": "f"},
    **{"seed": 0, "part": "score", "settings": {}, "config": {}, "protocol": {}, "source": "s"},
}


@pytest.fixture
def copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The decisive modules in a place where they can be edited, and a fresh look at them."""
    for name in DECISIVE:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    monkeypatch.setattr(harness, "ROOT", tmp_path)
    return lambda: (harness_version.cache_clear(), harness_version())[1]


@pytest.fixture(autouse=True)
def forget():
    yield
    harness_version.cache_clear()


def test_every_decisive_module_is_there_and_the_number_comes_first() -> None:
    assert all((ROOT / name).is_file() for name in DECISIVE)
    assert harness_version().startswith(f"{NUMBER}.")


@pytest.mark.parametrize("name", ["benchmark/training/loop.py", "benchmark/metrics.py"])
def test_code_that_decides_numbers_changes_the_version(copy, name: str) -> None:
    before = copy()
    path = harness.ROOT / name
    path.write_text(path.read_text() + "\n\n# a remark\n")
    assert copy() == before
    text = path.read_text()
    path.write_text(text.replace("return", "return  ", 1).replace('"""', '"""Also: ', 1))
    assert copy() == before
    path.write_text(text + "\n\nSCALE = 10\n")
    assert copy() != before


def test_an_edited_metric_changes_the_cell_and_no_old_name() -> None:
    old, new = Cell(**CELL), Cell(**CELL, harness="2.aaaaaa")
    assert len({old.key, new.key, Cell(**CELL, harness="2.bbbbbb").key}) == 3
    # Records from before keep the name that their file has.
    assert old.key == "411a4b555099"
