"""The command as a user meets it: help, dry run, a whole small job, and every kind of mistake."""

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmark.datasets.load import load_dataset
from benchmark.records.store import find_records

ROOT = Path(__file__).parents[1]
PLUGIN = """
import torch
from torch import nn
from benchmark import Batch, Dims, Model, Output, register_model

@register_model("mean-head")
class MeanHead(Model):
    def __init__(self, dims: Dims, *, width: int = 8):
        super().__init__()
        self.body = nn.Linear(sum(dims.inputs), width)
        self.head = nn.Linear(width, dims.outputs)

    def forward(self, batch: Batch) -> Output:
        x = torch.cat([stream.mean() for stream in batch.streams], dim=1)
        return Output(self.head(self.body(x).tanh()))
"""


def call(*arguments: object, folder: Path | None = None) -> subprocess.CompletedProcess:
    command = [sys.executable, str(ROOT / "affectbench.py"), *map(str, arguments)]
    return subprocess.run(
        command, capture_output=True, text=True, cwd=folder or ROOT, timeout=300, check=False
    )


def small(output: Path, *more: object) -> subprocess.CompletedProcess:
    """A job of seconds: two models, one seed, two epochs."""
    return call(
        "run",
        "-m",
        "prior,late-fusion",
        "--seeds",
        1,
        "--set",
        "epochs=2",
        "-o",
        output,
        *more,
    )


def test_help_needs_no_torch() -> None:
    code = "import sys, affectbench; sys.exit('torch' in sys.modules or 'pandas' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
    answer = call("--help")
    assert answer.returncode == 0
    for command in ("run", "ls", "check", "score", "data", "leaderboard", "sys-info"):
        assert f" {command} " in answer.stdout


def test_a_whole_job_and_then_nothing_left_to_do(tmp_path: Path) -> None:
    first = small(tmp_path)
    assert first.returncode == 0, first.stderr + first.stdout
    assert "4 cells run, 0 found, 0 without a result" in first.stdout
    for name in ("leaderboard.md", "leaderboard.csv", "leaderboard.tex"):
        assert (tmp_path / name).stat().st_size > 100
    assert list((tmp_path / "plots").glob("*.png"))
    files = {path: path.stat().st_mtime_ns for path in (tmp_path / "records").rglob("*.*")}
    again = small(tmp_path)
    assert "0 cells run, 4 found" in again.stdout
    assert files == {path: path.stat().st_mtime_ns for path in (tmp_path / "records").rglob("*.*")}
    rebuilt = call("leaderboard", tmp_path)
    assert rebuilt.returncode == 0, rebuilt.stderr
    broken = next((tmp_path / "records").rglob("*.json"))
    broken.write_text(broken.read_text()[:-30])
    rest = call("leaderboard", tmp_path)
    assert rest.returncode == 0, rest.stderr
    assert f"left out: {broken}" in rest.stdout.replace("\n", "")
    answer = small(tmp_path)
    assert answer.returncode == 0, answer.stderr
    assert "it is run now" in answer.stdout.replace("\n", " ")
    assert "1 cells run, 3 found" in answer.stdout
    assert broken.with_name(f"{broken.name}.bad").is_file()


def test_records_name_no_machine(tmp_path: Path) -> None:
    assert small(tmp_path, "--jobs", 0).returncode == 0
    for path, record in find_records(tmp_path):
        text = path.read_text()
        assert str(tmp_path) not in text
        assert str(Path.home()) not in text
        assert record.environment["torch"]


def test_the_same_cell_gives_the_same_numbers_whatever_the_jobs(tmp_path: Path) -> None:
    assert small(tmp_path / "a", "--jobs", 0).returncode == 0
    assert small(tmp_path / "b", "--jobs", 2).returncode == 0
    one, two = (
        {record.cell.key: record for _, record in find_records(tmp_path / name)} for name in "ab"
    )
    assert one.keys() == two.keys()
    for key, record in one.items():
        assert record.measurements.accuracy == two[key].measurements.accuracy
        assert record.measurements.robustness == two[key].measurements.robustness


