"""What an import says and writes, to the last byte."""

import hashlib
from pathlib import Path

import pytest

from benchmark.datasets.convert import import_dataset
from benchmark.datasets.load import load_dataset
from tests.benchmark.datasets.readers.test_mmsa import make_mmsa, write_pickle
from tests.folders import make_folder


def manifest_digest(folder: Path, source: Path) -> str:
    """Of what `dataset.json` says, the hashes of all arrays too, but for the hash of the source.

    How numpy pickles an array differs between its versions.
    """
    text = (folder / "dataset.json").read_text()
    if source.is_file():
        hashed = hashlib.sha256(source.read_bytes()).hexdigest()
        text = text.replace(hashed, "").replace(hashed[:12], "")
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@pytest.mark.parametrize(
    ("name", "made", "digest", "fingerprint"),
    [
        ("mosi", {}, "39b0d4910f194c23", "c8abd2376600"),
        ("mosi", {"left": True, "lengths": [1, 1, 1, 6]}, "23bef99092919552", "521c5039bff2"),
        ("sims", {"unimodal": True, "lengths": [3, 2, 5, 6]}, "75017f8375562188", "6c788830f0d7"),
    ],
)
def test_a_pickle_is_written_as_ever(tmp_path, name, made, digest, fingerprint):
    source = write_pickle(tmp_path / "a.pkl", make_mmsa(**made))
    said = import_dataset(source, tmp_path / name, name)
    assert said[0] == "read an unknown file: 4/4/4 samples"
    assert said[1].startswith("the SHA-256 of a.pkl begins with")
    assert manifest_digest(tmp_path / name, source) == digest
    assert load_dataset(name, data=tmp_path).fingerprint == fingerprint


@pytest.mark.parametrize(
    ("kind", "made", "said", "digest", "fingerprint"),
    [
        (
            "reviews",
            {"words": True},
            ["neutral label 3, stated"],
            "ea51c0114a71389a",
            "f356cb0cdc91",
        ),
        ("labels", {"streams": ("text", "audio")}, [], "96f009865bdc858f", "3f157ea4538f"),
    ],
)
def test_a_plain_folder_is_written_as_ever(tmp_path, kind, made, said, digest, fingerprint):
    source = make_folder(tmp_path, "plain", kind, **made)
    assert import_dataset(source, tmp_path / "native", "native") == [
        "read a npz folder: 40/16/20 samples",
        *said,
    ]
    assert manifest_digest(tmp_path / "native", source) == digest
    assert load_dataset("native", data=tmp_path).fingerprint == fingerprint
    assert import_dataset(tmp_path / "native", tmp_path / "again", "again") == [
        "read a native folder: 40/16/20 samples",
        *said,
    ]
