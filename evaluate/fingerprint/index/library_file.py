"""A library as files beside the parts of its index, so that matching need not build it again.

INDEX/library/library.json       key, names, method
INDEX/library/library.npz        numbers of sources and rows, backgrounds
INDEX/library/video.faiss        FAISS' index; audio.faiss likewise
"""

import hashlib
import json
import logging
import shutil
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from evaluate.errors import ArchiveError
from evaluate.fingerprint.index.archive import Archive
from evaluate.fingerprint.index.library import MODALITIES, Library
from evaluate.fingerprint.index.search import ModalitySearch
from evaluate.fingerprint.match.normalise import Background
from store.format import canonical_json

logger = logging.getLogger(__name__)

LIBRARY_FOLDER = "library"
LIBRARY_FILE = "library.json"
ARRAYS_FILE = "library.npz"
FORMAT_VERSION = 7


def library_key(archives: Sequence[Archive]) -> str:
    """Return a checksum over the archives' contents; a library with another key is outdated."""
    held = [[each.encoder_sha256, each.settings, [asdict(part) for part in each.parts()]] for each in archives]
    return hashlib.sha256(canonical_json([FORMAT_VERSION, held]).encode("utf-8", "backslashreplace")).hexdigest()


def save_library(folder: Path, key: str, library: Library) -> None:
    """Replace the library in a folder; a half-written one does not load.

    Raises:
        ArchiveError: the disk is full or refuses.
    """
    try:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        _write(folder, key, library)
    except (OSError, RuntimeError) as error:  # FAISS raises RuntimeError for failed writes
        raise ArchiveError(folder, f"cannot be written ({error}); free some space and index again") from error


def _write(folder: Path, key: str, library: Library) -> None:
    import faiss

    arrays = {"first_seconds": library.first_seconds, "n_columns": library.n_columns}
    for name, search in library.searches.items():
        faiss.write_index(search.index, str(folder / f"{name}.faiss"))
        arrays |= {f"{name}_source": search.source, f"{name}_middle_seconds": search.middle_seconds}
        for kind, backgrounds in (("common", library.common), ("apart", library.apart)):
            if name in backgrounds:
                given = backgrounds[name]
                arrays |= {f"{name}_{kind}": given.vectors.astype(np.float16), f"{name}_{kind}_source": given.source}
    np.savez(folder / ARRAYS_FILE, allow_pickle=False, **arrays)
    values = {
        "key": key, "hop_seconds": library.hop_seconds, "sources": library.sources,
        "methods": {name: search.method for name, search in library.searches.items()},
        "skipped": {name: background.skipped for name, background in library.common.items()},
        "files": {path.name: _sha256(path) for path in sorted(folder.iterdir())},
    }  # fmt: skip
    text = json.dumps({"values": values, "sha256": _values_sha256(values)}, ensure_ascii=False)
    (folder / LIBRARY_FILE).write_text(text, encoding="utf-8")  # last: without it there is no library


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _values_sha256(values: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def load_library(folder: Path, key: str) -> Library | None:
    """Read the library with this key; None if it is missing or damaged, has another key, or is replaced meanwhile."""
    path = folder / LIBRARY_FILE
    if not path.is_file():
        return None
    try:
        text = path.read_text(encoding="utf-8")
        values = _intact(folder, text)
        if values["key"] != key:
            return None
        with np.load(folder / ARRAYS_FILE, allow_pickle=False) as arrays:
            library = _read(folder, values, dict(arrays))
        return library if path.read_text(encoding="utf-8") == text else None
    except (OSError, RuntimeError, ValueError, KeyError, TypeError) as error:
        logger.warning("%s: cannot be read (%s); it is made again", folder, error)
        return None


def _intact(folder: Path, text: str) -> dict[str, Any]:
    """Read the values in a library's text, after verifying the checksums of all its files.

    FAISS does not validate what it reads: damaged bytes give row numbers that do not exist, and may crash it.

    Raises:
        ValueError: a file was changed or is missing.
    """
    told = json.loads(text)
    values: dict[str, Any] = told["values"]
    if _values_sha256(values) != told["sha256"]:
        raise ValueError(f"{LIBRARY_FILE} has another checksum than when it was written")
    for name, sha256 in values["files"].items():
        if not (folder / name).is_file() or _sha256(folder / name) != sha256:
            raise ValueError(f"{name} has another checksum than when it was written, or is gone")
    return values


def _read(folder: Path, values: dict[str, Any], arrays: dict[str, np.ndarray]) -> Library:
    import faiss

    def search(name: str) -> ModalitySearch:
        index = faiss.read_index(str(folder / f"{name}.faiss"))
        source, middle_seconds = arrays[f"{name}_source"], arrays[f"{name}_middle_seconds"]
        return ModalitySearch(index, values["methods"][name], source, middle_seconds)

    def background(name: str, kind: str, skipped: int) -> Background:
        return Background(arrays[f"{name}_{kind}"].astype(np.float32), arrays[f"{name}_{kind}_source"], skipped)

    names = [name for name in MODALITIES if name in values["methods"]]
    return Library(
        sources=tuple(values["sources"]),
        hop_seconds=float(values["hop_seconds"]),
        first_seconds=arrays["first_seconds"],
        n_columns=arrays["n_columns"],
        searches={name: search(name) for name in names},
        common={name: background(name, "common", int(values["skipped"][name])) for name in names},
        apart={name: background(name, "apart", 0) for name in names if f"{name}_apart" in arrays},
    )
