"""Tokens: of a vocabulary of the training split, or of a text encoder."""

import json

import numpy as np
import pytest

from benchmark.datasets.load import load_dataset
from benchmark.datasets.tokens import encoder_identity, split_words
from benchmark.errors import UserError
from tests.benchmark.datasets.small import write_npz


@pytest.fixture
def spoken(tmp_path, arrays):
    for values in arrays.values():
        values["raw_text"] = np.array(
            ["GOOD FILM", "good film!", "a bad film", "bad", "", "rare good"]
        )
    return write_npz(tmp_path / "own", arrays)


def test_scratch_vocabulary_comes_from_the_training_split_only(spoken, arrays):
    arrays["valid"]["raw_text"] = np.array(["VALID VALID"] * 6)
    np.savez(spoken / "valid.npz", **arrays["valid"])
    dataset = load_dataset(str(spoken), text_encoder="scratch", max_tokens=4)
    assert dataset.encoder == "scratch"
    assert dataset.vocabulary.size == 5 + 3  # bad, film, good occur twice; a and rare do not
    tokens = dataset.train.tokens
    assert tokens.ids[0].tolist() == [2, 7, 6, 3]
    assert tokens.ids[1].tolist() == [2, 7, 6, 3]
    assert tokens.ids[2].tolist() == [2, 1, 5, 3]  # the third word is cut, the end mark is not
    assert tokens.ids[4].tolist() == [2, 3, 0, 0]
    assert tokens.words[5].tolist() == [-1, 0, 1, -1]
    assert (dataset.valid.tokens.ids[:, 1:3] == 1).all()


def test_chinese_characters_are_words():
    assert split_words("这个 ok的") == ["这", "个", "ok", "的"]


@pytest.fixture
def encoder(tmp_path):
    transformers = pytest.importorskip("transformers")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "fil", "##m", "bad", "a"]
    vocabulary = tmp_path / "vocab.txt"
    vocabulary.write_text("\n".join(words))
    folder = tmp_path / "tiny-bert"
    transformers.BertTokenizerFast(vocab=str(vocabulary), do_lower_case=True).save_pretrained(
        folder
    )
    (folder / "config.json").write_text(
        json.dumps({"model_type": "bert", "vocab_size": len(words), "hidden_size": 8})
    )
    return folder


def test_pretrained_tokens_point_to_their_words(spoken, encoder):
    dataset = load_dataset(str(spoken), text_encoder=str(encoder), max_tokens=5)
    vocabulary, tokens = dataset.vocabulary, dataset.train.tokens
    assert vocabulary.size == 10
    assert (vocabulary.pad, vocabulary.unknown, vocabulary.start) == (0, 1, 2)
    assert tokens.ids[0].tolist() == [2, 5, 6, 7, 3]
    assert tokens.words[0].tolist() == [-1, 0, 1, 1, -1]
    assert tokens.ids[2].tolist() == [2, 9, 8, 6, 3]
    assert tokens.lengths.tolist() == [5, 5, 5, 3, 2, 4]
    assert dataset.encoder.startswith("tiny-bert#")


def test_identity_follows_content_and_hides_the_path(spoken, encoder):
    first = encoder_identity(str(encoder))
    assert str(encoder.parent) not in first
    before = load_dataset(str(spoken), text_encoder=str(encoder)).fingerprint
    (encoder / "notes.md").write_text("no part of the encoder")
    assert encoder_identity(str(encoder)) == first
    (encoder / "model.safetensors").write_bytes(b"other weights")
    assert encoder_identity(str(encoder)) != first
    assert load_dataset(str(spoken), text_encoder=str(encoder)).fingerprint != before
    assert (encoder_identity(""), encoder_identity("scratch")) == ("", "scratch")


def test_absent_encoder_is_named_without_a_download(spoken, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    for name in ("no-such-encoder", "no/such-encoder", "/no/such/folder"):
        with pytest.raises(UserError, match="is not there: give a local folder"):
            load_dataset(str(spoken), text_encoder=name)
    (tmp_path / "hollow").mkdir()
    with pytest.raises(UserError, match="no tokeniser that can be read"):
        load_dataset(str(spoken), text_encoder=str(tmp_path / "hollow"))
