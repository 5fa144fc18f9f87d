"""Output folders whose records are damaged, forged or not files at all.

One good grid is run once; every case gets a copy of it, in which one record is damaged. Tables
must come out of the others, and a run must make the damaged one again and keep what was there.
"""

import json
import os
import random
import socket
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from hashlib import blake2b
from pathlib import Path
from typing import Any

from benchmark.records.record import Cell
from tests.campaign.cases import Case, prepare, run_case
from tests.campaign.stores import grid, record_bytes, unreadable, write_protocol

MODELS = ("prior", "text-only", "late-fusion")
SEEDS = 2
CELLS = len(MODELS) * SEEDS
RUN = grid(MODELS, SEEDS, "--jobs", "0")
Values = dict[str, Any]


@dataclass(frozen=True)
class Damage:
    """Attributes:
    name: of the cases.
    apply: given the file of a record.
    refused: files that are left out of tables with a line each; None where a reader may take the
        file as it is, as long as nothing breaks.
    missing: cells that a run has to make again.
    aside: files that it keeps under another name.
    forged: whether the digest is right; only tables are tried then, whatever they make of it.
    sweeps: names of files that a run has to remove, because a dead writer left them.
    """

    name: str
    apply: Callable[[Path], object]
    refused: int | None = 1
    missing: int = 1
    aside: int = 1
    forged: bool = False
    sweeps: tuple[str, ...] = ()


def cases() -> list[Case]:
    """Every damaged folder, for each command that reads records."""
    found = [case for damage in damages() for case in _cases(damage)]
    found += [case for name, apply in HOPELESS.items() for case in _hopeless(name, apply)]
    return found


def _cases(damage: Damage) -> Iterator[Case]:
    def make(arguments: list[str], folder: Path) -> list[str]:
        unpack(folder)
        damage.apply(victim(folder / "out"))
        return arguments

    table = partial(_tables_say, damage.refused)
    tables = partial(make, ["leaderboard", "out"])
    yield Case(f"{damage.name}-tables", tables, codes=(0,), writes=True, check=table)
    if damage.forged:
        return
    waiting = "" if damage.refused is None else f"{CELLS} cells, {damage.missing} to run"
    plan = partial(make, [*RUN, "--dry-run"])
    yield Case(f"{damage.name}-plan", plan, codes=(0,), says=waiting)
    codes = (0,) if damage.refused is not None else (0, 1)
    anew = partial(_run_anew, damage)
    run = partial(make, RUN)
    name, swept = f"{damage.name}-run", damage.sweeps
    yield Case(name, run, codes=codes, writes=True, sweeps=swept, check=anew)


def _tables_say(refused: int | None, folder: Path, output: str) -> Iterable[str]:
    lines = [line for line in output.splitlines() if "left out" in line]
    if refused is not None and len(lines) != refused:
        yield f"{len(lines)} lines say that a file is left out, not {refused}"
    if not (folder / "out" / "leaderboard.md").is_file():
        yield "no table was written"


def _run_anew(damage: Damage, folder: Path, output: str) -> Iterable[str]:
    if damage.refused is None:
        return
    out = folder / "out"
    cells = {path for path in good() if path.endswith(".json") and path.startswith("out/")}
    now = {f"out/{name}": content for name, content in record_bytes(out).items()}
    yield from (f"lost {name}" for name in cells - now.keys())
    kept = sum(now.get(name) == good()[name] for name in cells)
    if kept < CELLS - damage.missing:
        yield f"lost: only {kept} of {CELLS - damage.missing} good records are as they were"
    strangers = damage.refused - damage.aside  # files that are no record of a planned cell
    broken = unreadable(out)
    if len(broken) > strangers:
        yield from broken
    aside = len(list(out.glob("records/*/*/*.json.bad*")))
    if aside != damage.aside:
        yield f"lost: {aside} files set aside, not {damage.aside}"


