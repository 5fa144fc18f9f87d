"""Good files with flipped bits, cut ends and pieces in wrong places, given to every reader.

A reader takes the file, or refuses it in one sentence (a `UserError`): nothing else may come out of
it, in little time and memory. Every flip follows from the seed and its number; nested JSON in the
files that people write by hand comes from hypothesis.
"""

import json
import os
import pickle
import random
import resource
import select
import signal
import tempfile
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as seeded
from hypothesis import strategies as st

from benchmark.config import TrainConfig, get_protocol
from benchmark.datasets.convert import import_dataset
from benchmark.datasets.load import load_dataset
from benchmark.errors import UserError
from benchmark.external import read_predictions
from benchmark.records.record import Cell, Record
from benchmark.records.store import all_records, read_arrays, read_record, write_record
from tests.benchmark.datasets.readers.test_mmsa import make_mmsa
from tests.campaign.cases import prepare
from tests.campaign.figures import Figures
from tests.folders import make_folder

SECONDS = 20.0  # for one file
MIB = 500
ROOM = 4 * 2**30  # bytes that a process may take beyond what it has
BATCH = 100
SIZES = (12, 6, 8)
PROTOCOL = {"name": "mine", "max_epochs": 3, "levels": [0, 0.25, 1.0], "evaluations": ["accuracy"]}
Case = tuple[str, Callable[[], object]]


@dataclass(frozen=True)
class Target:
    """Attributes:
    name: of the format.
    files: name -> content of good files.
    read: reads them below a folder.
    """

    name: str
    files: dict[str, bytes]
    read: Callable[[Path], object] = field(repr=False)

    def try_files(self, files: dict[str, bytes]) -> None:
        """Write files into a new folder and read them.

        Raises:
            Exception: what the reader should not raise.
        """
        with tempfile.TemporaryDirectory() as name:
            for place, content in files.items():
                (Path(name) / place).parent.mkdir(parents=True, exist_ok=True)
                (Path(name) / place).write_bytes(content)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                try:
                    self.read(Path(name))
                except UserError as error:
                    if "\n" in str(error).strip():
                        raise ValueError(f"more than a line: {error}") from None


