"""Predictions from elsewhere: every form they may have, and one sentence for every mistake."""

import bz2
import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from affectbench import app
from benchmark.config import PROTOCOLS
from benchmark.datasets.files import csv_file
from benchmark.datasets.load import load_dataset
from benchmark.external import External, common_name, read_predictions, score_files
from benchmark.metrics import refuse_impossible
from benchmark.records.harness import harness_version
from benchmark.records.store import find_records, read_arrays
from benchmark.running.run import run
from benchmark.task import multiclass, regression
from leaderboard.build import build_tables
from tests.benchmark.datasets.test_folds import FOLD, write_whole
from tests.benchmark.datasets.test_labels import (
    CLASS,
    EMOTIONS,
    NUMBERS,
    YES_NO,
    refusal,
    write_folder,
)

LOGITS = np.array([[2, 0, -1], [0, 1, 0], [0, 0, 3], [1, 0, 0], [0, 2, 0], [5, 0, 0]], float)
IDS = [f"test{place}" for place in range(6)]


def write(path, **columns):
    pd.DataFrame(columns).to_csv(path, index=False)
    return path


def read(root, name, path):
    dataset = load_dataset(name, data=root)
    return read_predictions(dataset, dataset.open_test(), Path(path))


@pytest.fixture
def root(tmp_path):
    write_folder(tmp_path / "classes", CLASS, EMOTIONS)
    write_folder(tmp_path / "several", YES_NO, EMOTIONS)
    write_folder(tmp_path / "scores", NUMBERS, {"range": [-3, 3]})
    return tmp_path


# What is read


@pytest.mark.parametrize(
    "values", [["sad", "calm", "glad"] * 2, [0, 1, 2] * 2, ["0", "calm", "2.0"] * 2, CLASS + 0.0]
)
def test_classes_come_by_name_or_by_number(root, values):
    found = read(root, "classes", write(root / "p.csv", id=IDS, prediction=values))
    np.testing.assert_array_equal(found, np.eye(3, dtype=np.float32)[CLASS], strict=True)


def test_classes_and_yes_no_labels_come_as_logits(root):
    columns = dict(zip(EMOTIONS["names"], LOGITS.T, strict=True))
    path = write(root / "p.csv", id=IDS[::-1], **{name: v[::-1] for name, v in columns.items()})
    for name in ("classes", "several"):
        np.testing.assert_array_equal(read(root, name, path), LOGITS.astype(np.float32))


def test_yes_no_labels_come_as_decisions(root):
    columns = dict(zip(EMOTIONS["names"], YES_NO.T.astype(int), strict=True))
    found = read(root, "several", write(root / "p.csv", id=IDS, **columns))
    np.testing.assert_array_equal(found > 0, YES_NO > 0)
    assert set(found.ravel()) == {-1, 1}


@pytest.mark.parametrize(
    ("name", "columns", "words"),
    [
        ("scores", {"id": IDS}, "lacks the column prediction; it has id"),
        ("scores", {"prediction": NUMBERS}, "lacks the column id"),
        ("scores", {"id": [*IDS[:5], "test4"], "prediction": NUMBERS}, "'test4' occurs more than"),
        ("scores", {"id": [*IDS[:5], "x"], "prediction": NUMBERS}, "'x' is not in the test split"),
        ("scores", {"id": IDS[:5], "prediction": NUMBERS[:5]}, "'test5' has no prediction"),
        ("scores", {"id": IDS, "prediction": [*NUMBERS[:5], np.inf]}, "'test5' is no finite"),
        ("scores", {"id": IDS, "prediction": [*NUMBERS[:5], ""]}, "'test5' is no finite"),
        ("scores", {"id": IDS, "prediction": ["good"] * 6}, "'test0' is no finite"),
        ("classes", {"id": IDS, "sad": 1, "calm": 0}, "lacks the column glad (or prediction"),
        ("classes", {"id": IDS, "prediction": ["glat"] * 6}, "did you mean 'glad'"),
        ("classes", {"id": IDS, "prediction": [3] * 6}, "or a number from 0 to 2 (id 'test0')"),
        ("classes", {"id": IDS, "prediction": [0.5] * 6}, "unknown class '0.5'"),
        ("classes", {"id": IDS, "prediction": [""] * 6}, "unknown class ''"),
        ("several", {"id": IDS, "sad": 1, "calm": 0}, "lacks the column glad; it has"),
        ("several", {"id": IDS, "sad": 0.9, "calm": 0.1, "glad": 0}, "looks like probabilities"),
    ],
)
def test_a_mistake_in_a_file_is_one_sentence(root, name, columns, words):
    sentence = refusal(read, root, name, write(root / "p.csv", **columns))
    assert words in sentence
    assert "p.csv" in sentence