def _hopeless(name: str, apply: Callable[[Path], object]) -> Iterator[Case]:
    """No good record is left: one sentence, or all of the grid anew."""

    def make(arguments: list[str], folder: Path) -> list[str]:
        unpack(folder)
        apply(folder / "out")
        return arguments

    def says(folder: Path, output: str) -> Iterable[str]:
        errors = [line for line in output.splitlines() if line.startswith("error: ")]
        if len(errors) != 1:
            yield f"{len(errors)} sentences say what is wrong"

    tables = ["leaderboard", "out"]
    yield Case(f"{name}-tables", partial(make, tables), check=says)
    yield Case(f"{name}-run", partial(make, RUN), codes=(0, 2), writes=True)


@cache
def good() -> dict[str, bytes]:
    """Name -> content of the files of a grid that ran well."""
    prepare()

    def make(folder: Path) -> list[str]:
        write_protocol(folder)
        return RUN

    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        result = run_case(Case("good", make, codes=(0,), writes=True), root, seconds=60)
        if result.wrong:
            raise RuntimeError(f"the good grid: {result.wrong}: {result.output}")
        work = root / "good" / "work"
        chosen = [*work.glob("*.json"), *work.glob("out/records/*/*/*.[jn]*")]
        return {path.relative_to(work).as_posix(): path.read_bytes() for path in sorted(chosen)}


def unpack(folder: Path) -> None:
    """Copy the good grid."""
    for name, content in good().items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def victim(out: Path, model: str = "text-only", place: int = 0) -> Path:
    """The file of one record."""
    return sorted(out.glob(f"records/*/{model}/*.json"))[place]


def seal(values: Values) -> bytes:
    """A record with digests that are right, as somebody who forges it would write it."""
    values = {key: value for key, value in values.items() if key != "digest"}
    text = json.dumps(values, sort_keys=True, separators=(",", ":"))
    values["digest"] = blake2b(text.encode(), digest_size=8).hexdigest()
    return (json.dumps(values, indent=1) + "\n").encode()


def _content(change: Callable[[bytes], bytes]) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(change(path.read_bytes()))


def _values(change: Callable[[Values], object]) -> Callable[[Path], object]:
    """Change a field and leave the digest as it was."""

    def apply(path: Path) -> None:
        values = json.loads(path.read_bytes())
        change(values)
        path.write_text(json.dumps(values, indent=1), encoding="utf-8")

    return apply


def _forged(change: Callable[[Values], object]) -> Callable[[Path], object]:
    """Change a field, put the digest right, and name the file after its cell where that works."""

    def apply(path: Path) -> None:
        values = json.loads(path.read_bytes())
        change(values)
        path.write_bytes(seal(values))
        try:
            key = Cell.model_validate(values["cell"]).key
        except (ValueError, TypeError, KeyError):
            return
        path.rename(path.with_name(f"{key}.json"))
        path.with_suffix(".npz").rename(path.with_name(f"{key}.npz"))

    return apply


def _put(place: str, value: Any) -> Callable[[Values], object]:
    """Put a value at a place such as `cell.seed`."""

    def change(values: Values) -> None:
        *folders, last = place.split(".")
        for name in folders:
            values = values[name]
        values[last] = value

    return change


def _text(old: str, new: str) -> Callable[[Path], object]:
    """Replace text within the JSON, which may then be none."""
    return _content(lambda content: content.replace(old.encode(), new.encode(), 1))


def damages() -> list[Damage]:
    """All of them."""
    return [
        *_cuts(),
        *_other_contents(),
        *_other_fields(),
        *_forgeries(),
        *_other_names(),
        *_other_arrays(),
        *_no_files(),
        *_beside(),
    ]


def _cuts() -> Iterator[Damage]:
    places: dict[str, float] = {"1": 1, "2": 2, "10": 10, "100": 100, "1000": 1000}
    places |= {f"{percent}-percent": percent / 100 for percent in (10, 25, 50, 75, 90, 99)}
    places |= {"before-the-last-brace": -3}
    for name, place in places.items():

        def cut(content: bytes, place: float = place) -> bytes:
            return content[: int(place * len(content)) if 0 < place < 1 else int(place)]

        yield Damage(f"cut-{name}", _content(cut))
    yield Damage("good", lambda path: None, refused=0, missing=0, aside=0)
    cut_end = _content(lambda content: content[:-1])
    yield Damage("cut-last-line-end", cut_end, refused=None)