def run(count: int, seed: int) -> Figures:
    """Read `count` damaged files, and a tenth as many with nested JSON."""
    started = time.monotonic()
    prepare()
    figures = Figures("flips")
    targets()
    for first in range(0, count, BATCH):
        _watch(figures, list(_flips(range(first, min(first + BATCH, count)), seed)))
    for name in NESTED:
        figures.cases += count // 10
        _watch(figures, [(f"nested-{name}", lambda name=name: _nested(name, count // 10, seed))])
        figures.cases -= 1
    figures.seconds = time.monotonic() - started
    return figures


def try_flip(number: int, seed: int) -> None:
    """Read the damaged file of a number: for finding out why it fails.

    Raises:
        Exception: what the reader should not raise.
    """
    target, files = flipped(number, seed)
    target.try_files(files)


def _flips(numbers: Iterable[int], seed: int) -> Iterator[Case]:
    for number in numbers:
        name = targets()[number % len(targets())].name
        yield f"flip-{name}-{number}-of-seed-{seed}", lambda number=number: try_flip(number, seed)


# Good files.


@cache
def targets() -> list[Target]:
    """One for each reader."""
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        npz = make_folder(root, "plain", sizes=SIZES, words=True)
        import_dataset(npz, root / "native", "native")
        dataset = load_dataset(str(npz))
        test = dataset.open_test()
        write_record(root / "out", _record(), {"test_prediction": np.ones(50, np.float32)})
        rows = [f"{name},{place / 10}" for place, name in enumerate(test.ids)]
        fields = [f"{key} = {json.dumps(value)}" for key, value in PROTOCOL.items()]
        csv, toml = ("\n".join(lines) + "\n" for lines in (["id,prediction", *rows], fields))
        return [
            Target("npz", _below(root, "plain"), lambda home: _load(home / "plain")),
            Target("native", _below(root, "native"), lambda home: _load(home / "native")),
            Target(
                "pickle",
                {"mosi.pkl": pickle.dumps(make_mmsa())},
                lambda home: import_dataset(home / "mosi.pkl", home / "mosi", "mosi"),
            ),
            Target(
                "predictions",
                {"mine.csv": csv.encode()},
                lambda home: read_predictions(dataset, test, home / "mine.csv"),
            ),
            Target("record", _below(root, "out"), _read_records),
            Target(
                "toml",
                {"mine.toml": toml.encode()},
                lambda home: get_protocol(str(home / "mine.toml")),
            ),
            Target(
                "json",
                {"mine.json": json.dumps(PROTOCOL, indent=1).encode()},
                lambda home: get_protocol(str(home / "mine.json")),
            ),
        ]


def _below(root: Path, folder: str) -> dict[str, bytes]:
    files = sorted(path for path in (root / folder).rglob("*") if path.is_file())
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in files}


def _load(folder: Path) -> None:
    load_dataset(str(folder)).open_test()


def _record() -> Record:
    cell = Cell(
        model="mine",
        kind="plugin",
        variant="",
        dataset="synthetic",
        fingerprint="0123456789ab",
        seed=0,
        part="score",
        settings={"hidden": 8},
        config=TrainConfig().model_dump(mode="json"),
        protocol=get_protocol("quick").model_dump(mode="json"),
        source="0123456789ab",
    )
    return Record(cell=cell, status="done", measurements={"accuracy": {"test": {"mae": 1.0}}})


def _read_records(home: Path) -> None:
    out = home / "out"
    for path in out.glob("records/*/*/*.json"):
        try:
            read_record(path)
        finally:
            read_arrays(path)
    all_records(out, lambda sentence: None)


# Damage.


def flipped(number: int, seed: int) -> tuple[Target, dict[str, bytes]]:
    """The damaged files of a number."""
    chance = random.Random(f"{seed}-{number}")
    target = targets()[number % len(targets())]
    files = dict(target.files)
    for _ in range(chance.choice((1, 1, 1, 2, 5))):
        name = chance.choice(sorted(files))
        other = files[chance.choice(sorted(files))]
        files[name] = chance.choice(DAMAGES)(files[name], other, chance)
    return target, files


Damage = Callable[[bytes, bytes, random.Random], bytes]


def _flip_bits(content: bytes, other: bytes, chance: random.Random) -> bytes:
    changed = bytearray(content)
    for _ in range(chance.choice((1, 1, 2, 8, 64))):
        if changed:
            changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def _flip_early_bits(content: bytes, other: bytes, chance: random.Random) -> bytes:
    """Where headers are."""
    return _flip_bits(content[:200], other, chance) + content[200:]


def _flip_late_bits(content: bytes, other: bytes, chance: random.Random) -> bytes:
    """Where a zip file has its table."""
    return content[:-200] + _flip_bits(content[-200:], other, chance)


def _cut(content: bytes, other: bytes, chance: random.Random) -> bytes:
    return content[: chance.randrange(len(content) + 1)]


def _cut_front(content: bytes, other: bytes, chance: random.Random) -> bytes:
    return content[chance.randrange(len(content) + 1) :]


def _cut_out(content: bytes, other: bytes, chance: random.Random) -> bytes:
    start, end = _span(content, chance)
    return content[:start] + content[end:]


def _repeat(content: bytes, other: bytes, chance: random.Random) -> bytes:
    start, end = _span(content, chance)
    return content[:end] + content[start:]


def _splice(content: bytes, other: bytes, chance: random.Random) -> bytes:
    """A piece of another file, in place of one or between."""
    start, end = _span(content, chance)
    first, last = _span(other, chance)
    return content[:start] + other[first:last] + content[chance.choice((start, end)) :]


def _noise(content: bytes, other: bytes, chance: random.Random) -> bytes:
    start, end = _span(content, chance)
    return content[:start] + chance.randbytes(min(end - start, 64)) + content[start:]


def _blank(content: bytes, other: bytes, chance: random.Random) -> bytes:
    start, end = _span(content, chance)
    return content[:start] + bytes([chance.choice((0, 0, 32, 255))]) * (end - start) + content[end:]


def _number(content: bytes, other: bytes, chance: random.Random) -> bytes:
    """A digit somewhere becomes a strange number."""
    places = [place for place, byte in enumerate(content) if chr(byte).isdigit()]
    if not places:
        return content
    place = chance.choice(places)
    new = chance.choice((b"-1", b"1e999", b"NaN", b"9" * 30, b"9" * 5000, b"0x10", b"null", b""))
    return content[:place] + new + content[place + 1 :]


def _exchange(content: bytes, other: bytes, chance: random.Random) -> bytes:
    return other


def _span(content: bytes, chance: random.Random) -> tuple[int, int]:
    start = chance.randrange(len(content) + 1)
    return start, min(len(content), start + int(2 ** chance.uniform(0, 12)))


DAMAGES: tuple[Damage, ...] = (
    *(_flip_bits, _flip_bits, _flip_early_bits, _flip_late_bits),
    *(_cut, _cut_front, _cut_out, _repeat, _splice, _noise, _blank, _number, _exchange),
)


# Nested JSON.

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([10**30, -(10**400), 2**63])
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["../x", "/etc/passwd", "[/red]", "a\nb", "\ud800", "float32", "train"])
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)


def _changes(good: dict[str, Any], more: Iterable[str]) -> st.SearchStrategy[dict[str, Any]]:
    """The good object with some of its fields, and of those within, replaced by anything."""
    keys = st.sampled_from([*good, *more]) | st.text(max_size=8)
    places = [
        (key, inner) for key, value in good.items() if isinstance(value, dict) for inner in value
    ]
    deep = (
        st.lists(st.tuples(st.sampled_from(places), VALUES), max_size=2) if places else st.just([])
    )

    def merge(changes: dict[str, Any], inner: list[tuple[tuple[str, str], Any]]) -> dict[str, Any]:
        merged = {**json.loads(json.dumps(good)), **changes}
        for (key, name), value in inner:
            if isinstance(merged[key], dict):
                merged[key][name] = value
        return merged

    return st.builds(merge, st.dictionaries(keys, VALUES, max_size=3), deep)


NESTED = {
    "npz": ("plain/dataset.json", ("format", "streams", "word_vectors", "padding", "task")),
    "native": ("native/dataset.json", ("labels",)),
    "json": ("mine.json", ("base", "selection", "corruptions", "standardise", "noise_seeds")),
}


def _nested(name: str, count: int, seed: int) -> None:
    target = next(target for target in targets() if target.name == name)
    file, more = NESTED[name]
    good = json.loads(target.files[file])

    @seeded(seed)
    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        print_blob=False,
    )
    @given(_changes(good, more) | VALUES)
    def check(values: Any) -> None:
        text = json.dumps(values)
        try:
            target.try_files({**target.files, file: text.encode()})
        except Exception as error:
            raise ValueError(f"{text[:2000]} gives {type(error).__name__}: {error}") from error

    check()


