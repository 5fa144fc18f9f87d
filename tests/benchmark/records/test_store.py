"""The files of records: what is there stays, what is broken is told, what died is cleaned."""

import json
import multiprocessing
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmark.errors import UserError
from benchmark.naming import below, check_name, visible
from benchmark.records import store as module
from benchmark.records.record import SCHEMA_VERSION, Cell, Record
from benchmark.records.store import (
    all_records,
    check_writable,
    find_records,
    read_arrays,
    read_record,
    record_path,
    write_record,
)
from benchmark.system.atomic import hold, is_held, remove_dead, write_bytes
from tests.table_records import make_cell

COLUMN = {"header": "X", "higher_is_better": True}


def record(status: str = "done", **changes) -> Record:
    return Record(cell=make_cell(), status=status, **changes)


def change(path: Path, **values) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def test_a_changed_number_is_reported(tmp_path: Path) -> None:
    path = write_record(tmp_path, record(wall_seconds=1.0), {})
    change(path, wall_seconds=2.0)
    with pytest.raises(UserError, match=f"{path.name} is missing or was changed after writing"):
        read_record(path)


def test_a_changed_prediction_is_reported(tmp_path: Path) -> None:
    path = write_record(tmp_path, record(), {"p": np.arange(9)})
    np.savez_compressed(path.with_suffix(".npz"), p=np.arange(9) + 1)
    with pytest.raises(UserError, match=r"\.npz is missing or was changed after writing"):
        read_record(path)


def test_a_digest_cannot_be_left_out(tmp_path: Path) -> None:
    path = write_record(tmp_path, record(), {})
    values = json.loads(path.read_text())
    del values["digest"], values["arrays"]
    path.write_text(json.dumps(values))
    with pytest.raises(UserError, match="changed after writing"):
        read_record(path)


def test_a_record_of_the_first_schema_is_read(tmp_path: Path) -> None:
    path = record_path(tmp_path, make_cell())
    path.parent.mkdir(parents=True)
    values = record().model_dump(mode="json") | {"schema_version": 1}
    path.write_text(json.dumps(values))
    np.savez_compressed(path.with_suffix(".npz"), p=np.arange(3))
    assert read_record(path).schema_version == 1
    assert read_arrays(path)["p"].tolist() == [0, 1, 2]