def _other_contents() -> Iterator[Damage]:
    plain = {
        "empty": b"",
        "zeros": b"\0" * 4096,
        "noise": random.Random(0).randbytes(4096),
        "line-end": b"\n",
        "null": b"null",
        "true": b"true",
        "number": b"1",
        "text": b'"done"',
        "list": b"[]",
        "object": b"{}",
        "infinite": b"1e999",
        "long-number": b"9" * 10_000,
        "long-number-inside": b'{"schema_version": ' + b"9" * 10_000 + b"}",
        "deep-lists": b"[" * 100_000,
        "deep-closed-lists": b"[" * 100_000 + b"]" * 100_000,
        "deep-objects": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
        "package-json": b'{"name": "left-pad", "version": "1.3.0", "main": "index.js"}',
        "map": b'{"type": "FeatureCollection", "features": []}',
        "page": b"<!doctype html><html><body>404</body></html>",
        "pickle": b"\x80\x04\x95\x10\0\0\0\0\0\0\0}\x94\x8c\x04cell\x94}s.",
        "conflict": b"<<<<<<< HEAD\n{}\n=======\n{}\n>>>>>>> other\n",
    }
    for name, content in plain.items():
        yield Damage(name, _content(lambda _, content=content: content))
    wrapped: dict[str, Callable[[bytes], bytes]] = {
        "in-a-list": lambda content: b"[" + content + b"]",
        "in-an-object": lambda content: b'{"record": ' + content + b"}",
        "twice": lambda content: content + content,
        "mark-before": lambda content: b"\xef\xbb\xbf" + content,
        "utf-16": lambda content: content.decode().encode("utf-16"),
        "utf-32": lambda content: content.decode().encode("utf-32"),
        "latin-1": lambda content: content.replace(b'"Text only"', b'"T\xe9xt"') + b"\xe9",
        "zero-inside": lambda content: content[:500] + b"\0" + content[500:],
        "zeros-after": lambda content: content + b"\0" * 512,
        "bit-in-a-number": lambda content: content.replace(b'"best_epoch": 1', b'"best_epoch": 0'),
        "upside-down": lambda content: content[::-1],
    }
    for name, change in wrapped.items():
        yield Damage(name, _content(change))
    harmless: dict[str, Callable[[bytes], bytes]] = {
        "line-ends-of-windows": lambda content: content.replace(b"\n", b"\r\n"),
        "one-line": lambda content: json.dumps(json.loads(content)).encode(),
        "many-spaces": lambda content: b" " * 100_000_000 + content,
        "field-twice": lambda content: content.replace(b"{", b'{"status": "failed",', 1),
    }
    for name, change in harmless.items():
        yield Damage(name, _content(change), refused=None)
    yield Damage("huge-and-empty", lambda path: os.truncate(path, 2**33))


def _other_fields() -> Iterator[Damage]:
    """Of a wrong type or version: refused whether or not the digest is right."""
    broken = {
        "cell-null": _put("cell", None),
        "cell-empty": _put("cell", {}),
        "cell-list": _put("cell", []),
        "cell-text": _put("cell", "text-only"),
        "seed-text": _put("cell.seed", "zero"),
        "seed-half": _put("cell.seed", 0.5),
        "seed-list": _put("cell.seed", [0]),
        "part-other": _put("cell.part", "dessert"),
        "settings-list": _put("cell.settings", [1]),
        "protocol-null": _put("cell.protocol", None),
        "model-null": _put("cell.model", None),
        "fold-text": _put("cell.fold", "first"),
        "status-other": _put("status", "perfect"),
        "status-list": _put("status", ["done"]),
        "history-object": _put("history", {"epoch": 1}),
        "history-text": _put("history", ["first"]),
        "training-list": _put("training", []),
        "training-stopped": _put("training.stopped", "by rain"),
        "measurements-list": _put("measurements", []),
        "measurements-null": _put("measurements", None),
        "task-text": _put("task", "regression"),
        "environment-list": _put("environment", ["linux"]),
        "seconds-text": _put("wall_seconds", "long"),
        "error-text": _put("error", "none"),
        "stranger": _put("score", 100),
        "schema-newer": _put("schema_version", 99),
        "schema-text": _put("schema_version", "two"),
        "schema-null": _put("schema_version", None),
        "schema-list": _put("schema_version", [2]),
        "without-a-cell": lambda values: values.pop("cell"),
        "without-a-status": lambda values: values.pop("status"),
    }
    for name, change in broken.items():
        yield Damage(name, _values(change))
        yield Damage(f"forged-field-{name}", _forged(change), forged=True)
    changed = {
        "better": _put("measurements.accuracy.test.mae", 0.001),
        "without-a-digest": lambda values: values.pop("digest"),
        "digest-null": _put("digest", None),
        "digest-number": _put("digest", 0),
        "arrays-null": _put("arrays", None),
        "arrays-elsewhere": _put("arrays", "../../../../secret"),
    }
    for name, change in changed.items():
        yield Damage(name, _values(change))


