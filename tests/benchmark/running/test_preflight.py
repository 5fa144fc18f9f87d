"""What a run finds out before its first training, and what it refuses to believe after it."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmark.config import changed_protocol, get_protocol
from benchmark.errors import UserError
from benchmark.evaluation import EvaluationContext
from benchmark.records.record import Failure, Record
from benchmark.records.store import all_records, write_record
from benchmark.registry import load_plugin, register_evaluation
from benchmark.running.engines.local import LONGEST_LOG, _captured
from benchmark.running.plan import plan_grid
from benchmark.running.run import Outcome, run
from robustness.corruptions import CORRUPTIONS
from tests.folders import SHAPES, make_folder

HEAD = """
import torch
from torch import nn
from benchmark import Batch, Dims, Model, Output, register_model
"""
LEAK = f"""{HEAD}
@register_model("leak")
class Leak(Model):
    def __init__(self, dims: Dims):
        super().__init__()
        self.head = nn.Linear(sum(dims.inputs), dims.outputs)

    def forward(self, batch: Batch) -> Output:
        if self.training:
            return Output(self.head(torch.cat([s.mean() for s in batch.streams], dim=1)))
        return Output(batch.label)
"""
PADDED = f"""{HEAD}
@register_model("padded")
class Padded(Model):
    def __init__(self, dims: Dims):
        super().__init__()
        self.head = nn.Linear(sum(dims.inputs), dims.outputs)

    def forward(self, batch: Batch) -> Output:
        print("a line for each batch")
        return Output(self.head(torch.cat([s.values.mean(dim=1) for s in batch.streams], dim=1)))
