"""Records: content-addressed, atomic, refused when broken."""

import errno
import json
import os
from pathlib import Path

import numpy as np
import pytest

from benchmark.errors import UserError
from benchmark.records.measurements import Accuracy, Measurements
from benchmark.records.record import Cell, Record
from benchmark.records.store import (
    find_records,
    read_arrays,
    read_record,
    record_path,
    write_record,
)


def make_cell(**changes) -> Cell:
    values = {
        "model": "late-fusion",
        "kind": "floor",
        "variant": "",
        "dataset": "synthetic",
        "fingerprint": "abc",
        "seed": 0,
        "part": "score",
        "settings": {"hidden": 8},
        "config": {"lr": 0.001},
        "protocol": {"name": "quick"},
        "source": "123",
    }
    return Cell(**{**values, **changes})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("model", "tfn"),
        ("variant", "mmsa"),
        ("fingerprint", "abd"),
        ("seed", 1),
        ("settings", {"hidden": 9}),
        ("config", {"lr": 0.002}),
        ("protocol", {"name": "standard"}),
        ("source", "124"),
        ("part", "cost"),
    ],
)
def test_every_field_that_decides_a_result_changes_the_key(field: str, value: object) -> None:
    assert make_cell(**{field: value}).key != make_cell().key


def test_the_key_ignores_the_order_of_settings() -> None:
    one = make_cell(settings={"a": 1, "b": 2})
    assert one.key == make_cell(settings={"b": 2, "a": 1}).key


def test_a_record_comes_back_as_written_with_full_precision(tmp_path: Path) -> None:
    value = 0.1 + 0.2
    accuracy = Accuracy(test={"mae": value})
    record = Record(cell=make_cell(), status="done", measurements=Measurements(accuracy=accuracy))
    prediction = np.float32([0.1, -2.5])
    path = write_record(tmp_path, record, {"test_id": np.array(["a", "b"]), "p": prediction})
    assert path == record_path(tmp_path, record.cell)
    assert read_record(path) == record
    assert read_record(path).metric("mae") == value
    assert read_record(path).metric("corr") is None
    arrays = read_arrays(path)
    assert arrays["test_id"].tolist() == ["a", "b"]
    assert (arrays["p"] == prediction).all()
    assert [found for _, found in find_records(tmp_path)] == [record]


def test_a_full_disk_leaves_the_old_record_and_no_part_of_the_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = Record(cell=make_cell(), status="failed")
    path = write_record(tmp_path, old, {"x": np.arange(3)})

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    new = Record(cell=make_cell(), status="done")
    with pytest.raises(UserError, match="No space left on device; finished cells are kept"):
        write_record(tmp_path, new, {"x": np.arange(4)})
    assert read_record(path) == old
    assert sorted(file.name for file in path.parent.iterdir()) == [
        path.name,
        path.with_suffix(".npz").name,
    ]


def test_an_undefined_number_is_null_so_that_every_reader_of_json_can_read_it(
    tmp_path: Path,
) -> None:
    accuracy = Accuracy(test={"corr": None})
    record = Record(cell=make_cell(), status="done", measurements=Measurements(accuracy=accuracy))
    path = write_record(tmp_path, record, {})
    assert json.loads(path.read_text())["measurements"]["accuracy"]["test"] == {"corr": None}
    assert read_record(path) == record


@pytest.mark.parametrize("text", ["{", "[]", '{"cell": 3}', "\x00\xff"])
def test_a_broken_record_is_named(tmp_path: Path, text: str) -> None:
    path = write_record(tmp_path, Record(cell=make_cell(), status="done"), {})
    path.write_text(text, encoding="latin-1")
    with pytest.raises(UserError, match=f"{path.name}.*run the cell again"):
        read_record(path)


def test_a_newer_schema_asks_for_an_upgrade(tmp_path: Path) -> None:
    path = write_record(tmp_path, Record(cell=make_cell(), status="done"), {})
    values = json.loads(path.read_text())
    path.write_text(json.dumps({**values, "schema_version": 99}))
    with pytest.raises(UserError, match="newer affectbench"):
        read_record(path)


def test_some_arrays_are_read_without_the_others(tmp_path: Path) -> None:
    record = Record(cell=make_cell(), status="done")
    path = write_record(tmp_path, record, {"x": np.arange(3), "y": np.arange(4)})
    assert list(read_arrays(path, ("y", "z"))) == ["y"]
    path.write_text(json.dumps(json.loads(path.read_text())))  # the same on one line
    assert list(read_arrays(path, ("y",))) == ["y"]
    np.savez_compressed(path.with_suffix(".npz"), x=np.arange(3), y=np.arange(5))
    with pytest.raises(UserError, match="was changed after writing"):
        read_arrays(path, ("y",))


def test_a_truncated_npz_is_named(tmp_path: Path) -> None:
    record = Record(cell=make_cell(), status="done")
    path = write_record(tmp_path, record, {"x": np.arange(1000)})
    npz = path.with_suffix(".npz")
    npz.write_bytes(npz.read_bytes()[:-40])
    for read in (read_record, read_arrays):
        with pytest.raises(UserError, match=f"{npz.name} is missing or was changed after writing"):
            read(path)
