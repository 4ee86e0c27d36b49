"""A folder that appears under its name whole or not at all: made beside it, flushed to disk, renamed."""

import contextlib
import fcntl
import glob
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from preprocess.atomic_files import sync_folder
from train.errors import ExportError

_TEMPORARY = ".tmp"
_REPLACED = ".old.tmp"


@contextlib.contextmanager
def whole_folder(out: Path) -> Iterator[Path]:
    """Give a hidden sibling to fill; at the end it takes the name `out`, and the place of a folder that has it.

    No system call swaps two folders everywhere. A kill between the two renames leaves `out` missing and both folders
    beside it; a kill at any other time leaves the old folder, or the new one. What killed processes have left is
    cleared away by the next one that succeeds.

    Raises:
        ExportError: the system refuses to write.
    """
    temporary: Path | None = None
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(_TEMPORARY, f".{out.name}.", out.parent))
        temporary.chmod(0o755)  # mkdtemp makes it for its owner alone
        with _held(temporary):
            yield temporary
            sync_folder(temporary)
            _put_in_place(temporary, out)
        sync_folder(out.parent)
        _clear_leftovers(out)
    except OSError as error:
        raise ExportError(f"{out}: could not be written ({error.strerror or error}); nothing is there anew") from error
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)


def write_file(path: Path, data: bytes) -> None:
    """Write and flush to disk."""
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _put_in_place(temporary: Path, out: Path) -> None:
    if not out.exists():
        temporary.rename(out)
        return
    replaced = temporary.with_name(temporary.name.removesuffix(_TEMPORARY) + _REPLACED)
    out.rename(replaced)
    try:
        temporary.rename(out)
    except OSError:
        replaced.rename(out)
        raise
    shutil.rmtree(replaced, ignore_errors=True)  # what is left of it goes with the next export


@contextlib.contextmanager
def _held(folder: Path) -> Iterator[None]:
    """Lock a folder; the system lets go of it when the process ends, however it ends."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)


def _clear_leftovers(out: Path) -> None:
    for folder in out.parent.glob(f".{glob.escape(out.name)}.*{_TEMPORARY}"):
        with contextlib.suppress(OSError), _held(folder):  # BlockingIOError: another process is filling it
            shutil.rmtree(folder)
