"""Files that appear under their names whole or not at all, and the lock that keeps two runs off one folder."""

import contextlib
import errno
import fcntl
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from preprocess.errors import DiskFullError, ShardError

TEMPORARY_SUFFIX = ".tmp"
LOCK_NAME = ".lock"

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextlib.contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn what the system says about a file that cannot be written into an error with a remedy.

    Raises:
        DiskFullError: no space, quota or file size left.
        ShardError: anything else that the system refuses.

    """
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            reason = (
                f"cannot be written, {os.strerror(error.errno or 0).lower()}. What is finished is kept: make room "
                "and run the same command again, it goes on where it stopped"
            )
            raise DiskFullError(path, reason) from error
        raise ShardError(path, f"cannot be read or written: {error.strerror or error}") from error


def temporary_path(path: Path) -> Path:
    """Hidden name beside `path` for a file that is not finished; no other process, on any machine, uses the same."""
    return path.with_name(f".{path.name}.{socket.gethostname()}.{os.getpid()}{TEMPORARY_SUFFIX}")


@contextlib.contextmanager
def atomic_file(path: Path) -> Iterator[BinaryIO]:
    """Write a file that appears under its name whole or not at all, even if the machine stops."""
    temporary = temporary_path(path)
    with disk_errors(path):
        try:
            with temporary.open("wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
        sync_folder(path.parent)


def write_text(path: Path, text: str) -> None:
    """Write a small file whole or not at all.

    Raises:
        DiskFullError: no space left.
        ShardError: the system refuses otherwise.

    """
    with atomic_file(path) as file:
        file.write(text.encode())


def sync_folder(folder: Path) -> None:
    """Make renames inside a folder last through a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove_temporaries(folder: Path) -> None:
    """Take away what killed processes have left; only for the holder of the folder's lock."""
    for path in folder.glob(f".*{TEMPORARY_SUFFIX}"):
        path.unlink(missing_ok=True)


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a folder for this run alone; the system lets go of the lock when the process ends, however it ends.

    Raises:
        ShardError: another run holds it, or the file system cannot lock.

    """
    path = folder / LOCK_NAME
    with disk_errors(path):
        file = _take(path)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            path.unlink()  # while it is still held: nobody can take a file that is about to go
        file.close()


def _take(path: Path) -> BinaryIO:
    """Open and lock the lock file; again if the one opened was removed meanwhile by the run that held it."""
    while True:
        # Never through a link, which may stand in a folder that somebody else has made: what it leads to would be emptied.
        file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o666), "a+b")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            holder = file.read(200).decode("utf-8", "replace").strip() or "unknown"
            file.close()
            reason = f"another run is at work here ({holder}): wait for it, end it, or choose another output folder"
            raise ShardError(path.parent, reason) from error
        with contextlib.suppress(FileNotFoundError):
            if path.stat().st_ino == os.fstat(file.fileno()).st_ino:
                file.truncate(0)
                file.write(f"process {os.getpid()} on {socket.gethostname()}".encode())
                file.flush()
                return file
        file.close()