"""


pytestmark = pytest.mark.usefixtures("own_registry")


def attempt(tmp_path: Path, plugin: str = "", models: tuple[str, ...] = (), **changes) -> Outcome:
    if plugin:
        (tmp_path / "own.py").write_text(plugin)
        changes["plugins"] = [tmp_path / "own.py"]
    values = {"jobs": 0, "seeds": 2, "settings": {"epochs": 1}, "folder": tmp_path / "out"}
    return run(models=models, **{**values, **changes})


def test_a_model_that_returns_labels_has_no_result_and_is_named(tmp_path: Path) -> None:
    heard = []
    outcome = attempt(tmp_path, LEAK, on_event=heard.append)
    broken = [event for event in heard if event.kind == "broken"]
    assert ["the label changes the prediction" in event.sentence for event in broken] == [True]
    assert heard.index(broken[0]) < [event.kind for event in heard].index("started")
    problems = {problem.sentence for problem in outcome.problems}
    assert len(problems) == 1
    assert "known in training only" in problems.pop()
    assert all(record.metric("mae") is None for _, record in outcome.records)


def test_a_broken_promise_is_told_before_training_and_kept(tmp_path: Path) -> None:
    heard = []
    outcome = attempt(tmp_path, PADDED, on_event=heard.append)
    assert next(event.kind for event in heard) == "broken"
    assert "padded steps" in heard[0].sentence
    assert all(list(record.broken) == ["padding"] for _, record in outcome.records)


def test_prints_of_workers_go_to_a_log_beside_the_record(tmp_path: Path, capfd) -> None:
    outcome = attempt(tmp_path, PADDED, jobs=1, seeds=1)
    assert "a line for each batch" not in capfd.readouterr().out
    assert len(outcome.records) == 2
    for path, _ in outcome.records:
        assert "a line for each batch" in path.with_suffix(".log").read_text()


def test_of_a_flood_of_prints_the_beginning_is_kept_and_of_silence_nothing(tmp_path: Path) -> None:
    with _captured(tmp_path / "flood.log"):
        os.write(1, b"x" * (LONGEST_LOG + 1000))
    assert (tmp_path / "flood.log").stat().st_size == LONGEST_LOG
    with _captured(tmp_path / "silent.log"):
        pass
    assert not (tmp_path / "silent.log").exists()


ACCEPTS = PADDED.replace(
    "    def __init__",
    """    @classmethod
    def accepts(cls, dims: Dims) -> str | None:
        return "needs audio of 74 features" if dims.audio != 74 else None

    def __init__""",
)
REFUSES = PADDED.replace(
    "super().__init__()",
    "super().__init__()\n        if dims.audio != 74:\n"
    "            from benchmark import UserError\n"
    "            raise UserError('it is built for 74 features')",
)
SENTENCES = {
    "accepts": "padded needs audio of 74 features",
    "builds": "it is built for 74 features",
}


@pytest.mark.parametrize("how", ["accepts", "builds"])
@pytest.mark.parametrize("jobs", [0, 1])
def test_a_named_model_that_declines_is_an_error_before_any_training(
    tmp_path: Path, how: str, jobs: int
) -> None:
    heard: list = []
    with pytest.raises(UserError, match=SENTENCES[how]):
        attempt(
            tmp_path,
            ACCEPTS if how == "accepts" else REFUSES,
            models=("prior",),
            jobs=jobs,
            on_event=heard.append,
        )
    assert not [event for event in heard if event.kind in ("started", "finished")]
    assert not list((tmp_path / "out").rglob("*.json"))


@pytest.mark.parametrize("how", ["accepts", "builds"])
def test_a_model_of_a_group_that_declines_is_left_out_with_its_sentence(
    tmp_path: Path, how: str
) -> None:
    (tmp_path / "own.py").write_text(ACCEPTS if how == "accepts" else REFUSES)
    load_plugin(tmp_path / "own.py")
    heard: list = []
    for _ in range(2):  # the second time there is nothing to run
        outcome = attempt(tmp_path, models=("prior",), group=("padded",), on_event=heard.append)
        assert [title for title, _ in outcome.declined] == ["synthetic/padded"]
        assert SENTENCES[how] in outcome.declined[0][1]
        assert outcome.problems == []
        assert {record.cell.model for _, record in outcome.records} == {"prior"}
        assert [event.kind for event in heard].count("declined") == 1
        heard.clear()
    statuses = {record.cell.model: record.status for _, record in all_records(tmp_path / "out")}
    assert statuses == {"prior": "done", "padded": "declined"}


def test_a_kind_of_task_that_a_model_does_not_take_is_known_before(tmp_path: Path) -> None:
    make_folder(tmp_path / "data", "made", "classes")
    data = {"datasets": ["made"], "data": tmp_path / "data"}
    outcome = attempt(tmp_path, models=("prior",), group=("self-mm",), **data)
    assert [title for title, _ in outcome.declined] == ["made/self-mm"]
    assert "self-mm takes regression tasks" in outcome.declined[0][1]
    with pytest.raises(UserError, match="self-mm takes regression tasks"):
        attempt(tmp_path, models=("prior", "self-mm"), **data)


def test_what_is_taken_now_is_run_although_it_was_left_out_before(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(PADDED)
    load_plugin(tmp_path / "own.py")
    plans = plan_grid(models=("padded",), seeds=1, folder=tmp_path / "out")
    why = Failure(type="Declined", message="once")
    write_record(tmp_path / "out", Record(cell=plans[0].cell, status="declined", error=why), {})
    outcome = attempt(tmp_path, models=("padded",), seeds=1)
    assert {record.status for _, record in outcome.records} == {"done"}


def test_an_evaluation_and_a_corruption_may_decline(tmp_path: Path, monkeypatch) -> None:
    @register_evaluation("posters", accepts=lambda dims: "needs posters")
    def posters(context: EvaluationContext) -> dict:
        return {}

    rules = get_protocol("quick")
    with pytest.raises(UserError, match="the evaluation posters needs posters"):
        attempt(
            tmp_path,
            models=("prior",),
            protocol=changed_protocol(rules, {"evaluations": ("accuracy", "posters")}),
        )
    known = dict(CORRUPTIONS)
    known["mix.all"] = replace(known["mix.all"], accepts=lambda dims: "needs posters")
    monkeypatch.setattr("robustness.corruptions.CORRUPTIONS", known)
    with pytest.raises(UserError, match=r"the corruption mix\.all needs posters"):
        attempt(tmp_path, models=("prior",))


@pytest.mark.parametrize("jobs", [0, 1])
def test_an_exemption_from_nothing_ends_in_a_sentence(tmp_path: Path, jobs: int) -> None:
    plugin = PADDED.replace('"padded"', '"padded", exempt={"paddng": "why"}')
    with pytest.raises(UserError, match="unknown check 'paddng'"):
        attempt(tmp_path, plugin, jobs=jobs)


def test_a_plugin_that_fails_in_a_worker_leaves_failed_records_with_the_cause(
    tmp_path: Path,
) -> None:
    plugin = (
        "import multiprocessing\n"
        "if multiprocessing.parent_process():\n    raise OSError('not here')\n" + PADDED
    )
    assert attempt(tmp_path, plugin, jobs=0, folder=tmp_path / "here").problems == []
    outcome = attempt(tmp_path, plugin, jobs=1, seeds=1)
    assert outcome.declined == []
    assert {record.status for _, record in outcome.records} == {"failed"}
    for _, record in outcome.records:
        assert record.error is not None
        assert "fails to import: OSError: not here" in record.error.message


def test_a_model_whose_modalities_are_all_absent_declines(tmp_path: Path) -> None:
    make_folder(tmp_path / "data", "made", "mosi", streams=("audio", "vision"))
    data = {"datasets": ["made"], "data": tmp_path / "data"}
    outcome = attempt(tmp_path, models=("prior",), group=("text-only",), **data)
    assert "reads text, of which no training sample" in outcome.declined[0][1]


def test_features_asked_for_where_there_are_none_come_from_trained_vectors(tmp_path: Path) -> None:
    make_folder(tmp_path / "data", "made", "mosi", **SHAPES["tokens-only"])
    outcome = attempt(
        tmp_path,
        models=("text-only",),
        datasets=["made"],
        data=tmp_path / "data",
        settings={"epochs": 1, "text_encoder": "features"},
    )
    assert outcome.problems == outcome.declined == []


def test_an_output_that_cannot_be_written_is_found_before_training(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file, no folder")
    heard = []
    with pytest.raises(UserError, match="choose another one with -o"):
        attempt(tmp_path, models=("prior",), on_event=heard.append)
    assert heard == []


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"label": np.full(20, 7.0, np.float32)}, "outside"),
        ({"label": np.full(20, np.nan, np.float32)}, "NaN"),
        ({"label": np.zeros((20, 2), np.float32)}, "2 labels a sample"),
        ({"audio": np.zeros((20, 6, 9), np.float32)}, "9"),
    ],
)
def test_a_broken_test_split_is_found_before_training(
    tmp_path: Path, change: dict, sentence: str
) -> None:
    folder = make_folder(tmp_path / "data", "made", "mosi")
    with np.load(folder / "test.npz") as arrays:
        np.savez(folder / "test.npz", **{**arrays, **change})
    heard = []
    with pytest.raises(UserError, match=sentence):
        attempt(
            tmp_path,
            models=("prior",),
            datasets=["made"],
            data=tmp_path / "data",
            on_event=heard.append,
        )
    assert heard == []


def test_predictions_better_than_the_oracle_are_refused(tmp_path: Path, monkeypatch) -> None:
    import benchmark.running.parts as parts

    def perfect(model, batch, **_):
        assert len(batch) in (200, 400)
        return batch.label.numpy() + np.float32(0.01)

    monkeypatch.setattr(parts, "predict", perfect)
    outcome = attempt(tmp_path, models=("late-fusion",), seeds=1)
    assert "best possible" in outcome.problems[0].sentence


def test_predictions_that_are_the_labels_are_refused(tmp_path: Path, monkeypatch) -> None:
    import benchmark.running.parts as parts

    make_folder(tmp_path / "data", "made", "mosi")
    monkeypatch.setattr(parts, "predict", lambda model, batch, **_: batch.label.numpy())
    outcome = attempt(
        tmp_path, models=("late-fusion",), seeds=1, datasets=["made"], data=tmp_path / "data"
    )
    assert "equal" in outcome.problems[0].sentence