def _forgeries() -> Iterator[Damage]:
    """The digest is right: what comes of it is open, but nothing may break."""
    names = {
        "outside": "../../../../owned",
        "root": "/owned",
        "slash": "a/b",
        "markup": "[/red]",
        "link": "[link=file:///etc/passwd]x[/link]",
        "lines": "a\nb\r\nc",
        "turned": "\u202egnitseb",
        "escape": "\x1b[2J\x1b[31mred",
        "zero": "a\0b",
        "half": "\ud800",
        "empty": "",
        "dots": "..",
        "long": "x" * 5000,
        "formula": r"$\frac{a$ \input{/etc/passwd}",
        "cell": '=cmd|"/c calc"!A1',
        "columns": "a|b|c",
        "html": "<script>alert(1)</script>",
    }
    places = ("cell.model", "cell.dataset", "cell.variant", "cell.protocol.name", "display")
    for place in places:
        title = place.replace(".", "-")
        for name, value in names.items():
            yield Damage(
                f"forged-{title}-{name}", _forged(_put(place, value)), refused=None, forged=True
            )
    numbers = {
        "negative": -1,
        "huge": 10**400,
        "zero": 0,
        "none": None,
        "text": "high",
        "list": [1, 2],
        "object": {"mae": 1},
        "true": True,
    }
    for name, value in numbers.items():
        for title, place in (
            ("seed", "cell.seed"),
            ("fold", "cell.fold"),
            ("threads", "cell.threads"),
            ("metric", "measurements.accuracy.test.mae"),
            ("accuracy", "measurements.accuracy"),
            ("test", "measurements.accuracy.test"),
            ("cost", "measurements.cost"),
            ("robustness", "measurements.robustness"),
            ("rate", "cell.config.lr"),
            ("epochs", "cell.protocol.max_epochs"),
            ("levels", "cell.protocol.levels"),
            ("range", "task.low"),
            ("kind", "task.kind"),
            ("seconds", "training.seconds"),
        ):
            yield Damage(
                f"forged-{title}-{name}", _forged(_put(place, value)), refused=None, forged=True
            )
    for name, text in (("nan", "NaN"), ("infinity", "Infinity"), ("overflow", "1e999")):
        apply = _literal("measurements.accuracy.test.mae", text)
        yield Damage(f"forged-metric-{name}", apply, refused=None, forged=True)


def _literal(place: str, text: str) -> Callable[[Path], object]:
    """Write a number as JSON cannot, with the digest that goes with it."""

    def apply(path: Path) -> None:
        values = json.loads(path.read_bytes())
        _put(place, float(text))(values)
        sealed = seal(values)
        usual = json.dumps(float(text))
        path.write_bytes(sealed.replace(f": {usual}".encode(), f": {text}".encode()))

    return apply


