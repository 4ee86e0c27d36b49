"""`python -m benchmarks.augly`: clips of an archive, edited by AugLy (`make bench-peers`), for `evaluate found-copies`."""

import argparse
import logging
import sys
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.peer import answer
from benchmarks.question import logger
from benchmarks.sources import CORES, run_ffmpeg
from evaluate.errors import EvaluateError
from evaluate.exit_status import exit_status
from evaluate.fingerprint.benchmark.protocol import find_videos
from store.atomic_files import replacing

N_CLIPS, CLIP_SECONDS, SEED = 16, 6.0, 0
MARGIN_SECONDS = 1.0
"""Left out at both ends of a video."""


def cut_clips(videos: Path, out: Path) -> None:
    """Cut a clip out of some videos with audio, named as these are, unless it is there; EvaluateError if too few are long."""
    least = CLIP_SECONDS + 2 * MARGIN_SECONDS
    usable = [each for each in find_videos(videos) if each.fits(least)]
    if len(usable) < N_CLIPS:
        raise EvaluateError(f"{videos}: {len(usable)} videos with audio last {least:g} s; give {N_CLIPS}")
    random = np.random.default_rng(SEED)
    for number in random.permutation(len(usable))[:N_CLIPS].tolist():
        video = usable[number]
        start = random.uniform(MARGIN_SECONDS, video.seconds - CLIP_SECONDS - MARGIN_SECONDS)
        clip = (out / video.name).with_suffix(".mp4")
        if not clip.exists():
            codecs = ["-c:v", "libx264", "-crf", "18", "-c:a", "aac", "-f", "mp4"]
            with replacing(clip) as temporary:
                run_ffmpeg("-ss", f"{start:.3f}", "-t", CLIP_SECONDS, "-i", videos / video.name, *codecs, temporary)


def cut_and_edit(videos: Path, out: Path) -> None:
    """Cut clips and have them edited."""
    copies = out / "copies"
    cut_clips(videos, out / "clips")
    made = answer("augly_copies.py", {"clips": str(out / "clips"), "out": str(copies), "processes": CORES})
    for problem in made["problems"]:
        logger.warning("not made: %s", problem)
    logger.info("%s: %d copies", copies, made["copies"])


def main(argv: list[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.augly", description=__doc__)
    parser.add_argument("--videos", type=Path, required=True, help="folder of videos")
    parser.add_argument("--out", type=Path, required=True, help="folder for OUT/clips and OUT/copies")
    arguments = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    return exit_status(partial(cut_and_edit, arguments.videos, arguments.out))


if __name__ == "__main__":
    sys.exit(main())