@pytest.mark.parametrize("place", ["toy/mfn/{}", "other/tfn/{}", "toy/tfn/000000000000.json"])
def test_a_record_under_anothers_name_is_refused(tmp_path: Path, place: str) -> None:
    path = write_record(tmp_path, record(), {})
    moved = tmp_path / "records" / place.format(path.name)
    moved.parent.mkdir(parents=True, exist_ok=True)
    path.rename(moved)
    with pytest.raises(UserError, match="give it back its name"):
        read_record(moved)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe{", b"[" * 100_000, b'{"a": NaN}'])
def test_one_bad_file_does_not_block_the_others(tmp_path: Path, content: bytes) -> None:
    good = write_record(tmp_path, record(), {})
    bad = good.with_name("0.json")
    bad.write_bytes(content)
    told: list[str] = []
    assert [path for path, _ in find_records(tmp_path, told.append)] == [good]
    assert len(told) == 1
    assert str(bad) in told[0]
    with pytest.warns(UserWarning, match="left out"):
        assert len(all_records(tmp_path)) == 1


def test_what_is_no_file_does_not_block_the_others(tmp_path: Path) -> None:
    good = write_record(tmp_path, record(), {})
    os.mkfifo(good.with_name("0.json"))
    good.with_name("1.json").mkdir()
    good.with_name("2.json").symlink_to("2.json")
    told: list[str] = []
    assert [path for path, _ in find_records(tmp_path, told.append)] == [good]
    assert len(told) == 3


def test_a_folder_without_a_readable_record_is_told(tmp_path: Path) -> None:
    write_record(tmp_path, record(), {}).write_bytes(b"")
    with pytest.raises(UserError, match="no record that can be read"):
        all_records(tmp_path, lambda sentence: None)


def test_what_is_no_record_is_kept_aside(tmp_path: Path) -> None:
    path = write_record(tmp_path, record(), {"p": np.arange(3)})
    for content in (b"first", b"second"):
        path.write_bytes(content)
        path.with_suffix(".npz").write_bytes(content)
        write_record(tmp_path, record(), {"p": np.arange(3)})
        assert read_record(path) == record()
    assert path.with_name(f"{path.name}.bad").read_bytes() == b"first"
    assert path.with_name(f"{path.name}.bad2").read_bytes() == b"second"
    assert path.with_name(f"{path.stem}.npz.bad2").read_bytes() == b"second"


def test_a_failed_attempt_stands_beside_a_result(tmp_path: Path) -> None:
    path = write_record(tmp_path, record(), {"p": np.arange(3)})
    attempt = write_record(tmp_path, record("failed"), {})
    assert attempt == path.with_name(f"{path.name}.failed")
    assert read_record(path).status == "done"
    assert read_arrays(path)["p"].tolist() == [0, 1, 2]
    assert len(all_records(tmp_path)) == 1
    write_record(tmp_path, record(wall_seconds=3.0), {"p": np.arange(4)})
    assert read_record(path).wall_seconds == 3
    assert not attempt.exists()


def test_a_result_replaces_a_failure_and_arrays_that_are_gone_go(tmp_path: Path) -> None:
    path = write_record(tmp_path, record("diverged"), {"p": np.arange(3)})
    write_record(tmp_path, record(), {})
    assert read_record(path).status == "done"
    assert [file.name for file in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("step", range(2, 7))
def test_the_store_is_whole_wherever_a_writer_stops(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    """Each file operation of the second write in turn is the last one before the end."""
    path = write_record(tmp_path, record(wall_seconds=1.0), {"p": np.arange(3)})
    calls = []

    def counted(operation):
        def call(*arguments, **keywords):
            calls.append(operation)
            if len(calls) >= step:
                raise KeyboardInterrupt
            return operation(*arguments, **keywords)

        return call

    for name in ("replace", "chmod"):
        monkeypatch.setattr(Path, name, counted(getattr(Path, name)))
    monkeypatch.setattr(os, "fsync", counted(os.fsync))
    with pytest.raises(KeyboardInterrupt):
        write_record(tmp_path, record(wall_seconds=2.0), {"p": np.arange(4)})
    monkeypatch.undo()
    for _ in range(2):  # as it was left, and after the next run has cleaned up
        found = read_record(path)
        assert len(read_arrays(path)["p"]) == 2 + found.wall_seconds
        check_writable(tmp_path)
    names = {file.name for file in path.parent.iterdir()}
    assert names == {path.name, path.with_suffix(".npz").name}


def _hold_and_die(path: Path, ready) -> None:
    with hold(path):
        ready.set()
        os.kill(os.getpid(), 9)


def test_parts_of_dead_writers_are_removed_and_those_of_living_ones_stay(tmp_path: Path) -> None:
    records = tmp_path / "records" / "toy" / "tfn"
    records.mkdir(parents=True)
    living, dead = records / ".a.part", records / ".b.part"
    for part in (living, dead):
        part.touch()
    context = multiprocessing.get_context("spawn")
    ready = context.Event()
    process = context.Process(target=_hold_and_die, args=(dead, ready))
    process.start()
    process.join()
    assert process.exitcode == -9
    with hold(living):
        assert is_held(living)
        check_writable(tmp_path)
        assert living.exists()
        assert not dead.exists()
    remove_dead(records, ".*.part")
    assert not living.exists()


def test_a_folder_removed_meanwhile_is_made_again(tmp_path: Path) -> None:
    write_bytes(tmp_path / "a" / "b" / "c.txt", b"1")
    assert (tmp_path / "a" / "b" / "c.txt").read_bytes() == b"1"


@pytest.mark.parametrize(
    "name", ["../x", "/abs", "a/b", "a\\b", "", ".hidden", "-o", "x\n", "é", "a" * 101, "[red]"]
)
def test_names_that_could_leave_the_folder_are_refused(name: str) -> None:
    with pytest.raises(UserError, match="cannot be called"):
        check_name("the model", name)
    for field in ("model", "dataset", "variant"):
        if name or field != "variant":
            with pytest.raises(ValueError, match="cannot be called"):
                make_cell(**{"model": "tfn", field: name})


def test_no_path_leaves_its_root(tmp_path: Path) -> None:
    (tmp_path / "records").mkdir()
    (tmp_path / "records" / "toy").symlink_to("/tmp")
    with pytest.raises(UserError, match="leads out of"):
        record_path(tmp_path, make_cell())
    with pytest.raises(UserError, match="leads out of"):
        below(tmp_path, "..", "x")


def test_the_number_of_threads_is_in_the_name_where_it_matters() -> None:
    one, two = make_cell(), make_cell(threads=2)
    assert one.key != two.key
    values = {name: value for name, value in one.model_dump().items() if name != "threads"}
    assert Cell(**values).key == one.key


def test_unseen_signs_are_shown() -> None:
    assert visible("a\u202eb\x1b[0m\ud800é中\n") == "a\\u202eb\\x1b[0m\\ud800é中\n"


def test_a_measurement_that_json_cannot_hold_is_an_error_of_the_caller(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="serialize"):
        write_record(tmp_path, record(environment={"x": object()}), {})
    assert not list(tmp_path.rglob("*.*"))
    assert module.record_files(tmp_path) == []


@pytest.mark.parametrize(
    "measured",
    [
        {"accuracy": 0},
        {"accuracy": None},
        {"robustness": None},
        {"accuracy": {"test": {"mae": "0.5"}}},
        {"accuracy": {"test": {"mae": 10**400}}},
        {"cost": {"latency": []}},
        {"cost": {"latency": {"workload_best_ms": 0}, "throughput": {}}},
        {"robustness": {"mean_skill": {}}},
        {"robustness": []},
        {"strange": 0, "cost": True},
        {"score": {"x": 1}},
        {"../x": {"x": 1}},
        {"own": {"x": [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[0]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]}},
        [],
        None,
    ],
)
@pytest.mark.parametrize("schema", [1, SCHEMA_VERSION])
def test_measurements_that_no_table_can_read_are_refused(
    tmp_path: Path, measured: Any, schema: int
) -> None:
    path = write_record(tmp_path, record(), {})
    values = json.loads(path.read_text()) | {"measurements": measured, "schema_version": schema}
    path.write_text(json.dumps(sealed(values) if schema > 1 else unsealed(values)))
    with pytest.raises(UserError, match=f"{path.name} is no (readable )?record") as caught:
        read_record(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "extra",
    [
        {"own": {"values": {"x": "1"}, "columns": [{**COLUMN, "key": "x"}]}},
        {"own": {"values": {"x": True}, "columns": [{**COLUMN, "key": "x"}]}},
        {"own": {"values": {"x": {}}, "columns": [{**COLUMN, "key": "x.y"}]}},
        {"own": {"values": {"x": 1}, "columns": [{**COLUMN, "key": "x", "decimals": 10**9}]}},
        {"own": {"values": {"x": 1}, "columns": [{**COLUMN, "key": "x", "split": "train"}]}},
        {"own": {"values": {"x": 1}, "columns": [{**COLUMN, "key": "x", "header": ""}]}},
        {"own": {"values": {"x": 10**400}}},
        {"own": {"values": [1]}},
        {"own": 1},
        {"accuracy": {"values": {}}},
    ],
)
def test_columns_that_no_table_can_show_are_refused(tmp_path: Path, extra: Any) -> None:
    path = write_record(tmp_path, record(), {})
    values = json.loads(path.read_text()) | {"measurements": {"extra": extra}}
    path.write_text(json.dumps(sealed(values)))
    with pytest.raises(UserError, match=f"{path.name} is no record: measurements.extra"):
        read_record(path)


def test_an_evaluation_of_a_user_in_a_record_of_an_earlier_schema_is_kept(tmp_path: Path) -> None:
    path = write_record(tmp_path, record(), {})
    measured = {"accuracy": {"test": {"mae": 0.5}}, "own": {"x": 1}, "flat": None}
    values = json.loads(path.read_text()) | {"measurements": measured, "schema_version": 2}
    path.write_text(json.dumps(sealed(values)))
    found = read_record(path)
    assert found.metric("mae") == 0.5
    assert {name: extra.values for name, extra in found.measurements.extra.items()} == {
        "own": {"x": 1},
        "flat": {"value": None},
    }


def unsealed(values: dict[str, Any]) -> dict[str, Any]:
    """The fields as the first schema had them."""
    return {key: value for key, value in values.items() if key not in ("digest", "arrays")}


def sealed(values: dict[str, Any]) -> dict[str, Any]:
    """The fields with a digest that is right, as somebody who forges a record would write it."""
    rest = {key: value for key, value in values.items() if key != "digest"}
    return {**rest, "digest": module._digest_values(rest)}
