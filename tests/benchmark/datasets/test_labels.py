"""Labels of every kind, sound and broken, in plain and in native folders."""

import json
from dataclasses import replace

import numpy as np
import pytest

from benchmark.datasets.checks import refuse_labels
from benchmark.datasets.convert import import_dataset
from benchmark.datasets.doctor import examine
from benchmark.datasets.labels import neutral_sentence
from benchmark.datasets.load import load_dataset
from benchmark.datasets.native import write_dataset
from benchmark.datasets.synthetic import make_synthetic
from benchmark.errors import UserError
from benchmark.task import Task, multiclass, multilabel, regression

SPLITS = ("train", "valid", "test")
SAMPLES = 6
EMOTIONS = {"names": ["sad", "calm", "glad"]}
SCORE = {"range": [-3, 3]}
SMALL = {"range": [-1, 1]}
CLASS = np.arange(SAMPLES) % 3
YES_NO = np.eye(3)[CLASS]
NUMBERS = np.linspace(-1, 1, SAMPLES)


def write_folder(folder, labels, facts, **more):
    """A plain folder of one-step streams; `labels` for all splits or by split."""
    folder.mkdir()
    for number, split in enumerate(SPLITS):
        generator = np.random.default_rng(number)
        arrays = {name: generator.normal(size=(SAMPLES, 3)) for name in ("text", "audio", "vision")}
        label = labels.get(split) if isinstance(labels, dict) else labels
        arrays |= {} if label is None else {"label": np.asarray(label)}
        arrays["id"] = np.array([f"{split}{place}" for place in range(SAMPLES)])
        np.savez(folder / f"{split}.npz", **arrays)
    (folder / "dataset.json").write_text(json.dumps({"labels": facts, **more}))
    return folder


def refusal(function, *arguments, **keywords):
    with pytest.raises(UserError) as caught:
        function(*arguments, **keywords)
    sentence = str(caught.value)
    assert "\n" not in sentence
    return sentence


BROKEN = [
    (EMOTIONS, CLASS, CLASS[:, None], "(6, 1); a multiclass needs (samples,), write label[:, 0]"),
    (EMOTIONS, CLASS, np.array(1), "is one value; it needs one row a sample"),
    (EMOTIONS, CLASS, np.array(["sad"] * 6), "text, for example 'sad'; write the number of the"),
    (EMOTIONS, CLASS, CLASS + 2, "the classes go from 0 to 2; correct the labels or name all"),
    (EMOTIONS, CLASS, CLASS - 1, "of class -1, but the classes go from 0 to 2"),
    (EMOTIONS, CLASS, CLASS + 0.5, "classes that are no whole numbers, for example 0.5"),
    (EMOTIONS, YES_NO, CLASS, "several yes-no labels need (samples, 3), one column a name"),
    (EMOTIONS, YES_NO, YES_NO[:, :2], "shape (6, 2); several yes-no labels need (samples, 3)"),
    (EMOTIONS, YES_NO, YES_NO * 2, "neither 0 nor 1, for example 2; write 1 for yes and 0 for no"),
    (EMOTIONS, YES_NO, np.full((6, 3), np.nan), "NaN or infinite labels"),
    (SCORE, NUMBERS, np.ones((6, 4)), "4 labels a sample (0, 1, 2, 3); choose one by -d own:0"),
    (SCORE, NUMBERS, np.ones((6, 1, 1)), "a regression needs (samples,), one label a sample"),
    (SCORE, NUMBERS, np.array(1.0), "is one value"),
    (SCORE, NUMBERS, np.full(6, np.nan), "NaN or infinite labels"),
    (SCORE, NUMBERS, np.array(["good"] * 6), "text, for example 'good'; write numbers in [-3, 3]"),
    (SMALL, NUMBERS, NUMBERS * 3, "outside [-1, 1], they reach from -3 to 3; correct the labels"),
    (SCORE, NUMBERS, None, "has no array 'label', which every split needs"),
    (SCORE, NUMBERS, NUMBERS[:5], "every array needs one row a sample"),
]


@pytest.mark.parametrize(("facts", "sound", "broken", "words"), BROKEN)
@pytest.mark.parametrize("split", ["valid", "test"])
def test_broken_labels_of_a_plain_folder_are_found_before_training(
    tmp_path, facts, sound, broken, words, split
):
    labels = {name: broken if name == split else sound for name in SPLITS}
    folder = str(write_folder(tmp_path / "own", labels, facts))
    if split == "valid":
        sentence = refusal(load_dataset, folder)
    else:
        sentence = refusal(load_dataset(folder).verify_test)
    assert words in sentence
    assert split in sentence


