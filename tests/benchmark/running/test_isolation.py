"""What one cell does to its process, to others and to the run: nothing."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmark import metrics
from benchmark.config import Protocol
from benchmark.datasets.load import locate
from benchmark.records.store import read_arrays, read_record, record_path
from benchmark.running.plan import plan_grid
from benchmark.running.run import Event, Outcome, run
from benchmark.running.state import State, unchanged
from benchmark.system.processes import PARENT
from tests.folders import make_folder

ROOT = Path(__file__).parents[3]
HEAD = """
import ctypes, os, signal, subprocess, sys, threading, time
import torch
from torch import nn
from benchmark import Batch, Dims, Model, Output, register_evaluation, register_model
"""
BODY = """
@register_model("own")
class Own(Model):
    def __init__(self, dims: Dims):
        super().__init__()
        self.head = nn.Linear(sum(dims.inputs), dims.outputs)
    def start_training(self, batches):
        {}
    def forward(self, batch: Batch) -> Output:
        return Output(self.head(torch.cat([s.mean() for s in batch.streams], dim=1)))
"""
TINY = Protocol(
    name="tiny",
    max_epochs=1,
    max_patience=1,
    evaluations=("accuracy",),
    levels=(0.0,),
    noise_seeds=1,
    warmup_calls=1,
    timed_calls=1,
)
pytestmark = pytest.mark.usefixtures("own_registry")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    make_folder(tmp_path / "data", "small")
    return tmp_path / "data"


def attempt(
    tmp_path: Path, data: Path, deed: str = "pass", *, top: str = "", models=(), **changes
) -> Outcome:
    """Run a plugin that does something as its training starts, and models of ours."""
    plugin = tmp_path / "own.py"
    # The promises are tried on the same hook: the deed is for the data of the run.
    body = BODY.format(f"if batches.samples == 40:\n            {deed}")
    plugin.write_text(HEAD + top + body)
    values = {
        "models": ("prior", "late-fusion", *models),
        "datasets": ["small"],
        "seeds": 1,
        "protocol": TINY,
        "data": data,
        "plugins": [plugin],
        "folder": tmp_path / "out",
        "jobs": 1,
    }
    return run(**{**values, **changes})


def status(outcome: Outcome) -> dict[str, str]:
    return {record.cell.model: record.status for _, record in outcome.records}


def scores(outcome: Outcome) -> dict[str, bytes]:
    return {
        record.cell.model: read_arrays(path)["test_prediction"].tobytes()
        for path, record in outcome.records
        if record.cell.model != "own" and record.status == "done"
    }


DEEDS = {
    "default dtype": "torch.set_default_dtype(torch.float64)",
    "gradient mode": "torch.set_grad_enabled(False)",
    "threads": "torch.set_num_threads(7)",
    "deterministic": "torch.use_deterministic_algorithms(True)",
    "directory": "os.chdir('/')",
    "environment": "os.environ.clear()",
    "patched metrics": "import benchmark.metrics as m; m.evaluate_metrics = lambda *a, **k: {}",
    "patched library": "torch.optim.Adam.step = lambda *a, **k: None",
    "output": "sys.stdout.close(); os.close(1); os.close(2)",
    "thread": "threading.Thread(target=time.sleep, args=(10**6,)).start()",
    "process": "subprocess.Popen(['sleep', '1000'])",
}


@pytest.mark.parametrize("deed", DEEDS)
def test_a_model_from_outside_changes_no_other_cell(tmp_path: Path, data: Path, deed: str) -> None:
    plain = attempt(tmp_path, data, folder=tmp_path / "plain")
    outcome = attempt(tmp_path, data, DEEDS[deed], models=("own", "text-only"))
    again = attempt(tmp_path, data, models=("text-only",), plugins=[], folder=tmp_path / "again")
    assert status(outcome)["own"] in ("done", "failed")
    found = scores(outcome)
    assert found.keys() == {"prior", "late-fusion", "text-only"}
    assert found == {**scores(plain), **scores(again)}


ENDS = {
    "sys.exit": ("sys.exit(3)", "SystemExit", "3"),
    "os._exit": ("os._exit(3)", "RuntimeError", "ended with exit code 3"),
    "interrupt": ("raise KeyboardInterrupt", "KeyboardInterrupt", ""),
    "own exception": ("raise type('Odd', (BaseException,), {})('x')", "Odd", "x"),
    "crash": ("ctypes.string_at(0)", "RuntimeError", "SIGSEGV"),
    "half a sign": ("raise ValueError('a\\ud800[/red]')", "ValueError", "a\\ud800[/red]"),
    "recursion": ("self.start_training(batches)", "RecursionError", "recursion"),
    "no text": (
        "raise type('Mute', (Exception,), {'__str__': lambda s: 1 / 0})()",
        "Mute",
        "cannot be made",
    ),
    "memory": ("torch.empty(10**15)", "RuntimeError", "allocate"),
}


@pytest.mark.parametrize("name", ENDS)
def test_no_cell_ends_the_run(tmp_path: Path, data: Path, name: str) -> None:
    deed, kind, message = ENDS[name]
    outcome = attempt(tmp_path, data, deed)
    assert status(outcome) == {"prior": "done", "late-fusion": "done", "own": "failed"}
    (failure,) = [record.error for _, record in outcome.records if record.error]
    assert failure.type == kind
    assert message in failure.message
    assert len(outcome.problems) == 1


@pytest.mark.parametrize("name", ["sys.exit", "own exception", "half a sign", "recursion"])
def test_nor_the_process_that_runs_it(tmp_path: Path, data: Path, name: str) -> None:
    outcome = attempt(tmp_path, data, ENDS[name][0], jobs=0)
    assert status(outcome) == {"prior": "done", "late-fusion": "done", "own": "failed"}


def test_a_process_that_a_model_forks_does_not_answer_in_its_place(
    tmp_path: Path, data: Path
) -> None:
    outcome = attempt(tmp_path, data, "os.fork()")
    assert status(outcome) == {"prior": "done", "late-fusion": "done", "own": "done"}
    assert outcome.made == 3


def test_a_cell_that_hangs_is_ended(tmp_path: Path, data: Path) -> None:
    outcome = attempt(tmp_path, data, "time.sleep(10**6)", time_limit=0.25)
    assert status(outcome) == {"prior": "done", "late-fusion": "done", "own": "failed"}
    assert "it took more than 0.25 minutes" in outcome.problems[0].sentence


def test_a_killed_worker_leaves_an_interrupted_cell_that_is_tried_once_more(
    tmp_path: Path, data: Path
) -> None:
    deed = "os.kill(os.getpid(), signal.SIGKILL)"
    first, second, third = (attempt(tmp_path, data, deed) for _ in range(3))
    assert [status(outcome)["own"] for outcome in (first, second, third)] == ["interrupted"] * 3
    assert [outcome.made for outcome in (first, second, third)] == [3, 1, 0]
    assert "out of memory" in first.problems[0].sentence
    assert "the same command tries once more" in first.problems[0].sentence
    assert "--overwrite failed tries again after 2 attempts" in third.problems[0].sentence
    assert attempt(tmp_path, data, deed, overwrite="failed").made == 1


def test_a_result_stays_when_a_new_attempt_fails(tmp_path: Path, data: Path) -> None:
    deed = "open('FLAG').close()".replace("FLAG", str(tmp_path / "flag"))
    (tmp_path / "flag").touch()
    first = attempt(tmp_path, data, deed)
    assert not first.problems
    (tmp_path / "flag").unlink()
    second = attempt(tmp_path, data, deed, overwrite="all")
    assert status(second) == status(first)
    assert [problem.sentence.rpartition("; ")[2] for problem in second.problems] == [
        "the earlier result stays"
    ]
    assert len(list((tmp_path / "out").rglob("*.json.failed"))) == 1


def removing(folder: Path) -> Callable[[Event], None]:
    finished = []

    def tell(event: Event) -> None:
        finished.append(event.kind)
        if finished.count("finished") == 1 and event.kind == "finished":
            shutil.rmtree(folder)

    return tell


def test_a_removed_output_folder_is_no_success(tmp_path: Path, data: Path) -> None:
    outcome = attempt(tmp_path, data, on_event=removing(tmp_path / "out"))
    assert [problem.title for problem in outcome.problems] == ["small/prior seed 0"]
    assert "there is no record of it in" in outcome.problems[0].sentence
    assert len(outcome.records) == 2


def test_relative_paths_hold_whatever_a_plugin_does_to_the_directory(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    outcome = attempt(tmp_path, Path("data"), top="os.chdir('/')\n", folder="here")
    assert not outcome.problems
    assert Path.cwd() == tmp_path
    assert len(list((tmp_path / "here").rglob("*.json"))) == 3


def test_a_broken_record_is_run_again_and_kept(tmp_path: Path, data: Path) -> None:
    first = attempt(tmp_path, data)
    path = first.records[0][0]
    path.write_text("{")
    heard = []
    second = attempt(tmp_path, data, on_event=heard.append)
    assert (second.made, second.found) == (1, 2)
    assert [str(path) in e.sentence for e in heard if e.kind == "unreadable"] == [True]
    assert path.with_name(f"{path.name}.bad").read_text() == "{"


@pytest.mark.parametrize("name", ["/abs/x", "x/y", "../x", ".x", "[red]"])
def test_a_plugin_cannot_take_a_name_that_is_no_name(tmp_path: Path, data: Path, name: str) -> None:
    top = f"\n@register_model({name!r})\nclass Bad(Model):\n    pass\n"
    with pytest.raises(ValueError, match="cannot be called"):
        attempt(tmp_path, data, top=top)


@pytest.mark.parametrize(
    "value", ["object()", "torch.zeros(3)", "{1j: 2}", "[set()]", "float('inf')"]
)
def test_an_evaluation_that_returns_what_no_record_holds(
    tmp_path: Path, data: Path, value: str
) -> None:
    top = f"\n@register_evaluation('odd')\ndef odd(context):\n    return {{'x': {value}}}\n"
    rules = TINY.model_copy(update={"evaluations": ("accuracy", "odd")})
    outcome = attempt(tmp_path, data, top=top, protocol=rules, models=("prior",))
    assert len(outcome.records) == 3
    assert {record.status for _, record in outcome.records} <= {"done", "failed"}


def test_a_state_is_restored() -> None:
    before = {name: os.environ.get(name) for name in ("HOME", "NEW")}
    with unchanged():
        state = State()
        torch.set_default_dtype(torch.float64)
        torch.set_default_device("meta")
        torch.set_grad_enabled(False)
        np.seterr(all="raise")
        os.environ["NEW"] = "1"
        del os.environ["HOME"]
        sys.setrecursionlimit(5000)
        metrics.mae = None
        assert set(state.changes()) >= {
            "default dtype",
            "default device",
            "gradient mode",
            "errors of NumPy",
            "environment variables",
            "recursion limit",
            "benchmark.metrics.mae",
        }
    assert state.changes() == []
    assert {name: os.environ.get(name) for name in ("HOME", "NEW")} == before
    assert callable(metrics.mae)


def test_a_dataset_named_by_its_path_is_found_from_everywhere(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(data)
    assert locate("./small") == str(data / "small")
    assert locate("small:x@0") == f"{data / 'small'}:x@0"
    assert locate("small", data) == "small"
    assert locate("synthetic") == "synthetic"
    assert locate("nothing") == "nothing"
    (plan,) = plan_grid(models=["prior"], datasets=["small"], seeds=1, protocol=TINY)
    monkeypatch.chdir(tmp_path)
    assert plan.dataset == str(data / "small")
    assert plan.folder == data / "results"
    assert record_path(plan.folder, plan.cell).is_relative_to(data)


def test_every_record_of_a_killed_worker_can_be_read(tmp_path: Path, data: Path) -> None:
    outcome = attempt(tmp_path, data, f"os.kill(os.getpid(), {int(signal.SIGTERM)})")
    (path,) = [path for path, record in outcome.records if record.status == "interrupted"]
    record = read_record(path)
    assert record.attempts == 1
    assert record.task
    assert record.environment["torch"]


@pytest.mark.parametrize(
    "top",
    [
        "import json; json.loads = lambda *a, **k: {}",
        "import benchmark.records.store as r; r.read_record = None",
        "import builtins; builtins.open = None; os.replace = None",
        "sys.setrecursionlimit(10_000)",
        "torch.set_default_device('meta')",
    ],
)
def test_what_a_plugin_does_as_it_is_imported_stays_out_of_the_run(
    tmp_path: Path, data: Path, top: str
) -> None:
    outcome = attempt(tmp_path, data, top=f"{top}\n")
    found = status(outcome)
    assert (found["prior"], found["late-fusion"]) == ("done", "done")
    assert len(outcome.records) == 3 or "own" not in found


def test_a_server_whose_parent_is_gone_already_ends_at_once() -> None:
    code = "import benchmark.running.engines.leash; print('lives on')"
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    environment = {**os.environ, PARENT: str(gone.pid)}
    ended = subprocess.run(
        [sys.executable, "-c", code], env=environment, cwd=ROOT, capture_output=True, text=True
    )
    assert (ended.returncode, ended.stdout) == (1, "")
    environment[PARENT] = str(os.getpid())
    ended = subprocess.run(
        [sys.executable, "-c", code], env=environment, cwd=ROOT, capture_output=True, text=True
    )
    assert (ended.returncode, ended.stdout) == (0, "lives on\n")


def test_a_worker_without_a_parent_ends_without_a_word() -> None:
    code = (
        "import multiprocessing, threading\n"
        "from benchmark.running.engines.local import _work\n"
        "ours, theirs = multiprocessing.Pipe()\n"
        "hears_and_goes = lambda: (ours.recv(), ours.close())\n"
        "threading.Thread(target=hears_and_goes).start()\n"
        "_work(theirs)\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert ended.stdout == ended.stderr == ""
    assert ended.returncode in (1, -signal.SIGKILL)
