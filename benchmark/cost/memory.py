"""Peak memory of inference and of training, each in a fresh process where memory is the host's."""

import ctypes
import gc
import importlib
import importlib.util
import json
import os
import pickle
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

from benchmark.batch import Batch
from benchmark.build import build_model
from benchmark.config import TrainConfig
from benchmark.cost.workload import training_steps
from benchmark.errors import told
from benchmark.model import Model
from benchmark.system.processes import end_with_parent
from benchmark.task import Dims
from benchmark.training.batches import SplitBatches
from benchmark.training.predict import predict_batch

MIB = 2**20
LONGEST = 900.0  # seconds after which a measurement is given up
STATUS = Path("/proc/self/status")
CLEAR = Path("/proc/self/clear_refs")


@dataclass(frozen=True)
class Job:
    """All that a fresh process needs to build a model and to run it once.

    Attributes:
        module: where the class is defined.
        file: the file of that module, for plugins, which are not importable by name.
        qualname: the class within its module.
        settings: its constructor's arguments.
        dims: what it is told about the data.
        config: how it is optimised.
        precision: as in the protocol.
        threads: of PyTorch.
        batch: on the host.
        training: two training steps instead of one forward pass.
        imports: modules to import before the process is forked, because they load slowly.
    """

    module: str
    file: str
    qualname: str
    settings: dict[str, Any]
    dims: Dims
    config: TrainConfig
    precision: str
    threads: int
    batch: Batch
    training: bool
    imports: tuple[str, ...] = ()

    def build(self) -> Model:
        """A new model."""
        found: Any = _module(self.module, self.file)
        for part in self.qualname.split("."):
            found = getattr(found, part)
        return build_model(found, self.dims, self.settings)

    def work(self, model: Model, batch: Batch) -> None:
        """What is measured."""
        if not self.training:
            predict_batch(model, batch, precision=self.precision)
            return
        batches = SplitBatches(batch, len(batch))
        steps = training_steps(model, batches, self.config, self.precision)
        for _ in range(2):  # from the second step on, the optimiser's state is there
            next(steps)()


def host_peak(job: Job) -> dict[str, float | None]:
    """Peak resident memory of the job in a process of its own, beyond model and data, in MiB.

    Returns:
        `peak_mib`, the larger of what sampling and the kernel's high-water mark saw less
        `baseline_mib`, the resident memory before the call; and these two.

    Raises:
        RuntimeError: it could not be measured; says why.
    """
    if job.module == "__main__":
        raise RuntimeError("the model's class is defined in the script that runs")
    server = _server(os.getpid())
    assert server.stdin is not None
    assert server.stdout is not None
    watchdog = threading.Timer(LONGEST, _kill, [server])
    watchdog.start()
    try:
        # A pickle of tensors in whole, where multiprocessing would share them.
        server.stdin.write(json.dumps(job.imports).encode() + b"\n" + pickle.dumps(job))
        server.stdin.flush()
        answer = server.stdout.readline()
    except OSError:
        answer = b""
    finally:
        watchdog.cancel()
    reply = json.loads(answer) if answer else {}
    if not reply or not hasattr(os, "fork"):
        stop()  # what it has not read would confuse the next measurement
    if not reply:
        raise RuntimeError("the measuring process ended without an answer")
    if "error" in reply:
        raise RuntimeError(reply["error"])
    return dict(reply)


def device_peak(work: Callable[[], None], device: torch.device) -> dict[str, float | None]:
    """Peak of an accelerator's memory during `work` beyond what was there, in MiB."""
    gc.collect()
    torch.cuda.synchronize(device)
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats(device)
    allocated = torch.cuda.memory_allocated(device)
    reserved = torch.cuda.memory_reserved(device)
    work()
    torch.cuda.synchronize(device)
    return {
        "peak_mib": (torch.cuda.max_memory_allocated(device) - allocated) / MIB,
        "reserved_mib": (torch.cuda.max_memory_reserved(device) - reserved) / MIB,
        "baseline_mib": allocated / MIB,
        "baseline_reserved_mib": reserved / MIB,
    }


