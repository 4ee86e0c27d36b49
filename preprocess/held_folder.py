"""A temporary folder that a process holds: removed at the end, or after a kill by the next process that makes one."""

import contextlib
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from preprocess.errors import disk_errors
from preprocess.temporary_folder import temporary_folder
from store.atomic_files import LOCK_NAME, folder_lock
from store.errors import StoreError

NEW = "avtempo-new-"
"""How the name of a folder begins that is not held yet."""


@contextmanager
def held_folder(purpose: str) -> Iterator[Path]:
    """Make a folder, `purpose` in its name, that this process holds, and remove it at the end.

    Raises:
        DiskFullError: nothing can be written where temporary files are.
        ShardError: the folder cannot be made or held.
    """
    folder, prefix = temporary_folder().resolve(), f"avtempo-{purpose}-"
    for stale in (*folder.glob(f"{prefix}*"), *folder.glob(f"{NEW}*")):
        if _is_of_this_machine(stale / LOCK_NAME):
            with contextlib.suppress(StoreError), folder_lock(stale) as is_locked:  # the error: somebody holds it
                if is_locked:  # else the file system has no locks, and nothing is known
                    shutil.rmtree(stale, ignore_errors=True)
    with disk_errors(folder):
        made = Path(tempfile.mkdtemp(prefix=NEW, dir=folder))
    path = made.with_name(made.name.replace(NEW, prefix, 1))
    try:
        with folder_lock(made, disk_errors):
            made.rename(path)  # once it is held, so that nobody takes it for stale
            yield path
    finally:
        for each in (made, path):
            shutil.rmtree(each, ignore_errors=True)


def _is_of_this_machine(lock: Path) -> bool:
    """Whether a lock names this machine: on a shared disk, locks may not reach the processes of another one."""
    try:
        return lock.read_text(encoding="utf-8", errors="replace").endswith(f" on {socket.gethostname()}")
    except OSError:
        return False
