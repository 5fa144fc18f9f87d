"""A cell: what it may read when, what it records, and what makes it fail."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import benchmark.running.cell as cell
import benchmark.running.parts as parts
from benchmark.datasets.dataset import Dataset
from benchmark.datasets.load import load_dataset
from benchmark.records.measurements import Measurements
from benchmark.records.record import Record
from benchmark.records.store import (
    all_records,
    read_arrays,
    read_record,
    record_path,
    write_record,
)
from benchmark.running.cell import run_cell
from benchmark.running.plan import Plan, plan_grid
from benchmark.running.run import is_done, run


def plans(folder: Path, **changes: Any) -> list[Plan]:
    values = {"models": ["late-fusion"], "seeds": 1, "folder": folder, "settings": {"epochs": 2}}
    return plan_grid(**{**values, **changes})


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch):
    """Give cells a dataset whose doors report in the order in which they are used."""
    events: list[str] = []

    def install(dataset: Dataset) -> list[str]:
        def open_test():
            events.append("test opened")
            return dataset.open_test()

        given = replace(dataset, open_test=open_test)
        monkeypatch.setattr(parts, "cached_dataset", lambda *_: given)
        return events

    return install


def test_the_test_split_is_opened_once_and_after_training(tmp_path: Path, watched) -> None:
    events = watched(load_dataset("synthetic"))
    score = plans(tmp_path)[0]
    record = run_cell(score, lambda epoch, _: events.append(f"epoch {epoch.epoch}"))
    assert record.status == "done", record.error
    assert events == ["epoch 1", "epoch 2", "test opened"]


def test_a_cost_cell_never_opens_the_test_split(tmp_path: Path, watched) -> None:
    events = watched(load_dataset("synthetic"))
    cost = plans(tmp_path)[-1]
    assert cost.cell.part == "cost"
    assert run_cell(cost).status == "done"
    assert events == []


def test_a_test_sample_in_an_optimiser_step_fails_the_cell(tmp_path: Path, watched) -> None:
    dataset = load_dataset("synthetic")
    test = dataset.open_test()
    ids = test.ids.astype("<U20")
    ids[3] = dataset.train.ids[5]
    watched(replace(dataset, open_test=lambda: replace(test, ids=ids)))
    record = run_cell(plans(tmp_path)[0])
    assert record.status == "failed"
    assert record.error is not None
    assert "1 test samples were seen by an optimiser step" in record.error.message
    assert record.measurements == Measurements()


def test_the_log_of_steps_and_the_predictions_lie_beside_the_record(tmp_path: Path) -> None:
    plan = plans(tmp_path)[0]
    record = run_cell(plan)
    path = record_path(tmp_path, plan.cell)
    assert read_record(path) == record
    arrays = read_arrays(path)
    dataset = load_dataset("synthetic")
    test = dataset.open_test()
    assert arrays["train_order"].shape == (2, len(dataset.train))
    assert arrays["train_id"].tolist() == dataset.train.ids.tolist()
    assert arrays["test_id"].tolist() == test.ids.tolist()
    mae = np.abs(arrays["test_prediction"].astype(np.float64) - test.label).mean()
    assert record.metric("mae") == pytest.approx(mae, abs=1e-7)
    assert record.task == dataset.task.to_dict()


def test_curves_start_at_the_clean_value(tmp_path: Path) -> None:
    record = run_cell(plans(tmp_path)[0])
    for curve in record.measurements.robustness.curves.values():
        assert curve.metrics["mae"][0] == [record.metric("mae")]


def test_a_changed_dataset_fails_the_cell(tmp_path: Path, watched) -> None:
    watched(replace(load_dataset("synthetic"), fingerprint="another"))
    record = run_cell(plans(tmp_path)[0])
    assert record.status == "failed"
    assert "changed since the run was planned" in record.error.message


def test_precision_is_part_of_the_cell(tmp_path: Path) -> None:
    plain, brain = plans(tmp_path)[0], plans(tmp_path, precision="bf16")[0]
    assert plain.cell.key != brain.cell.key
    record = run_cell(brain)
    assert record.status == "done"
    assert record.environment["precision"] == "bf16"


def test_what_overwrite_runs_again(tmp_path: Path) -> None:
    score, cost = plans(tmp_path)
    lost, missing = plans(tmp_path, seeds=[1, 2])[:2]
    for plan in (score, cost):
        write_record(tmp_path, Record(cell=plan.cell, status="done"), {})
    write_record(tmp_path, Record(cell=lost.cell, status="diverged"), {})
    again = {
        kind: [plan for plan in (score, cost, lost, missing) if not is_done(plan, kind)]
        for kind in ("missing", "failed", "costs", "all")
    }
    assert again == {
        "missing": [missing],
        "failed": [lost, missing],
        "costs": [cost, missing],
        "all": [score, cost, lost, missing],
    }


def test_a_cost_names_the_hardware_of_the_process_that_measured_it(
    tmp_path: Path, monkeypatch
) -> None:
    def elsewhere(device: str, threads: int, precision: str) -> str:
        return f"another machine, {threads} thread, {precision}"

    monkeypatch.setattr(cell, "hardware", elsewhere)
    outcome = run(models=["prior"], seeds=1, folder=tmp_path, settings={"epochs": 1}, jobs=0)
    assert outcome.problems == []
    found = {record.cell.part: record.cell.hardware for _, record in all_records(tmp_path)}
    assert found == {"score": "", "cost": "another machine, 1 thread, fp32"}
    assert len(outcome.records) == 2
