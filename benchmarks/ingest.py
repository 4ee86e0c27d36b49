"""Asks how fast videos become shards, beside what decoding them alone takes and beside other tools that make such shards."""

import io
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from benchmarks.peer import PeerError, peers
from benchmarks.race import OURS, Effort, Race, Run, Way, race, timed
from benchmarks.sources import CORES, SECONDS, large_videos
from preprocess.build.pipeline import build
from preprocess.catalogues.open_catalogue import open_catalogue
from preprocess.media.ffmpeg import ffmpeg_executable
from preprocess.schema import ShardParams
from preprocess.shards.manifest import read_dataset

TASK = "ingest"
VIDEOS = 40
CASE = "archive"
FLOOR, FRAME_TARS, VIDEO2DATASET = (
    "ffmpeg, decoding alone",
    "ffmpeg and WebDataset, one JPEG a frame",
    "video2dataset 1.3.0",
)
HEIGHT_PX, RATE_HZ = 128, 16_000
"""Of what all keep: sources are 320x240, the short side becomes 128; the hand-written tars keep 16 kHz mono."""


def measure(folder: Path, effort: Effort) -> list[Race]:
    """Made-up videos of 320x240 at 25 fps with sound, to 128 px at 12.5 fps."""
    videos = large_videos(folder, effort.sized(VIDEOS, CORES))
    params = ShardParams(sources_per_shard=-(-len(videos) // (2 * CORES)))
    job = {"videos": [str(path) for path in videos], "height_px": HEIGHT_PX, "fps": params.fps, "processes": CORES}
    expected = {"clips": len(videos)}
    with (
        peers("ingest.py", {VIDEO2DATASET: job}, expected, goal=1.0) as ways,
        ProcessPoolExecutor(CORES, mp_context=get_context("forkserver")) as pool,
    ):
        return [
            race(
                TASK, CASE, {"clips": len(videos), "seconds of video": len(videos) * SECONDS},
                [
                    Way(OURS, _in_folder(partial(_build, videos, params))),
                    Way(FLOOR, timed(partial(_decode_all, videos)), goal=1 / 1.25),
                    Way(FRAME_TARS, _in_folder(partial(_write_tars, videos, params, pool)), goal=1.0),
                    *ways,
                ],
                effort,
            )
        ]  # fmt: skip


def _in_folder(work: Callable[[Path], int]) -> Run:
    """A run that writes into a folder of its own, made before and cleared away after the clock runs."""

    def run() -> float:
        folder = Path(tempfile.mkdtemp(prefix="avtempo-ingest-"))
        try:
            return timed(lambda: work(folder))()
        finally:
            shutil.rmtree(folder)

    return run


def _build(videos: list[Path], params: ShardParams, out: Path) -> int:
    build(open_catalogue("folder", videos[0].parent, None, None), out, params, workers=CORES)
    n_segments = read_dataset(out).n_segments
    if n_segments != len(videos):
        raise PeerError(f"{n_segments} segments of {len(videos)} videos")
    return n_segments


def _decode_all(videos: list[Path]) -> None:
    """Every picture and sample of every file, thrown away; as many processes at a time as there are cores."""
    with ThreadPoolExecutor(CORES) as pool:
        list(pool.map(_decode, videos))


def _decode(path: Path) -> None:
    command = [
        ffmpeg_executable(),
        "-nostdin",
        "-loglevel",
        "error",
        "-threads",
        "1",
        "-i",
        str(path),
        "-f",
        "null",
        "-",
    ]
    subprocess.run(command, check=True)


def _write_tars(videos: list[Path], params: ShardParams, pool: ProcessPoolExecutor, out: Path) -> int:
    """What is written by hand most often: one tar a share of the videos, a member a frame, the sound as it is decoded."""
    shares = [videos[number :: 2 * CORES] for number in range(2 * CORES)]
    paths = [out / f"{number:06d}.tar" for number in range(2 * CORES)]
    n_frames = sum(pool.map(write_frame_tar, shares, paths, [params.fps] * len(shares), [HEIGHT_PX] * len(shares)))
    if n_frames != len(videos) * round(SECONDS * params.fps):
        raise PeerError(f"{n_frames} frames of {len(videos)} videos")
    return n_frames


def write_frame_tar(videos: list[Path], out: Path, fps: float, height_px: int, width_px: int | None = None) -> int:
    """Write one WebDataset sample a video, its frames JPEGs of quality 90; return the number of frames."""
    import simplejpeg
    import webdataset

    n_frames, width = 0, width_px or round(height_px * 4 / 3 / 2) * 2
    with webdataset.TarWriter(str(out)) as writer:
        for path in videos:
            frames, sound = _decoded(path, fps, (width, height_px))
            jpegs = [
                simplejpeg.encode_jpeg(frame, quality=90, colorspace="RGB", colorsubsampling="420") for frame in frames
            ]
            members = {f"{number:04d}.jpg": data for number, data in enumerate(jpegs)}
            writer.write({"__key__": path.stem, **members, "sound.npy": sound})
            n_frames += len(jpegs)
    return n_frames


def _decoded(path: Path, fps: float, size: tuple[int, int]) -> tuple[np.ndarray, bytes]:
    """Frames (T, H, W, 3) uint8, and mono sound as an .npy file."""
    (width, height), rate = size, str(RATE_HZ)
    with tempfile.NamedTemporaryFile() as sound:
        command = [
            ffmpeg_executable(), "-nostdin", "-loglevel", "error", "-y", "-threads", "1", "-i", str(path),
            "-map", "0:v", "-vf", f"fps={fps},scale={width}:{height}:flags=area", "-pix_fmt", "rgb24", "-f", "rawvideo", "pipe:1",
            "-map", "0:a", "-ac", "1", "-ar", rate, "-f", "f32le", sound.name,
        ]  # fmt: skip
        pictures = subprocess.run(command, check=True, capture_output=True).stdout
        buffer = io.BytesIO()
        np.save(buffer, np.fromfile(sound.name, np.float32))
    return np.frombuffer(pictures, np.uint8).reshape(-1, height, width, 3), buffer.getvalue()
