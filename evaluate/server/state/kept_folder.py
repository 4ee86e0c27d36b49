"""A temporary folder of a server: removed at the end, or by the next server after a kill."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from preprocess.temporary_folder import temporary_folder
from store.atomic_files import folder_lock
from store.errors import StoreError


@contextmanager
def kept_folder(purpose: str) -> Iterator[Path]:
    """Make a folder, `purpose` in its name, that this process holds, and remove it at the end; DiskFullError if it cannot."""
    folder, prefix = temporary_folder(), f"avtempo-{purpose}-"
    for stale in folder.glob(f"{prefix}*"):
        try:
            with folder_lock(stale):  # of a server that was killed: nobody holds it
                shutil.rmtree(stale, ignore_errors=True)
        except StoreError:  # it is in use, or belongs to another user
            continue
    with tempfile.TemporaryDirectory(prefix=prefix, dir=folder, ignore_cleanup_errors=True) as made:
        path = Path(made).resolve()
        with folder_lock(path):
            yield path
