"""A closer look at video: a span's middle beside the reference's frames around the place that was found."""

from collections.abc import Iterator

import torch

from evaluate.fingerprint.closer_look import video_alignment
from evaluate.fingerprint.closer_look.piece import Look, PartReader, file_end, piece_of, placed, speeds_of
from evaluate.fingerprint.describe.query_view import ViewedFootage
from evaluate.fingerprint.match.matches import Match

MOST_SECONDS = 3.0
"""Of a span that are compared."""
MARGIN_SECONDS = 4.0
"""Before and after the place that was found; less for pieces of more than a second, which are found better."""


def look_at_video(match: Match, window: ViewedFootage, parts: PartReader) -> Iterator[Look]:
    """Compare the frames of a span's middle with the reference's, at each speed; nothing if they cannot be read."""
    if match.video_score is None:
        return
    frames, fps, speeds = window.brightness(match.view), window.fps, speeds_of(match)
    for speed in sorted(speeds):
        piece, part_fps = piece_of(match, window, speed, MOST_SECONDS), video_alignment.STEPS * fps / speed
        start, seconds = piece.around(MARGIN_SECONDS * fps / (piece.last - piece.first))
        part = parts.brightness(match.reference, start, seconds, part_fps)
        if part is None:
            continue
        aligned = video_alignment.align(frames[piece.first : piece.last], torch.from_numpy(part))
        if aligned is not None:
            # A frame is what is on screen in the middle of its time.
            second = start + (aligned.first_frame + 0.5) / part_fps - speed * 0.5 / fps
            told = placed(match, piece.query_second, second, speed, file_end(start, len(part) / part_fps, seconds))
            yield Look(match, told, "video", aligned.surprise, len(speeds))
