"""Folders of data that are broken, hostile, or odd and allowed, made from a good one by code."""

import io
import json
import os
import shutil
import struct
import warnings
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.datasets.dataset import Sequences
from benchmark.datasets.files.regular import file_digest
from benchmark.datasets.native import write_dataset
from benchmark.datasets.synthetic import make_synthetic
from benchmark.task import multiclass
from tests.campaign.cases import OWNED, Case
from tests.folders import make_folder

SPLITS = ("train", "valid", "test")
SIZES = (12, 6, 8)
CHECK = ["data", "check", "own", "--data", "."]
DRY_RUN = ["run", "--dry-run", "-m", "prior", "-d", "own", "--data", "."]
BROKEN, GOOD = (1,), (0,)
CODE = f"__import__('os').system('touch ../{OWNED}')".encode()

Change = Callable[[Path], None]  # of the folder of a good dataset


def cases() -> list[Case]:
    """All of them; their names are unique."""
    return [
        *_archives(),
        *_headers(),
        *_arrays(),
        *_manifests(),
        *_labels(),
        *_folds(),
        *_natives(),
        *_sound(),
    ]


def _case(
    name: str,
    change: Change,
    *,
    kind: str = "mosi",
    codes: tuple[int, ...] = BROKEN,
    arguments: list[str] = CHECK,
    says: str = "",
    **options: Any,
) -> Case:
    def make(root: Path) -> list[str]:
        change(make_folder(root, "own", kind, sizes=SIZES, **options))
        return arguments

    return Case(name, make, codes, says)


# Changes of a good folder


def _set(split: str = "train", **arrays: Any) -> Change:
    """Put other arrays into a split; None takes one out."""

    def change(folder: Path) -> None:
        for name in SPLITS if split == "every" else (split,):
            with np.load(folder / f"{name}.npz") as found:
                values = {**found, **arrays}
            np.savez(
                folder / f"{name}.npz",
                **{key: value for key, value in values.items() if value is not None},
            )

    return change


def _edit(split: str, function: Callable[[dict[str, Any]], object]) -> Change:
    """Change the arrays of a split by a function."""

    def change(folder: Path) -> None:
        for name in SPLITS if split == "every" else (split,):
            with np.load(folder / f"{name}.npz") as found:
                values = dict(found)
            function(values)
            np.savez(folder / f"{name}.npz", **values)

    return change


def _raw(content: bytes, file: str = "train.npz") -> Change:
    return lambda folder: _write(folder / file, content)


