"""A temporary folder that a process holds: removed at the end, or after a kill by the next process that makes one."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from preprocess.temporary_folder import temporary_folder
from store.atomic_files import folder_lock
from store.errors import StoreError


@contextmanager
def held_folder(purpose: str) -> Iterator[Path]:
    """Make a folder, `purpose` in its name, that this process holds, and remove it at the end; DiskFullError if it cannot."""
    folder, prefix = temporary_folder().resolve(), f"avtempo-{purpose}-"
    for stale in folder.glob(f"{prefix}*"):
        try:
            with folder_lock(stale) as is_locked:
                if is_locked:  # else the file system has no locks, and nothing is known
                    shutil.rmtree(stale, ignore_errors=True)
        except StoreError:  # it is in use, or belongs to another user
            continue
    made = Path(tempfile.mkdtemp(prefix="avtempo-", dir=folder))
    path = made.with_name(made.name.replace("avtempo-", prefix, 1))
    try:
        with folder_lock(made):
            made.rename(path)  # once it is held, so that nobody takes it for stale
            yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
