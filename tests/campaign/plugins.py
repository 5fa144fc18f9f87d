"""Plugins that misbehave: theirs is the damage, our own models stay bit-identical beside them.

A plugin is trusted code, so what it does to files and processes of the user is its own business.
What is tried here is that a run survives it: it ends by itself, in words, with a record for every
cell, and the numbers of our own models are those of a run without it.
"""

import shutil
import tempfile
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from textwrap import indent
from typing import Any

from tests.campaign.commands import command
from tests.campaign.figures import Figures
from tests.campaign.stores import grid, same_scores, scores, unreadable, write_protocol

OWN = ("prior", "late-fusion")
SEEDS = 2
SIDE_BY_SIDE = 2  # commands at a time
SOURCE = '''"""A model that misbehaves."""

import ctypes, gc, importlib, os, random, resource, shutil, signal, subprocess, sys
import threading, time
import numpy as np
import torch
from torch import nn
from benchmark import Dims, Model, Output, register_evaluation, register_model
{top}

@register_model({name!r})
class Stranger(Model):
    def __init__(self, dims: Dims, *, hidden: int = 4):
        super().__init__()
        self.projections = nn.ModuleList(nn.Linear(width, hidden) for width in dims.inputs)
        self.head = nn.Linear(hidden, dims.outputs)
{init}

    def forward(self, batch):
        fused = sum(layer(s.mean()) for layer, s in zip(self.projections, batch.streams))
        prediction = self.head(fused.relu())
{forward}
        return Output(prediction)

    def loss(self, output, batch):
{loss}
        return super().loss(output, batch)
'''
EVALUATION = '''
@register_evaluation("strange")
def strange(context):
    """Measures something strange."""
{body}
'''


@dataclass(frozen=True)
class Behaviour:
    """Attributes:
    top: code at import.
    init: code in the constructor.
    forward: code in the forward pass, which may replace `prediction`.
    loss: code in the loss.
    evaluation: body of an evaluation that every cell is measured by.
    name: of the model.
    codes: exit codes that are right; after others than 0 and 1 nothing was run.
    more: arguments of the command.
    same: whether records of our own models must be those of a run without the plugin.
    whole: whether every planned cell must have a record.
    """

    top: str = ""
    init: str = ""
    forward: str = ""
    loss: str = ""
    evaluation: str = ""
    name: Any = "stranger"
    codes: tuple[int, ...] = (0, 1)
    more: tuple[str, ...] = ()
    same: bool = True
    whole: bool = True

    @property
    def source(self) -> str:
        top = self.top
        if self.evaluation:
            top += EVALUATION.format(body=indent(self.evaluation, " " * 4))
        inner = {key: indent(getattr(self, key), " " * 8) for key in ("init", "forward", "loss")}
        return SOURCE.format(top=top, name=self.name, **inner)


def run(names: Iterable[str] | None = None) -> Figures:
    """Run behaviours, all of them unless some are named."""
    started = time.monotonic()
    figures = Figures("plugins")
    chosen = list(BEHAVIOURS) if names is None else list(names)
    with tempfile.TemporaryDirectory(prefix="plugins-") as name:
        root = Path(name)
        wanted = _without(root)
        with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
            for case, wrong in zip(
                chosen, pool.map(partial(_beside, root, wanted), chosen), strict=True
            ):
                figures.cases += 1
                figures.judge(case, wrong)
    figures.seconds = time.monotonic() - started
    return figures


def _without(root: Path) -> dict[str, Any]:
    """Scores of our own models when they are alone."""
    folder = root / "without"
    folder.mkdir()
    write_protocol(folder)
    ended = command(grid(OWN, SEEDS, "--jobs", "2"), folder)
    if ended.wrong((0,)):
        raise RuntimeError(f"the grid without plugins: {ended.wrong((0,))}: {ended.output}")
    return scores(folder / "out")


def _beside(root: Path, wanted: dict[str, Any], case: str) -> list[str]:
    """Run our own models and a plugin; what went wrong."""
    behaviour = BEHAVIOURS[case]
    home = root / case
    folder = home / "work"
    folder.mkdir(parents=True)
    evaluations = ["accuracy", *(["strange"] if behaviour.evaluation else [])]
    write_protocol(folder, evaluations=evaluations)
    (folder / "plugin.py").write_text(behaviour.source, encoding="utf-8")
    arguments = grid(OWN, SEEDS, "--plugin", "plugin.py", "--jobs", "2", *behaviour.more)
    ended = command(arguments, folder)
    wrong = ended.wrong(behaviour.codes)
    out = folder / "out"
    if ended.code in (0, 1):
        wrong += unreadable(out)
        if behaviour.whole:
            wrong += _missing(out, behaviour.name, ended.output)
        if behaviour.same:
            wrong += same_scores(_readable_scores(out), wanted)
    wrong += [f"wrote {path.name}" for path in home.iterdir() if path != folder]
    shutil.rmtree(home, ignore_errors=True)
    return wrong


