"""Plain folders of npz files."""

import os

import numpy as np
import pytest

from benchmark.datasets.files.padding import padded_left
from benchmark.datasets.load import load_dataset
from benchmark.errors import UserError
from tests.benchmark.datasets.small import write_npz


@pytest.mark.parametrize("file", ["train.npz", "dataset.json"])
def test_a_pipe_is_not_waited_for(tmp_path, arrays, file):
    path = write_npz(tmp_path / "own", arrays) / file
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(UserError, match="is no file but a folder, pipe or device"):
        load_dataset(str(path.parent))


def test_a_folder_that_no_dataset_can_be_called_after_needs_a_name(tmp_path, arrays):
    folder = write_npz(tmp_path / "my data", arrays)
    with pytest.raises(UserError, match='give it another as "name" in its'):
        load_dataset(str(folder))
    (folder / "dataset.json").write_text('{"name": "mine", "labels": {"range": [-3, 3]}}')
    assert load_dataset(str(folder)).name == "mine"


@pytest.mark.parametrize(
    ("extra", "words"),
    [(["../x"], "a modality cannot be called"), (["audio"], "stands for"), ("x", "a list of")],
)
def test_further_modalities_have_names_of_their_own(tmp_path, arrays, extra, words):
    manifest = {"labels": {"range": [-3, 3]}, "extra": extra}
    with pytest.raises(UserError, match=words):
        load_dataset(str(write_npz(tmp_path / "own", arrays, manifest)))


def test_npz_folder_loads_with_vectors_as_one_step(tmp_path, arrays):
    dataset = load_dataset(str(write_npz(tmp_path / "own", arrays)), standardise=())
    assert dataset.name == "own"
    assert dataset.dims.inputs == (7, 3, 2)
    assert dataset.train.text.values.shape == (6, 1, 7)
    np.testing.assert_array_equal(dataset.open_test().label, arrays["test"]["label"])
    assert dataset.train.tokens is None
    assert dataset.dims.vocabulary == 0


def test_npz_missing_modality_is_an_all_false_mask(tmp_path, arrays):
    for values in arrays.values():
        del values["vision"]
    dataset = load_dataset("own", data=write_npz(tmp_path / "own", arrays).parent)
    assert dataset.dims.vision == 1
    assert not dataset.train.batch().vision.mask.any()


@pytest.mark.parametrize("left", [True, False])
def test_npz_padding_on_either_side_is_moved_to_the_back(tmp_path, arrays, left):
    full = {split: values["audio"].copy() for split, values in arrays.items()}
    for values in arrays.values():
        audio = values["audio"]
        audio[1, 2] = 0  # a dropped frame inside stays
        for sample in range(len(audio)):
            audio[sample, slice(None, sample % 3) if left else slice(5 - sample % 3, None)] = 0
    dataset = load_dataset(str(write_npz(tmp_path / "own", arrays)), standardise=())
    audio = dataset.train.audio
    assert audio.lengths.tolist() == [5, 4, 3, 5, 4, 3]
    assert not audio.values[~audio.mask].any()
    inside = full["train"][2, 2:] if left else full["train"][2, :3]
    np.testing.assert_array_equal(audio.values[2, :3], inside)
    assert not audio.values[1, 1 if left else 2].any()


