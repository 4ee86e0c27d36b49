"""Files that appear whole or not at all: one writer a file, temporary name, fsync, rename."""

import contextlib
import errno
import fcntl
import io
import logging
import os
from collections.abc import Iterator
from pathlib import Path

from store.errors import BusyError, WriteError

_LOGGER = logging.getLogger(__name__)
_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP}
"""What some network file systems answer to flock."""


def _temporary_paths(path: Path) -> list[Path]:
    prefix = f".{path.name}."
    return [each for each in path.parent.iterdir() if each.name.startswith(prefix) and each.name.endswith(".tmp")]


@contextlib.contextmanager
def only_writer(path: Path) -> Iterator[bool]:
    """Hold `.NAME.lock` beside the file; yields False where the file system knows no locks.

    Raises:
        BusyError: another process holds it.
        WriteError: it cannot be made, or is a link.
    """
    lock = path.with_name(f".{path.name}.lock")
    while True:
        try:  # never through a link: nothing is touched outside of the folder
            descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
        except OSError as error:
            remedy = "make its folder writable, and remove the lock if it is a link"
            raise WriteError(path, f"cannot be written, {lock.name}: {error.strerror or error}", remedy) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            locked = True
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                os.close(descriptor)
                if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
                    raise BusyError(path, "another process is writing it", "wait for it or end it") from error
                raise
            _LOGGER.warning("%s: this file system has no locks, make sure that only one process writes", path)
            locked = False
        if not locked or _is_at(descriptor, lock):
            break
        os.close(descriptor)  # its last holder removed the file between open and flock: start over
    try:
        yield locked
    finally:
        lock.unlink(missing_ok=True)
        if locked:
            fcntl.flock(descriptor, fcntl.LOCK_UN)  # forked children hold the descriptor too: closing would not do
        os.close(descriptor)


def _is_at(descriptor: int, path: Path) -> bool:
    """Tell whether this open file still has this name."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path in the same folder; when the block ends well it takes the place of `path`.

    A block that fails, or a process that is killed, leaves `path` as it was. What a killed process left under
    a temporary name is removed by the next writer of the same path.

    Raises:
        BusyError: another process is writing this path.
        WriteError: the disk is full or refuses.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with only_writer(path) as locked:
            if locked:
                for stale in _temporary_paths(path):
                    stale.unlink(missing_ok=True)
            temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
            try:
                yield temporary
                _sync(temporary)
                temporary.replace(path)
                _sync(path.parent)
            finally:
                temporary.unlink(missing_ok=True)
    except OSError as error:
        remedy = "free space or write to another disk, then run again"
        raise WriteError(path, f"cannot be written: {error.strerror or error}", remedy) from error


class ForgivingFile(io.RawIOBase):
    """A file for HDF5 to write to that reports a full disk afterwards, not during.

    HDF5 cannot close a file whose writes fail: it keeps the objects open and crashes the interpreter at exit
    (segmentation fault measured with HDF5 2.0 on a full disk). So the first error is kept, all later writes are
    dropped, HDF5 closes in peace, and `check` raises the error.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._file = path.open("w+b", buffering=0)
        self._error: OSError | None = None

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Move to a byte offset."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """Return the byte offset."""
        return self._file.tell()

    def write(self, data: "memoryview | bytes", /) -> int:  # type: ignore[override]
        """Write all of it, or, after a failure, nothing."""
        view = memoryview(data).cast("B")
        rest = view
        try:
            while self._error is None and rest:
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            self._error = error
        return len(view)

    def readinto(self, buffer: "memoryview | bytearray", /) -> int:  # type: ignore[override]
        """Fill the buffer; what was never written reads as zeros."""
        view = memoryview(buffer).cast("B")
        count = self._file.readinto(view) or 0
        view[count:] = bytes(len(view) - count)
        return len(view)

    def truncate(self, size: int | None = None, /) -> int:
        """Set the length."""
        try:
            if self._error is None:
                self._file.truncate(size)
        except OSError as error:
            self._error = error
        return size or 0

    def check(self) -> None:
        """Raise the OSError that a write met, if one did."""
        if self._error is not None:
            raise self._error

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        super().close()
