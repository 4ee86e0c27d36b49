"""Copies of some videos of a folder as people make them: to try an archive's tools where the right answer is known."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from evaluate.errors import FingerprintError
from evaluate.fingerprint.benchmark.protocol import MARGIN_SECONDS, find_videos
from evaluate.fingerprint.benchmark.query import Query
from evaluate.fingerprint.benchmark.render import render
from evaluate.fingerprint.benchmark.truth import Piece

LEAST_SECONDS = 5.0
"""Of a video that is copied."""


@dataclass(frozen=True)
class Edit:
    """What is done to a video.

    Attributes:
        name: of the copy.
        distortions: tasks of the catalogue.
        first, last: share of the video at which the copy begins and ends.
    """

    name: str
    distortions: tuple[str, ...] = ()
    first: float = 0.0
    last: float = 1.0


EDITS = (
    Edit("encoded-again", ("bit-rate/medium",)),
    Edit("mirrored", ("flip/light",)),
    Edit("excerpt", first=0.3, last=0.8),
    Edit("upright", ("upright/medium",)),
    Edit("with-text-and-logo", ("text/light", "logo/medium")),
    Edit("other-speed", ("speed/strong",)),
    Edit("inside-another", ("concatenation/medium",)),
    Edit("silent", ("muted/strong",)),
    Edit("with-bars", ("pad/medium",)),
    Edit("cut", ("cut/medium",)),
    Edit("cropped", ("crop/light",)),
    Edit("darker-with-music", ("brightness/medium", "music/medium")),
    Edit("in-a-corner", ("picture-in-picture/medium",)),
    Edit("turned", ("rotate/strong",)),
)


def write_edited_copies(
    videos: Path, out: Path, n_copies: int, seed: int, progress: Callable[[int, int], None] = lambda *_: None
) -> tuple[Path, ...]:
    """Copy videos, each with another edit; copies that are there are kept.

    Args:
        videos: folder of videos with audio.
        out: folder of the copies, named by their edit.
        n_copies: above the number of edits, edits are done again to other videos.
        seed: of the choice of videos and of the edits.
        progress: told copies done, and all.

    Raises:
        FingerprintError: fewer than two videos with audio are long enough, or one cannot be read.
        CatalogueError: the folder has no videos.
        WriteError: the disk is full or refuses.
    """
    usable = [video for video in find_videos(videos) if video.fits(LEAST_SECONDS)]
    if len(usable) < 2:
        raise FingerprintError(f"{videos}: two videos with audio, of {LEAST_SECONDS:g} s or more, are needed")
    order = np.random.default_rng(seed).permutation(len(usable)).tolist()
    out.mkdir(parents=True, exist_ok=True)
    paths = []
    for number in range(n_copies):
        edit, video = EDITS[number % len(EDITS)], usable[order[number % len(order)]]
        host = usable[order[(number + 1) % len(order)]]
        again = number // len(EDITS)
        paths.append(out / f"{edit.name}{f'-{again + 1}' if again else ''}.mp4")
        seconds = video.seconds - MARGIN_SECONDS
        query = Query(
            name=paths[-1].stem, task="copy", role="matched", seed=seed + number, distortions=edit.distortions,
            wanted=Piece(video.name, round(edit.first * seconds, 3), round(edit.last * seconds, 3)),
            host=Piece(host.name, 0.0, host.seconds, is_host=True),
        )  # fmt: skip
        if not paths[-1].exists():
            render(query, videos, paths[-1])
        progress(number + 1, n_copies)
    return tuple(paths)