def _readable_scores(out: Path) -> dict[str, Any]:
    return {} if unreadable(out) else scores(out)


def _missing(out: Path, stranger: Any, output: str) -> Iterable[str]:
    """A sentence for each model that has not one record a seed."""
    for model in (*OWN, stranger):
        count = len(list((out / "records" / "synthetic" / str(model)).glob("*.json")))
        left_out = model == stranger and f"{model} is left out" in output
        if count != SEEDS and not left_out:
            yield f"lost: {count} of {SEEDS} records of {model}"


IN_A_CELL = "if not torch.is_inference_mode_enabled() and self.training:\n    "
FIRST = "if not getattr(Stranger, 'seen', False):\n    Stranger.seen = True\n    "  # before a line


SETTERS = {
    "float64": "torch.set_default_dtype(torch.float64)",
    "no-gradients": "torch.set_grad_enabled(False)",
    "threads": "torch.set_num_threads(2)",
    "deterministic": "torch.use_deterministic_algorithms(True)",
    "chdir": "os.chdir('/')",
    "environment": "os.environ.clear()",
    "variables": "os.environ.update(OMP_NUM_THREADS='2', PYTHONHASHSEED='7', HOME='/nowhere')",
    "meta-device": "torch.set_default_device('meta')",
    "no-collection": "gc.disable()",
    "collection": "gc.collect(); gc.freeze(); gc.disable()",
    "recursion-limit": "sys.setrecursionlimit(150)",
    "no-stdout": "sys.stdout = sys.stderr = None",
    "strange-stdout": "sys.stdout = open(os.devnull, 'w')",
    "flush-denormals": "torch.set_flush_denormal(True)",
    "raising-numpy": "np.seterr(all='raise')",
    "strict-warnings": "import warnings; warnings.simplefilter('error')",
    "seeds": "torch.manual_seed(1); np.random.seed(1); random.seed(1)",
    "anomalies": "torch.autograd.set_detect_anomaly(True)",
    "signals": "\n".join(
        f"if threading.current_thread() is threading.main_thread(): "
        f"signal.signal(signal.{name}, signal.SIG_IGN)"
        for name in ("SIGTERM", "SIGINT", "SIGCHLD", "SIGALRM")
    ),
    "patched-metrics": (
        "import benchmark.metrics as metrics\n"
        "for key, value in list(vars(metrics).items()):\n"
        "    if callable(value) and getattr(value, '__module__', '') == metrics.__name__:\n"
        "        if not isinstance(value, type): setattr(metrics, key, lambda *a, **k: 1.0)"
    ),
    "patched-mae": "np.abs = lambda values, *a, **k: values * 0",
    "patched-adam": (
        "class Lazy(torch.optim.Adam):\n"
        "    def step(self, *a, **k): return None\n"
        "torch.optim.Adam = Lazy"
    ),
    "patched-linear": "nn.Linear.forward = lambda self, x: x.new_zeros(*x.shape[:-1], 1)",
    "patched-predict": (
        "import benchmark.evaluation, benchmark.running.cell\n"
        "benchmark.running.cell.predict = benchmark.evaluation.predict = lambda *a, **k: 1 / 0"
    ),
    "patched-json": "import json; json.dumps = lambda *a, **k: '{}'",
    "patched-open": "import builtins; builtins.print = lambda *a, **k: 1 / 0",
    "patched-late-fusion": (
        "from benchmark.registry import get_model\n"
        "get_model('late-fusion').cls.forward = lambda *a, **k: 1 / 0"
    ),
    "patched-data": (
        "from benchmark.running.plan import cached_dataset\n"
        "cached_dataset('synthetic', None, '', ('audio', 'vision')).train.label[:] = 0"
    ),
}

# The command itself imports the plugin: without its own language it cannot go on.
ONLY_IN_A_CELL = ("patched-json",)

