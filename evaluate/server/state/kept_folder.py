"""A temporary folder of a server: made when it is needed, removed at the end, or by the next server after a kill."""

import shutil
import tempfile
import threading
from contextlib import ExitStack
from pathlib import Path

from preprocess.temporary_folder import temporary_folder
from store.atomic_files import folder_lock
from store.errors import StoreError


class KeptFolder:
    """A temporary folder that this process holds.

    Args:
        purpose: a word in its name.
    """

    def __init__(self, purpose: str) -> None:
        self._prefix, self._lock = f"avtempo-{purpose}-", threading.Lock()
        self._held = ExitStack()
        self._path: Path | None = None

    @property
    def path(self) -> Path:
        """The folder.

        Raises:
            DiskFullError: it cannot be made.
        """
        with self._lock:
            if self._path is None:
                self._remove_stale()
                self._path = Path(tempfile.mkdtemp(prefix=self._prefix, dir=temporary_folder())).resolve()
                self._held.callback(shutil.rmtree, self._path, ignore_errors=True)
                self._held.enter_context(folder_lock(self._path))
            return self._path

    def close(self) -> None:
        """Remove the folder and what is in it."""
        with self._lock:
            self._held.close()
            self._path = None

    def _remove_stale(self) -> None:
        """Remove the folders of servers that were killed: nobody holds their locks."""
        for folder in temporary_folder().glob(f"{self._prefix}*"):
            try:
                with folder_lock(folder):
                    shutil.rmtree(folder, ignore_errors=True)
            except StoreError:  # it is in use, or belongs to another user
                continue
