"""CSV files of predictions that are broken, hostile, or odd and allowed, each made by code."""

import bz2
import csv
import gzip
import io
import json
import lzma
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tests.campaign.cases import Case
from tests.folders import KINDS, make_folder

SIZES = (12, 6, 8)
SAMPLES = SIZES[2]
IDS = [f"test{place}" for place in range(SAMPLES)]
NUMBERS = [0.5, -1, 2, 0, -2.5, 1, 0.25, -0.75]
NAMES = KINDS["classes"]["names"]
CHOSEN = [NAMES[place % 3] for place in range(SAMPLES)]
GOOD = (0,)


def cases() -> list[Case]:
    """All of them; their names are unique."""
    return [*_files(), *_packed(), *_columns(), *_ids(), *_values(), *_calls()]


def _case(
    name: str,
    content: bytes | Callable[[Path], object],
    *more: str,
    kind: str = "mosi",
    codes: tuple[int, ...] = (2,),
    file: str = "mine.csv",
    ids: list[str] | None = None,
    says: str = "",
) -> Case:
    def make(root: Path) -> list[str]:
        folder = make_folder(root, "own", kind, sizes=SIZES)
        if ids is not None:
            with np.load(folder / "test.npz") as arrays:
                np.savez(folder / "test.npz", **{**arrays, "id": np.array(ids)})
        if isinstance(content, bytes):
            (root / file).write_bytes(content)
        else:
            content(root / file)
        return ["score", "own", file, "--data", ".", *more]

    return Case(name, make, codes, says)


def _csv(**columns: Any) -> bytes:
    stream = io.StringIO()
    writer = csv.writer(stream)
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
    return stream.getvalue().encode()


def _table(ids: Any = None, prediction: Any = None) -> bytes:
    return _csv(
        id=IDS if ids is None else ids, prediction=NUMBERS if prediction is None else prediction
    )


def _one(value: Any) -> bytes:
    return _table(prediction=[value, *NUMBERS[1:]])


# What the file is


def _files() -> list[Case]:
    good, found = _table(), []
    for name, content in {
        "empty": b"",
        "one-byte": b"\xff",
        "line-ends": b"\n" * 5000,
        "zero-bytes": bytes(1000),
        "utf-16": good.decode().encode("utf-16"),
        "utf-32": good.decode().encode("utf-32"),
        "latin-1": good.replace(b"test0", b"t\xe9st0"),
        "cut-letter": good + b"\xe2\x82",
        "header-alone": b"id,prediction\n",
        "no-header": b"\n".join(good.splitlines()[1:]),
        "semicolons": good.replace(b",", b";"),
        "tabs": good.replace(b",", b"\t"),
        "open-quote": good + b'"test9,1',
        "odd-quote": good.replace(b"test0", b'"te"st0'),
        "long-field": good.replace(b"test0", b"x" * 200_000),
        "long-line": b"id,prediction," + b"x" * 2**22,
        "million-columns": b",".join(b"%d" % n for n in range(10**6)) + b"\n",
        "million-commas": b"," * 10**6,
        "json": json.dumps({"id": IDS}).encode(),
        "html": b"<html><body>404</body></html>",
        "npy": b"\x93NUMPY\x01\x00v\x00{'descr': '<f4'}",
        "pickle": b"cposix\nsystem\n(S'touch ../owned'\ntR.",
        "few-fields": good.replace(b"test3,0\r\n", b"test3\r\n"),
        "more-fields": good.replace(b"test3,0", b"test3,0,1"),
        "index-column": b"".join(b"0," + line for line in good.splitlines(True)[1:]),
        "million-rows": good + b"x,1\n" * 10**6,
        "number-comma": good.replace(b"0.5", b"0,5"),
    }.items():
        found.append(_case(f"csv-{name}", content))
    for name, make in {
        "absent": lambda path: None,
        "fifo": os.mkfifo,
        "folder": Path.mkdir,
        "device": lambda path: path.symlink_to("/dev/zero"),
        "loop": lambda path: path.symlink_to(path.name),
        "passwords": lambda path: path.symlink_to("/etc/passwd"),
        "sparse": lambda path: (path.touch(), os.truncate(path, 2**36)),
        "sparse-some": lambda path: (path.touch(), os.truncate(path, 2**27)),
    }.items():
        found.append(_case(f"csv-{name}", make))
    found.append(_case("csv-long-path", lambda path: None, file="x" * 200 + ".csv"))
    for name, content in {
        "good": good,
        "bom": b"\xef\xbb\xbf" + good,
        "unix": good.replace(b"\r\n", b"\n"),
        "mac": good.replace(b"\r\n", b"\r"),
        "no-last-line-end": good.rstrip(),
        "blank-lines": good.replace(b"\r\n", b"\r\n\r\n"),
        "quoted": good.replace(b"test0", b'"test0"'),
        "spaces": good.replace(b",", b" , "),
        "further-columns": b"\r\n".join(line + b",=cmd()" for line in good.split()),
        "other-order": b"\r\n".join([good.split()[0], *good.split()[:0:-1]]),
    }.items():
        if name == "further-columns":
            content = content.replace(b"prediction,=cmd()", b"prediction,note")
        found.append(_case(f"csv-good-{name}", content, codes=GOOD))
    return found


