"""Every kind of task and of data through the whole harness, with models of every group."""

import json
from pathlib import Path
from typing import Any

import pytest

from benchmark.config import PROTOCOLS, changed_protocol
from benchmark.records.record import Record
from benchmark.running.run import run
from benchmark.task import Task
from robustness.scores import score
from tests.folders import KINDS, SHAPES, make_folder
from tests.test_cli import PLUGIN, call

MODELS = ("prior", "text-only", "tfn", "mult", "mag-bert", "interactive-attention")
SCORES = changed_protocol(
    PROTOCOLS["quick"],
    {
        "evaluations": ("accuracy", "robustness"),
        "corruptions": ("mix.all",),
        "levels": (0.0, 1.0),
    },
)
SELECTION = {"classes": "f1_weighted", "labels": "f1_macro"}


def records(tmp_path: Path, kind: str, models: tuple[str, ...] = MODELS, **shape) -> list[Record]:
    make_folder(tmp_path / "data", "made", kind, **shape)
    settings: dict[str, Any] = {"epochs": 3}
    if kind in SELECTION:  # its auxiliary labels are generated from a score
        settings["interactive-attention.multitask"] = False
    outcome = run(
        models=models,
        datasets=["made"],
        data=tmp_path / "data",
        folder=tmp_path / "out",
        jobs=0,
        seeds=1,
        protocol=SCORES,
        settings=settings,
    )
    assert outcome.problems == []
    assert outcome.declined == []
    return [record for _, record in outcome.records if record.cell.part == "score"]


@pytest.mark.parametrize("kind", KINDS)
def test_every_task_kind_trains_and_selects_by_its_own_metric(tmp_path: Path, kind: str) -> None:
    for record in records(tmp_path, kind):
        assert record.status == "done"
        training = record.training
        assert training is not None
        assert training.selection == SELECTION.get(kind, "mae")
        if training.epochs:
            best = max if kind in SELECTION else min
            values = [epoch.valid[training.selection] for epoch in record.history]
            assert training.best_value == best(values)
        assert record.metric(training.selection) is not None
        assert score(record.measurements.robustness).summary["mean_skill"] is not None
        assert Task.from_dict(record.task).convention in (
            "mosi",
            "sims",
            "multiclass",
            "multilabel",
        )


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", ["sims", "labels"])
def test_every_shape_of_data_trains(tmp_path: Path, kind: str, shape: str) -> None:
    models = ("text-only", "tfn", "lmf", "mfn", "mult", "mag-bert", "interactive-attention")
    for record in records(tmp_path, kind, models, **SHAPES[shape]):
        assert record.status == "done"


@pytest.mark.parametrize("kind", KINDS)
def test_the_command_runs_every_kind_with_a_plugin(tmp_path: Path, kind: str) -> None:
    make_folder(tmp_path / "data", "made", kind)
    (tmp_path / "own.py").write_text(PLUGIN)
    (tmp_path / "few.json").write_text(
        json.dumps({key: SCORES.model_dump()[key] for key in ("evaluations", "levels")})
    )
    answer = call(
        *("run", "-d", "made", "--data", tmp_path / "data", "--plugin", tmp_path / "own.py"),
        *("-m", "text-only,lmf,interactive-attention", "--seeds", 1, "--set", "epochs=2"),
        *("--set", f"interactive-attention.multitask={'false' if kind in SELECTION else 'true'}"),
        *("--protocol", tmp_path / "few.json", "-o", tmp_path / "out"),
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert "4 cells run, 0 found, 0 without a result" in answer.stdout
    assert "breaks the promise" not in answer.stdout
    text = (tmp_path / "out" / "leaderboard.md").read_text()
    assert all(name in text for name in ("text-only", "lmf", "interactive-attention", "mean-head"))


def test_word_vectors_are_trained_where_there_are_tokens_only(tmp_path: Path) -> None:
    models = ("prior", "lmf", "tfn")
    made = records(tmp_path, "mosi", models, **{**SHAPES["tokens-only"], "sizes": (200, 60, 60)})
    prior, *others = (record.metric("mae") for record in made)
    assert prior is not None
    assert all(value is not None and value < 0.9 * prior for value in others)
