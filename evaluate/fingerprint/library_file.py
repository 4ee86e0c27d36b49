"""A library beside the parts of its index, so that matching need not build and calibrate it again.

INDEX/library/library.json       key, names, method, calibration
INDEX/library/library.npz        numbers of sources and rows, backgrounds
INDEX/library/picture.faiss      FAISS' index; sound.faiss likewise
"""

import hashlib
import json
import logging
import shutil
from dataclasses import asdict
from pathlib import Path

import numpy as np

from evaluate.errors import ArchiveError
from evaluate.fingerprint.archive import Archive
from evaluate.fingerprint.calibrate import Calibration, Tail
from evaluate.fingerprint.library import MODALITIES, Library
from evaluate.fingerprint.normalise import Background
from evaluate.fingerprint.search import ModalitySearch
from store.format import canonical_json

logger = logging.getLogger(__name__)

LIBRARY_FOLDER = "library"
LIBRARY_FILE = "library.json"
FORMAT_VERSION = 2


def library_key(archives: list[Archive]) -> str:
    """Checksum over what the archives hold: a library with another key is of an older state."""
    held = [[each.encoder_sha256, each.settings, [asdict(part) for part in each.parts()]] for each in archives]
    return hashlib.sha256(canonical_json([FORMAT_VERSION, held]).encode()).hexdigest()


def save_library(folder: Path, key: str, library: Library, calibration: Calibration) -> None:
    """Write a library in the place of the one before; until all of it is there, there is none.

    Raises:
        ArchiveError: the disk is full or refuses.
    """
    try:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        _write(folder, key, library, calibration)
    except (OSError, RuntimeError) as error:  # the latter is how FAISS says it
        raise ArchiveError(folder, f"cannot be written ({error}); free some space and index again") from error


def _write(folder: Path, key: str, library: Library, calibration: Calibration) -> None:
    import faiss

    arrays = {"first_seconds": library.first_seconds, "n_columns": library.n_columns}
    for name, search in library.searches.items():
        faiss.write_index(search.index, str(folder / f"{name}.faiss"))
        arrays |= {f"{name}_source": search.source, f"{name}_middle_seconds": search.middle_seconds}
        for kind, backgrounds in (("common", library.common), ("apart", library.apart)):
            if name in backgrounds:
                given = backgrounds[name]
                arrays |= {f"{name}_{kind}": given.vectors.astype(np.float16), f"{name}_{kind}_source": given.source}
    np.savez(folder / "library.npz", allow_pickle=False, **arrays)
    tails = {modality: asdict(tail) for modality, tail in calibration.tails.items()}
    values = {
        "key": key, "hop_seconds": library.hop_seconds, "sources": library.sources, "calibration": tails,
        "methods": {name: search.method for name, search in library.searches.items()},
        "skipped": {name: background.skipped for name, background in library.common.items()},
    }  # fmt: skip
    (folder / LIBRARY_FILE).write_text(json.dumps(values, ensure_ascii=False), encoding="utf-8")  # the mark, last


def load_library(folder: Path, key: str) -> tuple[Library, Calibration] | None:
    """Read a library of this key; None where there is none, or one of another state."""
    try:
        values = json.loads((folder / LIBRARY_FILE).read_text(encoding="utf-8"))
        if values["key"] != key:
            return None
        with np.load(folder / "library.npz", allow_pickle=False) as arrays:
            tails = {modality: Tail(**tail) for modality, tail in values["calibration"].items()}
            return _read(folder, values, dict(arrays)), Calibration(tails)
    except FileNotFoundError:
        return None
    except (OSError, RuntimeError, ValueError, KeyError, TypeError) as error:
        logger.warning("%s: cannot be read (%s); it is made again", folder, error)
        return None


def _read(folder: Path, values: dict, arrays: dict[str, np.ndarray]) -> Library:  # type: ignore[type-arg]
    def background(name: str, kind: str, skipped: int) -> Background:
        return Background(arrays[f"{name}_{kind}"].astype(np.float32), arrays[f"{name}_{kind}_source"], skipped)

    names = [name for name in MODALITIES if name in values["methods"]]
    return Library(
        sources=tuple(values["sources"]),
        hop_seconds=float(values["hop_seconds"]),
        first_seconds=arrays["first_seconds"],
        n_columns=arrays["n_columns"],
        searches={name: _search(folder, name, values["methods"][name], arrays) for name in names},
        common={name: background(name, "common", int(values["skipped"][name])) for name in names},
        apart={name: background(name, "apart", 0) for name in names if f"{name}_apart" in arrays},
    )


def _search(folder: Path, name: str, method: str, arrays: dict[str, np.ndarray]) -> ModalitySearch:
    import faiss

    index = faiss.read_index(str(folder / f"{name}.faiss"))
    vectors = index.reconstruct_n(0, index.ntotal) if isinstance(index, faiss.IndexFlat) else None
    return ModalitySearch(index, method, arrays[f"{name}_source"], arrays[f"{name}_middle_seconds"], vectors)