@pytest.mark.parametrize(("facts", "sound", "broken", "words"), BROKEN)
def test_broken_labels_of_the_training_split_are_one_sentence(
    tmp_path, facts, sound, broken, words
):
    labels = {name: broken if name == "train" else sound for name in SPLITS}
    refusal(load_dataset, str(write_folder(tmp_path / "own", labels, facts)))


TASKS = {"names": multiclass("sad", "calm", "glad"), "range": regression(-1, 1)}


@pytest.mark.parametrize(
    ("task", "broken", "words"),
    [
        (TASKS["names"], CLASS[:, None], "write label[:, 0]"),
        (TASKS["names"], CLASS + 2, "the classes go from 0 to 2"),
        (TASKS["names"], YES_NO, "write label.argmax(axis=1) if it is one-hot"),
        (multilabel("a", "b", "c"), CLASS, "one column a name"),
        (multilabel("a", "b", "c"), YES_NO * 2, "neither 0 nor 1"),
        (TASKS["range"], YES_NO, "one label a sample"),
        (TASKS["range"], NUMBERS * 3, "outside [-1, 1], they reach from -3 to 3"),
        (TASKS["range"], np.full(6, np.nan), "NaN or infinite labels"),
    ],
)
@pytest.mark.parametrize("split", ["train", "valid", "test"])
def test_broken_labels_of_a_native_folder_are_found_before_training(
    tmp_path, task, broken, words, split
):
    made = make_synthetic(0, (SAMPLES, SAMPLES, SAMPLES))
    sound = {"multiclass": CLASS, "multilabel": YES_NO, "regression": NUMBERS}[task.kind]
    splits = {
        part.name: replace(part, label=broken if part.name == split else sound, oracle=None)
        for part in (made.train, made.valid, made.open_test())
    }
    write_dataset(tmp_path / "tiny", name="tiny", task=task, splits=splits)
    if split == "test":
        sentence = refusal(load_dataset("tiny", data=tmp_path).verify_test)
    else:
        sentence = refusal(load_dataset, "tiny", data=tmp_path)
    assert words in sentence
    assert f"the {split} split of 'tiny'" in sentence


def test_verifying_finds_other_faults_of_the_test_split_and_keeps_nothing(tmp_path):
    folder = write_folder(tmp_path / "own", NUMBERS, SCORE)
    dataset = load_dataset(str(folder))
    assert dataset.verify_test() is None
    arrays = dict(np.load(folder / "test.npz"))
    np.savez(folder / "test.npz", **{**arrays, "audio": arrays["audio"][:, :2]})
    assert "training split" in refusal(load_dataset(str(folder)).verify_test)
    np.savez(folder / "test.npz", **arrays, label_audio=NUMBERS)
    assert "labels of audio alone" in refusal(load_dataset(str(folder)).verify_test)
    np.savez(folder / "test.npz", **arrays, raw_text=np.array(["word"] * SAMPLES))
    assert "transcripts are in only one" in refusal(load_dataset(str(folder)).verify_test)


@pytest.mark.parametrize(
    ("facts", "label", "task"),
    [
        (EMOTIONS, CLASS, multiclass("sad", "calm", "glad")),
        (EMOTIONS, CLASS.astype(float), multiclass("sad", "calm", "glad")),
        (EMOTIONS, YES_NO, multilabel("sad", "calm", "glad")),
        (EMOTIONS, YES_NO.astype(bool), multilabel("sad", "calm", "glad")),
        ({"names": ["sarcasm"]}, CLASS[:, None] > 0, multilabel("sarcasm")),
        ({}, CLASS.astype(np.int8), multiclass("class 0", "class 1", "class 2")),
        ({}, CLASS > 0, multiclass("class 0", "class 1")),
        ({"range": [0.5, 7], "neutral": 3}, NUMBERS + 3, regression(0.5, 7, neutral=3)),
        ({"range": [0.5, 7]}, NUMBERS + 3, regression(0.5, 7)),
        (SMALL, NUMBERS, regression(-1, 1)),
        (SMALL, NUMBERS[:, None], regression(-1, 1)),
    ],
)
def test_every_kind_of_label_loads_and_survives_an_import(tmp_path, facts, label, task):
    folder = write_folder(tmp_path / "own", label, facts)
    dataset = load_dataset(str(folder))
    assert dataset.task == task
    np.testing.assert_array_equal(
        dataset.open_test().label.astype(float).ravel(), np.ravel(label).astype(np.float32)
    )
    assert all(found.level != "error" for found in examine("own", tmp_path))
    import_dataset(folder, tmp_path / "native", "native")
    native = load_dataset("native", data=tmp_path)
    assert native.task == task
    np.testing.assert_array_equal(native.train.label, dataset.train.label, strict=True)


