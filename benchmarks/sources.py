"""The data of benchmarks: made-up videos and their shards, made once in a folder and alike on all machines."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from preprocess.build.pipeline import build
from preprocess.catalogues.open_catalogue import open_catalogue
from preprocess.media.ffmpeg import ffmpeg_executable
from preprocess.schema import ShardParams
from preprocess.shards.manifest import DATASET_FILE

SEED = 20261124
SECONDS, FPS, HEIGHT_PX = 10.0, 12.5, 96
"""Of a collage: 125 frames of 128x96 px, with audio."""
CORES = os.cpu_count() or 1


def run_ffmpeg(*words: object) -> bytes:
    """Run ffmpeg with one decoding thread; return its standard output."""
    command = [ffmpeg_executable(), "-nostdin", "-loglevel", "error", "-y", "-threads", "1", *map(str, words)]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout


def collage(folder: Path, n_videos: int, seconds: float | None = None) -> list[Path]:
    """Small made-up videos: H.264 with an intra frame every 2 s, and AAC.

    A process of its own renders them: a fork server started here would also serve the measured ingest, which would then
    skip its own imports.
    """
    seconds = seconds or SECONDS
    out = folder / f"collage-{n_videos}-{seconds:g}s"
    options = f"--seed {SEED} --videos {n_videos} --seconds {seconds}".split()
    command = [sys.executable, "-m", "preprocess", "collage", "--out", str(out), *options]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return sorted(out.glob("*.mp4"))


def large_videos(folder: Path, n_videos: int) -> list[Path]:
    """The same videos at the size and frame rate of archives such as UCF101: 320x240 px, 25 fps."""
    small, out = collage(folder, n_videos), folder / f"large-{n_videos}"
    out.mkdir(exist_ok=True)
    with ThreadPoolExecutor(CORES) as pool:
        list(pool.map(_enlarge, small, [out / path.name for path in small]))
    return sorted(out.glob("*.mp4"))


def _enlarge(small: Path, large: Path) -> None:
    if not large.exists():
        partial = large.with_suffix(".part")
        options = "-r 25 -c:v libx264 -preset veryfast -crf 23 -threads 1 -g 50 -c:a copy -f mp4"
        run_ffmpeg("-i", small, "-vf", "scale=320:240:flags=bilinear", *options.split(), partial)
        partial.replace(large)


def shards_of(videos: list[Path], out: Path, params: ShardParams) -> Path:
    """Shards of a folder of videos, made if they do not exist."""
    if not (out / DATASET_FILE).exists():
        build(open_catalogue("folder", videos[0].parent, None, None), out, params, workers=CORES)
    return out