def start() -> None:
    """Start the process from which measuring ones are forked; returns when it is ready.

    It imports PyTorch, computes nothing and stays until this process ends, so that only the first
    measurement pays for the import. It never runs the user's main module.
    """
    _server(os.getpid())


def stop() -> None:
    """End that process, if there is one."""
    if _server.cache_info().currsize:
        server = _server(os.getpid())
        _kill(server)
        server.communicate()
        _server.cache_clear()


def _kill(server: "subprocess.Popen[bytes]") -> None:
    """End a server with the process it forked, which would keep its pipes open."""
    if hasattr(os, "killpg") and server.poll() is None:
        os.killpg(server.pid, signal.SIGKILL)
    else:
        server.kill()


@lru_cache(maxsize=1)
def _server(parent: int) -> "subprocess.Popen[bytes]":
    """The server of the process `parent`; a fork of it needs its own."""
    path = [folder or os.getcwd() for folder in sys.path]
    code = (
        f"import sys; sys.path[:] = {path!r}; "
        f"from benchmark.cost.memory import serve; serve({parent})"
    )
    server = subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    assert server.stdout is not None
    server.stdout.readline()
    return server


def serve(parent: int) -> None:
    """Fork a process for each job on standard input; it answers with a line of JSON."""
    end_with_parent(parent)
    answer = os.dup(1)
    os.dup2(2, 1)  # a model that prints must not disturb the answers
    _import_early()
    os.write(answer, b"ready\n")
    while header := _header():
        for name in json.loads(header):
            with suppress(ImportError):  # a plugin, which is found by its file later
                importlib.import_module(name)
        own = os.getpid()
        child = os.fork() if hasattr(os, "fork") else 0
        if child == 0:
            end_with_parent(own)
            os.write(answer, json.dumps(_answer()).encode() + b"\n")
            os._exit(0)
        if os.waitpid(child, 0)[1] != 0:
            os.write(answer, b"{}\n")


def _header() -> bytes:
    """The line before a job, without a byte of the job; empty at the end of the input."""
    line = b""
    while not line.endswith(b"\n"):
        byte = os.read(0, 1)
        if not byte:
            return b""
        line += byte
    return line


def _import_early() -> None:
    """Import what every measuring process uses, some of which PyTorch loads at a first step.

    No autograd and nothing large: a process with threads must not be forked.
    """
    importlib.import_module("memory_profiler")
    parameter = torch.nn.Parameter(torch.zeros(1))
    parameter.grad = torch.zeros(1)
    torch.optim.Adam([parameter]).step()


def _answer() -> dict[str, Any]:
    job: Job = pickle.load(sys.stdin.buffer)
    try:
        torch.set_num_threads(job.threads)
        torch.manual_seed(0)
        # A first pass of another copy brings in what libraries load late; its own memory goes.
        job.work(job.build(), job.batch.select(torch.arange(min(2, len(job.batch)))))
        model = job.build()
        return _resident_peak(lambda: job.work(model, job.batch))
    except Exception as error:
        return {"error": f"{type(error).__name__}: {told(error)}"}


def _resident_peak(work: Callable[[], None]) -> dict[str, float | None]:
    import psutil
    from memory_profiler import memory_usage

    _trim()
    baseline = psutil.Process().memory_info().rss / MIB
    marked = _reset_high_water()
    sampled = float(
        memory_usage(
            (work, (), {}), interval=0.002, max_usage=True, max_iterations=1, backend="psutil"
        )
    )
    high_water = _high_water() if marked else None
    return {
        "peak_mib": max(0.0, sampled - baseline, (high_water or 0.0) - baseline),
        "baseline_mib": baseline,
        "sampled_mib": sampled,
        "high_water_mib": high_water,
    }


def _trim() -> None:
    """Give free memory back, so that the work does not hide in what was freed before it."""
    gc.collect()
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (AttributeError, OSError, TypeError):
        return  # only glibc can


def _reset_high_water() -> bool:
    """Whether the kernel now counts its high-water mark afresh."""
    try:
        CLEAR.write_text("5")
    except OSError:
        return False
    return True


def _high_water() -> float | None:
    for line in STATUS.read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return None


def _module(name: str, file: str) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise RuntimeError(f"the module {name} cannot be imported again")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module
