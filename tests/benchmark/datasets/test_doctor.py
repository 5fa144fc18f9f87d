from dataclasses import replace

import numpy as np
import pytest
from typer.testing import CliRunner

from affectbench import app
from benchmark.datasets.dataset import Sequences
from benchmark.datasets.doctor import check_dataset, examine
from benchmark.datasets.synthetic import make_synthetic
from benchmark.errors import NotFound
from tests.folders import make_folder


@pytest.fixture
def dataset():
    return make_synthetic(0, (30, 10, 12))


def sentences(dataset, test, level):
    return [found.sentence for found in check_dataset(dataset, test) if found.level == level]


def test_sound_dataset_has_nothing_but_good_news(dataset):
    findings = check_dataset(dataset, dataset.open_test())
    assert findings
    assert {found.level for found in findings} == {"ok"}


def test_errors_come_first(dataset):
    test = replace(dataset.open_test(), ids=dataset.train.ids[:12], groups=None)
    levels = [found.level for found in check_dataset(dataset, test)]
    assert levels == sorted(levels, key=("error", "warning", "ok").index)
    assert levels[0] == "error"


def test_shared_ids_are_an_error(dataset):
    test = replace(dataset.open_test(), ids=dataset.valid.ids[[0, *range(10), 1]])
    found = sentences(dataset, test, "error")
    assert any("ids are in both valid and test" in sentence for sentence in found)
    assert any("more than once" in sentence for sentence in found)


def test_shared_contents_are_an_error(dataset):
    test = dataset.open_test()
    for name in ("text", "audio", "vision"):
        values, lengths = test.modalities[name].values.copy(), test.modalities[name].lengths.copy()
        values[3] = dataset.train.modalities[name].values[7]
        lengths[3] = dataset.train.modalities[name].lengths[7]
        test = test.with_sequences(name, Sequences(values, lengths))
    (found,) = sentences(dataset, test, "error")
    assert "1 samples of test have exactly the features of a sample of train" in found
    assert "'test-00003'" in found
    assert "'train-00007'" in found


def test_shared_videos_are_a_warning(dataset):
    test = dataset.open_test()
    groups = test.groups.astype("<U40")
    groups[0] = dataset.train.groups[0]
    (found,) = sentences(dataset, replace(test, groups=groups), "warning")
    assert "1 videos or speakers are in both train and test (1 samples of test)" in found


def test_unknown_videos_are_a_warning(dataset):
    (found,) = sentences(dataset, replace(dataset.open_test(), groups=None), "warning")
    assert "is not known" in found


@pytest.mark.parametrize(
    ("value", "sentence"), [(np.nan, "NaN or infinite audio"), (np.inf, "NaN or infinite audio")]
)
def test_values_that_are_not_finite_are_an_error(dataset, value, sentence):
    test = dataset.open_test()
    values = test.audio.values.copy()
    values[0, 0, 0] = value
    test = test.with_sequences("audio", Sequences(values, test.audio.lengths))
    assert sentence in sentences(dataset, test, "error")[0]


def test_labels_out_of_range_are_an_error(dataset):
    test = dataset.open_test()
    label = test.label.copy()
    label[2] = 3.5
    assert "outside [-3, 3]" in sentences(dataset, replace(test, label=label), "error")[0]


def test_content_beyond_the_length_is_an_error(dataset):
    test = dataset.open_test()
    lengths = test.audio.lengths.copy()
    lengths[0] -= 1
    test = test.with_sequences("audio", Sequences(test.audio.values, lengths))
    assert "1 steps of audio in test lie beyond" in sentences(dataset, test, "error")[0]


def test_missing_and_zero_streams_are_warnings(dataset):
    test = dataset.open_test()
    zero = np.zeros_like(test.audio.values)
    silent = test.with_sequences("audio", Sequences(zero, test.audio.lengths))
    assert any("zero throughout test" in s for s in sentences(dataset, silent, "warning"))
    absent = test.with_sequences("audio", Sequences(zero, np.zeros(12, np.int64)))
    assert any(
        "missing in every sample of test" in s for s in sentences(dataset, absent, "warning")
    )
    lengths = test.audio.lengths.copy()
    lengths[:3] = 0
    some = test.with_sequences(
        "audio", Sequences(test.audio.values * (lengths > 0)[:, None, None], lengths)
    )
    assert any("missing in 3 of 12" in s for s in sentences(dataset, some, "warning"))


def test_unpublished_sizes_and_widths_of_a_known_dataset_are_warnings(dataset):
    named = replace(
        dataset,
        name="mosi_own",
        dims=replace(dataset.dims, widths={**dataset.dims.widths, "text": 768}),
    )
    found = sentences(named, dataset.open_test(), "warning")
    assert any("30/10/12 samples is no published split of mosi" in sentence for sentence in found)
    assert any("audio and vision have 6 and 8 features" in sentence for sentence in found)


def test_a_dataset_too_broken_to_be_loaded_is_an_error_and_not_a_wrong_call(tmp_path):
    make_folder(tmp_path, "good")
    (make_folder(tmp_path, "own") / "valid.npz").write_bytes(b"no archive")
    (found,) = examine("own", tmp_path)
    assert found.level == "error"
    assert found.sentence.startswith("own/valid.npz is truncated, corrupt or no npz file")
    for name in ("nothing", "good:mood", "good@0", "good@folds"):
        with pytest.raises(NotFound):
            examine(name, tmp_path)
    checked = CliRunner().invoke(app, ["data", "check", "own", "--data", str(tmp_path)])
    assert checked.exit_code == 1
    assert "own/valid.npz is truncated" in checked.output


def test_a_broken_folder_is_listed_with_its_problem(tmp_path):
    make_folder(tmp_path, "good")
    (make_folder(tmp_path, "own") / "dataset.json").write_text('{"labels": {"range": "[/red]"}}')
    listed = CliRunner().invoke(app, ["data", "ls", "--data", str(tmp_path)])
    assert listed.exit_code == 0, listed.output
    assert "labels.range of 'own' is '[/red]'" in " ".join(listed.output.split())
    assert "40/16/20" in listed.output
