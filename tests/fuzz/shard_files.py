"""Shard sets and media: whole ones, and everybody who reads them.

What is needed is imported when it is, so that a process that fuzzes one kind does not pay for the others.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np

from tests.fuzz.hostile import archives_changed, mutated_file
from tests.fuzz.target import UnsoundError


def make_shards(folder: Path) -> None:
    """Three shards of two sources; one source in three has no sound."""
    from tests.train.conftest import SMALL, write_shards

    write_shards(folder / "shards", 6, replace(SMALL, sources_per_shard=2))


def verify_shards(folder: Path, out: Path) -> None:
    """Look into every file, and read the tables."""
    del out
    from preprocess.errors import PreprocessError
    from preprocess.executors.processes import SerialExecutor
    from preprocess.shards.manifest import read_segments, read_sources
    from preprocess.verify.shard_set import verify

    findings = verify(folder / "shards", executor=SerialExecutor())
    for finding in findings:
        str(finding)
    if not findings and archives_changed(folder):
        raise UnsoundError("archives were changed, and verify finds nothing")
    for read in (read_segments, read_sources):
        try:
            read(folder / "shards")
        except PreprocessError as error:
            str(error)


def load_shards(folder: Path, out: Path) -> None:
    """Load every segment, then those of a split."""
    del out
    from train.data.loader import LoaderConfig, iterate_once

    config = LoaderConfig(
        str(folder / "shards"), batch_size=4, frame_px=32, window_frames=6, shuffle=False, seed=0, num_threads=1
    )
    for _ in iterate_once(config):
        pass
    for _ in iterate_once(replace(config, split="1:train")):
        pass


def make_media(folder: Path) -> None:
    """Small clips in the containers that matter, and a still picture."""
    import simplejpeg

    from tests.soak.clip import Look, write_clip

    rng = np.random.default_rng(0)
    looks = {
        "a.mp4": Look(), "b.mkv": Look(container="matroska", is_variable=True), "c.ts": Look(container="mpegts"),
        "d.avi": Look(container="avi", codec="mjpeg", sound="pcm_s16le", pixels="yuvj420p"),
        "e.flv": Look(container="flv", codec="flv1", sound=None),
    }  # fmt: skip
    for name, look in looks.items():
        (folder / name).write_bytes(write_clip(look, rng))
    (folder / "f.wav").write_bytes(write_clip(Look(container="wav", codec=None, sound="pcm_s16le"), rng))
    picture = simplejpeg.encode_jpeg(rng.integers(0, 255, (48, 64, 3)).astype(np.uint8))
    (folder / "g.jpg").write_bytes(picture)


def ingest_media(folder: Path, out: Path) -> None:
    """Make shards of the one file that was mutated; what comes out must be whole."""
    from preprocess.build.pipeline import build
    from preprocess.executors.processes import SerialExecutor
    from preprocess.media.media_info import Limits
    from preprocess.sources import Catalogue, Source
    from preprocess.verify.shard_set import verify
    from tests.train.conftest import SMALL

    path = mutated_file(folder)
    params = replace(SMALL, media="audio" if path.suffix == ".wav" else "video")
    catalogue = Catalogue("fuzz", params.media, (Source(0, path, path.name),))
    limits = Limits(timeout_seconds=20.0, max_duration_seconds=600.0, max_pixels=1 << 22)
    build(catalogue, out / "shards", params, executor=SerialExecutor(), limits=limits)
    if findings := verify(out / "shards", executor=SerialExecutor()):
        raise UnsoundError(f"shards of mutated media are not whole: {findings[0]}")