def _other_names() -> Iterator[Damage]:
    def rename(change: Callable[[Path], Path]) -> Callable[[Path], object]:
        def apply(path: Path) -> None:
            target = change(path)
            target.parent.mkdir(parents=True, exist_ok=True)
            path.rename(target)

        return apply

    moved: dict[str, Callable[[Path], Path]] = {
        "other-key": lambda path: path.with_name("0123456789ab.json"),
        "capital-key": lambda path: path.with_name(f"{path.stem.upper()}X.json"),
        "other-model": lambda path: path.parents[1] / "tfn" / path.name,
        "other-dataset": lambda path: path.parents[2] / "mosi" / path.parent.name / path.name,
        "markup-folder": lambda path: path.parents[1] / "[red]" / path.name,
        "line-end-folder": lambda path: path.parents[1] / "a\nb" / path.name,
    }
    for name, change in moved.items():
        yield Damage(f"named-{name}", rename(change), aside=0)
    unseen: dict[str, Callable[[Path], Path]] = {
        "no-ending": lambda path: path.with_suffix(""),
        "old": lambda path: path.with_name(f"{path.name}.old"),
        "deeper": lambda path: path.parent / "deeper" / path.name,
        "higher": lambda path: path.parents[1] / path.name,
    }
    for name, change in unseen.items():
        yield Damage(f"named-{name}", rename(change), refused=0, aside=0)

    def swap(path: Path) -> None:
        other = victim(path.parents[3], "late-fusion")
        mine, theirs = path.read_bytes(), other.read_bytes()
        path.write_bytes(theirs)
        other.write_bytes(mine)

    def swap_seeds(path: Path) -> None:
        other = victim(path.parents[3], place=1)
        mine, theirs = path.read_bytes(), other.read_bytes()
        path.write_bytes(theirs)
        other.write_bytes(mine)

    def copy_over(path: Path) -> None:
        path.write_bytes(victim(path.parents[3], place=1).read_bytes())

    def copy_beside(path: Path) -> None:
        path.with_name("0123456789ab.json").write_bytes(path.read_bytes())

    yield Damage("swapped-models", swap, refused=2, missing=2, aside=2)
    yield Damage("swapped-seeds", swap_seeds, refused=2, missing=2, aside=2)
    yield Damage("the-other-seed", copy_over)
    yield Damage("a-copy-beside", copy_beside, missing=0, aside=0)