def test_whole_numbers_far_apart_are_no_classes(tmp_path):
    folder = write_folder(tmp_path / "own", CLASS * 10**8, {})
    assert "whole numbers up to 200000000, too many" in refusal(load_dataset, str(folder))


@pytest.mark.parametrize("key", ["key", "keys", "column", "columns", "neutral"])
@pytest.mark.parametrize("value", [{}, True, [None], [[]]])
def test_a_value_of_another_type_is_refused(tmp_path, key, value):
    facts = {"range": [-3, 3], key: value}
    label = np.stack([NUMBERS] * 2, axis=1) if key == "columns" else NUMBERS
    assert f"labels.{key}" in refusal(
        load_dataset, str(write_folder(tmp_path / "own", label, facts))
    )


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"range": [3, -3]}, "low < high"),
        ({"range": [-3, float("inf")]}, "finite"),
        ({"range": [float("nan"), 3]}, "finite"),
        ({"range": [1]}, "two numbers"),
        ({"range": "1..5"}, "two numbers"),
        ({"range": [1, "five"]}, "two numbers"),
        ({"range": [1, 5], "neutral": 0}, "neutral label 0.0 is outside [1, 5]"),
        ({"range": [1, 5], "neutral": float("nan")}, "finite"),
        ({"range": [1, 5], "neutral": "middle"}, "must be a number"),
        ({}, "does not say what its labels mean"),
        ([1, 5], "must be an object"),
    ],
)
def test_a_declaration_that_makes_no_sense_is_refused(tmp_path, facts, words):
    assert words in refusal(load_dataset, str(write_folder(tmp_path / "own", NUMBERS, facts)))


@pytest.mark.parametrize(
    "names", [["a", "a", "b"], ["alone"], 5, [["a"], "b"], ["a\nb", "c"], ["", "b"], ["a"] * 1001]
)
def test_class_names_that_make_no_sense_are_refused(tmp_path, names):
    folder = write_folder(tmp_path / "own", CLASS, {"names": names})
    assert "name" in refusal(load_dataset, str(folder))


@pytest.mark.parametrize(
    "change", [{"low": 3.0}, {"neutral": 9.0}, {"high": float("inf")}, {"kind": "ranking"}]
)
def test_a_task_that_makes_no_sense_is_refused(change):
    refusal(Task.from_dict, regression(-3, 3).to_dict() | change)


def test_text_of_no_length_has_no_example():
    assert "of type" in refusal(refuse_labels, "it", np.zeros(0, "U1"), regression(-1, 1))


# The neutral label


def levels(name, root):
    return {found.sentence: found.level for found in examine(name, root)}


def test_an_assumed_neutral_label_is_known_to_be_assumed(tmp_path):
    write_folder(tmp_path / "own", NUMBERS + 3, {"range": [0.5, 7]})
    dataset = load_dataset("own", data=tmp_path)
    assert dataset.task.neutral == 3.75
    assert dataset.provenance["neutral"] == "assumed"
    sentence = (
        "neutral label 3.75, assumed as the middle of [0.5, 7]; state it in dataset.json as "
        "labels.neutral"
    )
    assert levels("own", tmp_path)[sentence] == "warning"
    notes = import_dataset(tmp_path / "own", tmp_path / "native", "native")
    assert sentence in notes
    assert load_dataset("native", data=tmp_path).provenance["neutral"] == "assumed"
    assert levels("native", tmp_path)[sentence] == "warning"
    before = load_dataset("native", data=tmp_path).fingerprint
    path = tmp_path / "native/dataset.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"labels": {"neutral": 3}}))
    assert levels("native", tmp_path)["neutral label 3, stated"] == "ok"
    assert load_dataset("native", data=tmp_path).task.neutral == 3
    assert load_dataset("native", data=tmp_path).fingerprint != before


def test_a_stated_neutral_label_stays_stated(tmp_path):
    write_folder(tmp_path / "own", NUMBERS + 3, {"range": [0.5, 7], "neutral": 3})
    assert load_dataset("own", data=tmp_path).provenance["neutral"] == "stated"
    assert levels("own", tmp_path)["neutral label 3, stated"] == "ok"
    import_dataset(tmp_path / "own", tmp_path / "native", "native")
    assert load_dataset("native", data=tmp_path).task.neutral == 3
    assert load_dataset("native", data=tmp_path).provenance["neutral"] == "stated"


def test_a_symmetric_range_and_classes_need_no_statement(tmp_path):
    write_folder(tmp_path / "own", NUMBERS, SCORE)
    assert load_dataset("own", data=tmp_path).provenance["neutral"] == "stated"
    assert neutral_sentence(regression(-3, 3), assumed=False).startswith("neutral label 0, the mid")
    write_folder(tmp_path / "classes", CLASS, EMOTIONS)
    assert "neutral" not in load_dataset("classes", data=tmp_path).provenance
    assert load_dataset("synthetic").provenance["neutral"] == "stated"


