"""Layouts: one file each, found without a list, asked in a fixed order."""

import sys
from pathlib import Path

import pytest

import benchmark.datasets.readers as layouts
from benchmark.datasets.convert import import_dataset
from benchmark.datasets.load import list_datasets, load_dataset
from benchmark.datasets.reader import Reader, find_reader, readers
from benchmark.errors import NotFound, UserError

GUIDE = Path(__file__).parents[3] / "docs/data.md"
ABOVE = """
from pathlib import Path
import numpy as np
from benchmark.config import digest
from benchmark.datasets.dataset import SPLITS, Split
from benchmark.datasets.files.padding import missing
from benchmark.datasets.files.regular import file_digest
from benchmark.datasets.reader import Reader
from benchmark.datasets.source import Source
from benchmark.errors import NotFound
from benchmark.task import regression

def rows(path, split):
    lines = (path / f"{split}.tsv").read_text().splitlines()
    return list(zip(*(line.split("\\t") for line in lines), strict=True))

def read_ids(path, split):
    return np.array(rows(path, split)[0])

def read_split(path, split):
    ids, label, texts = rows(path, split)
    none = missing(len(ids))
    return Split(
        name=split, ids=np.array(ids), label=np.array(label, np.float32),
        modalities={"text": missing(len(ids), 0), "audio": none, "vision": none},
        transcripts=np.array(texts),
    )
"""


def test_every_module_of_the_folder_declares_a_layout_of_its_own_name():
    modules = [path.stem for path in Path(layouts.__file__).parent.glob("[!_]*.py")]
    assert len({reader.name for reader in readers()}) == len(readers()) == len(modules)
    assert [reader.name for reader in readers()] == ["native", "npz", "mmsa"]


def test_what_takes_any_file_is_asked_last(tmp_path):
    assert [reader.last for reader in readers()] == [False, False, True]
    (tmp_path / "a").write_text("")
    assert find_reader(tmp_path / "a").name == "mmsa"
    with pytest.raises(UserError, match=r"neither a native dataset\.json nor train\.npz, valid"):
        find_reader(tmp_path)
    with pytest.raises(UserError, match="'a' is no dataset"):
        find_reader(tmp_path / "a", in_place=True)


@pytest.mark.parametrize("name", ["x" * 5000, "nowhere", "\0"])
def test_a_path_that_cannot_be_looked_at_is_refused_in_one_sentence(tmp_path, name):
    with pytest.raises(UserError, match=r"cannot be opened|there is no file"):
        import_dataset(tmp_path / name, tmp_path / "new", "new")


@pytest.fixture
def added(tmp_path, monkeypatch):
    """The layout that the guide shows, as one more file of the folder of readers."""
    guide = GUIDE.read_text(encoding="utf-8")
    shown = guide.partition("## A new layout")[2].partition("```python")[2].partition("```")[0]
    folder = tmp_path / "more"
    folder.mkdir()
    (folder / "tables.py").write_text(ABOVE + shown)
    monkeypatch.setattr(layouts, "__path__", [*layouts.__path__, str(folder)])
    readers.cache_clear()
    yield
    readers.cache_clear()
    sys.modules.pop("benchmark.datasets.readers.tables", None)


def test_a_new_layout_is_one_file(tmp_path, added):
    root = tmp_path / "data"
    (root / "own").mkdir(parents=True)
    for split in ("train", "valid", "test"):
        lines = [f"{split}{place}\t{place - 2}\tgood film" for place in range(5)]
        (root / "own" / f"{split}.tsv").write_text("\n".join(lines))
    assert isinstance(find_reader(root / "own"), Reader)
    dataset = load_dataset("own", data=root)
    assert dataset.train.label.tolist() == [-2, -1, 0, 1, 2]
    assert dataset.vocabulary.size == 5 + 2
    listed = {info.name: info for info in list_datasets(root)}
    assert (listed["own"].format, listed["own"].shape) == ("tables", "5/5/5")
    with pytest.raises(NotFound, match="has one label, got 'mood'"):
        load_dataset("own:mood", data=root)
    assert import_dataset(root / "own", root / "native", "native") == [
        "read a folder of tables: 5/5/5 samples"
    ]
    imported = load_dataset("native", data=root)
    assert imported.train.transcripts.tolist() == dataset.train.transcripts.tolist()
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"nor train\.tsv, valid\.tsv and test\.tsv; docs"):
        load_dataset(str(tmp_path / "empty"))
