"""Runs that are killed, starved of disk, or robbed of their folder; what was finished stays.

A grid is killed again and again at random moments, then completed by plain reruns; its tables must
be those of a run that nobody disturbed. All is drawn from one seed; what a moment hits depends on
the machine, but the verdict does not.
"""

import os
import random
import resource
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.records.measurements import Extra, Measurements
from benchmark.records.record import Cell, Record
from benchmark.records.store import (
    check_writable,
    read_arrays,
    read_record,
    record_path,
    write_record,
)
from tests.campaign.commands import Command, Ended, command
from tests.campaign.figures import Figures
from tests.campaign.stores import (
    finished_bytes,
    grid,
    record_bytes,
    table,
    unreadable,
    write_protocol,
)

MODELS = (
    *("prior", "text-only", "late-fusion", "lf-dnn"),
    *("lmf", "cenet", "ef-lstm", "lf-lstm"),
)
SEEDS = 5
CELLS = len(MODELS) * SEEDS
RUN = grid(MODELS, SEEDS, "--jobs", "2")
CHAIN = 10  # most kills of one grid before it is completed
WRITES = 10  # kills of a lone writer for each kill of a grid
TARGETS = ("command", "command", "worker", "worker", "server", "all")
SIGNALS = (signal.SIGKILL, signal.SIGKILL, signal.SIGTERM)


def run(count: int, seed: int, scenes: "Iterable[Callable[[Scene], None]]") -> Figures:
    """Kill grids `count` times and writers `WRITES` times as often, and play some scenes."""
    started = time.monotonic()
    figures = Figures("kills")
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory(prefix="kills-") as name:
        root = Path(name)
        wanted = _undisturbed(root)
        longest = time.monotonic() - started
        number = 0
        while number < count:
            numbers = range(number, min(number + CHAIN, count))
            number += _kill_grid(figures, root, wanted, chance, numbers, longest)
        _kill_writers(figures, root, chance, WRITES * count)
        for case in scenes:
            _scene(figures, root / "scenes", wanted, case)
    figures.seconds = time.monotonic() - started
    return figures


@contextmanager
def _folder(root: Path, name: str) -> Iterator[Path]:
    folder = root / name
    folder.mkdir(parents=True)
    write_protocol(folder)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _undisturbed(root: Path) -> list[tuple[str, ...]]:
    """The table of the grid."""
    with _folder(root, "undisturbed") as folder:
        ended = command(RUN, folder)
        if ended.wrong((0,)) or len(record_bytes(folder / "out")) != CELLS:
            raise RuntimeError(f"the undisturbed grid: {ended.wrong((0,))}: {ended.output}")
        return table(folder / "out")


# Random kills of a grid.


def _kill_grid(
    figures: Figures,
    root: Path,
    wanted: list[tuple[str, ...]],
    chance: random.Random,
    numbers: range,
    longest: float,
) -> int:
    """Kill one grid until it is done or killed often enough, complete it; returns the kills."""
    with _folder(root, f"grid-{numbers[0]}") as folder:
        out = folder / "out"
        for number in numbers:
            target, sign = chance.choice(TARGETS), chance.choice(SIGNALS)
            delay = chance.uniform(0, longest)
            case = f"kill-{number}-{target}-{sign.name}-{delay:.2f}s"
            figures.cases += 1
            started = Command(RUN, folder)
            with suppress(subprocess.TimeoutExpired):
                started.process.wait(delay)
            before = finished_bytes(out)
            hit = _kill(started, target, sign, chance)
            ended = started.finish()
            _check_killed(figures, case, ended, hit)
            _check_kept(figures, case, out, before)
            if len(finished_bytes(out)) == CELLS:
                break
        _complete(figures, f"kill-{numbers[0]}-to-{number}", folder, wanted)
    return number + 1 - numbers[0]


def _kill(started: Command, target: str, sign: signal.Signals, chance: random.Random) -> bool:
    """Send a signal; whether it is the command itself that was hit."""
    servers, workers = started.family()
    chosen = {"worker": workers, "server": servers}.get(target, [])
    with suppress(ProcessLookupError):
        if target == "all":
            os.killpg(started.process.pid, sign)
        elif chosen:
            os.kill(chance.choice(sorted(chosen)), sign)
            return False
        else:  # no worker yet
            started.process.send_signal(sign)
    return True


def _check_killed(figures: Figures, case: str, ended: Ended, hit: bool) -> None:
    """The command ends by itself where it was not killed, in words, and nothing lives on."""
    if hit and ended.code is not None and ended.code < 0:
        ended = Ended(0, ended.output, ended.left)
    figures.judge(case, ended.wrong((0, 1)))


