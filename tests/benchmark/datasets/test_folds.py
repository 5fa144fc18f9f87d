"""Folds, of splits or of one file, and folders that say they are datasets and are not."""

import json

import numpy as np
import pytest

from benchmark.datasets.convert import import_dataset
from benchmark.datasets.doctor import examine
from benchmark.datasets.load import list_datasets, load_dataset
from benchmark.errors import UserError
from benchmark.running.plan import plan_grid
from tests.benchmark.datasets.small import write_npz
from tests.benchmark.datasets.test_labels import refusal, write_folder

SAMPLES = 12
FOLD = np.arange(SAMPLES) % 4


def write_whole(folder, *, file="all.npz", key="fold", fold=FOLD, facts=None, **changes):
    generator = np.random.default_rng(0)
    arrays = {
        "id": np.array([f"s{place}" for place in range(SAMPLES)]),
        "video_id": np.array([f"v{place % 4}" for place in range(SAMPLES)]),
        **{name: generator.normal(size=(SAMPLES, 3)) for name in ("text", "audio", "vision")},
        "label": generator.uniform(-3, 3, size=SAMPLES),
        **({} if fold is None else {key: fold}),
        **changes,
    }
    folder.mkdir(parents=True)
    np.savez(folder / file, **arrays)
    (folder / "dataset.json").write_text(json.dumps({"labels": facts or {"range": [-3, 3]}}))
    return arrays


@pytest.mark.parametrize(
    ("file", "key"), [("all.npz", "fold"), ("all.npz", "cv_fold"), ("own.npz", "fold")]
)
def test_one_file_with_folds_is_cross_validated(tmp_path, file, key):
    arrays = write_whole(tmp_path / "own", file=file, key=key)
    for fold in range(4):
        dataset = load_dataset(f"own@{fold}", data=tmp_path)
        assert dataset.name == "own@folds"
        np.testing.assert_array_equal(dataset.open_test().ids, arrays["id"][fold == FOLD])
        following = arrays["id"][(fold + 1) % 4 == FOLD]
        np.testing.assert_array_equal(dataset.valid.ids, following)
        assert len(dataset.train) == 6
    plans = plan_grid(models=["prior"], datasets=["own@folds"], seeds=4, data=tmp_path)
    assert {plan.dataset for plan in plans} == {f"own@{fold}" for fold in range(4)}


def test_a_dataset_without_splits_asks_for_its_folds(tmp_path):
    write_whole(tmp_path / "own")
    for refused in (
        refusal(load_dataset, "own", data=tmp_path),
        refusal(plan_grid, models=["prior"], datasets=["own"], data=tmp_path),
        refusal(import_dataset, tmp_path / "own", tmp_path / "native", "native"),
    ):
        assert "-d own@folds" in refused
        assert "own@0" in refused


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"fold": None}, "has no array 'fold'"),
        ({"fold": FOLD.astype(float)}, "must be one whole number from 0"),
        ({"fold": FOLD - 1}, "must be one whole number from 0"),
        ({"fold": FOLD[:, None]}, "must be one whole number from 0"),
        ({"fold": FOLD[:5]}, "every sample needs one"),
        ({"fold": FOLD % 2}, "at least 3"),
        ({"fold": FOLD * 2}, "no sample in fold 1"),
        ({"label": np.full(SAMPLES, 4.0)}, "outside [-3, 3]"),
        ({"label": np.ones((SAMPLES, 3))}, "choose one by -d own:0"),
        ({"audio": np.full((SAMPLES, 3), np.nan)}, "NaN or infinite audio"),
        ({"id": np.array(["s"] * SAMPLES)}, "more than once"),
    ],
)
def test_a_broken_file_with_folds_is_one_sentence(tmp_path, changes, words):
    write_whole(tmp_path / "own", **changes)
    assert words in refusal(load_dataset, "own@0", data=tmp_path)


def test_column_and_folds_go_together(tmp_path):
    ratings = np.arange(SAMPLES * 2).reshape(SAMPLES, 2) % 7 + 1.0
    facts = {"range": [1, 7], "neutral": 4, "columns": ["calm", "warm"]}
    write_whole(tmp_path / "pom", label=ratings, facts=facts)
    dataset = load_dataset("pom:warm@1", data=tmp_path)
    assert dataset.name == "pom:warm@folds"
    np.testing.assert_array_equal(dataset.open_test().label, ratings[FOLD == 1, 1])
    plans = plan_grid(models=["prior"], datasets=["pom:warm@folds"], seeds=4, data=tmp_path)
    assert {plan.cell.dataset for plan in plans} == {"pom:warm@folds"}


def test_the_doctor_looks_at_every_fold(tmp_path):
    write_whole(tmp_path / "own")
    sentences = [found.sentence for found in examine("own", tmp_path)]
    assert "12 samples in 4 folds of 3/3/3/3" in sentences
    assert "no video or speaker is in two splits" in sentences
    assert {found.level for found in examine("own@folds", tmp_path)} == {"ok"}
    write_whole(tmp_path / "shared", video_id=np.array(["a", "b"] * 6))
    found = [finding for finding in examine("shared", tmp_path) if finding.level == "warning"]
    assert "1 videos or speakers are in both fold 0 and fold 2" in found[0].sentence


