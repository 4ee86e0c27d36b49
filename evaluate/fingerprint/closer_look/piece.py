"""A piece of a span that is looked at closer: its seconds in both files, before and after the look."""

import math
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple, Protocol

import numpy as np

from evaluate.fingerprint.describe.query_view import ViewedFootage
from evaluate.fingerprint.match.align import SPEED_RANGE
from evaluate.fingerprint.match.matches import Match
from preprocess.schema import ShardParams

Kind = Literal["video", "audio", "audio at all speeds"]
LEAST_SECONDS = 1.0
"""Of the query that are compared, where it has them."""
ROUNDED_SECONDS = 0.1
"""A part that is less than this shorter than asked for may go on."""
FITTED_SECONDS = 2.5
"""Shorter spans tell no speed, as their ends may be half a hop off. For these, the view's speed and 1 are tried."""


class PartReader(Protocol):
    """Reads a part of a reference: from a second on, for so many seconds; None if it cannot be read."""

    def brightness(self, name: str, start_seconds: float, seconds: float, fps: float) -> np.ndarray | None:
        """Return (T, H, H)."""

    def logmel(self, name: str, start_seconds: float, seconds: float, params: ShardParams) -> np.ndarray | None:
        """Return (n_mels, T)."""


@dataclass(frozen=True)
class Piece:
    """The middle of a span: frames [first, last) of a window, and the seconds of the reference where it was found."""

    first: int
    last: int
    query_second: float
    reference_second: float
    reference_seconds: float

    def around(self, margin_seconds: float) -> tuple[float, float]:
        """First second and length of the reference's part that is read."""
        start = max(0.0, self.reference_second - margin_seconds)
        return start, self.reference_second + self.reference_seconds + margin_seconds - start


class Look(NamedTuple):
    """What a closer look at a match has shown.

    Attributes:
        match: the span before.
        placed: the span with its new seconds.
        kind: what was compared; each kind is another chance.
        surprise: -ln of the probability that unrelated files have an alignment like the best one.
        n_tries: how many alignments that tell something else it is the best of.
    """

    match: Match
    placed: Match
    kind: Kind
    surprise: float
    n_tries: int


def speeds_of(match: Match) -> set[float]:
    """Return the speeds to try; a span that was cut where its file ends tells a wilder one than the alignment finds."""
    if match.query_seconds <= FITTED_SECONDS:
        return {match.view.speed, 1.0}
    slowest, fastest = SPEED_RANGE
    return {match.speed if slowest <= match.speed / match.view.speed <= fastest else match.view.speed}


def piece_of(match: Match, window: ViewedFootage, speed: float, most_seconds: float) -> Piece:
    """Choose the middle of a span, at most so many seconds of it, and where the reference holds it at a speed."""
    fps, footage = window.fps, window.footage
    seconds = match.query_seconds
    n_frames = min(round(min(max(seconds, LEAST_SECONDS), most_seconds) * fps), len(footage))
    middle = (match.query_start_seconds + seconds / 2) * fps - footage.first_frame
    first = min(max(0, round(middle - n_frames / 2)), len(footage) - n_frames)
    query_second = (footage.first_frame + first) / fps
    place = match.reference_start_seconds + speed * (query_second - match.query_start_seconds)
    return Piece(first, first + n_frames, query_second, place, speed * n_frames / fps)


def file_end(start_seconds: float, read_seconds: float, asked_seconds: float) -> float:
    """Return the second where a file ends if less of a part came back than was asked for; infinity if not."""
    return start_seconds + read_seconds if read_seconds < asked_seconds - ROUNDED_SECONDS else math.inf


def placed(match: Match, query_second: float, reference_second: float, speed: float, reference_end: float) -> Match:
    """Lay a span on the line through a second of both files; what lies outside the reference is cut off."""
    ends = match.query_start_seconds, match.query_end_seconds
    start, end = (reference_second + speed * (each - query_second) for each in ends)
    first, last = min(max(0.0, start), end), max(min(end, reference_end), start)
    return replace(
        match, query_start_seconds=ends[0] + (first - start) / speed, query_end_seconds=ends[1] - (end - last) / speed,
        reference_start_seconds=first, reference_end_seconds=last,
    )  # fmt: skip
