"""Parts of writers that were killed are removed, those of living writers are not."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from benchmark.atomic import hold, remove_dead

ROOT = Path(__file__).parents[2]
WRITER = """
import sys, time
from pathlib import Path
from benchmark.atomic import hold
with hold(Path(sys.argv[1])):
    print("held", flush=True)
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