def test_listing_leaves_no_folder_with_a_manifest_out(tmp_path):
    write_whole(tmp_path / "own")
    write_folder(tmp_path / "half", np.zeros(6), {"range": [-3, 3]})
    (tmp_path / "half/valid.npz").unlink()
    (tmp_path / "vectors").mkdir()
    np.savez(tmp_path / "vectors/v.npz", word=np.array(["good"]), vector=np.ones((1, 3)))
    (tmp_path / "clips").mkdir()
    for name in ("vectors", "clips"):
        (tmp_path / name / "dataset.json").write_text("{}")
    write_whole(tmp_path / "without", fold=None)
    (tmp_path / "notes").mkdir()
    found = {info.name: info for info in list_datasets(tmp_path)}
    assert found["own"].shape == "12 in 4 folds"
    assert not found["own"].problem
    for name, words in (
        ("half", "lacks valid.npz"),
        ("vectors", "holds 1 word vectors"),
        ("clips", "neither a native dataset.json nor train.npz"),
        ("without", "has no array 'fold'"),
    ):
        assert words in found[name].problem
        assert found[name].problem == refusal(load_dataset, name, data=tmp_path)
    assert "notes" not in found


def test_splits_of_other_widths_do_not_join(tmp_path):
    folder = write_folder(tmp_path / "own", np.zeros(6), {"range": [-3, 3]})
    for split in ("train", "valid", "test"):
        arrays = dict(np.load(folder / f"{split}.npz"))
        arrays["audio"] = arrays["audio"][:, : 2 if split == "test" else 3]
        np.savez(folder / f"{split}.npz", **arrays, cv_fold=np.arange(6) % 3)
    assert "training split" in refusal(load_dataset, "own@0", data=tmp_path)


@pytest.mark.parametrize("name", ["../own", ".own", "a/b", ""])
def test_a_name_that_no_folder_can_have_is_refused(tmp_path, name):
    write_folder(tmp_path / "own", np.zeros(6), {"range": [-3, 3]}, name=name)
    with pytest.raises(UserError, match="the dataset cannot be called"):
        load_dataset("own", data=tmp_path)


def test_folds_partition_all_samples_and_share_one_fingerprint(tmp_path, arrays):
    for place, values in enumerate(arrays.values()):
        values["cv_fold"] = (np.arange(len(values["label"])) + place) % 3
    folder = write_npz(tmp_path / "own", arrays)
    everything = sorted(str(name) for values in arrays.values() for name in values["id"])
    tested = []
    datasets = [load_dataset(f"{folder}@{fold}") for fold in range(3)]
    for fold, dataset in enumerate(datasets):
        splits = {"train": dataset.train, "valid": dataset.valid, "test": dataset.open_test()}
        ids = [str(name) for split in splits.values() for name in split.ids]
        assert sorted(ids) == everything
        assert dataset.name.endswith("@folds")
        tested += splits["test"].ids.tolist()
        following = datasets[(fold + 1) % 3].open_test()
        assert splits["valid"].ids.tolist() == following.ids.tolist()
    assert sorted(tested) == everything
    assert len({dataset.fingerprint for dataset in datasets}) == 1


def test_folds_keep_every_array_with_its_sample(tmp_path, arrays):
    for values in arrays.values():
        values["cv_fold"] = np.arange(len(values["label"])) % 3
    folder = write_npz(tmp_path / "own", arrays)
    whole = load_dataset(str(folder), standardise=())
    label = {}
    for split in (whole.train, whole.valid, whole.open_test()):
        for name, value, audio in zip(split.ids, split.label, split.audio.values, strict=True):
            label[str(name)] = (float(value), float(audio[0].sum()))
    dataset = load_dataset(f"{folder}@1", standardise=())
    for split in (dataset.train, dataset.valid, dataset.open_test()):
        for name, value, audio in zip(split.ids, split.label, split.audio.values, strict=True):
            assert label[str(name)] == (float(value), float(audio[0].sum()))


@pytest.mark.parametrize(("fold", "words"), [("9", "folds 0 to 2"), ("x", "a fold is a number")])
def test_an_unknown_fold_is_refused(tmp_path, arrays, fold, words):
    for values in arrays.values():
        values["cv_fold"] = np.arange(len(values["label"])) % 3
    folder = write_npz(tmp_path / "own", arrays)
    with pytest.raises(UserError, match=words):
        load_dataset(f"{folder}@{fold}")


def test_a_dataset_without_folds_says_so(tmp_path, arrays):
    folder = write_npz(tmp_path / "own", arrays)
    with pytest.raises(UserError, match="declares no folds"):
        load_dataset(f"{folder}@0")
