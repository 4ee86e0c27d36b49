"""Loading segments for training, beside other loaders and beside decoding the bytes alone."""

from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import simplejpeg

from benchmarks import sources
from benchmarks.ingest import write_frame_tars
from benchmarks.peer import peers
from benchmarks.question import OURS, BenchmarkError, Run, Setting, Way, race, timed
from benchmarks.sources import CORES, FPS, HEIGHT_PX
from evaluate.results.results import Result
from preprocess.features.splice import splice
from preprocess.schema import FRAMES_MEMBER, ShardParams
from store.atomic_files import atomic_folder
from train.data.loader import SegmentLoader
from train.data.loader_config import LoaderConfig

TASK = "loading"
VIDEOS, BATCH, WINDOW = 96, 8, 16
"""Segments, segments a batch, and frames of a window."""
SKIP = 2 * CORES + 1
"""Batches before the clock runs: loaders have read ahead by then (torch's two a process, DALI two)."""
FLOOR = "libjpeg-turbo, decoding alone"
PEERS = {"webdataset": "webdataset, one JPEG a frame", "torchcodec": "torchcodec, from mp4"}


def measure(setting: Setting) -> list[Result]:
    """Batches of segments in random order, frames (8, F, 96, 96, 3) uint8 of 128x96 px: windows, and whole segments."""
    # Whole batches, at least one for each process of a peer.
    n, n_frames = BATCH * max(CORES, setting.sized(VIDEOS // BATCH)), round(sources.SECONDS * FPS)
    videos = sources.collage(setting.data, n)
    # The collage as it is, in one shard per core, at least two.
    params = ShardParams(
        fps=FPS, short_side_px=HEIGHT_PX, segment_seconds=sources.SECONDS, sources_per_shard=-(-n // max(CORES, 2))
    )
    shards = sources.shards_of(videos, setting.data / f"loading-shards-{n}", params)
    tars = _frame_tars(videos)
    job = {
        "segments": n, "px": HEIGHT_PX, "batch": BATCH, "workers": CORES, "n_frames": n_frames, "skip": SKIP,
        "videos": [str(path) for path in videos], "tars": [str(path) for path in tars],
    }  # fmt: skip
    cases = {"window": WINDOW, "whole": n_frames}.items()
    return [record for case, window in cases for record in _race(case, {**job, "window": window}, shards, setting)]


def _race(case: str, job: dict[str, Any], shards: Path, setting: Setting) -> list[Result]:
    n, shape = job["segments"], (job["window"], HEIGHT_PX, HEIGHT_PX, 3)
    jobs = {name: {**job, "way": way} for way, name in PEERS.items()}
    others = peers("loading.py", jobs, {"segments": n, "shape": [*shape]}, goal=2.0)
    floor = Way(FLOOR, timed(_bare(shards, job["window"])), goal=0.8)
    amounts = {"segments": n, "frames": n * job["window"]}
    return race(TASK, case, amounts, [Way(OURS, _ours(shards, n, shape)), floor, *others], setting)


def _ours(shards: Path, n_segments: int, shape: tuple[int, ...]) -> Run:
    """As many segments as an epoch has, from a loader that works already."""
    config = LoaderConfig(str(shards), BATCH, HEIGHT_PX, shape[0], shuffle=True, seed=0, num_threads=CORES)
    loader = SegmentLoader(config)

    def draw(n_batches: int) -> None:
        for _ in range(n_batches):
            found = getattr(next(loader).frames, "shape", None)
            if found != (BATCH, *shape):
                raise BenchmarkError(f"{TASK}: the loader gave frames of shape {found}")

    def run() -> float:
        draw(SKIP)
        return timed(lambda: draw(n_segments // BATCH))()

    return run


def _bare(shards: Path, window: int) -> Callable[[], object]:
    """Strips of as many frames from memory to pixels, on all cores, without reading, cutting or joining."""
    import webdataset

    tars = [str(path) for path in sorted(shards.glob("*.tar"))]
    strips = [sample[FRAMES_MEMBER] for sample in webdataset.WebDataset(tars, shardshuffle=False)]
    if window < round(sources.SECONDS * FPS):
        strips = [splice(strip, range(window)) for strip in strips]
    pool = ThreadPoolExecutor(CORES)  # the decoder does not hold Python's lock
    return lambda: sum(pool.map(lambda strip: simplejpeg.decode_jpeg(strip).nbytes, strips, chunksize=4))


def _frame_tars(videos: Sequence[Path]) -> list[Path]:
    """The videos as tars of one JPEG a frame, at their own size and rate, one per core; made once."""
    out = videos[0].parent / "frame-tars"
    if not out.exists():
        with atomic_folder(out) as made, ProcessPoolExecutor(CORES, mp_context=get_context("forkserver")) as pool:
            write_frame_tars(videos, made, CORES, FPS, HEIGHT_PX, pool)
    return sorted(out.glob("*.tar"))
