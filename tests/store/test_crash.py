"""Killed, out of disk, or two at once: a store is whole or it is not there."""

import fcntl
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest

from store.atomic_files import replacing
from store.errors import BusyError
from store.reader import EmbeddingStore
from store.verify import verify
from store.writer import append, join_parts, part_is_complete, write_part

ROOT = Path(__file__).parents[2]

PRELUDE = """
import sys
from pathlib import Path
import numpy as np
from store.format import Provenance, Rows
from store.writer import append, join_parts, write_part

FOLDER = Path(sys.argv[1])
PROVENANCE = Provenance("ab", {"n_clips": 2}, "cd", "sample", "pretrained")

def rows(start, stop, n_dims=16):
    n = stop - start
    text = [f"{number:08d}" for number in range(start, stop)]
    yes = np.ones(n, bool)
    video = np.repeat(np.arange(start, stop, dtype=np.float32)[:, None] + 1, n_dims, axis=1)
    return Rows(text, text, np.zeros(n, int), text, text, ["{}"] * n, np.zeros(n), np.ones(n), yes, yes,
                {"video/features": video})
"""


def _start(folder: Path, body: str) -> subprocess.Popen[str]:
    script = textwrap.dedent(PRELUDE) + textwrap.dedent(body)
    return subprocess.Popen(
        [sys.executable, "-c", script, str(folder)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


def _kill_after(process: subprocess.Popen[str], seconds: float) -> None:
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    time.sleep(seconds)
    process.send_signal(signal.SIGKILL)
    process.communicate()


def test_killed_while_writing_parts_leaves_only_whole_parts(tmp_path, make_rows, provenance):
    body = """
    part = rows(0, 3000, 256)
    print("ready", flush=True)
    for number in range(10_000):
        write_part(FOLDER / f"part-{number % 3}.h5", part, PROVENANCE)
    """
    for seconds in (0.05, 0.25, 0.4):
        _kill_after(_start(tmp_path, body), seconds)
        for part in tmp_path.glob("*.h5"):
            assert verify(part) == []
    # What the killed writers left is no obstacle, and goes.
    for number in range(3):
        write_part(tmp_path / f"part-{number}.h5", make_rows(0, 5), provenance)
        assert part_is_complete(tmp_path / f"part-{number}.h5", provenance)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["part-0.h5", "part-1.h5", "part-2.h5"]


def test_killed_while_appending_leaves_a_store_with_whole_appends(tmp_path):
    body = """
    append(FOLDER / "a.h5", rows(0, 500, 64), PROVENANCE)
    print("ready", flush=True)
    for number in range(1, 10_000):
        append(FOLDER / "a.h5", rows(500 * number, 500 * number + 500, 64), PROVENANCE)
    """
    _kill_after(_start(tmp_path, body), 0.5)
    assert verify(tmp_path / "a.h5") == []
    with EmbeddingStore(tmp_path / "a.h5") as store:
        assert store.n_rows % 500 == 0
        assert store.column("key").tolist() == [f"{number:08d}" for number in range(store.n_rows)]
        np.testing.assert_array_equal(store.vectors("video/features")[:, 0], np.arange(store.n_rows) + 1)


def test_killed_inside_a_join_leaves_the_old_master(tmp_path, make_rows, provenance):
    write_part(tmp_path / "part.h5", make_rows(0, 100), provenance)
    join_parts([tmp_path / "part.h5"], tmp_path / "master.h5")
    before = (tmp_path / "master.h5").read_bytes()
    body = """
    import os, signal
    import store.layout
    done = store.layout.Digest.hexdigest
    def die_half_way(digest):
        print("ready", flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    store.layout.Digest.hexdigest = die_half_way
    join_parts([FOLDER / "part.h5"], FOLDER / "master.h5")
    """
    process = _start(tmp_path, body)
    assert process.communicate()[0] == "ready\n"
    assert process.returncode == -signal.SIGKILL
    left = [each.name for each in tmp_path.iterdir() if each.suffix == ".tmp"]
    assert len(left) == 1
    assert not part_is_complete(tmp_path / left[0], provenance)
    assert (tmp_path / "master.h5").read_bytes() == before
    join_parts([tmp_path / "part.h5"], tmp_path / "master.h5")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["master.h5", "part.h5"]


@pytest.mark.parametrize("limit_kib", [1, 40, 300, 1000])
def test_full_disk_is_a_clear_error_and_leaves_the_old_file(tmp_path, limit_kib):
    body = f"""
    import resource
    from store.errors import WriteError
    append(FOLDER / "a.h5", rows(0, 10, 64), PROVENANCE)
    resource.setrlimit(resource.RLIMIT_FSIZE, ({limit_kib} * 1024,) * 2)
    for attempt in (lambda: append(FOLDER / "a.h5", rows(10, 5000, 64), PROVENANCE),
                    lambda: write_part(FOLDER / "b.h5", rows(10, 5000, 64), PROVENANCE)):
        try:
            attempt()
        except WriteError as error:
            print(error)
    """
    process = _start(tmp_path, body)
    out, errors = process.communicate()
    assert process.returncode == 0, errors  # HDF5 left alone with a full disk ends in a segmentation fault
    assert errors == ""
    assert "a.h5: cannot be written: File too large; free space" in out
    assert "b.h5: cannot be written" in out
    assert [each.name for each in tmp_path.iterdir()] == ["a.h5"]
    assert verify(tmp_path / "a.h5") == []


def test_the_second_writer_is_refused(tmp_path, make_rows, provenance):
    write_part(tmp_path / "a.h5", make_rows(0, 5), provenance)
    with replacing(tmp_path / "a.h5") as temporary:
        with pytest.raises(BusyError, match=r"a\.h5: another process is writing here"):
            append(tmp_path / "a.h5", make_rows(5, 9), provenance)
        assert EmbeddingStore(tmp_path / "a.h5").n_rows == 5  # readers are not disturbed
        temporary.write_bytes((tmp_path / "a.h5").read_bytes())
    append(tmp_path / "a.h5", make_rows(5, 9), provenance)
    assert EmbeddingStore(tmp_path / "a.h5").n_rows == 9


def test_without_locks_on_the_file_system_writing_still_works(tmp_path, make_rows, provenance, monkeypatch, caplog):
    def refuse(descriptor: int, operation: int) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    write_part(tmp_path / "a.h5", make_rows(0, 5), provenance)
    assert "has no locks" in caplog.text
    monkeypatch.undo()
    assert EmbeddingStore(tmp_path / "a.h5").n_rows == 5


def test_readers_take_no_lock(tmp_path, make_rows, provenance):
    write_part(tmp_path / "a.h5", make_rows(0, 5), provenance)
    with (tmp_path / "a.h5").open("r+b") as held:
        fcntl.flock(held, fcntl.LOCK_EX)  # what a network disk without locks, or another HDF5 program, amounts to
        assert EmbeddingStore(tmp_path / "a.h5").n_rows == 5
