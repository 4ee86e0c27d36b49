"""Temporary folders: held while they are in use, removed at the end, or after a kill by the next of their purpose."""

import contextlib
import subprocess
import sys
import tempfile

import pytest

from preprocess.held_folder import held_folder
from store.atomic_files import LOCK_NAME

CHILD = """
import sys
from preprocess.held_folder import held_folder
with held_folder("test") as folder:
    (folder / "shards").mkdir()
    print(folder, flush=True)
    sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def temporary(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path


def test_a_folder_is_gone_at_the_end_also_after_an_error(temporary):
    with contextlib.suppress(ValueError), held_folder("test") as folder:
        (folder / "shards").mkdir()
        assert folder.parent == temporary.resolve()
        raise ValueError
    assert not list(temporary.iterdir())


def test_the_folder_of_a_living_process_stays_and_that_of_a_killed_one_goes(temporary):
    with subprocess.Popen([sys.executable, "-c", CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        theirs = temporary / child.stdout.readline().decode().strip()
        with held_folder("test") as ours:
            assert theirs.is_dir() and ours != theirs
            child.kill()
            child.wait()
            with held_folder("test"), held_folder("another"):
                assert not theirs.exists() and ours.is_dir()
    assert not list(temporary.iterdir())


@pytest.mark.parametrize("lock", [None, "process 7 on another-machine"])
def test_a_folder_that_another_machine_may_hold_stays(temporary, lock):
    theirs = temporary / "avtempo-test-1"
    theirs.mkdir()
    if lock:
        (theirs / LOCK_NAME).write_text(lock)
    with held_folder("test"):
        assert theirs.is_dir()
