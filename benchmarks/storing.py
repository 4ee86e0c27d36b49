"""Appending embeddings to a store, beside HDF5 alone."""

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np

from benchmarks.question import OURS, BenchmarkError, Run, Setting, Way, race, timed
from evaluate.results.results import Result
from store.format import Provenance, Rows
from store.layout import CHUNK_BYTES, COLUMNS
from store.writer import join_parts, write_part

TASK = "storing"
ROWS, DIMS = 20_000, 512
RAW, SAFE = "h5py alone", "h5py alone, on a copy"
PROVENANCE = Provenance("benchmark", {}, "benchmark", "benchmark", "benchmark")


def measure(setting: Setting) -> list[Result]:
    """Rows of 512 float32 with all their columns, appended to an empty store and to a store of as many rows."""
    n = setting.sized(ROWS)
    rows, held = make_rows(n, "new"), make_rows(n, "old")

    def ways(held: Rows) -> list[Way]:
        return [Way(OURS, _onto(held, add, rows)), Way(RAW, _onto(held, append_raw, rows), goal=0.8)]

    safe = Way(SAFE, _onto(held, append_safely, rows))
    return [
        *race(TASK, "to an empty store", {"rows": n}, ways(make_rows(0, "old")), setting),
        *race(TASK, "to as many rows", {"rows": n}, [*ways(held), safe], setting),
    ]


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


def _onto(held: Rows, work: Callable[[Path, Rows], None], rows: Rows) -> Run:
    """Append to a file that holds rows already."""

    def run() -> float:
        with tempfile.TemporaryDirectory(prefix="avtempo-storing-") as folder:
            path = Path(folder) / "rows.h5"
            if len(held):
                (add if work is add else append_raw)(path, held)
            seconds = timed(lambda: work(path, rows))()
            with h5py.File(path) as file:
                if file["video/features"].shape != (len(held) + len(rows), DIMS):
                    raise BenchmarkError(f"{path} does not hold all rows")
            return seconds

    return run


def add(path: Path, rows: Rows) -> None:
    """Write a part, and join it with the store if there is one."""
    part = path.with_name("part.h5") if path.exists() else path
    write_part(part, rows, PROVENANCE)
    if part != path:
        join_parts([path, part], path)


def append_raw(path: Path, rows: Rows) -> None:
    """Append the same columns and vectors to data sets that grow, in the same chunks, and sync the file.

    Texts are of variable length, as h5py writes strings: their final length is unknown while a data set grows. The
    store's other guarantees are missing: checksums, the search for rows that exist already, and atomic writes.
    """
    with h5py.File(path, "a", libver=("v110", "v110")) as file:
        for name, values in ({name: getattr(rows, name) for name in COLUMNS} | rows.vectors).items():
            dataset = file[name] if name in file else _create(file, values, name)
            first = len(dataset)
            dataset.resize(first + len(values), axis=0)
            dataset[first:] = values
    with path.open("rb") as done:
        os.fsync(done.fileno())


def append_safely(path: Path, rows: Rows) -> None:
    """Append to a copy that then replaces the file: the least cost of a file that a crash leaves whole."""
    copy = path.with_suffix(".tmp")
    shutil.copyfile(path, copy)
    append_raw(copy, rows)
    copy.replace(path)


def _create(file: h5py.File, values: np.ndarray, name: str) -> h5py.Dataset:
    kind, shape = h5py.string_dtype("utf-8") if values.dtype == object else values.dtype, values.shape[1:]
    chunk_rows = min(len(values), CHUNK_BYTES // (kind.itemsize * int(np.prod(shape))))
    return file.create_dataset(name, (0, *shape), kind, maxshape=(None, *shape), chunks=(chunk_rows, *shape))
