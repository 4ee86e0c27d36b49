"""The data of benchmarks: made-up videos and their shards, made once in a folder and alike on all machines."""

import os
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from preprocess.build.pipeline import build
from preprocess.catalogues.open_catalogue import open_catalogue
from preprocess.media.ffmpeg import ffmpeg_executable
from preprocess.schema import ShardParams
from preprocess.shards.manifest import DATASET_FILE
from store.atomic_files import replacing

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
    options = f"-m preprocess collage --seed {SEED} --videos {n_videos} --seconds {seconds} --out".split()
    subprocess.run([sys.executable, *options, out], check=True, stdout=subprocess.DEVNULL)
    return sorted(out.glob("*.mp4"))


def large_videos(folder: Path, n_videos: int) -> list[Path]:
    """The same videos at the size and frame rate of archives such as UCF101: 320x240 px, 25 fps."""
    options = "-vf scale=320:240:flags=bilinear -r 25 -c:v libx264 -preset veryfast -crf 23 -threads 1 -g 50"
    return _encoded(collage(folder, n_videos), folder / f"large-{n_videos}", options)


def full_hd_videos(folder: Path, n_videos: int, seconds: int, video_codec: str) -> list[Path]:
    """Such videos at 1920x1080 px and 25 fps, with the noise of a camera, and an intra frame every 2 s."""
    scaled = "-vf scale=1920:1080:flags=bilinear,noise=alls=2:allf=t -r 25 -g 50 -pix_fmt yuv420p"
    out = folder / f"full-hd-{n_videos}-{seconds}s-{video_codec.split(maxsplit=1)[0]}"
    return _encoded(collage(folder, n_videos, seconds), out, f"{scaled} -c:v {video_codec}")


def _encoded(videos: Sequence[Path], out: Path, options: str) -> list[Path]:
    def encode(path: Path) -> None:
        if not (out / path.name).exists():
            with replacing(out / path.name) as temporary:
                run_ffmpeg("-i", path, *options.split(), "-c:a", "copy", "-f", "mp4", temporary)

    with ThreadPoolExecutor(CORES) as pool:
        list(pool.map(encode, videos))
    return sorted(out.glob("*.mp4"))


def decode(videos: Sequence[Path]) -> None:
    """Decode video and audio of every file, and drop them; as many processes at a time as there are cores."""
    with ThreadPoolExecutor(CORES) as pool:
        list(pool.map(lambda path: run_ffmpeg("-i", path, "-f", "null", "-"), videos))


def shards_of(videos: list[Path], out: Path, params: ShardParams) -> Path:
    """Shards of a folder of videos, made if they do not exist."""
    if not (out / DATASET_FILE).exists():
        build(open_catalogue("folder", videos[0].parent, None, None), out, params, workers=CORES)
    return out
