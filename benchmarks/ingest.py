"""Videos to shards, beside decoding alone and beside other tools that make such shards."""

import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from benchmarks import sources
from benchmarks.peer import peers
from benchmarks.question import OURS, BenchmarkError, Run, Setting, Way, race, timed
from benchmarks.sources import CORES, run_ffmpeg, shards_of
from evaluate.results.results import Result
from preprocess.schema import ShardParams
from preprocess.shards.manifest import read_dataset

TASK = "ingest"
VIDEOS = 40
FLOOR, FRAME_TARS = "ffmpeg, decoding alone", "ffmpeg and WebDataset, one JPEG a frame"
VIDEO2DATASET = "video2dataset 1.3.0"
HEIGHT_PX, RATE_HZ = 128, 16_000
"""What all keep of 320x240 px and 44.1 kHz; the hand-written tars keep audio at this rate, mono."""


def measure(setting: Setting) -> list[Result]:
    """Made-up videos of 320x240 px at 25 fps with audio, to 128 px at 12.5 fps."""
    videos = sources.large_videos(setting.data, setting.sized(VIDEOS, CORES))
    n = len(videos)
    params = ShardParams(sources_per_shard=-(-n // (2 * CORES)))
    job = {"videos": [str(path) for path in videos], "height_px": HEIGHT_PX, "fps": params.fps, "processes": CORES}

    def ours(out: Path) -> None:
        if (n_segments := read_dataset(shards_of(videos, out / "shards", params)).n_segments) != n:
            raise BenchmarkError(f"{TASK}: {n_segments} segments of {n} videos")

    def frame_tars(out: Path) -> None:
        n_frames = write_frame_tars(videos, out, 2 * CORES, params.fps, HEIGHT_PX, pool)
        if n_frames != n * round(sources.SECONDS * params.fps):
            raise BenchmarkError(f"{TASK}: {n_frames} frames of {n} videos")

    others = peers("ingest.py", {VIDEO2DATASET: job}, {"clips": n}, goal=1.0)
    floor = Way(FLOOR, timed(lambda: sources.decode(videos)), goal=1 / 1.25)
    with ProcessPoolExecutor(CORES, mp_context=get_context("forkserver")) as pool:
        ways = [Way(OURS, _in_folder(ours)), floor, Way(FRAME_TARS, _in_folder(frame_tars), goal=1.0), *others]
        return race(TASK, "archive", {"clips": n, "seconds of video": n * sources.SECONDS}, ways, setting)


def _in_folder(work: Callable[[Path], None]) -> Run:
    """Write into a new folder, which is removed after the clock has stopped."""

    def run() -> float:
        with tempfile.TemporaryDirectory(prefix="avtempo-ingest-") as folder:
            return timed(lambda: work(Path(folder)))()

    return run


def write_frame_tars(
    videos: Sequence[Path], out: Path, n_tars: int, fps: float, height_px: int, pool: ProcessPoolExecutor
) -> int:
    """Write WebDataset tars as people write them by hand, one JPEG a frame; return the number of frames."""
    tasks = [(videos[number::n_tars], out / f"frames-{number:06d}.tar", fps, height_px) for number in range(n_tars)]
    return sum(pool.map(_write_frame_tar, *zip(*tasks, strict=True)))


def _write_frame_tar(videos: Sequence[Path], out: Path, fps: float, height_px: int) -> int:
    import simplejpeg
    import webdataset

    n_frames = 0
    with webdataset.TarWriter(str(out)) as writer:
        for path in videos:
            frames, audio = _decoded(path, fps, round(height_px * 4 / 3 / 2) * 2, height_px)
            members = {
                f"{number:04d}.jpg": simplejpeg.encode_jpeg(frame, quality=90, colorspace="RGB", colorsubsampling="420")
                for number, frame in enumerate(frames)
            }
            writer.write({"__key__": path.stem, **members, "audio.npy": audio})  # which it writes as an .npy file
            n_frames += len(members)
    return n_frames


def _decoded(path: Path, fps: float, width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
    """Frames (T, H, W, 3) uint8, and mono audio (N,) float32."""
    with tempfile.NamedTemporaryFile() as audio:
        video_options = f"-map 0:v -vf fps={fps},scale={width}:{height}:flags=area -pix_fmt rgb24 -f rawvideo pipe:1"
        audio_options = f"-map 0:a -ac 1 -ar {RATE_HZ} -f f32le"
        frames = run_ffmpeg("-i", path, *video_options.split(), *audio_options.split(), audio.name)
        return np.frombuffer(frames, np.uint8).reshape(-1, height, width, 3), np.fromfile(audio.name, np.float32)
