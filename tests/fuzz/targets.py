"""Every kind of file that is fuzzed: how to make a whole one, what reads it, and which errors a reader may raise.

Functions that need torch or FAISS import them themselves, so that a process that fuzzes other kinds starts faster.
"""

import json
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import simplejpeg

from evaluate.errors import EvaluateError
from preprocess.errors import PreprocessError
from preprocess.media.media_info import Limits
from preprocess.shards.manifest import read_segments, read_sources
from preprocess.sources import Catalogue, Source
from preprocess.verify.shard_set import verify as verify_shards
from store.errors import StoreError
from store.reader import EmbeddingStore
from store.verify import verify as verify_store
from store.writer import write_part
from tests.fuzz.damage import CHECKPOINT, JSON, STORE, Craft
from tests.preprocess.made_media import counter_frames, tone, write_clip
from tests.store.made_rows import write_rows
from tests.train.conftest import SMALL, loading, write_shards
from train.errors import TrainError


class UnsoundError(AssertionError):
    """A reader accepted a file that it should have refused, or wrote an incomplete result."""


@dataclass(frozen=True)
class Case:
    """What a reader is given."""

    folder: Path
    changed: Path | None  # the file in it that was changed
    out: Path  # folder for output


@dataclass(frozen=True)
class Target:
    """A kind of file."""

    name: str
    make: Callable[[Path], object]  # fills a folder with a whole specimen
    read: Callable[[Case], object]  # reads a case in every way there is
    errors: tuple[type[Exception], ...]  # that it may raise
    pattern: str = "**/*.*"  # which files of the specimen have their bytes mutated, for `Path.glob`
    crafts: tuple[Craft, ...] = ()  # what is done to a specimen besides that


def _make_shards(folder: Path) -> None:
    """Write three shards of two sources; one source in three has no audio."""
    write_shards(folder / "shards", 6, replace(SMALL, sources_per_shard=2))


def _verify_shards(case: Case) -> None:
    """Verify every file, and read the tables."""
    findings = [str(finding) for finding in verify_shards(case.folder / "shards")]
    if not findings and case.changed and case.changed.suffix in (".tar", ".idx"):  # of which every byte counts
        raise UnsoundError("archives were changed, and verify finds nothing")
    with suppress(PreprocessError):
        read_segments(case.folder / "shards")
    read_sources(case.folder / "shards")


def _load_shards(case: Case) -> None:
    """Load every segment, then those of a split."""
    from train.data.loader import iterate_once

    for split in ("", "1:train"):
        list(iterate_once(loading(case.folder / "shards", batch_size=4, window_frames=6, split=split)))


def _make_media(folder: Path) -> None:
    """Write small clips in the containers that matter, audio alone, and a still picture."""
    frames = counter_frames(15, 48, 64)
    write_clip(folder / "mute.mp4", frames, 15)
    for name, codecs in (
        ("plain.mp4", ("libx264", "aac")), ("a.mkv", ("mpeg4", "libmp3lame")), ("a.ts", ("libx264", "mp2")),
        ("a.avi", ("mjpeg", "pcm_s16le")), ("a.webm", ("libvpx", "libopus")),
    ):  # fmt: skip
        output = ("-pix_fmt", "yuvj420p") if codecs[0] == "mjpeg" else ()
        write_clip(folder / name, frames, 15, tone(1.0), video_codec=codecs[0], audio_codec=codecs[1], output=output)
    write_clip(folder / "audio.wav", sound=tone(1.0), audio_codec="pcm_s16le")
    pixels = np.random.default_rng(0).integers(0, 255, (48, 64, 3)).astype(np.uint8)
    (folder / "still.jpg").write_bytes(simplejpeg.encode_jpeg(pixels))


def _ingest_media(case: Case) -> None:
    """Make shards of the file that was changed; they must be whole."""
    from preprocess.build.pipeline import build

    path = case.changed or case.folder / "plain.mp4"
    params = replace(SMALL, media="audio" if path.suffix == ".wav" else "video")
    catalogue = Catalogue("fuzz", params.media, (Source(0, path, path.name),))
    limits = Limits(timeout_seconds=20.0, max_duration_seconds=600.0, max_pixels=1 << 22)
    build(catalogue, case.out / "shards", params, limits=limits)
    if findings := verify_shards(case.out / "shards"):
        raise UnsoundError(f"shards of mutated media are not whole: {findings[0]}")


def _make_store(folder: Path) -> None:
    write_rows(folder / "a.h5", 0, 60)


def _read_store(case: Case) -> None:
    """Verify a store, then read all of it."""
    verify_store(case.folder / "a.h5")
    with EmbeddingStore(case.folder / "a.h5") as store:
        with suppress(StoreError):
            store.frame()
        for name in store.vector_names:
            store.vectors(name)
            store.vectors(name, [3, 1])


