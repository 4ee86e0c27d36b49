"""Killed or out of disk: a store is whole or it is not there."""

import fcntl

import pytest

from store.reader import EmbeddingStore
from store.verify import verify
from tests.processes import run
from tests.store.made_rows import write_rows

FILL_THE_DISK = """
import resource, sys
from pathlib import Path
from store.errors import WriteError
from tests.store.made_rows import write_rows

folder = Path(sys.argv[1])
write_rows(folder / "a.h5", 0, 10, n_dims=64)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]) * 1024,) * 2)
for name in ("a.h5", "b.h5"):
    try:
        write_rows(folder / name, 10, 5000, n_dims=64)
    except WriteError as error:
        print(error)
"""


@pytest.mark.parametrize("limit_kib", [1, 40, 300, 1000])
def test_full_disk_is_a_clear_error_and_leaves_the_old_file(tmp_path, limit_kib):
    done = run("-c", FILL_THE_DISK, tmp_path, limit_kib)
    assert (done.returncode, done.stderr) == (0, "")  # HDF5 left alone with a full disk ends in a segmentation fault
    assert "a.h5: cannot be written: File too large; free space" in done.stdout
    assert "b.h5: cannot be written" in done.stdout
    assert [each.name for each in tmp_path.iterdir()] == ["a.h5"]
    assert verify(tmp_path / "a.h5") == []


def test_readers_take_no_lock(tmp_path):
    path = write_rows(tmp_path / "a.h5", 0, 5)
    with path.open("r+b") as held:
        fcntl.flock(held, fcntl.LOCK_EX)  # as another HDF5 program does
        assert EmbeddingStore(path).n_rows == 5
