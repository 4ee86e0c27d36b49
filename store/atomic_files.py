"""Files and folders that appear under their names whole or not at all, and locks that keep a second process away.

A file is written under a temporary name beside its target, flushed to disk and renamed. A crash leaves the old content,
or none, and a temporary file that the next writer removes. Each package hands in a guard with its own errors.
"""

import contextlib
import errno
import fcntl
import functools
import glob
import logging
import os
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import BinaryIO

from store.errors import BusyError, WriteError

LOCK_NAME = ".lock"
"""The lock of a folder, in it."""
TEMPORARY_SUFFIX = ".tmp"
DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)
"""The answers to flock of file systems that do not have it: some of Lustre and NFS."""
_POLL_SECONDS = 0.1
_QUESTION_SECONDS = 1.0
"""A question whether a folder is locked takes far less."""

Guard = Callable[[Path], AbstractContextManager[None]]
"""Turns an OSError about this path into an error of a package: a full disk, a system that refuses, or, as a
BlockingIOError, a lock that another process holds."""

_logger = logging.getLogger(__name__)


@contextlib.contextmanager
def write_errors(path: Path) -> Iterator[None]:
    """Turn an OSError into an error of the store; the default guard.

    Raises:
        BusyError: another process holds the lock.
        WriteError: the disk is full or refuses.
    """
    try:
        yield
    except BlockingIOError as error:
        raise BusyError(path, f"{error.strerror}", "wait for it or end it") from error
    except OSError as error:
        remedy = "free space" if error.errno in DISK_FULL else "make it writable"
        remedy = f"{remedy} or write to another disk, then run again"
        remedy = "choose a shorter name" if error.errno == errno.ENAMETOOLONG else remedy
        raise WriteError(path, f"cannot be written: {error.strerror or error}", remedy) from error


def temporary_path(path: Path) -> Path:
    """Hidden name beside `path` for a file that is not finished; no other process, on any machine, uses the same."""
    return path.with_name(f".{path.name}.~{socket.gethostname()}.{os.getpid()}{TEMPORARY_SUFFIX}")


def remove_temporaries(folder: Path, name: str = "") -> None:
    """Remove the leftovers of killed writers, of all files or of one name; only for the holder of the lock."""
    for path in folder.glob(f".{glob.escape(name) or '*'}.~*{TEMPORARY_SUFFIX}"):
        _remove(path)


@contextlib.contextmanager
def atomic_file(path: Path, guard: Guard = write_errors) -> Iterator[BinaryIO]:
    """Give a file to write to; when the block ends without an error, the file replaces `path`.

    It takes no lock, so each file must have one writer: lock the folder first.
    """
    with guard(path), _renamed(path) as temporary, temporary.open("xb") as file:  # "x": never through a link
        yield file


def write_text(path: Path, text: str, guard: Guard = write_errors) -> None:
    """Write a small file in UTF-8, whole or not at all, as `atomic_file` does."""
    with atomic_file(path, guard) as file:
        file.write(text.encode())


@contextlib.contextmanager
def replacing(path: Path, *, patience_seconds: float = 0.0) -> Iterator[Path]:
    """Lock `path` and give a temporary path to write to; when the block ends without an error, the file replaces `path`.

    The folder is made if it is missing. The leftovers of killed writers are removed. `patience_seconds` is how long to
    wait for another process that writes it.

    Raises:
        BusyError: another process writes this path.
        WriteError: the disk is full or refuses.
    """
    with write_errors(path), file_lock(path, patience_seconds) as is_locked:
        if is_locked:
            remove_temporaries(path.parent, path.name)
        with _renamed(path) as temporary:
            yield temporary


@contextlib.contextmanager
def atomic_folder(path: Path, guard: Guard = write_errors) -> Iterator[Path]:
    """Lock `path` and give an empty folder to fill; when the block ends without an error, it replaces the folder `path`.

    There is no portable system call that swaps two folders. A kill between the two renames leaves `path` missing and
    both folders beside it; a kill at any other time leaves the old folder or the new one. The next writer that succeeds
    removes the leftovers of killed writers.
    """
    temporary = temporary_path(path)
    replaced = temporary.with_suffix(f".old{TEMPORARY_SUFFIX}")
    with guard(path), file_lock(path) as is_locked:
        _remove(temporary)
        try:
            temporary.mkdir()
            yield temporary
            for each in (*temporary.rglob("*"), temporary):
                _sync(each)
            if path.exists():
                path.rename(replaced)
            try:
                temporary.rename(path)
            except OSError:
                replaced.rename(path)
                raise
            _sync(path.parent)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        _remove(replaced)
        if is_locked:
            remove_temporaries(path.parent, path.name)


