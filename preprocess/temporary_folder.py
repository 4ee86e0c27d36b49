"""The folder for temporary files, verified: Python takes another one without a word where $TMPDIR cannot be written."""

import os
import tempfile
from pathlib import Path

from preprocess.errors import DiskFullError


def temporary_folder() -> Path:
    """Return $TMPDIR, or the system's folder for temporary files if it is not set.

    Raises:
        DiskFullError: nothing can be written there.
    """
    chosen = os.environ.get("TMPDIR", "")
    remedy = "make room there, or set TMPDIR to a folder with space"
    try:
        folder = Path(tempfile.gettempdir())
    except FileNotFoundError as error:
        raise DiskFullError(Path(chosen or "/tmp"), f"no temporary file can be written; {remedy}") from error  # noqa: S108
    if chosen and Path(os.path.abspath(chosen)) != folder:  # noqa: PTH100 - as tempfile does
        raise DiskFullError(Path(chosen), f"TMPDIR cannot be written, or is full; {remedy}")
    return folder
