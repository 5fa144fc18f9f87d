"""Kept records: lines to read in a diff, and an output folder that comes back as it was."""

import json
import lzma
import re
import tomllib
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmark.errors import UserError
from benchmark.metrics import evaluate_metrics
from benchmark.records.record import SCHEMA_VERSION, Record
from benchmark.records.store import (
    all_records,
    find_records,
    read_arrays,
    read_record,
    record_path,
    write_record,
)
from benchmark.task import Task
from leaderboard.build import build_tables
from leaderboard.kept import restore as restoring
from leaderboard.kept.keep import BULK, HEAD, LINES, RESULTS, digest_values, keep
from leaderboard.kept.restore import restore
from leaderboard.plots.confusion import confusion
from tests.leaderboard.test_pages import script
from tests.table_records import cost_record, lost_record, measured, score_record

NAMES = sorted(path.name.removesuffix(LINES) for path in RESULTS.glob(f"*{LINES}"))


def predictions(seed: int) -> dict[str, Any]:
    generator = np.random.default_rng(seed)
    return {
        f"{split}_{kind}": value
        for split in ("valid", "test")
        for kind, value in {
            "id": np.array(["a", "bc", "dé"]),
            "prediction": generator.normal(size=3).astype(np.float32),
            "label": np.ones(3, np.float32),
        }.items()
    }


def make_older(path: Path) -> None:
    """Turn a record's file into one of the first schema, which had no digests."""
    values = json.loads(path.read_bytes())
    del values["digest"], values["arrays"]
    path.write_text(json.dumps({**values, "schema_version": 1}, indent=1))


def make_run(folder: Path, dataset: str = "toy", **changes: Any) -> Path:
    """The records of a small run, of every sort that there is."""
    for seed in (10, 2):
        write_record(folder, score_record(seed=seed, dataset=dataset, **changes), predictions(seed))
    write_record(folder, score_record("prior", stopped="untrainable", dataset=dataset), {})
    write_record(folder, lost_record("mult", 0, "failed"), {})
    write_record(folder, lost_record("mult", 1, "diverged"), {})
    write_record(folder, cost_record(dataset=dataset), {})
    make_older(write_record(folder, score_record("misa", dataset=dataset), predictions(3)))
    make_older(write_record(folder, score_record("mfn", dataset=dataset), {}))
    return folder


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def of_records(path: Path) -> list[dict[str, Any]]:
    return [line for line in lines(path) if "record" in line]


def files(folder: Path, suffix: str) -> dict[str, Path]:
    return {str(path.relative_to(folder)): path for path in folder.rglob(f"*{suffix}")}