def _other_arrays() -> Iterator[Damage]:
    def arrays(change: Callable[[Path], object]) -> Callable[[Path], object]:
        return lambda path: change(path.with_suffix(".npz"))

    def swap(path: Path) -> None:
        other = victim(path.parents[3], "late-fusion").with_suffix(".npz")
        path.write_bytes(other.read_bytes())

    def link_to_itself(path: Path) -> None:
        path.unlink()
        path.symlink_to(path.name)

    def make(kind: Callable[[Path], object]) -> Callable[[Path], object]:
        def change(path: Path) -> None:
            path.unlink()
            kind(path)

        return change

    def flip(content: bytes) -> bytes:
        middle = len(content) // 2
        return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]

    yield Damage("arrays-missing", arrays(Path.unlink))
    yield Damage("arrays-empty", arrays(_content(lambda content: b"")))
    yield Damage("arrays-cut", arrays(_content(lambda content: content[:-1])))
    yield Damage("arrays-half", arrays(_content(lambda content: content[: len(content) // 2])))
    yield Damage("arrays-longer", arrays(_content(lambda content: content + b"\0")))
    yield Damage("arrays-bit", arrays(_content(flip)))
    yield Damage("arrays-text", arrays(_content(lambda content: b"no arrays")))
    yield Damage("arrays-of-another", arrays(swap))
    yield Damage("arrays-huge", arrays(lambda path: os.truncate(path, 2**33)))
    yield Damage("arrays-folder", arrays(make(Path.mkdir)))
    yield Damage("arrays-fifo", arrays(make(os.mkfifo)))
    yield Damage("arrays-loop", arrays(link_to_itself))


def _no_files() -> Iterator[Damage]:
    def instead(kind: Callable[[Path], object]) -> Callable[[Path], object]:
        def apply(path: Path) -> None:
            path.unlink()
            kind(path)

        return apply

    def listen(path: Path) -> None:
        with socket.socket(socket.AF_UNIX) as place:
            before = os.getcwd()
            os.chdir(path.parent)  # the path of a socket is short
            place.bind(path.name)
            os.chdir(before)

    yield Damage("missing", Path.unlink, refused=0, aside=0)
    yield Damage("folder", instead(Path.mkdir))
    yield Damage("fifo", instead(os.mkfifo))
    yield Damage("socket", instead(listen))
    yield Damage("loop", instead(lambda path: path.symlink_to(path.name)))
    yield Damage("link-to-nothing", instead(lambda path: path.symlink_to("nothing")))
    yield Damage("link-to-zeros", instead(lambda path: path.symlink_to("/dev/zero")))
    yield Damage("link-to-terminal", instead(lambda path: path.symlink_to("/dev/tty")))
    yield Damage("link-to-passwords", instead(lambda path: path.symlink_to("/etc/passwd")))
    yield Damage("link-to-a-folder", instead(lambda path: path.symlink_to("..")))
    if os.geteuid() != 0:  # root reads everything
        yield Damage("forbidden", lambda path: path.chmod(0))


def _beside(folder: str = "records/synthetic/text-only") -> Iterator[Damage]:
    """Strange files among good records."""

    def add(name: str, content: bytes = b"{}") -> Callable[[Path], object]:
        def apply(path: Path) -> None:
            target = path.parents[3] / folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)

        return apply

    bad, part, waiting = (
        "0123456789ab.json.bad",
        ".abcdef.part",
        "0123456789ab.0123456789abcdef.npz",
    )
    yield Damage("beside-bad", add(bad), refused=0, missing=0, aside=1)
    for name, left in {"part": part, "waiting-arrays": waiting}.items():
        apply = add(left, b"half")
        yield Damage(f"beside-{name}", apply, refused=0, missing=0, aside=0, sweeps=(left,))
    unseen = {
        "text": add("notes.txt"),
        "failed": add("0123456789ab.json.failed"),
        "lonely-arrays": add("0123456789ab.npz"),
        "log": add("0123456789ab.log"),
        "higher": add("../../notes.json"),
        "empty-folder": lambda path: (path.parents[2] / "mosi" / "tfn").mkdir(parents=True),
        "file-for-a-folder": lambda path: (path.parents[1] / "tfn").write_text("no folder"),
    }
    for name, apply in unseen.items():
        yield Damage(f"beside-{name}", apply, refused=0, missing=0, aside=0)
    seen = {
        "json": add("notes.json"),
        "hidden-json": add(".notes.json"),
        "only-ending": add(".json"),
        "markup": add("[red]x.json"),
        "turned": add("\u202ex.json"),
        "lines": add("a\nb.json"),
        "bytes": lambda path: Path(os.fsdecode(bytes(path.parent) + b"/\xff.json")).write_bytes(
            b""
        ),
    }
    for name, apply in seen.items():
        yield Damage(f"beside-{name}", apply, missing=0, aside=0)


def _every(change: Callable[[Path], object]) -> Callable[[Path], object]:
    def apply(out: Path) -> None:
        for path in sorted(out.glob("records/*/*/*.json")):
            change(path)

    return apply


def _instead_of_records(kind: Callable[[Path], object]) -> Callable[[Path], object]:
    def apply(out: Path) -> None:
        (out / "records").rename(out / "old")
        kind(out / "records")

    return apply


HOPELESS: dict[str, Callable[[Path], object]] = {
    "all-empty": _every(_content(lambda content: b"")),
    "all-cut": _every(_content(lambda content: content[:1000])),
    "all-lists": _every(_content(lambda content: b"[]")),
    "all-newer": _every(_values(_put("schema_version", 99))),
    "all-without-arrays": _every(lambda path: path.with_suffix(".npz").unlink()),
    "no-records": lambda out: (out / "records").rename(out / "old"),
    "records-a-file": _instead_of_records(lambda path: path.write_text("no folder")),
    "records-a-loop": _instead_of_records(lambda path: path.symlink_to("records")),
    "records-a-fifo": _instead_of_records(os.mkfifo),
    "nothing-at-all": lambda out: out.rename(out.with_name("elsewhere")),
}
