"""Asks what appending embeddings to a store takes beside HDF5 alone."""

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np

from benchmarks.race import OURS, Effort, Race, Run, Way, race, timed
from store.format import Provenance, Rows
from store.layout import CHUNK_BYTES, COLUMNS
from store.writer import append

TASK = "storing"
ROWS, DIMS = 20_000, 512
THERE_BEFORE = (0, 20_000)
"""Rows that the store holds before more are appended."""
RAW, SAFE = "h5py alone", "h5py alone, on a copy"
PROVENANCE = Provenance("benchmark", {}, "benchmark", "benchmark", "benchmark")


def measure(folder: Path, effort: Effort) -> list[Race]:
    """Rows of 512 numbers of float32 with all their columns, appended to an empty store and to one as large as they."""
    del folder
    n = effort.sized(ROWS)
    return [_race(n, n if before else 0, effort) for before in THERE_BEFORE]


def _race(n: int, before: int, effort: Effort) -> Race:
    rows, held = make_rows(n, "new"), make_rows(before, "old")
    case = "to as many rows" if before else "to an empty store"
    ways = [
        Way(OURS, _from(held, lambda path: append(path, rows, PROVENANCE), _write_ours, before + n)),
        Way(RAW, _from(held, lambda path: append_raw(path, rows), append_raw, before + n), goal=0.8),
    ]
    if before:
        ways.append(Way(SAFE, _from(held, lambda path: append_safely(path, rows), append_raw, before + n)))
    return race(TASK, case, {"rows": n}, ways, effort)


def make_rows(n: int, name: str) -> Rows:
    """Made-up embeddings, float32 (n, 512)."""
    source = np.array([f"{name}/{number // 4:07d}.mp4" for number in range(n)], object)
    seconds = (np.arange(n) % 4).astype(float)
    empty = np.full(n, "", object)
    return Rows(
        key=np.array([f"{name}-{number:08d}" for number in range(n)], object), source=source, label=np.arange(n) % 100,
        label_name=empty, group=empty, splits=np.full(n, "{}", object), start_seconds=seconds, end_seconds=seconds + 1,
        has_video=np.ones(n, bool), has_audio=np.ones(n, bool),
        vectors={"video/features": np.random.default_rng(0).standard_normal((n, DIMS), np.float32)},
    )  # fmt: skip


def _write_ours(path: Path, rows: Rows) -> None:
    append(path, rows, PROVENANCE)


def _from(held: Rows, work: Callable[[Path], None], begin: Callable[[Path, Rows], None], n_after: int) -> Run:
    """A run on a file that holds rows already."""

    def run() -> float:
        with tempfile.TemporaryDirectory(prefix="avtempo-storing-") as folder:
            path = Path(folder) / "rows.h5"
            if len(held):
                begin(path, held)
            seconds = timed(lambda: work(path))()
            with h5py.File(path) as file:
                if file["video/features"].shape != (n_after, DIMS):
                    raise ValueError(f"{path} holds {file['video/features'].shape}, not {(n_after, DIMS)}")
            return seconds

    return run


def append_raw(path: Path, rows: Rows) -> None:
    """The same columns and vectors at the end of data sets that grow, in the same chunks, and on the disk at the end.

    Texts are of variable length, as h5py writes strings: their final length is not known where a data set grows. Without
    what a store gives besides: checksums, the search for rows that are there already, and a file that is whole or not there.
    """
    with h5py.File(path, "a", libver=("v110", "v110")) as file:
        for name, values in _data_sets(rows).items():
            dataset = file[name] if name in file else _create(file, values, name)
            first = len(dataset)
            dataset.resize(first + len(values), axis=0)
            dataset[first:] = values
    with path.open("rb") as done:
        os.fsync(done.fileno())


def _data_sets(rows: Rows) -> dict[str, np.ndarray]:
    return {name: getattr(rows, name) for name in COLUMNS} | rows.vectors


def append_safely(path: Path, rows: Rows) -> None:
    """The same on a copy that takes the file's place: what a file that a crash leaves whole costs at least."""
    copy = path.with_suffix(".tmp")
    shutil.copyfile(path, copy)
    append_raw(copy, rows)
    copy.replace(path)


def _create(file: h5py.File, values: np.ndarray, name: str) -> h5py.Dataset:
    kind, shape = h5py.string_dtype("utf-8") if values.dtype == object else values.dtype, values.shape[1:]
    chunk_rows = min(len(values), CHUNK_BYTES // (kind.itemsize * int(np.prod(shape))))
    return file.create_dataset(name, (0, *shape), kind, maxshape=(None, *shape), chunks=(chunk_rows, *shape))
