"""Stores, fingerprint indexes and libraries: whole ones, and who reads them.

What is needed is imported when it is, so that a process that fuzzes one kind does not pay for the others.
"""

from pathlib import Path


def make_store(folder: Path) -> None:
    """A store of 60 rows."""
    from store.format import Provenance
    from store.writer import write_part
    from tests.store.conftest import _make_rows

    write_part(
        folder / "a.h5", _make_rows(0, 60), Provenance("ab" * 32, {"n_clips": 2}, "cd" * 32, "sample", "pretrained")
    )


def read_store(folder: Path, out: Path) -> None:
    """Verify, then read all of it."""
    del out
    from store.errors import StoreError
    from store.reader import EmbeddingStore
    from store.verify import verify

    path = folder / "a.h5"
    verify(path)
    with EmbeddingStore(path) as store:
        try:
            store.frame()
        except StoreError as error:
            str(error)
        for name in store.vector_names:
            store.vectors(name)
            store.vectors(name, [3, 1])


def _described(name: str, seed: int, seconds: float = 9.0):
    from tests.evaluate.fingerprint.conftest import Signal, describe

    return describe(name, Signal(seed, seconds).at, seconds, sound=Signal(100 + seed, seconds).at)


def make_index(folder: Path) -> None:
    """An index of two parts, the second with a file that could not be read."""
    import json

    from evaluate.fingerprint.describe.descriptors import make_rows
    from evaluate.fingerprint.index.archive import ARCHIVE_FILE, FORMAT_NAME, FORMAT_VERSION, Archive, IndexedSource
    from store.writer import write_part

    settings = {"hop_seconds": 0.5, "picture": "within"}
    values = {"format": FORMAT_NAME, "format_version": FORMAT_VERSION, "encoder_sha256": "ab" * 32}
    (folder / "parts").mkdir()
    (folder / ARCHIVE_FILE).write_text(json.dumps(values | {"encoder_path": "", "settings": settings}))
    archive = Archive.open(folder)
    for number in (1, 2):
        each = _described(f"{number}.mp4", number)
        write_part(archive.part_path(number), make_rows([each], 32, 32), archive.provenance)
        found = IndexedSource(each.source, f"/x/{each.source}", 10, 20, len(each), 9.0)
        archive.write_list(number, [found, IndexedSource(f"bad{number}", "/x", 1, 2, reason="no video")])


def read_index(folder: Path, out: Path) -> None:
    """Read lists and descriptors."""
    del out
    from evaluate.fingerprint.index.archive import Archive

    archive = Archive.open(folder)
    archive.sources()
    float(archive.hop_seconds)
    for each in archive.descriptors():
        len(each)


def make_library(folder: Path) -> None:
    """One library that is searched flat, and one by inverted lists."""
    from evaluate.fingerprint.index.library import build_library
    from evaluate.fingerprint.index.library_file import save_library
    from evaluate.fingerprint.match.calibrate import Calibration, Tail

    references = [_described(f"r{i}", i, 40.0) for i in range(10)]  # FAISS wants 39 rows for each of 16 centroids
    for name, rows in (("flat", 10_000), ("inverted", 100)):
        library = build_library(references, 0.5, background=[_described("u", 50)], flat_below_rows=rows)
        save_library(folder / name, "key", library, Calibration({"picture": Tail(0.2, 0.01, 1.0, 30)}))


def read_library(folder: Path, out: Path) -> None:
    """Load both, and ask them if they load."""
    del out
    from evaluate.fingerprint.index.library_file import load_library

    for name in ("flat", "inverted"):
        loaded = load_library(folder / name, "key")
        if loaded is not None:
            library = loaded[0]
            question = library.ask(_described("q", 3, 6.0))
            list(library.evidence(question, library.candidates(question, 3)))