def test_npz_lengths_and_masks_are_obeyed(tmp_path, arrays):
    for values in arrays.values():
        values["audio_lengths"] = np.array([1, 2, 3, 4, 5, 5])
        values["vision_mask"] = np.arange(5) >= np.array([4, 3, 2, 1, 0, 0])[:, None]
    dataset = load_dataset(str(write_npz(tmp_path / "own", arrays)), standardise=())
    assert dataset.valid.audio.lengths.tolist() == [1, 2, 3, 4, 5, 5]
    assert dataset.valid.vision.lengths.tolist() == [1, 2, 3, 4, 5, 5]
    np.testing.assert_array_equal(
        dataset.valid.vision.values[1, :2], arrays["valid"]["vision"][1, 3:]
    )


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"label": np.full(6, 4.0)}, "outside"),
        ({"label": np.full(6, np.nan)}, "NaN or infinite labels"),
        ({"audio": np.full((6, 5, 3), np.nan)}, "NaN or infinite audio"),
        ({"audio": np.full((6, 5, 4), 1.0)}, "training split"),
        ({"vision": np.full((5, 5, 2), 1.0)}, "every array needs one row"),
        ({"audio": np.full((6, 5, 3, 1), 1.0)}, "must be numbers"),
        ({"audio": np.zeros((6, 0, 3))}, "one step and one feature"),
        ({"audio": np.full((6, 5, 3), 1e300)}, "NaN or infinite audio"),
        ({"audio": np.array(1.0)}, "is one value"),
        ({"audio_lengths": np.array([1, 2, 3, 4, 5, 6])}, "one whole number from 0 to 5"),
        ({"audio_lengths": np.array(["5"] * 6)}, "one whole number from 0 to 5"),
        ({"audio_lengths": np.array([1, 2])}, "one whole number from 0 to 5"),
        ({"audio_mask": np.ones((6, 4))}, "do not fit"),
        ({"audio_mask": np.full((6, 5), "yes")}, "must be true or false"),
        ({"video_id": np.array([["a", "b"]] * 6)}, "one text a sample"),
        ({"label_text": np.array(["a"] * 6)}, "one number a sample"),
        ({"label_text": np.zeros(6)}, "in only one of"),
        ({"raw_text": np.array(["a"] * 6)}, "in only one of"),
        ({"id": np.array(["a"] * 6)}, "more than once"),
        ({"id": np.array([f"train{place}" for place in range(6)])}, "both the train and the valid"),
        ({"label": np.zeros(0), "id": np.array([], dtype=str)}, "empty|one row"),
    ],
)
def test_broken_npz_is_refused_in_one_sentence(tmp_path, arrays, change, sentence):
    arrays["valid"] |= change
    folder = write_npz(tmp_path / "own", arrays)
    with pytest.raises(UserError, match=sentence) as caught:
        load_dataset(str(folder))
    assert "\n" not in str(caught.value)


def test_a_modality_that_training_lacks_is_not_dropped_in_silence(tmp_path, arrays):
    del arrays["train"]["vision"]
    with pytest.raises(UserError, match="has vision but the training split has none"):
        load_dataset(str(write_npz(tmp_path / "own", arrays)))


def test_an_extra_modality_must_be_there(tmp_path, arrays):
    manifest = {"labels": {"range": [-3, 3]}, "extra": ["poster"]}
    with pytest.raises(UserError, match="no array 'poster'"):
        load_dataset(str(write_npz(tmp_path / "own", arrays, manifest)))
    with pytest.raises(UserError, match="must be a list of names"):
        load_dataset(str(write_npz(tmp_path / "two", arrays, manifest | {"extra": "poster"})))


def test_ids_are_made_where_there_are_none(tmp_path, arrays):
    for values in arrays.values():
        del values["id"]
    dataset = load_dataset(str(write_npz(tmp_path / "own", arrays)))
    assert dataset.open_test().ids.tolist()[:2] == ["test-00000", "test-00001"]


def test_tokens_alone_are_enough(tmp_path, arrays):
    for values in arrays.values():
        for name in ("text", "audio", "vision"):
            del values[name]
        values["raw_text"] = np.array(["good film"] * 6)
    dataset = load_dataset(str(write_npz(tmp_path / "own", arrays)))
    assert dataset.dims.inputs == (0, 1, 1)
    assert dataset.open_test().tokens.lengths.tolist() == [4] * 6


def test_empty_split_is_refused(tmp_path, arrays):
    arrays["train"] = {key: value[:0] for key, value in arrays["train"].items()}
    with pytest.raises(UserError, match="is empty"):
        load_dataset(str(write_npz(tmp_path / "own", arrays)))