def _check_kept(figures: Figures, case: str, out: Path, before: dict[str, bytes]) -> None:
    """Records with a result are as they were, and there are no unreadable ones."""
    after = record_bytes(out)
    figures.judge(case, [f"lost {n}" for n, content in before.items() if after.get(n) != content])
    figures.judge(case, unreadable(out))


def _complete(
    figures: Figures,
    case: str,
    folder: Path,
    wanted: list[tuple[str, ...]],
    arguments: list[str] = RUN,
) -> None:
    """Plain reruns make what is missing; a cell that was killed twice has to be asked for."""
    out = folder / "out"
    before = finished_bytes(out)
    for more in ([], [], ["--overwrite", "failed"]):
        ended = command([*arguments, *more], folder)
        if ended.code == 0:
            break
    figures.judge(f"{case}-completed", ended.wrong((0,)))
    _check_kept(figures, case, out, before)
    _check_whole(figures, case, out, wanted)


def _check_whole(figures: Figures, case: str, out: Path, wanted: list[tuple[str, ...]]) -> None:
    records = len(finished_bytes(out))
    if records != CELLS:
        figures.wrong(case, "lost", f"{CELLS - records} of {CELLS} cells have no record")
    elif table(out) != wanted:
        figures.wrong(case, "other", "the table is not that of an undisturbed run")
    parts = [path.name for path in out.rglob(".*.part")]
    if parts:
        figures.wrong(case, "other", f"parts of dead writers are left: {', '.join(parts[:3])}")


# Kills of a writer.


def _cell() -> Cell:
    empty: dict[str, Any] = {"settings": {}, "config": {}, "protocol": {}, "source": "1"}
    where = {"dataset": "synthetic", "fingerprint": "1", "seed": 0, "part": "score"}
    return Cell(model="written", kind="plugin", variant="", **where, **empty)


def _measured(number: int) -> Measurements:
    return Measurements(extra={"count": Extra(values={"number": number})})


def write_forever(folder: Path) -> None:
    """Write one record again and again, each with a number and arrays that show it."""
    number = 0
    while True:
        number += 1
        record = Record(cell=_cell(), status="done", measurements=_measured(number))
        write_record(folder, record, {"number": np.full(20_000, number)})


def _kill_writers(figures: Figures, root: Path, chance: random.Random, count: int) -> None:
    """What is there after each kill is one of the records, whole, with the arrays that it had."""
    with _folder(root, "writer") as folder:
        path = record_path(folder, _cell())
        last = 0
        for number in range(count):
            figures.cases += 1
            case, delay = f"writer-{number}", chance.uniform(0, 0.1)
            child = os.fork()
            if child == 0:
                try:
                    write_forever(folder)
                finally:
                    os._exit(1)
            time.sleep(delay)
            os.kill(child, signal.SIGKILL)
            _, status = os.waitpid(child, 0)
            if os.waitstatus_to_exitcode(status) != -signal.SIGKILL:
                figures.wrong(case, "other", "the writer ended by itself")
            if not path.exists() and not last:
                continue
            try:
                last = read_record(path).measurements.extra["count"].values["number"]
                arrays = read_arrays(path)
            except Exception as error:
                figures.wrong(case, "lost", str(error))
                continue
            if set(arrays["number"]) != {last}:
                figures.wrong(case, "lost", "the arrays are those of another record")
        check_writable(folder)
        if list(folder.rglob(".*.part")) or len(list(path.parent.iterdir())) != 2:
            figures.wrong("writers", "other", "what dead writers left is still there")


# What else happens to a folder.


@dataclass
class Scene:
    """A grid in a folder to which something happens.

    Attributes:
        folder: where the command is run.
        wanted: the table of the grid.
        wrong: what should not have been.
    """

    folder: Path
    wanted: list[tuple[str, ...]]
    wrong: list[str] = field(default_factory=list)

    @property
    def out(self) -> Path:
        return self.folder / "out"

    def judge(self, ended: Ended, codes: tuple[int, ...]) -> None:
        self.wrong += ended.wrong(codes)

    def says(self, ended: Ended, text: str) -> None:
        if text not in ended.output:
            self.wrong.append(f"does not say {text!r}")


class Skip(Exception):
    """This machine does not permit the scene."""


def _scene(
    figures: Figures,
    root: Path,
    wanted: list[tuple[str, ...]],
    act: Callable[[Scene], None],
) -> None:
    name = act.__name__.strip("_").replace("_", "-")
    with _folder(root, name) as folder:
        scene = Scene(folder, wanted)
        try:
            act(scene)
        except Skip as reason:
            figures.skipped.append(f"{name}: {reason}")
            return
        figures.cases += 1
        figures.judge(name, scene.wrong)
        _complete(figures, name, folder, wanted)


