"""Files that are written for one answer."""

import tempfile
from collections.abc import Callable
from pathlib import Path

from fastapi import Response

from preprocess.temporary_folder import temporary_folder

MEDIA_TYPES = {
    ".json": "application/json", ".csv": "text/csv", ".edl": "text/plain", ".otio": "application/json", ".sh": "application/x-sh",
    ".jsonl": "application/jsonl",
}  # fmt: skip


def attachment(name: str, write: Callable[[Path], object]) -> Response:
    """Answer with a file, which `write` writes to a path."""
    with tempfile.TemporaryDirectory(dir=temporary_folder()) as folder:
        path = Path(folder, name)
        write(path)
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        return Response(path.read_bytes(), media_type=MEDIA_TYPES[path.suffix], headers=headers)
