"""Pages that commands write are what these commands write today."""

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from benchmark.metrics import evaluate_metrics
from benchmark.records.store import find_records, read_arrays, read_record
from benchmark.task import Task
from tests.parity.harness import FOLDER, SHARED

ROOT = Path(__file__).parents[2]


def script(name: str) -> ModuleType:
    """A file of `scripts` as a module."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def without_errors(text: str) -> str:
    """The last digit of an error differs between processors."""
    return re.sub(r"\b\d(?:\.\d+)?e[-+]\d\d\b", "#", text)


@pytest.mark.skipif(
    FOLDER != SHARED, reason="the table is made from the whole set of golden numbers"
)
def test_the_table_of_baselines_is_up_to_date() -> None:
    written = (ROOT / "baselines" / "README.md").read_text()
    fresh = script("baseline_table").table()
    assert without_errors(written) == without_errors(fresh), "run python scripts/baseline_table.py"
    errors = [float(value) for value in re.findall(r"\d(?:\.\d+)?e[-+]\d\d", written)]
    assert len(errors) >= 40
    assert max(errors) <= 1e-5


def test_the_page_of_results_is_made_from_the_kept_records() -> None:
    written = (ROOT / "docs" / "results.md").read_text()
    assert written == script("results_page").page(), "run python scripts/results_page.py"


def test_a_section_says_its_harness_once_whatever_is_current() -> None:
    results = script("results_page")
    entry = {"title": "T", "commands": "c", "remark": "r"}
    earlier = results.section({**entry, "archive": "mosi_std"})
    assert earlier.count("All numbers are as of an earlier harness.") == 1
    assert earlier.count("harness") == 1
    section = results.section({**entry, "archive": "mmmo_mini"})
    assert len(re.findall(r"All numbers are as of harness \d+\.[0-9a-f]{6}\.", section)) == 1
    assert section.count("harness") == 1
    assert "### mmmo\\_mini, cross-validation over 5 folds, protocol standard\n" in section


def test_kept_records_are_those_of_the_run_and_nothing_else(tmp_path: Path) -> None:
    results = script("results_page")
    results.KEPT = tmp_path / "kept"
    with results.unpacked(ROOT / "leaderboard" / "results" / "synthetic.tar.xz") as folder:
        found = sorted((folder / "records").rglob("*.npz"))[:1]
        found[0] = found[0].with_suffix(".json")
        for path in (folder / "records").rglob("*.*"):
            if path.stem != found[0].stem:
                path.unlink()
        found[0].with_suffix(".log").write_text("what the cell printed")
        record = read_record(found[0])
        results.keep("again", [folder])
        first = (tmp_path / "kept" / "again.tar.xz").read_bytes()
        results.keep("again", [folder])
    assert (tmp_path / "kept" / "again.tar.xz").read_bytes() == first
    with results.unpacked(tmp_path / "kept" / "again.tar.xz") as folder:
        kept = sorted(path for path in folder.rglob("*") if path.is_file())
        assert [path.name for path in kept] == [found[0].name, found[0].with_suffix(".npz").name]
        again = read_record(kept[0])
        assert again.schema_version == 3
        assert again.model_copy(update={"schema_version": record.schema_version}) == record
        assert "test_prediction" in np.load(kept[1]).files


def test_anyone_can_recompute_the_kept_results() -> None:
    results = script("results_page")
    with results.unpacked(ROOT / "leaderboard" / "results" / "synthetic.tar.xz") as folder:
        scored = [
            (read_arrays(path), record)
            for path, record in find_records(folder)
            if record.cell.part == "score"
        ]
        assert len(scored) > 100
        for arrays, record in scored:
            for split in ("valid", "test"):
                label, prediction = arrays[f"{split}_label"], arrays[f"{split}_prediction"]
                task = Task.from_dict(record.task)
                found = evaluate_metrics(task, label=label, prediction=prediction)
                kept = getattr(record.measurements.accuracy, split)
                assert found == pytest.approx(kept, abs=1e-9)


@pytest.mark.parametrize("name", ["mmmo_mini", "mosi_utterance", "sims_text"])
def test_kept_predictions_bring_no_labels_of_others(name: str) -> None:
    results = script("results_page")
    with results.unpacked(ROOT / "leaderboard" / "results" / f"{name}.tar.xz") as folder:
        names = {key for path in folder.rglob("*.npz") for key in np.load(path).files}
    assert names <= {"valid_id", "valid_prediction", "test_id", "test_prediction"}