def test_broken_test_split_is_refused_when_opened(tmp_path, arrays):
    arrays["test"]["audio"][0, 0, 0] = np.inf
    dataset = load_dataset(str(write_npz(tmp_path / "own", arrays)))
    with pytest.raises(UserError, match="test split"):
        dataset.open_test()
    with pytest.raises(UserError, match="test split"):
        dataset.verify_test()


def test_test_ids_are_compared_before_the_seal_is_opened(tmp_path, arrays):
    arrays["test"]["id"] = arrays["train"]["id"]
    with pytest.raises(UserError, match="both the train and the test"):
        load_dataset(str(write_npz(tmp_path / "own", arrays)))


def test_truncated_or_pickled_npz_is_refused(tmp_path, arrays):
    folder = write_npz(tmp_path / "own", arrays)
    content = (folder / "valid.npz").read_bytes()
    (folder / "valid.npz").write_bytes(content[: len(content) // 2])
    with pytest.raises(UserError, match="truncated"):
        load_dataset(str(folder))
    np.savez(folder / "valid.npz", **{**arrays["valid"], "audio": np.array([{}] * 6)})
    with pytest.raises(UserError, match="pickled objects"):
        load_dataset(str(folder))


def test_label_meaning_comes_from_the_manifest(tmp_path, arrays):
    with pytest.raises(UserError, match="does not say what its labels mean"):
        load_dataset(str(write_npz(tmp_path / "none", arrays, {})))
    for values in arrays.values():
        values["emotion"] = np.arange(6) % 3
    classes = {"labels": {"key": "emotion", "names": ["sad", "calm", "glad"]}}
    dataset = load_dataset(str(write_npz(tmp_path / "classes", arrays, classes)))
    assert dataset.task.kind == "multiclass"
    assert dataset.train.label.dtype == np.int64
    shifted = {"labels": {"range": [-3, 5], "neutral": 0}}
    assert load_dataset(str(write_npz(tmp_path / "shifted", arrays, shifted))).task.neutral == 0


def test_npz_fingerprint_covers_test_bytes_and_not_notes(tmp_path, arrays):
    first = load_dataset(str(write_npz(tmp_path / "a", arrays))).fingerprint
    noted = {"labels": {"range": [-3, 3]}, "trust": "high"}
    assert load_dataset(str(write_npz(tmp_path / "b", arrays, noted))).fingerprint == first
    arrays["test"]["audio"][0, 0, 0] += 1
    assert load_dataset(str(write_npz(tmp_path / "c", arrays))).fingerprint != first


def test_word_vectors_of_a_sibling_folder_become_the_text(tmp_path, arrays):
    vectors = tmp_path / "glove_subset"
    vectors.mkdir()
    words = np.array(["good", "bad", "film"])
    np.savez(vectors / "v.npz", word=words, vector=np.arange(1, 7).reshape(3, 2).astype(float))
    for values in arrays.values():
        del values["text"]
        values["raw_text"] = np.array(["GOOD FILM", "Bad, film.", "x good", "bad", "", "GOOD"])
    folder = str(write_npz(tmp_path / "own", arrays))
    assert load_dataset(folder).train.tokens is None  # vectors are there and nobody asked
    dataset = load_dataset(folder, text_encoder="scratch", standardise=())
    text, tokens = dataset.train.text, dataset.train.tokens
    assert text.lengths.tolist() == [2, 2, 2, 1, 0, 1]
    np.testing.assert_array_equal(text.values[0, :2], [[1, 2], [5, 6]])
    np.testing.assert_array_equal(text.values[2, :2], [[0, 0], [1, 2]])
    assert (tokens.words.max(axis=1) + 1 == text.lengths).all()
    assert dataset.provenance["word_vectors"]["covered"] == pytest.approx(7 / 8)


def test_padding_side_is_judged_over_all_samples():
    content = np.array([[0, 1, 1], [0, 0, 1], [1, 1, 0], [0, 0, 0]], dtype=bool)
    assert padded_left(content)
    assert not padded_left(content[:, ::-1])