def _write(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def _instead(file: str, make: Callable[[Path], object]) -> Change:
    def change(folder: Path) -> None:
        (folder / file).unlink()
        make(folder / file)

    return change


def _json(**keys: Any) -> Change:
    """Set keys of `dataset.json`."""

    def change(folder: Path) -> None:
        path = folder / "dataset.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **keys}))

    return change


def _both(*changes: Change) -> Change:
    def change(folder: Path) -> None:
        for one in changes:
            one(folder)

    return change


def _member(content: bytes, name: str = "audio.npy", **options: Any) -> Change:
    """Put a member into train.npz in place of that of its name."""
    return _members([(name, content)], **options)


def _members(parts: Iterable[tuple[str, bytes]], method: int = zipfile.ZIP_DEFLATED) -> Change:
    def change(folder: Path) -> None:
        path, new = folder / "train.npz", folder / "new"
        listed = list(parts)
        with zipfile.ZipFile(path) as old, zipfile.ZipFile(new, "w", method) as archive:
            for member in old.infolist():
                if member.filename not in {name for name, _ in listed}:
                    archive.writestr(member, old.read(member))
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of a name that is there twice
                for name, content in listed:
                    archive.writestr(name, content)
        new.rename(path)

    return change


def _bomb(shape: str, descr: str = "'<f4'", *, size: int, name: str = "audio.npy") -> Change:
    """A member of zeros, packed piece by piece, so that only who unpacks it needs the memory."""

    def change(folder: Path) -> None:
        _members([(name, b"")])(folder)
        path, new = folder / "train.npz", folder / "new"
        with zipfile.ZipFile(path) as old, zipfile.ZipFile(new, "w", zipfile.ZIP_DEFLATED) as made:
            for member in old.infolist():
                if member.filename != name:
                    made.writestr(member, old.read(member))
            with made.open(name, "w", force_zip64=True) as stream:
                stream.write(_npy(_header(shape, descr)))
                for _ in range(size // 2**20):
                    stream.write(bytes(2**20))
        new.rename(path)

    return change


def _npy(header: bytes, data: bytes = b"", version: tuple[int, int] = (1, 0)) -> bytes:
    length = struct.pack("<H" if version == (1, 0) else "<I", len(header) & 0xFFFFFFFF)
    return b"\x93NUMPY" + bytes(version) + length + header + data


def _header(shape: str, descr: str = "'<f4'", fortran: str = "False", more: str = "") -> bytes:
    text = f"{{'descr': {descr}, 'fortran_order': {fortran}, 'shape': {shape}, {more}}}"
    return text.encode("latin1")


def _saved(array: Any, **options: Any) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array, **options)
    return stream.getvalue()


# Archives


def _archives() -> list[Case]:
    found = []
    for name, content in (
        ("empty", b""),
        ("text", b"id,label\n1,2\n"),
        ("npy", _saved(np.zeros(3))),
        ("only-magic", b"PK\x03\x04"),
        ("only-end", b"PK\x05\x06" + bytes(18)),
        ("zip64-end", b"PK\x06\x06" + b"\xff" * 52 + b"PK\x06\x07" + b"\xff" * 16
         + b"PK\x05\x06" + b"\xff" * 18),
        ("pickle", b"\x80\x04\x95" + bytes(40)),
        ("code-pickle", f"cposix\nsystem\n(S'touch ../{OWNED}'\ntR.".encode()),
        ("gzip", b"\x1f\x8b\x08\x00" + bytes(20)),
        ("zeros", bytes(100_000)),
    ):  # fmt: skip
        found.append(_case(f"file-{name}", _raw(content)))
    for place in SPLITS:
        found.append(_case(f"cut-{place}", _cut(f"{place}.npz")))
        found.append(_case(f"absent-{place}", lambda f, p=place: (f / f"{p}.npz").unlink()))
        found.append(_case(f"fifo-{place}", _instead(f"{place}.npz", os.mkfifo)))
        found.append(_case(f"folder-{place}", _instead(f"{place}.npz", Path.mkdir)))
    for name, target in (("device", "/dev/zero"), ("loop", "train.npz"), ("nothing", "nowhere")):
        found.append(
            _case(f"link-{name}", _instead("train.npz", lambda p, t=target: p.symlink_to(t)))
        )
    good = _saved(np.zeros((12, 6, 4), np.float32))
    for name, change in {
        "bzip2": _member(good, method=zipfile.ZIP_BZIP2),
        "lzma": _member(good, method=zipfile.ZIP_LZMA),
        "method-99": _both(_stored(), _central(10, struct.pack("<H", 99))),
        "encrypted": _both(_stored(), _central(8, struct.pack("<H", 1))),
        "patched-data": _both(_stored(), lambda f: _flip(f / "train.npz", 4000)),
        "patched-deflate": _both(_member(good), lambda f: _flip(f / "train.npz", -200)),
        "wrong-crc": _both(_stored(), _central(16, b"abcd")),
        "wrong-offset": _both(_stored(), _central(42, b"\xff\xff\xff\x7f")),
        "wrong-sizes": _both(_stored(), _central(20, b"\xff\xff\xff\x7f" * 2)),
        "huge-directory": _both(_stored(), _end(12, b"\xff\xff\xff\x7f")),
        "parent-name": _member(good, "../../x.npy"),
        "absolute-name": _member(good, "/tmp/x.npy"),
        "duplicate": _members([("audio.npy", good), ("audio.npy", good)]),
        "empty-member": _member(b""),
        "text-member": _member(b"hello, this is no array"),
        "bomb-zeros": _bomb(f"({2**28},)", size=2**30),
        "bomb-float": _bomb(f"(12, 2, {2**22})", size=24 * 2**24),
        "bomb-strings": _bomb("(12,)", f"'<U{2**22}'", size=12 * 2**24, name="id.npy"),
        "bomb-bytes": _bomb(f"(12, 6, {2**21})", "'|i1'", size=12 * 6 * 2**21),
        "bomb-rows": _bomb(f"({2**24},)", "'|i1'", size=2**24, name="label.npy"),
        "bomb-header": _member(_npy(b" " * 2**24, version=(2, 0))),
    }.items():
        found.append(_case(f"zip-{name}", change))
    found.append(_case("zip-overlapping", _overlapping))
    found.append(_case("zip-sparse", lambda f: os.truncate(f / "train.npz", 2**36)))
    return found


def _cut(file: str) -> Change:
    return lambda folder: _write(folder / file, (folder / file).read_bytes()[:-300])


def _flip(path: Path, place: int) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= 0x55
    path.write_bytes(bytes(content))


def _stored() -> Change:
    return _members([], method=zipfile.ZIP_STORED)


def _central(offset: int, content: bytes) -> Change:
    """Overwrite a field of the first entry of the directory."""
    return _overwrite(b"PK\x01\x02", offset, content)


def _end(offset: int, content: bytes) -> Change:
    return _overwrite(b"PK\x05\x06", offset, content)


def _overwrite(mark: bytes, offset: int, content: bytes) -> Change:
    def change(folder: Path) -> None:
        data = bytearray((folder / "train.npz").read_bytes())
        place = data.index(mark) + offset
        data[place : place + len(content)] = content
        (folder / "train.npz").write_bytes(bytes(data))

    return change


def _overlapping(folder: Path) -> None:
    """Many entries of the directory that name the same packed bytes."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.npy", _npy(_header(f"(12, {2**20})", "'|i1'"), bytes(12 * 2**20)))
    data = stream.getvalue()
    start, end = data.index(b"PK\x01\x02"), data.index(b"PK\x05\x06")
    entry = data[start:end]
    listed = b"".join(
        entry.replace(b"a.npy", bytes([letter]) + b".npy") for letter in range(65, 90)
    )
    tail = struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, 25, 25, len(listed), start, 0)
    (folder / "train.npz").write_bytes(data[:start] + listed + tail)


# Headers


def _headers() -> list[Case]:
    found = []
    data = bytes(12 * 6 * 4 * 4)
    for name, content in {
        "huge-shape": _npy(_header(f"({2**40},)")),
        "huge-product": _npy(_header(f"({2**20}, {2**20}, {2**20})")),
        "more-than-there": _npy(_header("(12, 6, 5)"), data),
        "less-than-there": _npy(_header("(12, 6, 3)"), data),
        "negative": _npy(_header("(12, -6, -4)"), data),
        "bool-shape": _npy(_header("(True, 12, 24)"), data),
        "float-shape": _npy(_header("(12.0, 6, 4)"), data),
        "list-shape": _npy(_header("[12, 6, 4]"), data),
        "no-shape": _npy(b"{'descr': '<f4', 'fortran_order': False}", data),
        "many-axes": _npy(_header(f"({'1,' * 70}12, 24)"), data),
        "fortran-text": _npy(_header("(12, 6, 4)", fortran="'no'"), data),
        "fortran-zero": _npy(_header("(12, 0, 4)", fortran="True")),
        "zero-rows": _npy(_header(f"(0, {2**40})")),
        "zero-width": _npy(_header(f"({2**34}, 6, 0)")),
        "no-letters": _npy(_header(f"({2**34},)", "'<U0'")),
        "million-bytes": _npy(_header("(12, 6, 4)") + b" " * 10**6, data, (2, 0)),
        "length-lies": b"\x93NUMPY\x02\x00\xff\xff\xff\x7f" + _header("(12, 6, 4)"),
        "version-3": _npy(_header("(12, 6, 4)"), data, (3, 0)),
        "version-9": _npy(_header("(12, 6, 4)"), data, (9, 9)),
        "code": _npy(CODE, data),
        "code-inside": _npy(_header(f"(__import__('os').system('touch ../{OWNED}'),)"), data),
        "deep": _npy(b"(" * 9000, data),
        "deep-minus": _npy(b"-" * 9000 + b"1", data),
        "deep-types": _npy(_header("(12,)", "[('a', " * 500 + "'<f4'" + ")]" * 500), data),
        "python-2": _npy(_header("(12L, 6L, 99L)"), data),
        "odd-number": _npy(_header("(12, 6, 4if 1 else 2)"), data),
        "escape": _npy(_header("(12, 6, 4)", r"'\d\q'"), data),
        "long-number": _npy(_header(f"({'9' * 5000},)"), data),
        "not-ascii": _npy(b"\xff\xfe\xfd" * 30, data),
        "nothing": _npy(b""),
        "empty-type": _npy(_header("(12, 6, 4)", "''"), data),
        "none-type": _npy(_header("(12, 6, 4)", "None"), data),
        "object-type": _npy(_header("(12,)", "'|O'"), b"cposix\nsystem\n(S'true'\ntR."),
        "void-type": _npy(_header("(12,)", "'|V96'"), data),
        "sub-array": _npy(_header("(12,)", "('<f4', (6, 4))"), data),
        "nested-object": _npy(_header("(12,)", "[('a', '|O')]"), data),
        "million-letters": _npy(_header("(12,)", "'<U1000000'")),
    }.items():
        found.append(_case(f"npy-{name}", _member(content)))
    return found


# Arrays


def _arrays() -> list[Case]:
    found = []
    objects = np.array([{}, [], None] * 4, dtype=object)
    one = np.zeros((12, 6, 4), np.float32)
    structured = np.zeros(12, [("a", "f4"), ("b", "i4")])
    for name, change in {
        "object": _set(audio=objects),
        "object-id": _set(id=np.array([None] * 12)),
        "object-label": _set(label=objects),
        "structured": _set(audio=structured),
        "void": _set(audio=np.zeros((12, 6, 4), "V4")),
        "datetime": _set(label=np.zeros(12, "M8[s]")),
        "timedelta": _set(audio=np.zeros((12, 6, 4), "m8[ms]")),
        "scalar": _set(audio=np.float32(3)),
        "scalar-label": _set(label=np.float32(1)),
        "scalar-id": _set(id=np.array("train0")),
        "no-label": _set(label=None),
        "no-streams": _set("every", text=None, audio=None, vision=None),
        "audio-in-train-alone": _both(_set("valid", audio=None), _set("test", audio=None)),
        "audio-not-in-train": _set(audio=None),
        "text-labels": _set(label=np.array(["good"] * 12)),
        "bytes-labels": _set(label=np.array([b"\xff"] * 12)),
        "complex-labels": _set(label=np.ones(12, complex)),
        "nan-label": _edit("train", lambda a: a["label"].__setitem__(3, np.nan)),
        "infinite-label": _edit("valid", lambda a: a["label"].__setitem__(3, np.inf)),
        "label-out-of-range": _edit("test", lambda a: a["label"].__setitem__(3, 99)),
        "label-of-three-axes": _set(label=np.zeros((12, 1, 1))),
        "label-of-many": _set("every", label=np.zeros((12, 5000))),
        "short-label": _set(label=np.zeros(11)),
        "empty-split": _edit("test", lambda a: a.update({k: v[:0] for k, v in a.items()})),
        "empty-train": _edit("train", lambda a: a.update({k: v[:0] for k, v in a.items()})),
        "one-axis": _set(audio=np.zeros(12)),
        "four-axes": _set(audio=one[..., None]),
        "vectors-in-valid": _set("valid", audio=np.zeros((6, 4))),
        "sequences-in-valid": _both(
            _set(audio=np.ones((12, 4))), _set("test", audio=np.ones((8, 4)))
        ),
        "ragged-rows": _set(audio=one[:7]),
        "other-width": _set("valid", audio=np.zeros((6, 6, 9))),
        "other-steps": _set("test", audio=np.zeros((8, 9, 4))),
        "no-steps": _set("every", audio=np.zeros((12, 0, 4))),
        "no-features": _set("every", audio=np.zeros((12, 6, 0))),
        "text-features": _set(audio=np.full((12, 6, 4), "x")),
        "bool-features": _set(audio=np.ones((12, 6, 4), bool)),
        "complex-features": _set(audio=np.ones((12, 6, 4), complex)),
        "nan-features": _set(audio=np.full((12, 6, 4), np.nan)),
        "infinite-features": _set("test", vision=np.full((8, 6, 5), -np.inf)),
        "too-large-features": _set(audio=np.full((12, 6, 4), 1e300)),
        "duplicate-id": _set(id=np.array(["a"] * 12)),
        "empty-id": _set(id=np.array(["", *"abcdefghijk"])),
        "shared-id": _set("valid", id=np.array([f"train{n}" for n in range(6)])),
        "short-id": _set(id=np.array(["a", "b"])),
        "table-of-ids": _set(id=np.full((12, 2), "x")),
        "bool-id": _set(id=np.ones(12, bool)),
        "surrogate-id": _member(_npy(_header("(12,)", "'<U1'"), b"\x00\xd8\0\0" * 12), "id.npy"),
        "no-unicode-id": _member(_npy(_header("(12,)", "'<U1'"), b"\xff" * 48), "id.npy"),
        "bytes-id": _set(id=np.array([bytes([200, n]) for n in range(1, 13)])),
        "video-without-clip": _set(id=None, video_id=np.array(["v"] * 11), clip=np.arange(12)),
        "clip-of-two-axes": _set(id=None, video_id=np.array(["v"] * 12), clip=np.ones((12, 2))),
        "group-of-numbers-short": _set(group=np.arange(3)),
        "object-group": _set(group=objects),
        "transcripts-of-two-axes": _set("train", raw_text=np.full((12, 2), "x")),
        "scalar-transcript": _set("every", text=None, raw_text=np.array("hello")),
        "transcripts-in-train-alone": _set(raw_text=np.full(12, "good film")),
        "complex-transcripts": _set("every", text=None, raw_text=np.ones(12, complex)),
        "lengths-negative": _set(audio_lengths=np.full(12, -1)),
        "lengths-beyond": _set(audio_lengths=np.full(12, 7)),
        "lengths-huge": _set(audio_lengths=np.full(12, 2**62)),
        "lengths-fraction": _set(audio_lengths=np.full(12, 2.5)),
        "lengths-nan": _set(audio_lengths=np.full(12, np.nan)),
        "lengths-short": _set(audio_lengths=np.full(3, 2)),
        "lengths-text": _set(audio_lengths=np.full(12, "2")),
        "lengths-bool": _set(audio_lengths=np.ones(12, bool)),
        "mask-text": _set(audio_mask=np.full((12, 6), "x")),
        "mask-short": _set(audio_mask=np.ones((11, 6), bool)),
        "mask-scalar": _set(audio_mask=np.array(True)),
        "mask-of-three-axes": _set(audio_mask=np.ones((12, 6, 4), bool)),
        "unimodal-text": _set("every", label_audio=np.full(12, "x")),
        "unimodal-of-two-axes": _set("every", label_audio=np.ones((12, 2))),
        "unimodal-nan": _set("train", label_audio=np.full(12, np.nan)),
        "unimodal-in-train-alone": _set("train", label_audio=np.ones(12)),
    }.items():
        found.append(_case(f"array-{name}", change))
    vectors = {
        "vectors-short": {"word": np.array(["good", "bad"]), "vector": np.ones((1, 4))},
        "vectors-flat": {"word": np.array(["good"]), "vector": np.ones(4)},
        "vectors-of-text": {"word": np.array(["good"]), "vector": np.full((1, 4), "x")},
        "words-of-numbers": {"word": np.arange(3), "vector": np.ones((3, 4))},
        "words-scalar": {"word": np.array("good"), "vector": np.ones((1, 4))},
    }
    for name, arrays in vectors.items():
        found.append(_case(f"array-{name}", _vectors(arrays), streams=("audio",), words=True))
    return found


def _vectors(arrays: dict[str, Any]) -> Change:
    def change(folder: Path) -> None:
        (folder.parent / "glove_subset").mkdir()
        np.savez(folder.parent / "glove_subset" / "glove.npz", **arrays)

    return change


# dataset.json


def _manifests() -> list[Case]:
    found = []
    good = b'{"labels": {"range": [-3, 3]}, "name": "own"'
    for name, content in {
        "empty": b"",
        "null": b"null",
        "list": b"[]",
        "number": b"5",
        "text": b'"own"',
        "cut": good,
        "comma": good + b",}",
        "deep-lists": b"[" * 10**5,
        "deep-objects": b'{"a":' * 10**5,
        "deep-value": good + b', "title": ' + b"[" * 900 + b"]" * 900 + b"}",
        "deep-some": good + b', "title": ' + b"[" * 40 + b"]" * 40 + b"}",
        "duplicate-key": good + b', "name": "other"}',
        "duplicate-label-key": b'{"labels": {"range": [-3, 3], "range": [-1, 1]}}',
        "nan": good + b', "title": NaN}',
        "infinity": b'{"labels": {"range": [-Infinity, Infinity]}}',
        "infinite-number": b'{"labels": {"range": [-3, 1e999]}}',
        "long-number": b'{"labels": {"range": [-3, ' + b"9" * 10**5 + b"]}}",
        "large-number": b'{"labels": {"range": [-3, ' + b"9" * 400 + b"]}}",
        "utf-16": (good + b"}").decode().encode("utf-16"),
        "utf-32": (good + b"}").decode().encode("utf-32"),
        "latin-1": good + b', "title": "\xe9"}',
        "zero-bytes": bytes(1000),
        "surrogate": good + b', "title": "\\ud800"}',
        "surrogate-key": good + b', "\\ud800": 1}',
        "surrogate-name": b'{"labels": {"range": [-3, 3]}, "name": "\\udfff"}',
        "control": good + b', "title": "a\nb"}',
        "long": good + b', "title": "' + b"x" * 2**25 + b'"}',
        "million-names": b'{"labels": {"names": [' + b"1," * 10**6 + b"1]}}",
        "native-format": b'{"format": "affectbench-1"}',
        "other-format": b'{"format": "affectbench-77", "a": "\\u202e"}',
        "no-labels": b"{}",
    }.items():
        found.append(_case(f"json-{name}", _raw(content, "dataset.json")))
    found.append(_case("json-fifo", _instead("dataset.json", os.mkfifo)))
    found.append(_case("json-folder", _instead("dataset.json", Path.mkdir)))
    found.append(
        _case("json-device", _instead("dataset.json", lambda path: path.symlink_to("/dev/zero")))
    )
    found.append(_case("json-sparse", lambda f: os.truncate(f / "dataset.json", 2**35)))
    names = ("../own", "/tmp/own", "a/b", "a\\b", ".own", "", "a\nb", "x" * 300, "\u202eown", "a b")
    for place, value in enumerate((*names, 5, 1.5, True, [], {})):
        found.append(_case(f"json-name-{place}", _json(name=value)))
    found.append(_case("json-folder-name", _renamed("my data"), arguments=[*CHECK[:2], "my data",
                       *CHECK[3:]], says='"name"'))  # fmt: skip
    odd = (5, "x", True, {}, [5], [None], ["text"], ["a", "a"], ["../x"], ["a_lengths"], ["absent"])
    for place, value in enumerate(odd):
        found.append(_case(f"json-extra-{place}", _json(extra=value)))
    for place, value in enumerate((5, True, [], {}, "", "../x", "/etc", "absent", "a\0b")):
        change = _json(word_vectors=value)
        found.append(_case(f"json-vectors-{place}", change, streams=("audio",), words=True))
    return found


def _renamed(name: str) -> Change:
    def change(folder: Path) -> None:
        manifest = json.loads((folder / "dataset.json").read_text())
        del manifest["name"]
        (folder / "dataset.json").write_text(json.dumps(manifest))
        folder.rename(folder.parent / name)

    return change


def _facts(**facts: Any) -> Change:
    return _json(labels=facts)


def _labels() -> list[Case]:
    found = []
    for place, value in enumerate((None, 5, "x", True, [], [[]], {}, {"range": None})):
        found.append(_case(f"labels-{place}", _json(labels=value)))
    ranges: tuple[Any, ...] = (
        *(5, "1..5", True, {}, [], [1], [1, 2, 3], [3, -3], [0, 0], [None, 3], ["-3", "3"]),
        *([[-3], [3]], [False, True], [-3, 10**400], [-1e40, 1e40], {"low": -3, "high": 3}),
    )
    for place, value in enumerate(ranges):
        found.append(_case(f"labels-range-{place}", _facts(range=value)))
    for place, value in enumerate((99, "0", True, [], {}, [0], 10**400, -3.1)):
        found.append(_case(f"labels-neutral-{place}", _facts(range=[-3, 3], neutral=value)))
    for key in ("key", "keys", "columns", "column"):
        wrong: tuple[Any, ...] = (5, True, {}, [{}], "x" * 10**6, [None], [["a"]])
        for place, value in enumerate(wrong):
            if key == "columns" and place == 2:
                continue  # columns are looked at only where there are several labels
            change = _both(
                _facts(range=[-3, 3], **{key: value}), _set("every", label=np.zeros((12, 2)))
            )
            found.append(_case(f"labels-{key}-{place}", change))
    names: tuple[Any, ...] = (
        *(5, True, {}, [], ["joy"], ["joy"] * 3, [None, "a", "b"], [["a"], "b", "c"]),
        *(["", "a", "b"], ["a\nb", "c", "d"], ["\u202ea", "b", "c"], ["x" * 1000, "b", "c"]),
        *(["a", "b"], [f"n{n}" for n in range(5000)]),
    )
    for place, value in enumerate(names):
        codes = (0,) if value == [] else BROKEN  # no names are the same as none given
        found.append(_case(f"labels-names-{place}", _facts(names=value), kind="classes",
                           codes=codes))  # fmt: skip
    for name, label in {
        "10-8-classes": np.arange(12) * 10**7,
        "10-9-classes": np.full(12, 10**9),
        "2-63-classes": np.full(12, 2**63, np.uint64),
        "negative-classes": np.full(12, -1),
        "one-class": np.zeros(12, int),
    }.items():
        found.append(_case(f"labels-{name}", _both(_json(labels={}), _set(label=label))))
    found.append(_case("labels-classes-of-valid", _set("valid", label=np.full(6, 10**9)),
                       kind="classes"))  # fmt: skip
    found.append(_case("labels-fractions", _set(label=np.full(12, 0.5)), kind="classes"))
    found.append(_case("labels-no-yes-or-no", _set(label=np.full((12, 4), 2)), kind="labels"))
    found.append(_case("labels-other-columns", _set(label=np.ones((12, 3))), kind="labels"))
    return found


# Folds


def _whole(**arrays: Any) -> Change:
    """One file with folds instead of the three splits."""

    def change(folder: Path) -> None:
        with np.load(folder / "train.npz") as found:
            values = {**found, **arrays}
        for split in SPLITS:
            (folder / f"{split}.npz").unlink()
        np.savez(folder / "all.npz", **{k: v for k, v in values.items() if v is not None})

    return change


def _folds() -> list[Case]:
    found = []
    for name, fold in {
        "nan": np.full(12, np.nan),
        "float": np.arange(12) % 3 + 0.0,
        "negative": np.arange(12) - 1,
        "huge": np.full(12, 10**9),
        "one-huge": np.array([10**9, *np.arange(11) % 3]),
        "beyond-signed": np.full(12, 2**64 - 1, np.uint64),
        "two": np.arange(12) % 2,
        "gap": np.arange(12) % 3 * 2,
        "text": np.full(12, "0"),
        "bool": np.ones(12, bool),
        "scalar": np.array(3),
        "table": np.zeros((12, 2), int),
        "short": np.arange(5),
        "empty": np.zeros(0, int),
        "object": np.array([None] * 12),
        "absent": None,
    }.items():
        found.append(_case(f"fold-{name}", _whole(fold=fold)))
        if name not in ("absent", "two", "gap"):
            change = _set(cv_fold=fold)
            folds = [*CHECK[:2], "own@folds", *CHECK[3:]]
            others = _both(_set("valid", cv_fold=np.arange(6)), _set("test", cv_fold=np.arange(8)))
            found.append(_case(f"cv-fold-{name}", _both(others, change), arguments=folds))
    found.append(_case("fold-fifo", lambda f: (_whole()(f), (f / "all.npz").unlink(),
                                               os.mkfifo(f / "all.npz"))))  # fmt: skip
    return found


# Native folders


@cache
def _made() -> Any:
    return make_synthetic(0, SIZES)


def _write_native(folder: Path, *, classes: bool = False) -> None:
    made = _made()
    splits = {split.name: split for split in (made.train, made.valid, made.open_test())}
    task = made.task
    if classes:
        task = multiclass("joy", "anger", "calm")
        splits = {
            name: replace(split, label=np.arange(len(split)) % 3, oracle=None)
            for name, split in splits.items()
        }
    splits = {
        name: split.with_sequences(
            "poster",
            Sequences(np.ones((len(split), 1, 2), np.float32), np.ones(len(split), np.int64)),
        )
        for name, split in splits.items()
    }
    write_dataset(folder, name="own", task=task, splits=splits, vocabulary=made.vocabulary,
                  encoder="synthetic", licence="none")  # fmt: skip


def _native(
    name: str,
    change: Change,
    codes: tuple[int, ...] = BROKEN,
    arguments: list[str] = CHECK,
    *,
    classes: bool = False,
) -> Case:
    def make(root: Path) -> list[str]:
        _write_native(root / "own", classes=classes)
        change(root / "own")
        return arguments

    return Case(f"native-{name}", make, codes)


def _key(*path: str, to: Any) -> Change:
    """Set a key of `dataset.json`, by its path."""

    def change(folder: Path) -> None:
        manifest = json.loads((folder / "dataset.json").read_text())
        inner = manifest
        for key in path[:-1]:
            inner = inner[key]
        if to is KeyError:
            del inner[path[-1]]
        else:
            inner[path[-1]] = to
        (folder / "dataset.json").write_text(json.dumps(manifest))

    return change


def _array(key: str, change: Callable[[Any], Any], split: str = "train") -> Change:
    """Another array, which `dataset.json` describes rightly."""

    def changed(folder: Path) -> None:
        file = f"{split}.{key}.npy"
        array = np.asarray(change(np.array(np.load(folder / file))))
        np.save(folder / file, array)
        _key("arrays", file, to=_entry(folder / file, array))(folder)

    return changed


def _entry(path: Path, array: Any) -> dict[str, Any]:
    return {
        "shape": list(array.shape),
        "dtype": array.dtype.str,
        "bytes": path.stat().st_size,
        "blake2": file_digest(path),
    }


def _filled(value: Any) -> Callable[[Any], Any]:
    return lambda array: np.full_like(array, value)


def _file(content: bytes, file: str = "train.audio.npy") -> Change:
    """Other bytes, whose size and hash `dataset.json` has."""

    def change(folder: Path) -> None:
        path = folder / file
        path.write_bytes(content)
        manifest = json.loads((folder / "dataset.json").read_text())
        entry = manifest["arrays"][file]
        entry |= {"bytes": len(content), "blake2": file_digest(path)}
        (folder / "dataset.json").write_text(json.dumps(manifest))

    return change


def _moved(target: str) -> Change:
    """A link to the file, which lies elsewhere."""

    def change(folder: Path) -> None:
        path = folder / "train.audio.npy"
        other = folder / target
        path.rename(other)
        path.symlink_to(target)

    return change


NO_UNICODE = _npy(_header("(12,)", "'<U1'"), b"\xff" * 48)


def _linked_to(target: str) -> Change:
    return _instead("train.audio.npy", lambda path: path.symlink_to(target))


def _natives() -> list[Case]:
    audio = ("arrays", "train.audio.npy")  # an entry
    found = [
        _native("good", lambda folder: None, GOOD),
        _native("good-run", lambda folder: None, GOOD, DRY_RUN),
        _native("good-classes", lambda folder: None, GOOD, classes=True),
        _native("good-link-inside", _moved("real.npy"), GOOD),
        _native("good-neutral", _json(labels={"neutral": 0.5}), GOOD),
        _native("good-title", _json(title="\u202eodd", notes=[1, 2]), GOOD),
        _native("link-outside", _moved("../outside.npy")),
        _native("link-passwords", _linked_to("/etc/passwd")),
        _native("fifo", _instead("train.audio.npy", os.mkfifo)),
        _native(
            "fifo-of-no-bytes",
            _both(_instead("train.audio.npy", os.mkfifo), _key(*audio, "bytes", to=0)),
        ),
        _native("folder", _instead("train.audio.npy", Path.mkdir)),
        _native("device", _linked_to("/dev/zero")),
        _native("absent", lambda folder: (folder / "train.ids.npy").unlink()),
        _native("absent-test", lambda folder: (folder / "test.audio.npy").unlink()),
        _native("run-absent-test-label", lambda folder: (folder / "test.label.npy").unlink(),
                (0, 2), DRY_RUN),
        _native("cut", lambda f: os.truncate(f / "train.audio.npy", 200)),
        _native("flipped", lambda f: _flip(f / "train.audio.npy", -3)),
        _native("text-file", _file(b"hello" * 20)),
        _native("empty-file", _file(b"")),
        _native("zip-file", _file(b"PK\x05\x06" + bytes(18))),
        _native("huge-header", _file(_npy(_header(f"({2**40},)")))),
        _native("negative-header", _file(_npy(_header("(-12, -6)")))),
        _native("code-header", _file(_npy(CODE))),
        _native("object-array", _array("audio", lambda a: a.astype("V4"))),
        _native("no-letters", _file(_npy(_header("(12,)", "'<U0'")), "train.ids.npy")),
        _native("more-than-there", _file(_npy(_header("(12, 20, 6)"), bytes(40)))),
        _native("no-unicode", _file(NO_UNICODE, "train.ids.npy")),
        _native("parent-entry", _key("arrays", "train.../../x.npy", to={
            "shape": [12], "dtype": "<f4", "bytes": 10, "blake2": "x"})),
        _native("absolute-entry", _key("arrays", "train./etc/passwd.npy", to={
            "shape": [12], "dtype": "<f4", "bytes": 10, "blake2": "x"})),
        _native("zero-byte-entry", _key("arrays", "train.a\0b.npy", to={
            "shape": [12], "dtype": "<f4", "bytes": 10, "blake2": "x"})),
        _native("long-entry", _key("arrays", f"train.{'x' * 5000}.npy", to={
            "shape": [12], "dtype": "<f4", "bytes": 10, "blake2": "x"})),
        _native("token-ids-beyond", _array("token_ids", _filled(60))),
        _native("token-ids-huge", _array("token_ids", _filled(2**62))),
        _native("token-ids-negative", _array("token_ids", _filled(-1), "test")),
        _native("token-ids-float", _array("token_ids", lambda a: a.astype(np.float32))),
        _native("token-ids-flat", _array("token_ids", lambda a: a[:, 0])),
        _native("token-lengths-beyond", _array("token_lengths", _filled(999))),
        _native("token-lengths-negative", _array("token_lengths", _filled(-2))),
        _native("token-words-beyond", _array("token_words", _filled(2**40))),
        _native("token-words-negative", _array("token_words", _filled(-2))),
        _native("token-words-narrow", _array("token_words", lambda a: a[:, :-1])),
        _native("tokens-without-words", _key("arrays", "train.token_words.npy", to=KeyError)),
        _native("lengths-beyond", _array("audio_lengths", _filled(999), "valid")),
        _native("lengths-negative", _array("audio_lengths", _filled(-1))),
        _native("lengths-float", _array("audio_lengths", lambda a: a.astype(np.float32))),
        _native("lengths-of-two-axes", _array("audio_lengths", lambda a: a[:, None])),
        _native("no-lengths", _key("arrays", "train.audio_lengths.npy", to=KeyError)),
        _native("no-extra-lengths", _key("arrays", "train.extra_poster_lengths.npy", to=KeyError)),
        _native("no-extra", _key("arrays", "train.extra_poster.npy", to=KeyError)),
        _native("no-extra-in-valid", _both(
            _key("arrays", "valid.extra_poster.npy", to=KeyError),
            _key("arrays", "valid.extra_poster_lengths.npy", to=KeyError))),
        _native("extra-of-two-axes", _array("extra_poster", lambda a: a[:, 0])),
        _native("other-width", _array("audio", lambda a: a[..., :-1], "test")),
        _native("double", _array("audio", lambda a: a.astype(np.float64))),
        _native("int-features", _array("audio", lambda a: a.astype(np.int64))),
        _native("nan", _array("audio", _filled(np.nan))),
        _native("bytes-ids", _array("ids", lambda a: a.astype("S"))),
        _native("ids-of-numbers", _array("ids", lambda a: np.arange(12))),
        _native("ids-twice", _array("ids", _filled("a"))),
        _native("ids-of-two-axes", _array("ids", lambda a: a[:, None])),
        _native("scalar", _array("audio", lambda a: np.float32(3))),
        _native("few-rows", _array("audio", lambda a: a[:-1])),
        _native("label-out-of-range", _array("label", _filled(9), "test")),
        _native("label-nan", _array("label", _filled(np.nan))),
        _native("label-text", _array("label", lambda a: a.astype("U"))),
        _native("label-of-no-class", _array("label", _filled(3)), classes=True),
        _native("label-of-negative-class", _array("label", _filled(-1)), classes=True),
        _native("oracle-nan", _array("oracle", _filled(np.nan), "test")),
        _native("oracle-of-three-axes", _array("oracle", lambda a: a[:, None, None])),
        _native("groups-of-numbers", _array("groups", lambda a: np.arange(12))),
        _native("transcripts-of-two-axes", _array("transcripts", lambda a: a[:, None])),
        _native("unimodal-of-two-axes", _both(
            lambda f: np.save(f / "train.unimodal_audio.npy", np.zeros((12, 2), np.float32)),
            lambda f: _key("arrays", "train.unimodal_audio.npy", to=_entry(
                f / "train.unimodal_audio.npy", np.zeros((12, 2), np.float32)))(f))),
    ]  # fmt: skip
    values: dict[tuple[str, ...], tuple[Any, ...]] = {
        (): (),
        ("name",): (None, 5, "../x", "", KeyError),
        ("task",): (None, 5, "x", [], {}, KeyError),
        ("task", "kind"): (None, 5, "odd", []),
        ("task", "low"): (None, "x", 5, [], True, 10**400),
        ("task", "neutral"): ("x", 99),
        ("task", "names"): (None, 5, "abc", {}),
        ("task", "convention"): (5, "odd", []),
        ("task", "extra"): (5,),
        ("splits",): (None, 5, [], {}, KeyError),
        ("splits", "train"): (None, -12, "12", 12.0, 13, 10**20, KeyError),
        ("dims",): (None,),
        ("arrays",): (None, 5, [], {}, "x", KeyError),
        audio: (None, 5, [], {}, "x"),
        (*audio, "bytes"): (None, -1, "x", 5, 10**30, 1.5, True),
        (*audio, "blake2"): (None, 5, "", "x" * 32, []),
        (*audio, "dtype"): (None, 5, "<f8", "|O", "evil", []),
        (*audio, "shape"): (None, 5, [], [-1], ["x"], [10**30], [12, 20.0, 6], KeyError),
        ("vocabulary",): (5, "x", [], {}, KeyError),
        ("vocabulary", "size"): (None, 0, -1, "x", 2, 10**30, KeyError),
        ("vocabulary", "pad"): (None, -1, 60, "x", True),
        ("vocabulary", "odd"): (5,),
        ("encoder",): (None, 5, [], KeyError),
        ("provenance",): (None, 5, [], KeyError),
        ("features",): (None, 5, KeyError),
        ("padding",): (None, KeyError),
        ("licence",): (None, 5, KeyError),
        ("labels",): (5, [], "x", {"neutral": "x"}, {"neutral": True}, {"neutral": 99}),
        ("format",): (None, 5, "affectbench-2", [], {}),
    }
    fine = {("dims", 0)}
    for path, wrong in values.items():
        for place, value in enumerate(wrong):
            dashed = "-".join(path).replace("train.audio.npy", "audio")
            codes = GOOD if (dashed, place) in fine else BROKEN
            found.append(_native(f"key-{dashed}-{place}", _key(*path, to=value), codes))
            if place == 0 and path[0] != "arrays" and codes == BROKEN:
                found.append(_native(f"run-{dashed}-{place}", _key(*path, to=value), (2,), DRY_RUN))
    return found


# Good ones, and odd ones that are allowed


def _sound() -> list[Case]:
    words = ["\u202egood film\u202c", "=cmd()", "a\nb", "\u0645\u0631\u062d\u0628\u0627", "ok", ""]
    odd_ids = ["=cmd()", "a\nb", "\u202etxt", "-1", "../up", "x,y", '"', "\u0645", " a ", "a",
               "b\tc", "[red]"]  # fmt: skip
    listing = ["data", "ls", "--data", "."]
    big = np.ones((12, 6, 4), ">f8")
    found = []
    for kind in ("mosi", "sims", "reviews", "classes", "labels"):
        found.append(_case(f"good-{kind}", lambda folder: None, kind=kind, codes=GOOD))
        found.append(_case(f"good-run-{kind}", lambda folder: None, kind=kind, codes=GOOD,
                           arguments=DRY_RUN))  # fmt: skip
    for name, change in {
        "odd-ids": _set(id=np.array(odd_ids)),
        "ids-of-numbers": _set(id=np.arange(100, 112)),
        "ids-of-bytes": _set(id=np.array([b"a%d" % n for n in range(12)])),
        "no-ids": _set("every", id=None),
        "odd-transcripts": _edit(
            "every",
            lambda a: a.update(raw_text=np.array([words[n % 6] for n in range(len(a["label"]))])),
        ),
        "half": _edit("every", lambda a: a.update(audio=a["audio"].astype(np.float16))),
        "big-endian": _edit("every", lambda a: a.update(audio=a["audio"].astype(">f8"))),
        "big-endian-ids": _edit("every", lambda a: a.update(id=a["id"].astype(">U9"))),
        "fortran": _edit("every", lambda a: a.update(audio=np.asfortranarray(a["audio"]))),
        "integers": _edit(
            "every",
            lambda a: a.update(
                audio=np.arange(len(a["label"]) * 24).reshape(-1, 6, 4).astype(np.uint8)
                + 7 * len(a["label"])
            ),
        ),
        "big-labels": _edit("every", lambda a: a.update(label=a["label"].astype(">f8"))),
        "label-column": _edit("every", lambda a: a.update(label=a["label"][:, None])),
        "unused-array": _edit("every", lambda a: a.update(other=np.full((3, 3), "x"))),
        "lengths": _edit("every", lambda a: a.update(audio_lengths=np.full(len(a["label"]), 6))),
        "padded": _edit(
            "every", lambda a: a.update(audio=np.pad(a["audio"], ((0, 0), (0, 5000), (0, 0))))
        ),
        "range-of-fractions": _facts(range=[-3.5, 3.5]),
        "neutral-null": _facts(range=[-3, 3], neutral=None, names=None, key=None, columns=None),
        "bom": lambda f: _write(
            f / "dataset.json", b"\xef\xbb\xbf" + (f / "dataset.json").read_bytes()
        ),
        "odd-title": _json(title="\u202e=cmd()\n", terms=5, notes={"a": [None, 1.5]}),
        "stored": _stored(),
        "extra-member": _member(b"read me", "README.txt"),
        "other-member": _member(b"hello", "audio"),
        "many-entries": _both(_stored(), _end(8, b"\xff\xff\xff\xff")),
        "compressed": _compressed,
        "linked": _linked,
    }.items():
        found.append(_case(f"good-{name}", change, codes=GOOD))
    found.append(_case("good-one-of-a-class", _set(label=np.array([0, 1, *[2] * 10])),
                       kind="classes", codes=GOOD))  # fmt: skip
    found.append(_case("good-folds", _whole(fold=np.arange(12) % 4), codes=GOOD))
    found.append(_case("good-big", _set("train", audio=big), codes=GOOD))
    found.append(_case("good-words", lambda f: None, streams=(), words=True, codes=GOOD))
    found.append(_case("good-vectors", lambda f: None, steps=1, codes=GOOD))
    found.append(_case("good-note-as-names", _json(labels={"names": "index of the column"}),
                       kind="classes", codes=GOOD))  # fmt: skip
    several = _both(
        _facts(range=[-3, 3], columns=["mood", "very loud", "\u0645"]),
        _edit("every", lambda a: a.update(label=np.stack([a["label"]] * 3, axis=1))),
    )
    for name, codes in {"own": (2,), "own:mood": GOOD, "own:very loud": GOOD, "own:1": GOOD,
                        "own:nothing": (2,), "own:\u00b2": (2,), "own@0": (2,), "own@folds": (2,),
                        "own@x": (2,), "own:mood@7": (2,), "nothing": (2,), "own/../own": (2,),
                        "x" * 5000: (2,), "~nobody/own": (2,), "": (2,)}.items():  # fmt: skip
        number = len(found)
        found.append(_case(f"choice-{number}", several, codes=codes,
                           arguments=["data", "check", name, "--data", "."]))  # fmt: skip
    for name, change in {
        "good": lambda folder: None,
        "broken": _raw(b"no archive"),
        "manifest": _raw(b"{[/red]", "dataset.json"),
        "marked-up": _json(labels={"range": "[/bold] [red]"}),
        "fifo": _instead("train.npz", os.mkfifo),
        "many": lambda folder: [shutil.copytree(folder, folder.parent / f"other{n}")
                                for n in range(3)] and _raw(b"")(folder),
        "hidden-name": _renamed("\u202eown"),
    }.items():  # fmt: skip
        found.append(_case(f"list-{name}", change, codes=GOOD, arguments=listing))
    found.append(_case("list-nowhere", lambda f: None, codes=(2,),
                       arguments=["data", "ls", "--data", "nowhere"]))  # fmt: skip
    return found


def _compressed(folder: Path) -> None:
    for split in SPLITS:
        with np.load(folder / f"{split}.npz") as found:
            np.savez_compressed(folder / f"{split}.npz", **dict(found))


def _linked(folder: Path) -> None:
    (folder / "train.npz").rename(folder.parent / "elsewhere.npz")
    (folder / "train.npz").symlink_to("../elsewhere.npz")
