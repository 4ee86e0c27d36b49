"""A file for HDF5 to write to that reports a full disk after HDF5 has closed it."""

import io
from pathlib import Path


class ForgivingFile(io.RawIOBase):
    """A file that keeps the first error and drops all later writes, until `check` raises the error.

    HDF5 cannot close a file whose writes fail: it keeps the objects open and crashes the interpreter at exit
    (segmentation fault measured with HDF5 2.0 on a full disk). With this file HDF5 closes in peace.
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
        rest = view = memoryview(data).cast("B")
        try:
            while self._error is None and rest:
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            self._error = error
        return len(view)

    def readinto(self, buffer: "memoryview | bytearray", /) -> int:  # type: ignore[override]
        """Fill the buffer; bytes that were never written read as zeros."""
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
