"""The data that benchmarks work on: made-up videos and their shards, made once in a folder, the same on every machine."""

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
"""Of a collage: 125 frames of 128x96 px, with sound."""
LARGE = "320:240:flags=bilinear", "25"
"""Size and frame rate of the videos of archives such as UCF101."""
CORES = os.cpu_count() or 1


def collage(folder: Path, n_videos: int, seconds: float = SECONDS) -> list[Path]:
    """Small made-up videos: H.264 with an intra picture every 2 s, and AAC.

    By a process of their own: the fork server that renders them here would be that of the ingest to be measured, without what
    that loads beforehand.
    """
    out = folder / f"collage-{n_videos}-{seconds:g}s"
    options = {"out": out, "seed": SEED, "videos": n_videos, "seconds": seconds}
    words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    subprocess.run([sys.executable, "-m", "preprocess", "collage", *words], check=True, stdout=subprocess.DEVNULL)
    return sorted(out.glob("*.mp4"))


def large_videos(folder: Path, n_videos: int) -> list[Path]:
    """The same videos at the size and frame rate of archives."""
    small, out = collage(folder, n_videos), folder / f"large-{n_videos}"
    out.mkdir(exist_ok=True)
    with ThreadPoolExecutor(CORES) as pool:
        list(pool.map(_enlarge, small, [out / path.name for path in small]))
    return sorted(out.glob("*.mp4"))


def _enlarge(small: Path, large: Path) -> None:
    if large.exists():
        return
    partial, (scale, rate) = large.with_suffix(".part"), LARGE
    command = [
        ffmpeg_executable(), "-nostdin", "-loglevel", "error", "-y", "-threads", "1", "-i", str(small),
        "-vf", f"scale={scale}", "-r", rate, "-c:v", "libx264", "-preset", "veryfast", "-crf", "23",
        "-threads", "1", "-g", "50", "-c:a", "copy", "-f", "mp4", str(partial),
    ]  # fmt: skip
    subprocess.run(command, check=True)
    partial.replace(large)


def shards_of(videos: list[Path], out: Path, params: ShardParams) -> Path:
    """Shards of a folder of videos, made if they are not there."""
    if not (out / DATASET_FILE).exists():
        build(open_catalogue("folder", videos[0].parent, None, None), out, params, workers=CORES)
    return out


def collage_params(n_videos: int) -> ShardParams:
    """Of shards that keep a collage as it is; a shard for each core and no fewer than two."""
    return ShardParams(
        fps=FPS, short_side_px=HEIGHT_PX, segment_seconds=SECONDS, sources_per_shard=-(-n_videos // max(CORES, 2))
    )
