"""Killed or out of disk: a store is whole or it is not there."""

import fcntl
import subprocess
import textwrap
from pathlib import Path

import pytest

from store.atomic_files import replacing
from store.errors import BusyError
from store.reader import EmbeddingStore
from store.verify import verify
from store.writer import write_part
from tests.processes import start

PRELUDE = """
import os, resource, signal, sys
from pathlib import Path
import numpy as np
import store.layout
from store.errors import WriteError
from store.format import Provenance, Rows
from store.writer import join_parts, write_part

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
    return start("-c", PRELUDE + textwrap.dedent(body), folder)


@pytest.mark.parametrize("limit_kib", [1, 40, 300, 1000])
def test_full_disk_is_a_clear_error_and_leaves_the_old_file(tmp_path, limit_kib):
    body = f"""
    write_part(FOLDER / "a.h5", rows(0, 10, 64), PROVENANCE)
    resource.setrlimit(resource.RLIMIT_FSIZE, ({limit_kib} * 1024,) * 2)
    for name in ("a.h5", "b.h5"):
        try:
            write_part(FOLDER / name, rows(10, 5000, 64), PROVENANCE)
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


def test_a_second_writer_is_refused_and_readers_take_no_lock(tmp_path, make_rows, provenance):
    path = tmp_path / "a.h5"
    write_part(path, make_rows(0, 5), provenance)
    with replacing(path) as temporary, path.open("r+b") as held:
        fcntl.flock(held, fcntl.LOCK_EX)  # as another HDF5 program does
        with pytest.raises(BusyError, match=r"a\.h5: another process is writing here"):
            write_part(path, make_rows(0, 9), provenance)
        assert EmbeddingStore(path).n_rows == 5
        temporary.write_bytes(path.read_bytes())
    write_part(path, make_rows(0, 9), provenance)
    assert EmbeddingStore(path).n_rows == 9
