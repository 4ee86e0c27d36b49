"""A closer look at the best spans below the threshold: the archive's seconds are read again and compared picture by picture.

A span that was found by descriptors, but could be chance, is decided if query and reference show the same changes at the same
places (same_changes.py). Only few spans of a query are looked at, so chance has few places instead of a whole index.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch

from evaluate.fingerprint.describe.query_view import ViewedFootage
from evaluate.fingerprint.match.align import SPEED_RANGE
from evaluate.fingerprint.match.match import best_first
from evaluate.fingerprint.match.matches import Match
from evaluate.fingerprint.match.same_changes import STEPS, align

PartReader = Callable[[str, float, float, float], np.ndarray | None]
"""Reads a reference's part: its name, first second, seconds, and frames a second; returns (T, H, H) brightness, or None if
it cannot be read."""
FALSE_MATCH_SHARE = 0.1
"""Share of the accepted false matches that a closer look may cause."""
LEAST_SECONDS, MOST_SECONDS = 1.0, 3.0
"""Length of the query's part that is compared."""
MARGIN_SECONDS = 4.0
"""Before and after the place that was found, for a part of one second; it is less for longer ones, which are found better."""
FITTED_SECONDS = 2.5
"""Shorter spans tell no speed, as their ends may be half a hop off. For these, the view's speed and 1 are tried."""


class _Look(NamedTuple):
    """What a closer look at a match has shown: the span with its new seconds, and its surprise."""

    match: Match
    placed: Match
    surprise: float


def look_closer(
    found: Sequence[Match], doubtful: Iterable[tuple[ViewedFootage, Sequence[Match]]], fps: float, read_part: PartReader,
    threshold: float,
) -> list[Match]:  # fmt: skip
    """Look closer at some spans of a query; return all spans, best first.

    A span that is less likely by chance after the look gets the look's score, and the seconds where it was found.

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
    for match, placed, surprise in filter(None, looks):
        score = (surprise - math.log(len(looks) / FALSE_MATCH_SHARE)) / math.log(10)
        if score > max(0.0, better.get(match, match).score):
            better[match] = replace(placed, score=score, video_score=score, decision=score >= threshold)
    return best_first(better.get(match, match) for match in found)


def _speeds(match: Match) -> set[float]:
    """Return the speeds to try; a span that was cut where its file ends tells a wilder one than the alignment finds."""
    if match.query_end_seconds - match.query_start_seconds <= FITTED_SECONDS:
        return {match.view.speed, 1.0}
    slowest, fastest = SPEED_RANGE
    return {match.speed if slowest <= match.speed / match.view.speed <= fastest else match.view.speed}


def _look(match: Match, speed: float, window: ViewedFootage, fps: float, read_part: PartReader) -> _Look | None:
    """Compare the middle of a span with the reference around the place that was found; None if it cannot be read."""
    frames = window.brightness(match.view)
    seconds = match.query_end_seconds - match.query_start_seconds
    n_frames = min(round(min(max(seconds, LEAST_SECONDS), MOST_SECONDS) * fps), len(frames))
    if n_frames < 2:
        return None
    middle = (match.query_start_seconds + seconds / 2) * fps - window.footage.first_frame
    first = min(max(0, round(middle - n_frames / 2)), len(frames) - n_frames)
    query_second = (window.footage.first_frame + first) / fps
    place = match.reference_start_seconds + speed * (query_second - match.query_start_seconds)
    margin, part_fps = MARGIN_SECONDS * fps / n_frames, STEPS * fps / speed
    start = max(0.0, place - margin)
    part = read_part(match.reference, start, place + margin + speed * n_frames / fps - start, part_fps)
    aligned = None if part is None else align(frames[first : first + n_frames], torch.from_numpy(part))
    if aligned is None:
        return None
    # A frame is what is on screen in the middle of its time.
    reference_second = start + (aligned.first_frame + 0.5) / part_fps - speed * 0.5 / fps
    return _Look(match, _placed(match, query_second, reference_second, speed), aligned.surprise)


def _placed(match: Match, query_second: float, reference_second: float, speed: float) -> Match:
    """Lay a span on the line through a second of both files; what lies before the reference's start is cut off."""
    start = reference_second + speed * (match.query_start_seconds - query_second)
    end = reference_second + speed * (match.query_end_seconds - query_second)
    first = min(max(0.0, start), end)
    return replace(
        match, query_start_seconds=match.query_start_seconds + (first - start) / speed, reference_start_seconds=first,
        reference_end_seconds=end,
    )  # fmt: skip