# Watching.


def _watch(figures: Figures, cases: list[Case]) -> None:
    """Try cases in forks: after one that a process does not survive, the next goes on."""
    while cases:
        done = _fork(figures, cases)
        figures.cases += done
        cases = cases[done:]


def _fork(figures: Figures, cases: list[Case]) -> int:
    """Try cases in one process; returns how many of them were tried."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        try:
            _try(cases, writer)
        finally:
            os._exit(0)
    os.close(writer)
    done, rest = 0, b""
    while True:
        ready, _, _ = select.select([reader], [], [], SECONDS)
        piece = os.read(reader, 65536) if ready else b""
        if not piece:
            break
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            kind, sentence = json.loads(line)
            if kind:
                figures.wrong(cases[done][0], kind, sentence)
            done += 1
    if not ready:
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    os.close(reader)
    if done == len(cases):
        return done
    name, code = cases[done][0], os.waitstatus_to_exitcode(status)
    if not ready:
        figures.wrong(name, "too slow or large", f"took more than {SECONDS:.0f} s")
    else:
        figures.wrong(name, "crash (signal)", f"the process ended with {code}")
    return done + 1


def _try(cases: list[Case], writer: int) -> None:
    """In the fork: a line of what is wrong, or of nothing, for each case."""
    most = psutil.Process().memory_info().vms + ROOM
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    os.setsid()
    silence = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(silence, number)
    before = _peak()
    for _, attempt in cases:
        wrong = ("", "")
        try:
            attempt()
        except BaseException as error:
            wrong = ("other", f"{type(error).__name__}: {error}"[:3000])
        if _peak() > before + MIB:
            wrong = ("too slow or large", f"took {_peak() - before:.0f} MiB")
            before = _peak()
        os.write(writer, json.dumps(wrong).encode() + b"\n")


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
