"""Archives and `dataset.json`: nothing is believed that their size does not pay for."""

import io
import zipfile

import numpy as np
import pytest

from benchmark.datasets.files import dataset_json, npz
from benchmark.errors import UserError


def test_a_file_unpacks_to_no_more_than_its_size_pays_for(tmp_path, monkeypatch):
    path = tmp_path / "train.npz"
    np.savez_compressed(path, audio=np.zeros((100, 10, 100), np.float32))  # 400 kB in 1 kB
    assert npz.read_npz(path)["audio"].shape == (100, 10, 100)
    monkeypatch.setattr(npz, "FREE", 2**16)
    with pytest.raises(UserError, match="would unpack to 400128, more than"):
        npz.read_npz(path)
    np.savez(path, audio=np.zeros((100, 10, 100), np.float32))
    assert npz.read_npz(path)["audio"].shape == (100, 10, 100)


def test_numbers_count_as_the_floats_they_become(tmp_path, monkeypatch):
    path = tmp_path / "train.npz"
    np.savez_compressed(path, audio=np.zeros((100, 10, 100), np.int8))
    monkeypatch.setattr(npz, "FREE", 2**17)
    with pytest.raises(UserError, match="would unpack to 400000"):
        npz.read_npz(path)


def test_rows_take_room_in_the_file(tmp_path):
    path = tmp_path / "train.npz"
    np.savez_compressed(path, label=np.zeros(npz.ROWS, np.int8))
    assert len(npz.read_npz(path)["label"]) == npz.ROWS
    np.savez_compressed(path, label=np.zeros(npz.ROWS + 1, np.int8))
    with pytest.raises(UserError, match="16385 rows in a file of"):
        npz.read_npz(path)


@pytest.mark.parametrize(
    ("shape", "words"),
    [(b"(9**9,)", "no header that numpy wrote"), (b"(4999,)", "16 bytes for float32 of shape")],
)
def test_what_a_header_claims_is_compared_with_what_is_there(tmp_path, shape, words):
    stream = io.BytesIO()
    np.save(stream, np.zeros(4, np.float32))
    with zipfile.ZipFile(tmp_path / "train.npz", "w") as archive:
        archive.writestr("audio.npy", stream.getvalue().replace(b"(4,), }   ", shape + b", }"))
    with pytest.raises(UserError, match=words):
        npz.read_npz(tmp_path / "train.npz")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b'{"a": 1, "a": 2}', "'a' is there more than once"),
        (b'{"a": NaN}', "no finite number"),
        (b'{"a": "\\ud800"}', "no Unicode"),
        (b"[" * 10**5, "within each other"),
        (b'{"a": ' + b"[" * 40 + b"]" * 40 + b"}", "within each other"),
        (b"\xff\xfe{\x00}\x00", "cannot be read"),
    ],
)
def test_a_manifest_that_no_one_would_write_is_one_sentence(tmp_path, content, words):
    (tmp_path / "dataset.json").write_bytes(content)
    with pytest.raises(UserError, match=words) as caught:
        dataset_json.read_manifest(tmp_path)
    assert "\n" not in str(caught.value)