# Several labels a sample

TRAITS = ["confident", "passionate", "voice pleasant"]
RATINGS = np.arange(SAMPLES * 3).reshape(SAMPLES, 3) % 7 + 1.0


def test_one_of_several_labels_is_chosen_by_name_or_number(tmp_path):
    write_folder(tmp_path / "pom", RATINGS, {"range": [1, 7], "columns": TRAITS, "neutral": 4})
    sentence = refusal(load_dataset, "pom", data=tmp_path)
    assert "3 labels a sample (confident, passionate, voice pleasant)" in sentence
    assert "-d pom:confident" in sentence
    datasets = {
        asked: load_dataset(f"pom:{asked}", data=tmp_path)
        for asked in ("confident", "0", "1", "voice pleasant")
    }
    assert datasets["0"].name == datasets["confident"].name == "pom:confident"
    assert datasets["1"].name == "pom:passionate"
    assert datasets["voice pleasant"].name == "pom:voice-pleasant"
    assert datasets["0"].fingerprint != datasets["1"].fingerprint
    assert datasets["0"].fingerprint == datasets["confident"].fingerprint
    np.testing.assert_array_equal(datasets["1"].open_test().label, RATINGS[:, 1])
    for wrong, words in (
        ("confidant", "did you mean 'confident'"),
        ("3", "known: confident"),
        ("", "3 labels a sample"),
    ):
        assert words in refusal(load_dataset, f"pom:{wrong}", data=tmp_path)
    assert all(found.level != "error" for found in examine("pom:1", tmp_path))


@pytest.mark.parametrize("place", ["labels", "top"])
def test_the_label_may_be_chosen_in_the_manifest(tmp_path, place):
    facts = {"range": [1, 7]}
    more = {"label_column": 2} if place == "top" else {}
    facts |= {"column": 2} if place == "labels" else {}
    write_folder(tmp_path / "pom", RATINGS, facts, **more)
    dataset = load_dataset("pom", data=tmp_path)
    assert dataset.name == "pom"
    np.testing.assert_array_equal(dataset.train.label, RATINGS[:, 2])
    other = load_dataset("pom:0", data=tmp_path)
    assert other.name == "pom:0"
    np.testing.assert_array_equal(other.train.label, RATINGS[:, 0])


def test_columns_must_be_as_many_as_their_names(tmp_path):
    write_folder(tmp_path / "pom", RATINGS, {"range": [1, 7], "columns": TRAITS[:2]})
    assert "dataset.json names 2" in refusal(load_dataset, "pom:0", data=tmp_path)


def test_one_of_several_yes_no_labels_is_a_choice_of_two(tmp_path):
    write_folder(tmp_path / "own", YES_NO, EMOTIONS)
    assert load_dataset("own:glad", data=tmp_path).task == multiclass("not glad", "glad")
    assert load_dataset("own:2", data=tmp_path).name == "own:glad"


def test_ratings_whose_names_stand_under_names_are_still_ratings(tmp_path):
    write_folder(tmp_path / "pom", RATINGS, {"range": [1, 7], "names": TRAITS})
    assert load_dataset("pom:passionate", data=tmp_path).task == regression(1, 7)


def test_one_of_several_label_arrays_is_chosen_by_its_key(tmp_path):
    folder = write_folder(
        tmp_path / "own",
        CLASS,
        {"keys": ["label", "mood"], "label_names": ["a", "b", "c"], "mood_names": ["low", "high"]},
    )
    for split in SPLITS:
        arrays = dict(np.load(folder / f"{split}.npz"))
        np.savez(folder / f"{split}.npz", **arrays, mood=CLASS % 2)
    assert load_dataset("own", data=tmp_path).task.names == ("a", "b", "c")
    mood = load_dataset("own:mood", data=tmp_path)
    assert mood.task.names == ("low", "high")
    assert mood.name == "own:mood"
    assert "did you mean 'mood'" in refusal(load_dataset, "own:moods", data=tmp_path)


@pytest.mark.parametrize(
    ("name", "words"),
    [("one:0", "so no column '0'"), ("native:0", "is native"), ("synthetic:0", "unknown dataset")],
)
def test_a_dataset_with_one_label_has_no_columns(tmp_path, name, words):
    folder = write_folder(tmp_path / "one", NUMBERS, SCORE)
    import_dataset(folder, tmp_path / "native", "native")
    assert words in refusal(load_dataset, name, data=tmp_path)
