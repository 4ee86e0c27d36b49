"""The small files of a run: there whole or not at all, and errors that name them."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from train.errors import RunError

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn what the system says against writing a file into an error with a remedy.

    Raises:
        RunError: no space left, no right to write, a folder where a file should be.
    """
    try:
        yield
    except OSError as error:
        remedy = "free some disk space" if error.errno in _FULL else "make it writable, or choose another --run"
        raise RunError(
            f"{path}: cannot be written ({error.strerror or error}); {remedy} and start again: the run goes on from its "
            "last checkpoint"
        ) from error


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Give a file beside the target; flushed to disk, it takes the name: a crash leaves the old file or the new one.

    Raises:
        RunError: the file cannot be written.
    """
    partial = path.with_name(f"{path.name}.partial")
    with writing(path):
        try:
            partial.unlink(missing_ok=True)  # of a killed process; were it a link, it must not be written through
            with partial.open("xb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)


def write_whole(path: Path, text: str) -> None:
    """Write a small file whole or not at all.

    Raises:
        RunError: the file cannot be written.
    """
    with replacing(path) as file:
        file.write(text.encode())
