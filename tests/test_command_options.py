"""Options of the command: settings, seeds, names, protocols, and how it stops."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from benchmark.config import PROTOCOLS, get_protocol
from benchmark.errors import UserError
from benchmark.records.store import find_records
from benchmark.running.plan import plan_grid
from benchmark.running.run import run
from tests.test_cli import ROOT, call, small


def test_a_setting_given_twice_is_refused_and_a_list_runs_every_value() -> None:
    answer = call("run", "--set", "lr=1", "--set", "lr=2", "--dry-run")
    assert answer.returncode == 2
    assert "--set lr is given twice; lr=a,b runs both values" in answer.stderr
    answer = call("run", "-m", "tfn,prior", "--seeds", 1, "--set", "tfn.lr=1e-3,1e-2", "--dry-run")
    assert answer.returncode == 0, answer.stderr
    cells = re.findall(r"^synthetic +(\S+) .* (score|cost) ", answer.stdout, re.MULTILINE)
    # What does not know the setting is there once.
    assert sorted(cells) == sorted(
        [("tfn", "score"), ("tfn", "cost")] * 2 + [("prior", "score"), ("prior", "cost")]
    )


def test_seeds_and_models_given_twice_count_once_and_capitals_do_not_matter() -> None:
    plans = plan_grid(models=["TFN", "tfn", "Mag-BERT"], seeds=[1, 1])
    assert [(plan.cell.model, plan.cell.seed, plan.cell.part) for plan in plans] == [
        ("tfn", 1, "score"),
        ("mag-bert", 1, "score"),
        ("tfn", 1, "cost"),
        ("mag-bert", 1, "cost"),
    ]


def test_version_short_help_and_completion() -> None:
    answer = call("--version")
    assert re.match(r"affectbench \S+.*, harness \d+\.[0-9a-f]{6}\n", answer.stdout)
    assert call("run", "-h").stdout == call("run", "--help").stdout
    assert "--install-completion" in call("--help").stdout


def test_a_protocol_comes_from_a_file_and_its_fields_from_options(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('base = "standard"\nmax_epochs = 7\nlevels = [0, 0.5]\n')
    rules = get_protocol(str(path))
    assert rules == PROTOCOLS["standard"].model_copy(
        update={"name": "mine", "max_epochs": 7, "levels": (0.0, 0.5)}
    )
    twin = tmp_path / "twin.json"
    twin.write_text('{"base": "standard", "name": "mine", "max_epochs": 7, "levels": [0, 0.5]}')
    assert get_protocol(str(twin)) == rules
    answer = small(
        tmp_path / "out", "--protocol", path, "--corruptions", "mix.all", "--levels", "0,1"
    )
    assert answer.returncode == 0, answer.stderr
    assert "mine with other corruptions and other levels" in answer.stdout
    records = [r for _, r in find_records(tmp_path / "out") if r.cell.part == "score"]
    for record in records:
        curves = record.measurements.robustness.curves
        assert {name: curve.levels for name, curve in curves.items()} == {"mix.all": [0, 1]}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('bass = "quick"', "unknown field of a protocol 'bass'"),
        ("max_epochs = -1", "max_epochs"),
        ("levels = [0.5, 1]", "levels"),
        ("levels = ", "cannot be read"),
        ('corruptions = ["mix.al"]', "did you mean 'mix.all'"),
    ],
)
def test_a_broken_protocol_is_refused_in_a_sentence(
    tmp_path: Path, text: str, sentence: str
) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(UserError, match=re.escape(sentence)):
        plan_grid(models=["prior"], protocol=str(path))


def test_progress_never_shows_a_test_score_and_tables_cover_the_folder(tmp_path: Path) -> None:
    first = small(tmp_path)
    lines = [line for line in first.stdout.splitlines() if line.startswith("[")]
    assert len(lines) == 4
    assert not any("test" in line for line in lines)
    assert sum("valid mae" in line for line in lines) == 2
    second = call("run", "-m", "lmf", "--seeds", 1, "--set", "epochs=2", "-o", tmp_path)
    assert second.returncode == 0, second.stderr
    for text in (second.stdout, (tmp_path / "leaderboard.md").read_text()):
        assert all(name in text for name in ("lmf", "late-fusion", "prior"))


def test_a_failing_cell_is_told_once_and_its_traceback_on_request(tmp_path: Path) -> None:
    plugin = tmp_path / "own.py"
    plugin.write_text(
        "from benchmark import Model, register_model\n"
        "@register_model('broken')\n"
        "class Broken(Model):\n"
        "    def __init__(self, dims):\n"
        "        super().__init__()\n"
        "    def forward(self, batch):\n"
        "        raise RuntimeError('no such luck')\n"
    )
    job = ("run", "--plugin", plugin, "--seeds", 2, "-o", tmp_path / "out")
    answer = call(*job)
    assert answer.returncode == 1
    told = [line for line in answer.stdout.splitlines() if "failed: " in line]
    assert len(told) == 1
    assert "broken seed 0, synthetic/broken seed 1, synthetic/broken cost" in told[0]
    assert "no such luck" in told[0]
    assert "Traceback" not in answer.stdout + answer.stderr
    assert "own.py" in call("--debug", *job).stdout


def test_a_stopped_run_says_how_far_it_came_and_writes_its_tables(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "affectbench.py"), "run", "-o", str(tmp_path)]
    command += ["-m", "prior,late-fusion,mfn,mult", "--seeds", "3", "--set", "epochs=2"]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("[2/"):
                os.killpg(process.pid, signal.SIGINT)
                break
        rest, errors = process.communicate(timeout=300)
    assert process.returncode == 130
    assert re.search(r"stopped: \d+ of 16 cells done; the same command continues", rest)
    assert "Traceback" not in rest + errors
    assert "late-fusion" in (tmp_path / "leaderboard.md").read_text()


def test_run_writes_tables_on_request_and_gives_a_frame(tmp_path: Path) -> None:
    from benchmark import to_frame

    run(
        models=["prior"],
        seeds=1,
        folder=tmp_path,
        jobs=0,
        tables=True,
        protocol=PROTOCOLS["quick"].model_copy(update={"evaluations": ("accuracy",)}),
    )
    assert (tmp_path / "leaderboard.md").is_file()
    frame = to_frame(tmp_path)
    assert {"valid", "test"} <= set(frame["split"])
    assert set(frame["model"]) == {"prior"}


NOTEBOOK = """
import torch
from torch import nn
from benchmark import Model, Output, UserError, register_model, run

@register_model("drawn")
class Drawn(Model):
    def __init__(self, dims):
        super().__init__()
        self.head = nn.Linear(sum(dims.inputs), dims.outputs)
    def forward(self, batch):
        return Output(self.head(torch.cat([s.mean() for s in batch.streams], 1)))

job = dict(models=["drawn"], seeds=1, settings={"epochs": 1}, folder=FOLDER)
print(run(**job).made, run(**job).found)
try:
    run(jobs=2, **{**job, "seeds": 2})
except UserError as error:
    print(error)
"""


def test_a_class_without_a_file_works_in_this_process(tmp_path: Path) -> None:
    code = NOTEBOOK.replace("FOLDER", repr(str(tmp_path)))
    answer = subprocess.run(
        [sys.executable], input=code, capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert answer.stdout.splitlines()[0] == "2 2", answer.stderr
    assert "pass jobs=0 or put the class into a file" in answer.stdout