def test_restored_records_are_those_that_were_kept(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", "synthetic")
    keep("small", [run], tmp_path / "kept")
    restore("small", tmp_path / "again", tmp_path / "kept")
    before, after = files(run, ".json"), files(tmp_path / "again", ".json")
    assert len(before) == 8
    assert before.keys() == after.keys()
    assert files(run, ".npz").keys() == files(tmp_path / "again", ".npz").keys()
    for place, path in before.items():
        assert read_record(after[place]) == read_record(path)
        values, again = (json.loads(file.read_bytes()) for file in (path, after[place]))
        for changing in ("digest", "arrays"):
            assert (changing in values) == (changing in again)
            values.pop(changing, None), again.pop(changing, None)
        assert again == values
    versions = sorted(read_record(path).schema_version for path in after.values())
    assert versions == [1, 1, *[SCHEMA_VERSION] * 6]
    assert len(files(run, ".npz")) == 3
    for place in files(run, ".npz"):
        path = Path(place).with_suffix(".json")
        arrays, again = read_arrays(run / path), read_arrays(tmp_path / "again" / path)
        assert arrays.keys() == again.keys()
        for name, array in arrays.items():
            assert array.dtype == again[name].dtype
            np.testing.assert_array_equal(array, again[name])


def test_the_same_records_give_the_same_bytes(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    keep("first", [run], tmp_path)
    restore("first", tmp_path / "again", tmp_path)
    keep("second", [tmp_path / "again", run], tmp_path)
    for suffix in (LINES, BULK):
        first, second = (tmp_path / f"{name}{suffix}" for name in ("first", "second"))
        assert first.read_bytes() == second.read_bytes()


def test_lines_stand_in_their_order_and_begin_as_the_page_says(tmp_path: Path) -> None:
    keep("small", [make_run(tmp_path / "run")], tmp_path)
    found = of_records(tmp_path / f"small{LINES}")
    order = [(line["model"], line["part"], line["seed"]) for line in found]
    assert order == sorted(order)
    assert [seed for model, part, seed in order if (model, part) == ("tfn", "score")] == [2, 10]
    said = re.search(r"begins with(.*?),\s+the metrics", script("results_page").INTRODUCTION, re.S)
    head = re.findall(r"`(\w+)`", said[1])
    assert head == list(HEAD)
    for line in found:
        tested = line["part"] == "score"
        assert list(line)[: len(head) - 1 + tested] == (head if tested else head[:-1])
    assert found[-1]["test"]["mae"] == 0.8


def test_a_changed_number_changes_one_line(tmp_path: Path) -> None:
    for name, value in (("before", 0.8), ("after", 0.9)):
        run = make_run(tmp_path / name)
        write_record(run, score_record(seed=3, metrics={"mae": value}), predictions(3))
        keep(name, [run], tmp_path)
    before, after = (
        (tmp_path / f"{name}{LINES}").read_text().splitlines() for name in ("before", "after")
    )
    changed = [pair for pair in zip(before, after, strict=True) if pair[0] != pair[1]]
    assert len(changed) == 1
    assert json.loads(changed[0][1])["test"]["mae"] == 0.9


def test_what_records_share_stands_once_and_what_is_bulky_elsewhere(tmp_path: Path) -> None:
    extra = {
        "one": {"values": {"list": list(range(2000)), "number": 1}},
        "two": {"values": {"a/b": {"c/d": "short"}}},
    }
    record = measured(score_record("mfn", seed=1), extra=extra)
    run = make_run(tmp_path / "run")
    write_record(run, record, {})
    keep("small", [run], tmp_path)
    path = tmp_path / f"small{LINES}"
    assert path.read_text().count('"selection": {') == 1
    line = next(line for line in of_records(path) if line["key"] == record.cell.key)
    assert "curves" not in line["record"]["measurements"]["robustness"]
    assert {"history", "measurements/robustness/curves"} <= set(line["bulky"])
    assert "history" not in line["record"]
    assert "measurements/extra/one" in line["bulky"]
    assert line["record"]["measurements"]["extra"] == {"two": {**extra["two"], "columns": []}}
    restore("small", tmp_path / "again", tmp_path)
    assert read_record(record_path(tmp_path / "again", record.cell)) == record


def test_labels_of_others_and_what_is_no_record_stay_behind(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    (path,) = run.glob("records/toy/misa/*.json")
    path.with_suffix(".log").write_text("what the cell printed")
    broken = path.with_name("0123456789ab.json")
    broken.write_text("{")
    with pytest.warns(UserWarning, match="left out"):
        keep("small", [run], tmp_path)
    restore("small", tmp_path / "again", tmp_path)
    again = sorted((tmp_path / "again" / "records" / "toy" / "misa").iterdir())
    assert [file.name for file in again] == [path.name, path.with_suffix(".npz").name]
    assert read_arrays(again[0]).keys() == {
        f"{split}_{kind}" for split in ("valid", "test") for kind in ("id", "prediction")
    }


def test_a_run_without_its_labels_has_no_confusion_and_no_error(tmp_path: Path) -> None:
    keep("small", [make_run(tmp_path / "run")], tmp_path)
    restore("small", tmp_path / "again", tmp_path)
    before, after = (
        confusion(build_tables(all_records(tmp_path / folder))[0], {})
        for folder in ("run", "again")
    )
    assert before is not None
    assert after is None


def test_of_a_cell_that_ran_twice_the_last_result_is_kept(tmp_path: Path) -> None:
    cell = score_record().cell
    for folder, record in {
        "first": score_record(),
        "second": score_record(metrics={"mae": 0.5}),
        "third": Record(cell=cell, status="failed", error=lost_record("a", 0, "failed").error),
    }.items():
        write_record(tmp_path / folder, record, {})
    keep("small", [tmp_path / name for name in ("third", "first", "second", "third")], tmp_path)
    (line,) = of_records(tmp_path / f"small{LINES}")
    assert (line["status"], line["test"]["mae"]) == ("done", 0.5)


def test_nothing_to_keep_is_said(tmp_path: Path) -> None:
    (tmp_path / "records").mkdir()
    with pytest.raises(UserError, match="no folder holds a record"):
        keep("small", [tmp_path], tmp_path)
    with pytest.raises(UserError, match="what is kept cannot be called"):
        keep("../small", [tmp_path], tmp_path)


def replaced(number: int, old: str, new: str) -> Callable[[list[str]], list[str]]:
    """A change of one line, counted from 1."""

    def change(rows: list[str]) -> list[str]:
        assert old in rows[number - 1]
        return [*rows[: number - 1], rows[number - 1].replace(old, new, 1), *rows[number:]]

    return change


def leading_out() -> str:
    """A record that would leave the folder, with the right digest."""
    values = {"cell": {"dataset": "../../out", "model": "tfn"}, "schema_version": 1}
    line = {"key": "0123456789ab", "record": values, "shared": {}, "bulky": [], "arrays": {}}
    return json.dumps({**line, "digest": digest_values([values, {}])})


LAST = 12  # lines of the small run: the first one, what is shared, eight records


@pytest.mark.parametrize(
    ("change", "place", "said"),
    [
        (lambda rows: [], "line 1,", "JSONDecodeError"),
        (replaced(1, '"format": 1', '"format": 2'), "line 1,", "it is of format 2"),
        (lambda rows: rows[:-1], "", "it holds 7 records, not 8"),
        (lambda rows: [*rows, rows[-1]], f"line {LAST + 1},", "stands in an earlier line"),
        (lambda rows: [*rows[:-1], rows[-1][:300]], f"line {LAST},", "JSONDecodeError"),
        (lambda rows: [*rows[:-1], "[]"], f"line {LAST},", "no JSON object"),
        (lambda rows: [*rows[:-1], "[" * 100_000], f"line {LAST},", "RecursionError"),
        (lambda rows: [*rows[:-1], "{}"], f"line {LAST},", "KeyError"),
        (replaced(LAST, '"mae": 0.8', '"mae": 0.7'), f"line {LAST},", "digest is another one"),
        (replaced(LAST, '"mae": 0.8', '"mae": NaN'), f"line {LAST},", "NaN is no number"),
        (replaced(LAST, '"measurements":', '"m":'), f"line {LAST},", "KeyError"),
        (replaced(2, '"value": {', '"value": {"a": 1, '), "line 2,", "digest is another one"),
        (lambda rows: [rows[0], *rows[2:]], "line", "is not there"),
        (replaced(LAST, '"test_id": "test_id-', '"test_id": "'), f"line {LAST},", "is not there"),
        (
            lambda rows: [*rows[:-1], leading_out()],
            f"line {LAST},",
            "called '../../out'",
        ),
    ],
)
def test_a_damaged_line_is_named_and_nothing_written(
    tmp_path: Path, change: Callable[[list[str]], list[str]], place: str, said: str
) -> None:
    keep("small", [make_run(tmp_path / "run")], tmp_path)
    path = tmp_path / f"small{LINES}"
    rows = path.read_text().splitlines()
    assert len(rows) == LAST
    path.write_text("".join(f"{row}\n" for row in change(rows)))
    with pytest.raises(UserError) as caught:
        restore("small", tmp_path / "again", tmp_path)
    told = str(caught.value)
    assert told.startswith(f"{path}{',' if place else ''} {place}".rstrip())
    assert said in told
    assert "\n" not in told
    assert not (tmp_path / "again").exists()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (None, "FileNotFoundError"),
        (lambda content: content[:-200], "cut short"),
        (lambda content: b"", "cut short"),
        (lambda content: b"what is no archive at all", "LZMAError"),
        (lambda content: content[:300] + b"????" + content[304:], "LZMAError"),
        (lambda content: lzma.compress(b"no zip"), "BadZipFile"),
    ],
)
def test_a_damaged_file_is_named_and_nothing_written(
    tmp_path: Path, change: Callable[[bytes], bytes] | None, said: str
) -> None:
    keep("small", [make_run(tmp_path / "run")], tmp_path)
    path = tmp_path / f"small{BULK}"
    content = path.read_bytes()
    path.unlink()
    if change is not None:
        path.write_bytes(change(content))
    with pytest.raises(UserError, match=said) as caught:
        restore("small", tmp_path / "again", tmp_path)
    assert str(caught.value).startswith(f"{path} cannot be read")
    assert not (tmp_path / "again").exists()


def test_the_file_of_other_records_does_not_fit(tmp_path: Path) -> None:
    keep("small", [make_run(tmp_path / "run")], tmp_path)
    keep("other", [make_run(tmp_path / "other", skill=0.1)], tmp_path)
    (tmp_path / f"other{BULK}").replace(tmp_path / f"small{BULK}")
    with pytest.raises(UserError, match=r"small\.jsonl, line \d+, .*digest is another one"):
        restore("small", tmp_path / "again", tmp_path)


def test_files_that_are_too_large_are_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep("small", [make_run(tmp_path / "run")], tmp_path)
    size = (tmp_path / f"small{BULK}").stat().st_size
    for largest in (size - 1, size + 1):
        monkeypatch.setattr(restoring, "LARGEST", largest)
        with pytest.raises(UserError, match=r"small\.npz\.xz cannot be read"):
            restore("small", tmp_path / "again", tmp_path)


def test_a_folder_with_records_and_a_wrong_name_are_refused(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    keep("small", [run], tmp_path)
    with pytest.raises(UserError, match="run holds records already"):
        restore("small", run, tmp_path)
    with pytest.raises(UserError, match="did you mean 'small'"):
        restore("smal", tmp_path / "again", tmp_path)
    with pytest.raises(UserError, match="cannot be called"):
        restore("../small", tmp_path / "again", tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot write to"):
        restore("small", tmp_path / "file", tmp_path)


def test_the_script_restores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    results = script("results_page")
    monkeypatch.setattr("sys.argv", ["page", "--restore", "sims_text", str(tmp_path / "again")])
    results.main()
    assert len(all_records(tmp_path / "again")) == 36
    assert "affectbench leaderboard" in capsys.readouterr().out
    with pytest.raises(SystemExit) as caught:
        results.main()
    assert caught.value.code == 1
    assert "holds records already" in capsys.readouterr().err


@pytest.mark.parametrize("name", NAMES)
def test_committed_records_restore_without_a_finding(name: str, tmp_path: Path) -> None:
    restore(name, tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = all_records(tmp_path)
    path = RESULTS / f"{name}{LINES}"
    assert len(found) == len(of_records(path)) == lines(path)[0]["records"] >= 36
    assert max(map(len, path.read_text().splitlines())) < 5000
    kinds = {key for path in tmp_path.rglob("*.npz") for key in np.load(path).files}
    labels = {"valid_label", "test_label"} if name == "synthetic" else set()
    assert kinds - labels <= {"valid_id", "valid_prediction", "test_id", "test_prediction"}


def test_the_page_names_all_that_is_kept_and_no_more() -> None:
    sections = tomllib.loads((RESULTS / "sections.toml").read_text())["section"]
    assert sorted({section["records"] for section in sections}) == NAMES
    kept = {f"{name}{suffix}" for name in NAMES for suffix in (LINES, BULK)}
    assert {path.name for path in RESULTS.iterdir()} == {*kept, "sections.toml"}


def test_anyone_can_recompute_the_kept_results(tmp_path: Path) -> None:
    restore("synthetic", tmp_path)
    scored = [
        (read_arrays(path), record)
        for path, record in find_records(tmp_path)
        if record.cell.part == "score"
    ]
    assert len(scored) > 100
    for arrays, record in scored:
        for split in ("valid", "test"):
            label, prediction = arrays[f"{split}_label"], arrays[f"{split}_prediction"]
            task = Task.from_dict(record.task)
            found = evaluate_metrics(task, label=label, prediction=prediction)
            kept = getattr(record.measurements.accuracy, split)
            assert found == pytest.approx(kept, abs=1e-9)