def test_a_dry_run_prints_the_grid_and_writes_nothing(tmp_path: Path) -> None:
    answer = call("run", "-m", "all", "--seeds", 2, "--dry-run", "-o", tmp_path / "out")
    assert answer.returncode == 0
    assert re.search(r"synthetic +prior ", answer.stdout)
    assert "to run" in answer.stdout
    assert not (tmp_path / "out").exists()


def test_a_killed_run_continues(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "affectbench.py"), "run", "-m", "prior,late-fusion"]
    command += ["--seeds", "3", "--set", "epochs=2", "-o", str(tmp_path), "--jobs", "1"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not list(tmp_path.rglob("*.json")) and time.monotonic() < deadline:
        try:
            process.wait(0.05)
            break
        except subprocess.TimeoutExpired:
            continue
    process.kill()
    process.wait()
    before = len(list(find_records(tmp_path)))
    assert before
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    assert f"{8 - before} cells run, {before} found" in answer.stdout
    assert not [path for path in tmp_path.rglob("*.part") if "records" in path.parts] or before < 8


def test_a_failing_model_is_a_record_and_the_rest_goes_on(tmp_path: Path) -> None:
    plugin = tmp_path / "fails.py"
    plugin.write_text(
        PLUGIN.replace("mean-head", "fails").replace(
            "return Output(", "raise ArithmeticError('on purpose')\n        return Output("
        )
    )
    answer = call(*("run", "-m", "prior", "--plugin", plugin, "--seeds", 1, "-o", tmp_path / "out"))
    assert answer.returncode == 1
    assert "synthetic/fails seed 0" in answer.stdout
    assert "on purpose" in answer.stdout
    states = {
        (record.cell.model, record.cell.part): record
        for _, record in find_records(tmp_path / "out")
    }
    assert states["prior", "score"].status == "done"
    broken = states["fails", "score"]
    assert broken.status == "failed"
    assert broken.error is not None
    assert "ArithmeticError: on purpose" in broken.error.traceback
    assert str(ROOT) not in broken.error.traceback


def test_a_worker_that_dies_is_a_failed_record(tmp_path: Path) -> None:
    plugin = tmp_path / "dies.py"
    plugin.write_text(
        PLUGIN.replace("mean-head", "dies").replace(
            "return Output(", "import os; os._exit(7)\n        return Output("
        )
    )
    answer = call(*("run", "-m", "prior", "--plugin", plugin, "--seeds", 1, "-o", tmp_path / "out"))
    assert answer.returncode == 1
    assert "the worker process ended with exit code 7" in answer.stdout
    assert any(record.status == "done" for _, record in find_records(tmp_path / "out"))


def test_a_plugin_of_fifteen_lines_runs_and_checks(tmp_path: Path) -> None:
    plugin = tmp_path / "mine.py"
    plugin.write_text(PLUGIN)
    assert len([line for line in PLUGIN.splitlines() if line.strip()]) <= 15
    answer = call("check", "--plugin", plugin, "mean-head")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert "mean-head" in answer.stdout
    plugin.write_text(PLUGIN.replace("stream.mean()", "stream.values.mean(1)"))
    answer = call("check", "--plugin", plugin, "mean-head")
    assert answer.returncode == 1
    assert "padding" in answer.stdout


def test_a_method_imported_by_a_script_reaches_the_workers(tmp_path: Path) -> None:
    (tmp_path / "my_method.py").write_text(PLUGIN)
    script = tmp_path / "script.py"
    script.write_text(
        "import my_method\nfrom benchmark import run\n"
        "if __name__ == '__main__':\n"
        "    outcome = run(models=['mean-head'], seeds=1, jobs=1, folder='out',"
        " settings={'epochs': 1})\n"
        "    print([record.status for _, record in outcome.records])\n"
    )
    answer = subprocess.run(
        [sys.executable, str(script)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
    )
    assert answer.stdout.strip() == "['done', 'done']", answer.stderr


def test_a_script_without_a_main_guard_is_told_so_and_no_cell_is_lost(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "from benchmark import run\nrun(models=['prior'], seeds=1, jobs=1, folder='out')\n"
    )
    answer = subprocess.run(
        [sys.executable, str(script)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
    )
    assert answer.returncode == 1
    assert "put the call below `if __name__ == '__main__':`" in answer.stderr
    assert not list(tmp_path.rglob("*.json"))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run", "-m", "tnf"], "unknown model 'tnf'; did you mean 'tfn'"),
        (["run", "-d", "sintetic"], "did you mean 'synthetic'"),
        (["run", "--protocol", "quik"], "did you mean 'quick'"),
        (["run", "-m", "late-fusion", "--set", "hiden=3"], "did you mean 'hidden'"),
        (["run", "-m", "late-fusion", "--set", "tfn.hidden=3"], "tfn"),
        (["run", "-m", "late-fusion", "--set", "lr=-1"], "greater than 0"),
        (["run", "-m", "late-fusion", "--set", "lr=1e999"], "finite numbers"),
        (["run", "-m", "late-fusion", "--time-limit", "0"], "minutes above 0"),
        (["run", "-m", "late-fusion", "--set", "lr"], "key=value"),
        (["run", "-m", "late-fusion", "--set", "hidden=wide"], "valid integer"),
        (["run", "-m", "tfn", "--set", "variant=mmsb"], "'paper', 'orig' or 'mmsa'"),
        (["run", "--seeds", "x"], "--seeds takes a number"),
        (["run", "--seeds", "0"], "at least 1"),
        (["run", "--device", "tpu"], "allowed: cpu, cuda"),
        (["run", "--plugin", "nowhere.py"], "no file"),
        (["run", "-m", "text-only", "--text-encoder", "no/such-encoder"], "no/such-encoder"),
        (["score", "synthetic", "nowhere.csv"], "is not there"),
        (["leaderboard", "nowhere"], "holds no records"),
    ],
)
def test_a_mistake_is_one_sentence_and_no_traceback(
    arguments: list[str], words: str, tmp_path: Path
) -> None:
    answer = call(*arguments, folder=tmp_path)
    assert answer.returncode == 2, answer.stdout + answer.stderr
    assert words in answer.stderr
    assert "Traceback" not in answer.stderr
    assert answer.stderr.count("\n") == 1


def test_debug_shows_the_traceback() -> None:
    answer = call("run", "-m", "tnf", "--debug")
    assert "Traceback" in answer.stderr
    assert "did you mean 'tfn'" in answer.stderr


def test_score_prints_the_row_of_the_oracle(tmp_path: Path) -> None:
    test = load_dataset("synthetic").open_test()
    table = pd.DataFrame({"id": test.ids, "prediction": test.oracle})
    file = tmp_path / "mine.csv"
    table.sample(frac=1, random_state=0).to_csv(file, index=False)
    answer = call("score", "synthetic", file)
    assert answer.returncode == 0, answer.stderr
    mae = float(np.abs(test.oracle - test.label).mean())
    rows = [line for line in answer.stdout.splitlines() if f"{mae:.3f}" in line]
    assert len(rows) == 2  # the file's and the oracle's
    for broken, words in (
        (table[1:], f"{test.ids[0]!r}"),
        (pd.concat([table, table[:1]]), "occurs more than once"),
        (table.replace({"id": {test.ids[0]: "stranger"}}), "'stranger' is not in the test split"),
        (table.rename(columns={"prediction": "guess"}), "lacks the column prediction"),
        (table.assign(prediction="x"), "no finite number"),
    ):
        broken.to_csv(file, index=False)
        answer = call("score", "synthetic", file)
        assert answer.returncode == 2
        assert words.replace("np.str_(", "").rstrip(")") in answer.stderr
        assert "Traceback" not in answer.stderr


def test_ls_and_sys_info() -> None:
    assert "late-fusion" in call("ls").stdout
    assert "synthetic" in call("ls", "datasets").stdout
    assert "max_epochs" in call("ls", "protocols").stdout
    assert "hidden" in call("ls", "settings", "late-fusion").stdout
    assert "torch: " in call("sys-info").stdout


def test_settings_reach_the_record(tmp_path: Path) -> None:
    assert small(tmp_path, "--set", "late-fusion.hidden=7", "--jobs", 0).returncode == 0
    for path in tmp_path.rglob("late-fusion/*.json"):
        cell = json.loads(path.read_text())["cell"]
        assert cell["settings"]["hidden"] == 7
        assert cell["config"]["epochs"] == 2
