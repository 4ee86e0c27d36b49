"""Asks how fast segments reach the trainer, beside loaders that people use today and beside decoding the bytes alone."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import simplejpeg

from benchmarks.ingest import write_frame_tar
from benchmarks.peer import PeerError, peers
from benchmarks.race import OURS, Effort, Race, Run, Way, race, timed
from benchmarks.sources import CORES, FPS, HEIGHT_PX, SECONDS, collage, collage_params, shards_of
from preprocess.features.strip import decode_strip, encode_strip
from preprocess.schema import FRAMES_MEMBER
from train.data.loader import LoaderConfig, SegmentLoader

TASK = "loading"
VIDEOS, BATCH = 96, 8
WINDOWS = {"window": 16, "whole": round(SECONDS * FPS)}
"""Frames of a segment that are handed over, by case."""
SKIP = 2 * CORES + 1
"""Batches before the clock runs: loaders read ahead while others have their turn (torch's two a process, DALI two)."""
FLOOR = "libjpeg-turbo, decoding alone"
PEERS = {
    "webdataset": "webdataset, one JPEG a frame",
    "torchcodec": "torchcodec, from mp4",
    "PyAV": "PyAV, from mp4",
    "decord": "decord, from mp4",
}


def measure(folder: Path, effort: Effort) -> list[Race]:
    """Batches of segments in random order, frames (8, F, 96, 96, 3) uint8 from pictures of 128x96."""
    n = BATCH * max(CORES, effort.sized(VIDEOS // BATCH))  # whole batches, one for each of a peer's processes at least
    videos = collage(folder, n)
    shards = shards_of(videos, folder / f"loading-shards-{n}", collage_params(n))
    return [_race(case, window, videos, shards, effort) for case, window in WINDOWS.items()]


def _race(case: str, window: int, videos: list[Path], shards: Path, effort: Effort) -> Race:
    n = len(videos)
    job: dict[str, Any] = {
        "segments": n, "window": window, "px": HEIGHT_PX, "batch": BATCH, "workers": CORES, "n_frames": WINDOWS["whole"],
        "skip": SKIP,
        "videos": [str(path) for path in videos], "tars": [str(path) for path in _frame_tars(videos)],
    }  # fmt: skip
    expected = {"segments": n, "shape": [window, HEIGHT_PX, HEIGHT_PX, 3]}
    jobs = {name: {**job, "way": way} for way, name in PEERS.items()}
    with peers("loading.py", jobs, expected, goal=2.0) as ways:
        return race(
            TASK, case, {"segments": n, "frames": n * window},
            [
                Way(OURS, _ours(shards, n, window)),
                Way(FLOOR, timed(_bare(shards, window)), goal=0.8),
                *ways,
            ],
            effort,
        )  # fmt: skip


def _ours(shards: Path, n_segments: int, window: int) -> Run:
    """As many segments as an epoch has, from a loader that is at work already."""
    loader = SegmentLoader(
        LoaderConfig(
            shards=str(shards), batch_size=BATCH, frame_px=HEIGHT_PX, window_frames=window, shuffle=True, seed=0,
            num_threads=CORES,
        )
    )  # fmt: skip

    def draw(n_batches: int) -> None:
        for _ in range(n_batches):
            shape = getattr(next(loader).frames, "shape", None)
            if shape != (BATCH, window, HEIGHT_PX, HEIGHT_PX, 3):
                raise PeerError(f"the loader gave frames of shape {shape}")

    def run() -> float:
        draw(SKIP)
        return timed(lambda: draw(n_segments // BATCH))()

    return run


def _bare(shards: Path, window: int) -> Callable[[], None]:
    """Strips of as many frames from memory to pixels, on all cores; nothing is read, cut or put together."""
    strips = [_cut(data, window) for data in _strips(shards)]
    pool = ThreadPoolExecutor(CORES)  # the decoder does not hold Python's lock
    return lambda: _drain(pool, strips)


def _drain(pool: ThreadPoolExecutor, strips: list[bytes]) -> None:
    for _ in pool.map(_decoded_bytes, strips, chunksize=4):
        pass


def _decoded_bytes(data: bytes) -> int:
    return int(simplejpeg.decode_jpeg(data).nbytes)


def _strips(shards: Path) -> list[bytes]:
    import webdataset

    tars = [str(path) for path in sorted(shards.glob("*.tar"))]
    return [sample[FRAMES_MEMBER] for sample in webdataset.WebDataset(tars, shardshuffle=False)]


def _cut(data: bytes, window: int) -> bytes:
    if window == WINDOWS["whole"]:
        return data
    return encode_strip(decode_strip(data, WINDOWS["whole"])[:window], collage_params(1).jpeg_quality)


def _frame_tars(videos: list[Path]) -> list[Path]:
    """The videos as WebDataset tars of one JPEG a frame, at their own size and rate, made once; one for each core."""
    tars = [videos[0].parent / f"frames-{number:06d}.tar" for number in range(CORES)]
    for number, tar in enumerate(tars):
        if not tar.exists():
            partial = tar.with_suffix(".part")
            write_frame_tar(videos[number::CORES], partial, FPS, HEIGHT_PX)
            partial.replace(tar)
    return tars