ENDINGS = {
    "exit": "sys.exit(0)",
    "exit-3": "sys.exit(3)",
    "exit-text": "sys.exit('[/red] goodbye')",
    "system-exit": "raise SystemExit",
    "keyboard-interrupt": "raise KeyboardInterrupt",
    "generator-exit": "raise GeneratorExit",
    "own-base-exception": "raise type('Odd', (BaseException,), {})('odd')",
    "hard-exit": "os._exit(0)",
    "hard-exit-7": "os._exit(7)",
    "segfault": "ctypes.string_at(0)",
    "abort": "os.abort()",
    "killed": "os.kill(os.getpid(), signal.SIGKILL)",
    "terminated": "os.kill(os.getpid(), signal.SIGTERM)",
    "recursion": "def again(n): return again(n + 1) + 1\nagain(0)",
    "memory": "bytearray(10**12)",
    "tensor-memory": "torch.empty(10**12)",
    "surrogates": "raise ValueError('\\ud800 half a sign [/red] $\\\\frac{a$ \\x00\\x1b[2J')",
    "no-text": "raise type('Odd', (Exception,), {'__str__': lambda self: 1 / 0})()",
    "long-text": "raise ValueError('x' * 10**7)",
    "looped-cause": "error = ValueError('a'); error.__cause__ = error; raise error",
    "stop-iteration": "raise StopIteration",
    "import-error": "import no_such_module_at_all",
    "os-error": "open('/no/such/file')",
    "broken-pipe": "raise BrokenPipeError",
}
# Those that are tried in the constructor and at import too.
AT_ONCE = (
    *("exit", "system-exit", "keyboard-interrupt", "own-base-exception", "surrogates"),
    *("no-text", "recursion", "import-error"),
)

SINGLE: dict[str, Behaviour] = {
    "good": Behaviour(codes=(0,)),
    # What does not end
    "spins-in-forward": Behaviour(
        forward=f"{IN_A_CELL}while True: pass", more=("--time-limit", "0.3")
    ),
    "sleeps-in-loss": Behaviour(loss="time.sleep(1000)", more=("--time-limit", "0.3")),
    "sleeps-deaf": Behaviour(
        loss="signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(1000)",
        more=("--time-limit", "0.3"),
    ),
    "spins-in-init": Behaviour(init="while True: pass", more=("--time-limit", "0.3")),
    "thread-in-forward": Behaviour(
        forward=f"{FIRST}threading.Thread(target=time.sleep, args=(1000,)).start()"
    ),
    "thread-at-import": Behaviour(top="threading.Thread(target=time.sleep, args=(2,)).start()"),
    "subprocess": Behaviour(forward=f"{FIRST}subprocess.Popen(['sleep', '1000'])"),
    "subprocess-of-its-own": Behaviour(
        forward=f"{FIRST}subprocess.Popen(['sleep', '10'], start_new_session=True)"
    ),
    "at-exit": Behaviour(top="import atexit; atexit.register(time.sleep, 1)"),
    # Forks, once in a process and in its children: no bombs
    "fork-returns": Behaviour(loss=f"{FIRST}os.fork()"),
    "fork-takes-over": Behaviour(loss=f"{FIRST}if os.fork(): os._exit(0)"),
    "fork-in-init": Behaviour(init=f"{FIRST}os.fork()"),
    "fork-ends": Behaviour(loss=f"{FIRST}if not os.fork(): os._exit(0)"),
    # Output
    "loud": Behaviour(forward="print('x' * 10**6)"),
    "loud-below": Behaviour(forward="os.write(1, b'\\xff' * 10**6)"),
    "closed-outputs": Behaviour(forward="os.close(1); os.close(2)"),
    "closed-descriptors": Behaviour(forward=f"{FIRST}os.closerange(3, 200)"),
    "shrunken-limits": Behaviour(
        forward="resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))", whole=False
    ),
    "few-descriptors": Behaviour(init="resource.setrlimit(resource.RLIMIT_NOFILE, (20, 20))"),
    # What it returns
    "nan": Behaviour(forward="prediction = prediction * float('nan')"),
    "infinite": Behaviour(forward="prediction = prediction + float('inf')"),
    "nan-on-test": Behaviour(
        forward="if not self.training: prediction = prediction * float('nan')"
    ),
    "nan-loss": Behaviour(loss="return output.prediction.sum() * float('nan')"),
    "wrong-shape": Behaviour(forward="prediction = prediction.repeat(1, 3)"),
    "too-few": Behaviour(forward="prediction = prediction[:1]"),
    "no-samples": Behaviour(forward="prediction = prediction[:0]"),
    "scalar": Behaviour(forward="prediction = prediction.sum()"),
    "text": Behaviour(forward="return 'positive'"),
    "nothing": Behaviour(forward="return None"),
    "tensor": Behaviour(forward="return prediction"),
    "integers": Behaviour(forward="prediction = prediction.long()"),
    "complex": Behaviour(forward="prediction = prediction.to(torch.complex64)"),
    "half": Behaviour(forward="prediction = prediction.half()"),
    "sparse": Behaviour(forward="prediction = prediction.to_sparse()"),
    "other-device": Behaviour(forward="prediction = prediction.to('meta')"),
    "text-loss": Behaviour(loss="return 'small'"),
    "loss-no-scalar": Behaviour(loss="return output.prediction"),
    "detached-loss": Behaviour(loss="return output.prediction.detach().sum()"),
    "labels-in-forward": Behaviour(forward="prediction = batch.label.unsqueeze(1)"),
    "labels-changed": Behaviour(loss="batch.label.zero_()"),
    "inputs-changed": Behaviour(forward="batch.text.values.zero_()"),
    # Files
    "removes-output": Behaviour(
        forward=f"{IN_A_CELL}shutil.rmtree('out', ignore_errors=True)", same=False, whole=False
    ),
    "removes-itself": Behaviour(forward="open(__file__, 'w').close()"),
    "changes-itself": Behaviour(top="open(__file__, 'a').write('# and more\\n')"),
    # Names and registration
    "parameters-of-nan": Behaviour(init="self.head.weight.data.fill_(float('nan'))"),
    "no-parameters": Behaviour(init="self.requires_grad_(False)"),
    "shared-state": Behaviour(init="Stranger.layers = getattr(Stranger, 'layers', []) + [self]"),
    "registers-again": Behaviour(
        top="from benchmark.registry import get_model\n"
        "register_model('late-fusion')(type('Fusion', (Model,), {}))",
        codes=(2,),
    ),
    "unregisters": Behaviour(top="import benchmark.registry as r; r._MODELS.clear()", codes=(2,)),
}