def _packed() -> list[Case]:
    good = _table()
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("../../mine.csv", good)
    packed = gzip.compress(good)
    found = []
    for name, content in {
        "zip": stream.getvalue(),
        "bz2": bz2.compress(good),
        "xz": lzma.compress(good),
        "zst": b"\x28\xb5\x2f\xfd" + bytes(20),
        "tar.gz": gzip.compress(bytes(1024) + good),
        "gz": packed[:-12],
    }.items():
        found.append(_case(f"packed-{name.replace('.', '-')}", content, file=f"mine.csv.{name}"))
        found.append(_case(f"packed-{name.replace('.', '-')}-unnamed", content))
    for name, content in {
        "cut": packed[: len(packed) // 2],
        "begin": b"\x1f\x8b",
        "method": b"\x1f\x8b\x63" + packed[3:],
        "changed": packed[:20] + bytes(8) + packed[28:],
        "checksum": packed[:-8] + bytes(8),
        "twice": gzip.compress(packed),
        "tail": packed + b"more of it",
    }.items():
        found.append(_case(f"gzip-{name}", content, file="mine.csv.gz"))
    for name, unit in {
        "zeros": bytes(2**20),
        "line-ends": b"\n" * 2**20,
        "rows": b"x,1\n" * 2**18,
        "commas": b"," * 2**20,
        "quotes": b'"' * 2**20,
    }.items():
        for size in (12, 400):
            make = _bomb(unit, size)
            found.append(_case(f"gzip-bomb-{name}-{size}", make, file="mine.csv.gz"))
    found.append(_case("gzip-good", packed, file="mine.csv.gz", codes=GOOD))
    found.append(_case("gzip-good-unnamed", packed, codes=GOOD))
    found.append(_case("gzip-good-members", gzip.compress(good[:30]) + gzip.compress(good[30:]),
                       file="mine.csv.gz", codes=GOOD))  # fmt: skip
    found.append(_case("gzip-good-name-alone", good, file="mine.csv.gz", codes=GOOD))
    return found


def _bomb(unit: bytes, count: int) -> Callable[[Path], object]:
    def make(path: Path) -> None:
        with gzip.open(path, "wb") as file:
            file.write(b"id,prediction\n")
            for _ in range(count):
                file.write(unit)

    return make


# What stands in it


def _columns() -> list[Case]:
    found = []
    for name, content in {
        "no-id": _csv(prediction=NUMBERS),
        "no-prediction": _csv(id=IDS),
        "other-case": _csv(ID=IDS, Prediction=NUMBERS),
        "odd-names": b"\xe2\x80\xaeid,\x07,[/red]\n",
        "id-twice": b"id,id,prediction\n" + b"".join(b"test%d,x,1\n" % n for n in range(8)),
        "prediction-twice": b"id,prediction,prediction\n"
        + b"".join(b"test%d,1,2\n" % n for n in range(8)),
        "same-but-space": b"id,prediction, prediction\n",
    }.items():
        found.append(_case(f"column-{name}", content))
    logits = {name: np.eye(SAMPLES, 3)[:, place] for place, name in enumerate(NAMES)}
    for name, columns, codes in (
        ("class-alone", {"joy": NUMBERS}, (2,)),
        ("class-nan", {**logits, "joy": [np.nan] * SAMPLES}, (2,)),
        ("class-text", {**logits, "joy": ["x"] * SAMPLES}, (2,)),
        ("unknown-class", {"prediction": ["jo"] * SAMPLES}, (2,)),
        ("long-class", {"prediction": ["x" * 100_000] * SAMPLES}, (2,)),
        ("odd-class", {"prediction": ["\u202e[/red]\n"] * SAMPLES}, (2,)),
        ("class-beyond", {"prediction": [3] * SAMPLES}, (2,)),
        ("class-negative", {"prediction": [-1] * SAMPLES}, (2,)),
        ("class-infinite", {"prediction": ["inf"] * SAMPLES}, (2,)),
        ("class-huge", {"prediction": ["9" * 400] * SAMPLES}, (2,)),
        ("class-nothing", {"prediction": [""] * SAMPLES}, (2,)),
        ("class-empty-digits", {"prediction": ["\u00b2"] * SAMPLES}, (2,)),
        ("good-names", {"prediction": CHOSEN}, GOOD),
        ("good-numbers", {"prediction": [0, 1, 2, 0, 1, 2, 0, 1]}, GOOD),
        ("good-logits", logits, GOOD),
        ("good-both", {**logits, "prediction": ["odd"] * SAMPLES}, GOOD),
    ):
        content = _csv(id=IDS, **columns)
        found.append(_case(f"column-{name}", content, kind="classes", codes=codes))
    several = KINDS["labels"]["names"]
    for name, value, codes in (
        ("probability", 0.7, (2,)),
        ("text", "yes", (2,)),
        ("nan", "nan", (2,)),
        ("good-decision", 1, GOOD),
        ("good-logit", -2.5, GOOD),
    ):
        content = _csv(id=IDS, **dict.fromkeys(several, [value] * SAMPLES))
        found.append(_case(f"column-yes-no-{name}", content, kind="labels", codes=codes))
    return found


def _ids() -> list[Case]:
    found = []
    odd = ["=cmd()", "a\nb", "\u202etxt", "-1", "../up", "x,y", '"', " \u0645"]
    spaced = [" a", "a", "a ", "b\n", "c\td", "[red]", "e\r\nf", "0"]
    for name, ids, codes in (
        ("twice", ["test0", *IDS[:-1]], (2,)),
        ("unknown", ["nowhere", *IDS[1:]], (2,)),
        ("long", ["x" * 100_000, *IDS[1:]], (2,)),
        ("right-to-left", ["\u202etest0\x07[/red]", *IDS[1:]], (2,)),
        ("surrogate-like", ["\\ud800", *IDS[1:]], (2,)),
        ("empty", ["", *IDS[1:]], (2,)),
        ("spaces-alone", [" ", *IDS[1:]], (2,)),
        ("all-empty", [""] * SAMPLES, (2,)),
        ("other-case", [name.upper() for name in IDS], (2,)),
        ("good-space-around", [f" {name} " for name in IDS], GOOD),
    ):
        found.append(_case(f"id-{name}", _table(ids=ids), codes=codes))
    found.append(_case("id-too-few", _csv(id=IDS[:3], prediction=NUMBERS[:3])))
    found.append(_case("id-too-many", _csv(id=[*IDS, "x"], prediction=[*NUMBERS, 1])))
    found.append(_case("id-good-odd", _table(ids=odd), ids=odd, codes=GOOD))
    found.append(_case("id-good-spaced", _table(ids=spaced), ids=spaced, codes=GOOD))
    found.append(_case("id-odd-unknown", _table(ids=["\u202ex", *odd[1:]]), ids=odd))
    return found


def _values() -> list[Case]:
    found = []
    for place, value in enumerate(
        (
            *("", " ", "x", "nan", "NaN", "inf", "-Infinity", "1e999", "1e39", "-1e300", "1_000"),
            *("0x10", "1,5", "1.5.2", "--1", "True", "None", "1+2j", "=1+1", "\u202e1", "1 2"),
            *("9" * 400, "9" * 100_000, "1e", "\x00", "[1]", "#N/A", "1%"),
        )
    ):
        found.append(_case(f"value-{place}", _one(value)))
    for place, value in enumerate(("1", " 1 ", "+1", "1e0", "-0.0", ".5", "1e-400", "1e30", "7")):
        found.append(_case(f"value-good-{place}", _one(value), codes=GOOD))
    return found


def _calls() -> list[Case]:
    good, found = _table(), []
    for place, name in enumerate(
        ("../x", "/tmp/x", ".x", "a\nb", "x" * 300, "\u202ex", "tfn", "a b", "a/b", "-x", "[red]")
    ):
        found.append(_case(f"name-{place}", good, f"--name={name}"))
    for place, name in enumerate(("mine", "mine+2", "Mine_2.1", "0")):
        found.append(_case(f"name-good-{place}", good, "--name", name, codes=GOOD))
    for place, file in enumerate(("\u202emine.csv", "my file.csv", ".csv", "[red].csv", "tfn.csv")):
        found.append(_case(f"name-of-file-{place}", good, file=file, says="--name"))
    found.append(_case("seeds-two", good, "--seeds", "0,1"))
    found.append(_case("protocol-unknown", good, "--protocol", "odd"))
    return found