def _described(name: str, seed: int, seconds: float = 9.0) -> Any:
    from tests.evaluate.fingerprint.conftest import Signal, describe

    return describe(name, Signal(seed, seconds).at, seconds, audio=Signal(100 + seed, seconds).at)


def _make_index(folder: Path) -> None:
    """Write a fingerprint index of two parts, each with a source that could not be read."""
    from evaluate.fingerprint.describe.descriptors import make_rows
    from evaluate.fingerprint.index.archive import ARCHIVE_FILE, FORMAT_NAME, FORMAT_VERSION, Archive, IndexedSource

    settings = {"hop_seconds": 0.5, "video": "within"}
    values = {"format": FORMAT_NAME, "format_version": FORMAT_VERSION, "encoder_sha256": "ab" * 32}
    (folder / "parts").mkdir()
    (folder / ARCHIVE_FILE).write_text(json.dumps(values | {"encoder_path": "", "settings": settings}))
    archive = Archive.open(folder)
    for number in (1, 2):
        each = _described(f"{number}.mp4", number)
        write_part(archive.part_path(number), make_rows([each], 32, 32), archive.provenance)
        found = IndexedSource(each.source, f"/x/{each.source}", 10, 20, len(each), 9.0)
        archive.write_list(number, [found, IndexedSource(f"bad{number}", "/x", 1, 2, reason="no video")])


def _read_index(case: Case) -> None:
    """Read an index's lists and descriptors."""
    from evaluate.fingerprint.index.archive import Archive

    archive = Archive.open(case.folder)
    archive.sources()
    float(archive.hop_seconds)
    for each in archive.descriptors():
        len(each)


def _make_library(folder: Path) -> None:
    """Save one library that is searched flat, and one that is searched by inverted lists."""
    from evaluate.fingerprint.index.library import build_library
    from evaluate.fingerprint.index.library_file import save_library

    references = [_described(f"r{i}", i, 40.0) for i in range(10)]  # FAISS wants 39 rows for each of 16 centroids
    for name, rows in (("flat", 10_000), ("inverted", 100)):
        library = build_library(references, 0.5, background=[_described("u", 50)], flat_below_rows=rows)
        save_library(folder / name, "key", library)


def _read_library(case: Case) -> None:
    """Load both libraries, and query those that load."""
    from evaluate.fingerprint.index.library_file import load_library

    for name in ("flat", "inverted"):
        if library := load_library(case.folder / name, "key"):
            question = library.ask(_described("q", 3, 6.0))
            list(library.evidence(question, library.candidates(question, 3)))


def _train(run: Path, shards: Path, steps: int) -> None:
    from tests.train.small_runs import train

    train(run, shards, f"steps={steps}", "data.batch_size=4", "data.num_threads=1")


def _make_run(folder: Path) -> None:
    """Train two steps; the shards lie beside the run."""
    _make_shards(folder.parent / "trained")
    _train(folder / "run", folder.parent / "trained" / "shards", 2)


def _read_checkpoint(case: Case) -> None:
    from train.run.checkpoint import load_encoders

    load_encoders(case.folder / "run" / "checkpoints" / "last.pt")


def _resume_run(case: Case) -> None:
    """Train one more step in a copy, because training writes into its folder."""
    shutil.copytree(case.folder / "run", case.out / "run", symlinks=True)
    _train(case.out / "run", case.folder.parents[1] / "trained" / "shards", 3)


def _make_export(folder: Path) -> None:
    """Export a run's encoders without ONNX."""
    from evaluate.export.export import export_run

    _make_run(folder.parent / "exported")
    export_run(folder.parent / "exported" / "run", folder / "export", onnx=False)


def _read_export(case: Case) -> None:
    from train.export.export import load_exported

    load_exported(case.folder / "export")


_TRAIN = (TrainError, PreprocessError)
_CHECKPOINTS = "run/checkpoints/*.pt"
TARGETS = {
    target.name: target
    for target in (
        Target("shards", _make_shards, _verify_shards, (PreprocessError,), crafts=JSON),
        Target("store", _make_store, _read_store, (StoreError,), crafts=STORE),
        Target("index", _make_index, _read_index, (EvaluateError, StoreError), crafts=JSON),
        Target("library", _make_library, _read_library, (EvaluateError,), crafts=JSON),
        Target("checkpoint", _make_run, _read_checkpoint, (TrainError,), _CHECKPOINTS, CHECKPOINT),
        Target("resume", _make_run, _resume_run, _TRAIN, _CHECKPOINTS, CHECKPOINT),
        Target("export", _make_export, _read_export, (TrainError,), "export/[!R]*", JSON),  # not README.md
        Target("loader", _make_shards, _load_shards, _TRAIN, crafts=JSON),
        Target("media", _make_media, _ingest_media, (PreprocessError,)),
    )
}