@contextlib.contextmanager
def folder_lock(folder: Path, guard: Guard = write_errors, *, patience_seconds: float = 0.0) -> Iterator[bool]:
    """Hold an existing folder for this process alone; the system frees it when the process ends, however it ends.

    `patience_seconds` is how long to wait for another process that may be about to end. The guard's error tells that
    another process holds it, or that the folder cannot be written.
    """
    with contextlib.ExitStack() as stack:
        with guard(folder):
            is_locked = stack.enter_context(_held(folder / LOCK_NAME, patience_seconds))
        yield is_locked


def is_folder_locked(folder: Path) -> bool:
    """Whether another process holds a folder now; the lock's file alone is also what a killed one leaves.

    Nobody is refused the lock because of this question.
    """
    try:
        with (folder / LOCK_NAME).open("rb") as file:
            return _is_held(file.fileno())
    except OSError:  # there is none
        return False


def _is_held(descriptor: int) -> bool:
    """Ask for a shared lock: two questions do not see each other, and both see a holder."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno not in _NO_LOCKS
    fcntl.flock(descriptor, fcntl.LOCK_UN)
    return False


def file_lock(path: Path, patience_seconds: float = 0.0) -> AbstractContextManager[bool]:
    """Hold `.NAME.lock` beside a file, which need not be there, and make its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return _held(path.with_name(f".{path.name}{LOCK_NAME}"), patience_seconds)


@contextlib.contextmanager
def _held(lock: Path, patience_seconds: float = 0.0) -> Iterator[bool]:
    """Hold a lock file, which names its holder; yields False where the file system has no locks."""
    descriptor, is_locked = _acquire(lock, patience_seconds)
    try:
        yield is_locked
    finally:
        with contextlib.suppress(OSError):
            lock.unlink()  # while it is still held: nobody can lock a file that is about to go
        if is_locked:
            fcntl.flock(descriptor, fcntl.LOCK_UN)  # forked children hold the descriptor too: closing would not do
        os.close(descriptor)


def _acquire(lock: Path, patience_seconds: float) -> tuple[int, bool]:
    """Open and lock a file; return its descriptor, and whether the file system has locks at all."""
    deadline = time.monotonic() + patience_seconds
    while True:
        descriptor = _open_lock(lock)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in _NO_LOCKS:
                _warn_of_no_locks(lock.parent)
                return descriptor, False
            holder = os.read(descriptor, 200).decode("utf-8", "replace").strip() or "unknown"
            is_held = _is_held(descriptor)  # else somebody only asked in this instant
            os.close(descriptor)
            if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
                raise
            if time.monotonic() >= (deadline if is_held else deadline + _QUESTION_SECONDS):
                raise BlockingIOError(errno.EWOULDBLOCK, f"another process is writing here ({holder})") from error
            time.sleep(_POLL_SECONDS)
            continue
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(descriptor), lock.stat()):
                with contextlib.suppress(OSError):  # the name of the holder is not worth an error
                    os.ftruncate(descriptor, 0)
                    os.write(descriptor, f"process {os.getpid()} on {socket.gethostname()}".encode())
                return descriptor, True
        os.close(descriptor)  # its last holder removed the file between open and flock: start over


@functools.cache
def _warn_of_no_locks(folder: Path) -> None:
    """Say it once a folder."""
    _logger.warning("%s: this file system has no locks, make sure that only one process writes there", folder)


def _open_lock(lock: Path) -> int:
    """Open a lock file, but never through a link, which may stand in a folder that somebody else has made."""
    try:
        return os.open(lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise OSError(error.errno, f"its lock {lock.name} is a link, remove it") from error
        raise


def _remove(path: Path) -> None:
    """Remove a file, a link or a folder, as far as it is there and the system lets it go."""
    with contextlib.suppress(OSError):
        path.unlink()
    shutil.rmtree(path, ignore_errors=True)  # which does not follow links


@contextlib.contextmanager
def _renamed(path: Path) -> Iterator[Path]:
    """Give a temporary path; the file that the block has written there is flushed to disk and renamed to `path`."""
    temporary = temporary_path(path)
    _remove(temporary)
    try:
        yield temporary
        _sync(temporary)
        temporary.replace(path)
        _sync(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    """Flush a file, or the names in a folder, to disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