NAMES = {
    "absolute": "/abs/x",
    "slash": "x/y",
    "outside": "../x",
    "dots": "..",
    "empty": "",
    "space": "a b",
    "markup": "[/red]",
    "long": "x" * 300,
    "half": "\ud800",
    "turned": "x\u202ey",
    "lines": "a\nb",
    "option": "-m",
    "number": 7,
}

RETURNED = {
    "tensor": "return {'value': torch.ones(3)}",
    "bare-tensor": "return torch.ones(3)",
    "infinite": "return {'value': float('inf')}",
    "nan": "return {'value': float('nan')}",
    "numpy": "return {'value': np.float64(1), 'many': np.ones(3)}",
    "set": "return {'value': {1, 2}}",
    "object": "return {'value': object()}",
    "function": "return {'value': strange}",
    "nothing": "return None",
    "text": "return 'good'",
    "huge-number": "return {'value': 10**5000}",
    "huge-text": "return {'value': 'x' * 10**7}",
    "half-a-sign": "return {'value': '\\ud800 [/red]'}",
    "strange-keys": "return {1: 2, None: 3, ('a', 'b'): 4, '[/red]': 5, '../x': 6}",
    "itself": "values = {}; values['value'] = values; return values",
    "deep": "values = {}\nfor _ in range(10**5): values = {'value': values}\nreturn values",
    "raises": "raise RuntimeError('no')",
    "exits": "sys.exit(0)",
    "hard-exits": "os._exit(0)",
    "trains-on": "context.model.train(); context.model.zero_grad(); return {'value': 1}",
    "spoils-predictions": "context.prediction[:] = 0; return {'value': 1}",
}


def _behaviours() -> dict[str, Behaviour]:
    found = dict(SINGLE)
    for name, code in SETTERS.items():
        if name not in ONLY_IN_A_CELL:
            found[f"{name}-at-import"] = Behaviour(top=code)
        found[f"{name}-in-forward"] = Behaviour(forward=code)
    for name, code in ENDINGS.items():
        found[f"{name}-in-a-cell"] = Behaviour(loss=code)
    for name in AT_ONCE:
        found[f"{name}-in-init"] = Behaviour(init=ENDINGS[name])
        found[f"{name}-at-import"] = Behaviour(top=ENDINGS[name], codes=(2, 130))
    for name, value in NAMES.items():
        found[f"name-{name}"] = Behaviour(name=value, codes=(2,))
    for name, code in RETURNED.items():
        found[f"evaluation-{name}"] = Behaviour(evaluation=code, same=False)
    return found


BEHAVIOURS = _behaviours()
