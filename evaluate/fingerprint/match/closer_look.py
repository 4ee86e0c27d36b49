"""A closer look at the best spans below the threshold: the archive's seconds are read again and compared picture by picture.

A span that was found by descriptors, but could be chance, is decided if query and reference show the same changes at the same
places (same_changes.py). Only few spans of a query are looked at, so chance has few places instead of a whole index.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import NamedTuple

from torch import Tensor

from evaluate.fingerprint.describe.query_view import ViewedFootage
from evaluate.fingerprint.match.match import best_first
from evaluate.fingerprint.match.matches import Match
from evaluate.fingerprint.match.same_changes import STEPS, align

PartReader = Callable[[str, float, float, float], Tensor | None]
"""Reads a reference's part: its name, first second, seconds, and frames a second; returns (T, H, H) brightness, or None if
it cannot be read."""
SHARE = 0.1
"""Of the accepted false matches."""
LEAST_SECONDS, MOST_SECONDS = 1.0, 3.0
"""Of the query that is compared."""
MARGIN_SECONDS = 4.0
"""Before and after the place that was found, for a span of a second; longer ones are found more exactly."""
FITTED_SECONDS = 2.5
"""The ends of shorter spans, half a hop off, would tell a wrong speed. That of their view is tried, and the usual one."""

SPEEDS = (0.4, 2.2)
"""Slowest and fastest that is tried: a span that ends with its file may tell a wilder speed."""


class _Seen(NamedTuple):
    """What a closer look at a match has shown: where its span begins in the reference, its speed, and its surprise."""

    match: Match
    reference_start_seconds: float
    speed: float
    surprise: float


def confirmed(
    found: Sequence[Match], doubtful: Iterable[tuple[ViewedFootage, Sequence[Match]]], fps: float, read_part: PartReader,
    threshold: float,
) -> list[Match]:  # fmt: skip
    """Look closer at some spans of a query; return all, best first.

    Where a closer look leaves less to chance, a span has its score and its seconds of the reference.

    Args:
        found: spans of the query.
        doubtful: windows of the query, and spans with their middle in each.
        fps: of the windows' frames.
        read_part: of the references.
        threshold: least score of a decided match.
    """
    looks = [
        _look(match, speed, window, fps, read_part)
        for window, matches in doubtful for match in matches for speed in _speeds(match)
    ]  # fmt: skip
    better = dict[Match, Match]()
    for match, start, speed, surprise in filter(None, looks):
        score = (surprise - math.log(len(looks) / SHARE)) / math.log(10)
        if score > max(0.0, better.get(match, match).score):
            end = start + speed * (match.query_end_seconds - match.query_start_seconds)
            better[match] = replace(
                match, reference_start_seconds=start, reference_end_seconds=end, score=score, video_score=score,
                decision=score >= threshold,
            )  # fmt: skip
    return best_first(better.get(match, match) for match in found)


def _speeds(match: Match) -> set[float]:
    is_fitted = match.query_end_seconds - match.query_start_seconds > FITTED_SECONDS
    return {min(max(match.speed, SPEEDS[0]), SPEEDS[1])} if is_fitted else {match.view.speed, 1.0}


def _look(
    match: Match, speed: float, window: ViewedFootage, fps: float, read_part: PartReader
) -> _Seen | None:  # fmt: skip
    """Compare the middle of a span with the reference around the place that was found; None if it cannot be read."""
    seconds = match.query_end_seconds - match.query_start_seconds
    shown = min(max(seconds, LEAST_SECONDS), MOST_SECONDS)
    frames = window.brightness(match.view)
    n_frames = min(round(shown * fps), len(frames))
    middle = (match.query_start_seconds + seconds / 2) * fps - window.footage.first_frame
    first = min(max(0, round(middle - n_frames / 2)), len(frames) - n_frames)
    query_start = (window.footage.first_frame + first) / fps
    place = match.reference_start_seconds + speed * (query_start - match.query_start_seconds)
    margin = MARGIN_SECONDS / shown
    start, part_fps = max(0.0, place - margin), STEPS * fps / speed
    part = read_part(match.reference, start, place + margin + speed * n_frames / fps - start, part_fps)
    aligned = None if part is None or n_frames < 2 else align(frames[first : first + n_frames], part)
    if aligned is None:
        return None
    # A frame is what is on screen in the middle of its time.
    at = start + (aligned.first_frame + 0.5) / part_fps - speed * (query_start + 0.5 / fps - match.query_start_seconds)
    return _Seen(match, max(0.0, at), speed, aligned.surprise)