def test_a_file_that_is_no_table_is_one_sentence(root):
    assert "is not there" in refusal(read, root, "scores", root / "nowhere.csv")
    for content in (b"", b"\xff\xfe\x00\x80", b'id,prediction\n"open'):
        (root / "p.csv").write_bytes(content)
        refusal(read, root, "scores", root / "p.csv")
    assert "is no file but a folder" in refusal(read, root, "scores", root / "scores")


def test_a_packed_file_is_read_within_a_limit(root, monkeypatch):
    path = write(root / "p.csv", id=IDS, prediction=NUMBERS)
    (root / "p.csv.gz").write_bytes(gzip.compress(path.read_bytes()))
    np.testing.assert_array_equal(read(root, "scores", path), read(root, "scores", f"{path}.gz"))
    monkeypatch.setattr(csv_file, "UNPACKED", 0)
    (root / "p.csv.gz").write_bytes(gzip.compress(b"id,prediction\n" + b"0" * 10**5))
    assert "unpacks to more than" in refusal(read, root, "scores", root / "p.csv.gz")
    (root / "p.csv.bz2").write_bytes(bz2.compress(path.read_bytes()))
    assert "compressed by bzip2" in refusal(read, root, "scores", root / "p.csv.bz2")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"id,prediction\ntest0,0,5\n", "line 2 has 3 fields and the header 2"),
        (b"id,prediction,prediction\n", "'prediction' more than once"),
        (b'id,prediction\n"open', "unexpected end"),
        (b"id,prediction\n" + b"x" * 200_000, "field larger than"),
        (",".join(map(str, range(10_001))).encode(), "10001 columns"),
    ],
)
def test_a_table_that_is_none_is_one_sentence(root, content, words):
    (root / "p.csv").write_bytes(content)
    assert words in refusal(read, root, "scores", root / "p.csv")


def test_a_number_that_no_float_holds_is_refused(root):
    path = write(root / "p.csv", id=IDS, prediction=[1e39, *NUMBERS[1:]])
    assert "'test0' is no finite" in refusal(read, root, "scores", path)


def test_ids_that_differ_by_space_are_told_apart(root):
    ids = ["a", " a", "a\n", "b", "c", "d"]
    with np.load(root / "scores/test.npz") as arrays:
        np.savez(root / "scores/test.npz", **{**arrays, "id": np.array(ids)})
    found = read(root, "scores", write(root / "p.csv", id=ids[::-1], prediction=NUMBERS[::-1]))
    np.testing.assert_array_equal(found, NUMBERS.astype(np.float32))


# What cannot be


def test_predictions_that_are_the_labels_are_impossible():
    task = regression(-3, 3)
    assert "equal the labels" in refusal(refuse_impossible, task, NUMBERS, NUMBERS + 1e-7)
    refuse_impossible(task, NUMBERS, NUMBERS + 1e-5)
    refuse_impossible(task, np.zeros(6), np.zeros(6))
    refuse_impossible(multiclass("a", "b", "c"), CLASS, np.eye(3)[CLASS])


def test_predictions_better_than_the_best_are_impossible():
    dataset = load_dataset("synthetic")
    test = dataset.open_test()
    refuse_impossible(dataset.task, test.label, test.oracle, test.oracle)
    generator = np.random.default_rng(0)
    refuse_impossible(
        dataset.task, test.label, test.oracle + generator.normal(0, 0.01, 400), test.oracle
    )
    for share in (0.01, 0.5, 0.99):
        leaked = (1 - share) * test.oracle + share * test.label
        sentence = refusal(refuse_impossible, dataset.task, test.label, leaked, test.oracle)
        assert "the best possible ones 0.2311" in sentence
        refuse_impossible(dataset.task, test.label, leaked)


def test_impossible_predictions_are_not_scored(root):
    path = write(root / "p.csv", id=IDS, prediction=NUMBERS.astype(np.float32))
    external = External("mine", "scores", root, folder=root / "out")
    sentence = refusal(score_files, external, [path], [0])
    assert sentence.startswith(f"{path}: all 6 predictions equal the labels")
    assert not (root / "out").exists()


# Where it goes


def noisy(path, seed, label=NUMBERS, ids=IDS):
    generator = np.random.default_rng(seed)
    return write(path, id=ids, prediction=label + generator.normal(0, 0.3, len(label)))