def _small_files(scene: Scene) -> None:
    """No file may have more than 3 kB, so that no record can be written."""
    limit = (3_000, 3_000)
    ended = command(RUN, scene.folder, limit=lambda: _limit_files(limit))
    scene.judge(ended, (1, 2))
    scene.says(ended, "cannot write")
    scene.wrong += unreadable(scene.out)


def _middle_files(scene: Scene) -> None:
    """Records can be written, most arrays cannot."""
    ended = command(RUN, scene.folder, limit=lambda: _limit_files((8_000, 8_000)))
    scene.judge(ended, (1, 2))
    scene.wrong += unreadable(scene.out)


def _limit_files(limit: tuple[int, int]) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, limit)


@contextmanager
def _disk(folder: Path, size: str) -> Iterator[None]:
    """A file system of its own, of a few bytes."""
    folder.mkdir(exist_ok=True)
    _mount("-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder))
    try:
        yield
    finally:
        _unmount(folder)


@contextmanager
def _read_only(folder: Path) -> Iterator[None]:
    """A folder in which nothing can be written any more, whatever is open there."""
    _mount("--bind", str(folder), str(folder))
    try:
        _mount("-o", "remount,bind,ro", str(folder))
        yield
    finally:
        _unmount(folder)


def _mount(*arguments: str) -> None:
    try:
        subprocess.run(["mount", *arguments], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        raise Skip("nothing can be mounted here") from None


def _unmount(folder: Path) -> None:
    subprocess.run(["umount", "--lazy", str(folder)], check=False, capture_output=True)


def _full_disk(scene: Scene) -> None:
    """Some records fit; after space was made the grid is completed."""
    with _disk(scene.out, "256k"):
        ended = command(RUN, scene.folder)
        scene.judge(ended, (1, 2))
        scene.wrong += unreadable(scene.out)
        before = finished_bytes(scene.out)
        _mount("-o", "remount,size=100m", str(scene.out))
        scene.judge(command(RUN, scene.folder), (0,))
        _same_in_scene(scene, before)


def _no_disk_at_all(scene: Scene) -> None:
    """Not one page is free."""
    with _disk(scene.out, "4k"):
        ended = command(RUN, scene.folder)
        scene.judge(ended, (1, 2))
        scene.wrong += unreadable(scene.out)


def _read_only_from_the_start(scene: Scene) -> None:
    scene.out.mkdir()
    with _read_only(scene.out):
        ended = command(RUN, scene.folder)
    scene.judge(ended, (2,))
    scene.says(ended, "cannot write")


def _read_only_in_the_middle(scene: Scene) -> None:
    started = Command(RUN, scene.folder)
    started.wait_for(f"[5/{CELLS}]")
    try:
        with _read_only(scene.out):
            ended = started.finish()
    finally:
        if started.process.poll() is None:
            started.finish()
    scene.judge(ended, (1, 2))
    scene.wrong += unreadable(scene.out)


def _same_in_scene(scene: Scene, before: dict[str, bytes]) -> None:
    after = record_bytes(scene.out)
    scene.wrong += [f"lost {n}" for n, content in before.items() if after.get(n) != content]
    if table(scene.out) != scene.wanted:
        scene.wrong.append("the table is not that of an undisturbed run")


def _folder_forbidden(scene: Scene) -> None:
    if os.geteuid() == 0:
        raise Skip("root may write everywhere")
    scene.out.mkdir()
    scene.out.chmod(0o555)
    ended = command(RUN, scene.folder)
    scene.out.chmod(0o755)
    scene.judge(ended, (2,))
    scene.says(ended, "cannot write")


def _folder_removed(scene: Scene) -> None:
    """What was finished is gone, and said to be; what follows is written."""
    started = Command(RUN, scene.folder)
    started.wait_for(f"[5/{CELLS}]")
    _remove(scene.out)
    scene.judge(started.finish(), (1,))


def _folder_removed_often(scene: Scene) -> None:
    started = Command(RUN, scene.folder)
    while started.process.poll() is None:
        _remove(scene.out)
        time.sleep(0.2)
    scene.judge(started.finish(), (1, 2))


def _remove(folder: Path) -> None:
    while folder.exists():  # a worker may make it anew meanwhile
        shutil.rmtree(folder, ignore_errors=True)
        return


def _folder_renamed(scene: Scene) -> None:
    started = Command(RUN, scene.folder)
    started.wait_for(f"[5/{CELLS}]")
    away = scene.folder / "away"
    scene.out.rename(away)
    scene.judge(started.finish(), (1,))
    scene.wrong += unreadable(away)


def _working_folder_removed(scene: Scene) -> None:
    """The command stands in a folder that is gone; its output lies elsewhere."""
    inner = scene.folder / "inner"
    inner.mkdir()
    protocol = scene.folder / "short.json"
    arguments = [str(protocol) if part == "short.json" else part for part in RUN]
    arguments = [str(scene.out) if part == "out" else part for part in arguments]
    started = Command(arguments, inner)
    started.wait_for(f"[5/{CELLS}]")
    shutil.rmtree(inner)
    scene.judge(started.finish(), (0,))


def _two_runs(scene: Scene) -> None:
    """Both end well, whoever writes first."""
    together = [Command(RUN, scene.folder), Command(RUN, scene.folder)]
    for started in together:
        scene.judge(started.finish(), (0,))
    scene.wrong += unreadable(scene.out)
    if table(scene.out) != scene.wanted:
        scene.wrong.append("the table is not that of an undisturbed run")


def _two_runs_one_killed(scene: Scene) -> None:
    first, second = Command(RUN, scene.folder), Command(RUN, scene.folder)
    first.wait_for(f"[5/{CELLS}]")
    os.killpg(first.process.pid, signal.SIGKILL)
    scene.judge(Ended(0, "", first.finish().left), (0,))
    scene.judge(second.finish(), (0,))


def _tables_meanwhile(scene: Scene) -> None:
    """Tables are written anew while a run goes on."""
    started = Command(RUN, scene.folder)
    started.wait_for(f"[1/{CELLS}]")
    while started.process.poll() is None:
        scene.judge(command(["leaderboard", "out"], scene.folder), (0,))
    scene.judge(started.finish(), (0,))


def _clock_at_zero(scene: Scene) -> None:
    """Names, order and numbers of records do not come from the clock."""
    before = "import time; time.time = lambda: 0.0; time.time_ns = lambda: 0"
    arguments = [*RUN[:-1], "0"]
    scene.judge(command(arguments, scene.folder, before=before), (0,))
    if table(scene.out) != scene.wanted:
        scene.wrong.append("the table is not that of an undisturbed run")


def _clock_backwards(scene: Scene) -> None:
    before = (
        "import itertools, time; steps = itertools.count(); "
        "time.time = lambda: 2e9 - 60 * next(steps)"
    )
    arguments = [*RUN[:-1], "0"]
    scene.judge(command(arguments, scene.folder, before=before), (0,))
    if table(scene.out) != scene.wanted:
        scene.wrong.append("the table is not that of an undisturbed run")


def _old_and_future_files(scene: Scene) -> None:
    """Times of files decide nothing: all is found, none is run again."""
    scene.judge(command(RUN, scene.folder), (0,))
    before = record_bytes(scene.out)
    for place, path in enumerate(sorted(scene.out.rglob("*"))):
        moment = (0, 4_000_000_000)[place % 2]
        os.utime(path, (moment, moment))
    ended = command(RUN, scene.folder)
    scene.judge(ended, (0,))
    scene.says(ended, f"0 cells run, {CELLS} found")
    _same_in_scene(scene, before)


def _stopped_by_keyboard(scene: Scene) -> None:
    started = Command(RUN, scene.folder)
    started.wait_for(f"[5/{CELLS}]")
    os.killpg(started.process.pid, signal.SIGINT)
    ended = started.finish()
    scene.judge(ended, (130,))
    scene.wrong += unreadable(scene.out)


def _stopped_by_an_impatient_keyboard(scene: Scene) -> None:
    started = Command(RUN, scene.folder)
    started.wait_for(f"[5/{CELLS}]")
    for _ in range(5):
        with suppress(ProcessLookupError):
            os.killpg(started.process.pid, signal.SIGINT)
        time.sleep(0.05)
    ended = started.finish()
    if ended.code == -signal.SIGINT:  # the interpreter itself was interrupted while it ended
        ended = Ended(130, ended.output, ended.left)
    scene.judge(ended, (130,))
    scene.wrong += unreadable(scene.out)


def _terminal_closed(scene: Scene) -> None:
    started = Command(RUN, scene.folder)
    started.wait_for(f"[5/{CELLS}]")
    os.killpg(started.process.pid, signal.SIGHUP)
    ended = started.finish()
    scene.judge(Ended(0, ended.output, ended.left), (0,))
    scene.wrong += unreadable(scene.out)


SCENES: tuple[Callable[[Scene], None], ...] = (
    _small_files,
    _middle_files,
    _full_disk,
    _no_disk_at_all,
    _read_only_from_the_start,
    _read_only_in_the_middle,
    _folder_forbidden,
    _folder_removed,
    _folder_removed_often,
    _folder_renamed,
    _working_folder_removed,
    _two_runs,
    _two_runs_one_killed,
    _tables_meanwhile,
    _clock_at_zero,
    _clock_backwards,
    _old_and_future_files,
    _stopped_by_keyboard,
    _stopped_by_an_impatient_keyboard,
    _terminal_closed,
)
