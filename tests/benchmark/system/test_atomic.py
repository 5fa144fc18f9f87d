"""What is written is there whole or not at all; only parts that nobody holds are removed."""

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from benchmark.system.atomic import hold, remove_dead, write_bytes, write_folder, write_text

ROOT = Path(__file__).parents[3]
WRITER = """
import sys, time
from pathlib import Path
from benchmark.system.atomic import hold
with hold(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""
FOLDER_WRITER = """
import sys, time
from pathlib import Path
from benchmark.system.atomic import write_folder
with write_folder(Path(sys.argv[1])) as part:
    (part / "first").write_text("begun")
    print("begun", flush=True)
    time.sleep(60)
"""


def make(path, kind):
    if kind == "file":
        path.write_text("begun")
    else:
        path.mkdir()
        (path / "begun.npy").write_text("begun")
    return path


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_what_nobody_holds_is_removed(tmp_path, kind):
    make(tmp_path / ".own-1.part", kind)
    make(tmp_path / ".own-2.part", kind)
    other = make(tmp_path / ".other-1.part", kind)
    assert remove_dead(tmp_path, ".own-*.part") == 2
    assert list(tmp_path.iterdir()) == [other]


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_what_is_held_stays_until_the_block_ends(tmp_path, kind):
    path = make(tmp_path / ".own-1.part", kind)
    with hold(path):
        assert remove_dead(tmp_path, ".own-*.part") == 0
        moved = path.rename(tmp_path / ".own-2.part")
        assert remove_dead(tmp_path, ".own-*.part") == 0
    assert moved.exists()
    assert remove_dead(tmp_path, ".own-*.part") == 1


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_what_a_killed_process_held_is_removed(tmp_path, kind):
    path = make(tmp_path / ".own-1.part", kind)
    command = [sys.executable, "-c", WRITER, str(path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout.readline() == "held\n"
        assert remove_dead(tmp_path, ".own-*.part") == 0
        writer.send_signal(signal.SIGKILL)
        writer.wait()
    assert remove_dead(tmp_path, ".own-*.part") == 1
    assert not path.exists()


def test_links_and_pipes_are_left_alone(tmp_path):
    kept = make(tmp_path / "kept", "folder")
    (tmp_path / ".own-1.part").symlink_to(kept)
    os.mkfifo(tmp_path / ".own-2.part")
    assert remove_dead(tmp_path, ".own-*.part") == 0
    assert (kept / "begun.npy").exists()


@pytest.fixture
def synced(monkeypatch):
    """Names of what was made to last, in order."""
    names, real = [], os.fsync

    def fsync(handle):
        names.append(Path(os.readlink(f"/proc/self/fd/{handle}")).name)
        real(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    return names


@pytest.fixture
def full_disk(monkeypatch):
    """Nothing can be made to last."""

    def fsync(handle):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", fsync)


def test_a_file_replaces_the_old_one_and_its_folder_is_made(tmp_path):
    target = tmp_path / "new" / "a.txt"
    write_text(target, "old")
    write_bytes(target, b"new")
    assert target.read_bytes() == b"new"
    assert target.stat().st_mode & 0o777 == 0o644
    assert os.listdir(target.parent) == ["a.txt"]


def test_a_file_on_a_full_disk_stays_as_it_was(tmp_path, full_disk):
    (tmp_path / "a.txt").write_text("old")
    with pytest.raises(OSError, match="No space left"):
        write_text(tmp_path / "a.txt", "new")
    assert (tmp_path / "a.txt").read_text() == "old"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_a_folder_has_its_name_only_when_it_is_whole(tmp_path, synced):
    target = tmp_path / "new" / "own"
    with write_folder(target) as part:
        (part / "within").mkdir()
        (part / "within" / "second").write_text("2")
        (part / "first").write_text("1")
        assert not target.exists()
    assert {path.name for path in target.rglob("*")} == {"first", "within", "second"}
    assert target.stat().st_mode & 0o777 == 0o755
    assert os.listdir(target.parent) == ["own"]
    assert {"first", "second", "within"} == set(synced[:3])
    assert synced[3:] == [part.name, "new"]


def test_a_folder_that_is_not_filled_to_the_end_is_gone(tmp_path):
    def write():
        with write_folder(tmp_path / "own") as part:
            (part / "first").write_text("1")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write()
    assert os.listdir(tmp_path) == []


def test_a_folder_on_a_full_disk_is_gone(tmp_path, full_disk):
    with pytest.raises(OSError, match="No space left"), write_folder(tmp_path / "own") as part:
        (part / "first").write_text("1")
    assert os.listdir(tmp_path) == []


def test_a_folder_whose_name_was_taken_meanwhile_does_not_replace_it(tmp_path):
    def write():
        with write_folder(tmp_path / "own") as part:
            (part / "mine").write_text("1")
            make(tmp_path / "own", "folder")

    with pytest.raises(OSError, match="not empty"):
        write()
    assert os.listdir(tmp_path) == ["own"]
    assert os.listdir(tmp_path / "own") == ["begun.npy"]


def test_a_killed_writer_of_a_folder_leaves_a_part_that_the_next_one_removes(tmp_path):
    target = tmp_path / "own[1]"
    command = [sys.executable, "-c", FOLDER_WRITER, str(target)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout.readline() == "begun\n"
        (part,) = tmp_path.iterdir()
        assert (part / "first").exists()
        with write_folder(tmp_path / "own") as other:
            assert sorted(tmp_path.iterdir()) == sorted([part, other])
        writer.send_signal(signal.SIGKILL)
        writer.wait()
    with write_folder(target) as other:
        assert other != part
        assert not part.exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["own", "own[1]"]
