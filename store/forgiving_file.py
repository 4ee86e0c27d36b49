"""A file for HDF5 to write to that reports a full disk after HDF5 has closed it."""

import io
from pathlib import Path
from typing import Any


class ForgivingFile(io.FileIO):
    """A file that keeps the first error and drops all later writes, until `check` raises the error.

    HDF5 cannot close a file whose writes fail: it keeps the objects open and crashes the interpreter at exit
    (segmentation fault measured with HDF5 2.0 on a full disk). With this file HDF5 closes in peace.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path, "w+b")
        self._error: OSError | None = None

    def write(self, data: Any, /) -> int:
        """Write all of it, or, after a failure, nothing."""
        rest = view = memoryview(data).cast("B")
        try:
            while self._error is None and rest:
                rest = rest[super().write(rest) :]
        except OSError as error:
            self._error = error
        return len(view)

    def readinto(self, buffer: Any, /) -> int:
        """Fill the buffer; bytes that were never written read as zeros."""
        view = memoryview(buffer).cast("B")
        count = super().readinto(view) or 0
        view[count:] = bytes(len(view) - count)
        return len(view)

    def truncate(self, size: int | None = None, /) -> int:
        """Set the length."""
        try:
            return super().truncate(size) if self._error is None else size or 0
        except OSError as error:
            self._error = error
            return size or 0

    def check(self) -> None:
        """Raise the OSError that a write met, if one did."""
        if self._error is not None:
            raise self._error
