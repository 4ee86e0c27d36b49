"""`python -m benchmarks.augly`: clips of an archive, edited by AugLy (`make bench-peers`), for `evaluate found-copies`."""

import argparse
import logging
import sys
from pathlib import Path

import numpy as np

from benchmarks.peer import answer
from benchmarks.question import logger
from benchmarks.sources import CORES, run_ffmpeg
from evaluate.errors import EvaluateError
from evaluate.fingerprint.benchmark.protocol import find_videos
from store.atomic_files import replacing
from store.errors import AvtempoError

MARGIN_SECONDS = 1.0
"""Left out at both ends of a video."""


def cut_clips(videos: Path, out: Path, n_clips: int, seconds: float, seed: int) -> None:
    """Cut a clip out of some videos with audio, named as these are; clips that are there are kept.

    Raises:
        EvaluateError: too few videos are long enough.
    """
    usable = [each for each in find_videos(videos) if each.fits(seconds + 2 * MARGIN_SECONDS)]
    if len(usable) < n_clips:
        raise EvaluateError(f"{videos}: {len(usable)} videos with audio last {seconds + 2 * MARGIN_SECONDS:g} s")
    random = np.random.default_rng(seed)
    for number in random.permutation(len(usable))[:n_clips].tolist():
        video = usable[number]
        start = random.uniform(MARGIN_SECONDS, video.seconds - seconds - MARGIN_SECONDS)
        clip = (out / video.name).with_suffix(".mp4")
        if not clip.exists():
            codecs = ["-c:v", "libx264", "-crf", "18", "-c:a", "aac", "-f", "mp4"]
            with replacing(clip) as temporary:
                run_ffmpeg("-ss", f"{start:.3f}", "-t", seconds, "-i", videos / video.name, *codecs, temporary)


def main(argv: list[str] | None = None) -> int:
    """Cut clips and have them edited."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.augly", description=__doc__)
    add = parser.add_argument
    add("--videos", type=Path, required=True, help="folder of videos")
    add("--out", type=Path, required=True, help="folder for OUT/clips and OUT/copies")
    add("--clips", type=int, default=16, help="how many videos a clip is cut from (default: %(default)s)")
    add("--seconds", type=float, default=6.0, help="length of a clip (default: %(default)s)")
    add("--seed", type=int, default=0, help="of the choice of videos and seconds")
    arguments = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    clips, copies = arguments.out / "clips", arguments.out / "copies"
    try:
        cut_clips(arguments.videos, clips, arguments.clips, arguments.seconds, arguments.seed)
        made = answer("augly_copies.py", {"clips": str(clips), "out": str(copies), "processes": CORES})
    except AvtempoError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    for problem in made["problems"]:
        logger.warning("not made: %s", problem)
    logger.info("%s: %d copies", copies, made["copies"])
    return 0


if __name__ == "__main__":
    sys.exit(main())