def test_several_files_are_seeds_of_one_row(root):
    paths = [noisy(root / f"mine-{seed}.csv", seed) for seed in (1, 2, 3)]
    assert common_name(paths) == "mine"
    assert common_name(paths[:1]) == "mine-1"
    assert "--name" in refusal(common_name, [root / "a.csv", root / "b.csv"])
    pairs = score_files(External("mine", "scores", root), paths, [1, 2, 3])
    (table,) = build_tables(pairs)
    (row,) = table.rows
    assert row.model == "mine"
    assert [record.cell.seed for _, record in row.records] == [1, 2, 3]
    assert "one each" in refusal(score_files, External("mine", "scores", root), paths, [0, 1])
    assert "one each" in refusal(score_files, External("mine", "scores", root), paths, [0, 1, 1])
    for name, words in (
        ("tfn", "model of this suite"),
        ("../x", "at most); give it another name by --name"),
    ):
        assert words in refusal(score_files, External(name, "scores", root), paths, [1, 2, 3])


def test_records_join_the_table_of_the_trained_models(root):
    out = root / "out"
    run(models=["prior"], datasets=["scores"], seeds=1, data=root, folder=out, jobs=0)
    path = noisy(root / "mine.csv", 0)
    ((written, record),) = score_files(External("mine", "scores", root, folder=out), [path], [0])
    assert record.cell.harness == harness_version()
    assert record.cell.settings == {"external": True}
    assert (record.cell.kind, record.recipe, record.cell.config) == ("plugin", "", {})
    arrays = read_arrays(written)
    assert list(arrays["test_id"]) == IDS
    np.testing.assert_array_equal(arrays["test_label"], NUMBERS.astype(np.float32))
    (table,) = build_tables(find_records(out))
    assert {"mine", "prior"} <= {row.model for row in table.rows}


def test_the_protocol_is_the_one_found_or_the_one_named(root):
    out, path = root / "out", noisy(root / "mine.csv", 0)

    def protocol(name, **changes):
        external = External(name, "scores", root, folder=out, **changes)
        return score_files(external, [path], [0])[0][1].cell.protocol["name"]

    assert protocol("mine") == "quick"
    assert protocol("other", protocol="standard") == "standard"
    assert "did you mean 'standard'" in refusal(protocol, "mine", protocol="standart")
    for rules in PROTOCOLS.values():
        short = rules.model_copy(update={"evaluations": ("accuracy",), "max_epochs": 1})
        run(
            models=["prior"],
            datasets=["scores"],
            seeds=1,
            data=root,
            folder=out,
            jobs=0,
            protocol=short,
        )
    assert "(quick, standard); name one by --protocol" in refusal(protocol, "mine")
    external = External("mine", "scores", root, protocol="standard", folder=out)
    ((_, record),) = score_files(external, [path], [0])
    assert record.cell.protocol["max_epochs"] == 1


def test_files_for_folds_are_told_by_their_seeds(tmp_path):
    arrays = write_whole(tmp_path / "own")
    label, ids = arrays["label"], arrays["id"]
    paths = [
        noisy(tmp_path / f"mine{fold}.csv", fold, label[fold == FOLD], ids[fold == FOLD])
        for fold in range(4)
    ]
    pairs = score_files(External("mine", "own@folds", tmp_path), paths, range(4))
    assert [record.cell.fold for _, record in pairs] == [0, 1, 2, 3]
    assert {record.cell.dataset for _, record in pairs} == {"own@folds"}
    wrong = refusal(score_files, External("mine", "own@folds", tmp_path), paths[:1], [1])
    assert "is not in the test split" in wrong


def test_the_command_writes_records_and_tables(root):
    paths = [noisy(root / f"mine-{seed}.csv", seed) for seed in (0, 1)]
    arguments = ["score", "scores", *map(str, paths), "--data", str(root)]
    printed = CliRunner().invoke(app, arguments)
    assert printed.exit_code == 0, printed.output
    assert "mine" in printed.output
    out = root / "out"
    more = ["--name", "ours", "--seeds", "3,4", "-o", str(out)]
    written = CliRunner().invoke(app, [*arguments, *more])
    assert written.exit_code == 0, written.output
    records = list(find_records(out))
    assert [record.cell.seed for _, record in records] in ([3, 4], [4, 3])
    assert {record.cell.model for _, record in records} == {"ours"}
    assert list(out.glob("*.md"))
