"""A closer look at the best spans below the threshold: the archive's seconds are read again and compared in detail.

A span that was found by descriptors, but could be chance, is decided if query and reference show the same changes at the same
places (same_changes.py), or sound alike moment by moment (same_sound.py). Only few spans of a query are looked at, so chance
has few places instead of a whole index.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple, Protocol

import numpy as np
import torch

from evaluate.fingerprint.describe.query_view import ViewedFootage
from evaluate.fingerprint.match import same_changes, same_sound
from evaluate.fingerprint.match.align import SPEED_RANGE
from evaluate.fingerprint.match.match import best_first
from evaluate.fingerprint.match.matches import Match
from preprocess.schema import ShardParams

FALSE_MATCH_SHARE = 0.1
"""Share of the accepted false matches that a closer look may cause."""
LEAST_SECONDS, MOST_SHOWN_SECONDS, MOST_HEARD_SECONDS = 1.0, 3.0, 5.0
"""Length of the query's part that is compared."""
MARGIN_SECONDS = 4.0
"""Before and after the place that was found. Of pictures it is less for parts of more than a second, which are found better;
of audio it is not, so that a siren comes again in it."""
FITTED_SECONDS = 2.5
"""Shorter spans tell no speed, as their ends may be half a hop off. For these, the view's speed and 1 are tried."""
SPEED_STEP, SPEED_STEPS = 0.005, 4
"""Audio is compared at speeds around the one that was found, which differ by such shares: at one that is 1 % off, the ends of
five seconds are a column of the log-mel off."""


class PartReader(Protocol):
    """Reads a part of a reference: from a second on, for so many seconds; None if it cannot be read."""

    def brightness(self, name: str, start_seconds: float, seconds: float, fps: float) -> np.ndarray | None:
        """Return (T, H, H)."""

    def logmel(self, name: str, start_seconds: float, seconds: float, params: ShardParams) -> np.ndarray | None:
        """Return (n_mels, T)."""


@dataclass(frozen=True)
class _Piece:
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


class _Look(NamedTuple):
    """What a closer look at a match has shown: the span with its new seconds, by video or audio, and its surprise."""

    match: Match
    placed: Match
    modality: Literal["video", "audio"]
    surprise: float


def look_closer(
    found: Sequence[Match],
    doubtful: Iterable[tuple[ViewedFootage, Sequence[Match]]],
    parts: PartReader,
    threshold: float,
) -> list[Match]:
    """Look closer at some spans of a query; return all spans, best first.

    A span that is less likely by chance after the look gets the look's score, and the seconds where it was found.

    Args:
        found: spans of the query.
        doubtful: windows of the query, and spans with their middle in each.
        parts: reads the references.
        threshold: least score of a decided match.
    """
    looks = [
        look for window, matches in doubtful for match in matches
        for look in (*_look(match, window, parts), *_listen(match, window, parts))
    ]  # fmt: skip
    better = dict[Match, Match]()
    for look in looks:
        score = (look.surprise - math.log(len(looks) / FALSE_MATCH_SHARE)) / math.log(10)
        before = better.get(look.match, look.match)
        is_video = look.modality == "video"
        if score > max(0.0, (before.video_score if is_video else before.audio_score) or 0.0):
            told = replace(
                look.placed if score > before.score else before, score=max(score, before.score),
                video_score=score if is_video else before.video_score,
                audio_score=before.audio_score if is_video else score,
            )  # fmt: skip
            better[look.match] = replace(told, decision=told.score >= threshold)
    return best_first(better.get(match, match) for match in found)


def _look(match: Match, window: ViewedFootage, parts: PartReader) -> Iterator[_Look]:
    """Compare the pictures of a span's middle with the reference's, at each speed; nothing if they cannot be read."""
    if match.video_score is None:
        return
    frames, fps = window.brightness(match.view), window.fps
    for speed in _speeds(match):
        piece, part_fps = _piece(match, window, speed, MOST_SHOWN_SECONDS), same_changes.STEPS * fps / speed
        if piece.last - piece.first < 2:
            continue
        start, seconds = piece.around(MARGIN_SECONDS * fps / (piece.last - piece.first))
        part = parts.brightness(match.reference, start, seconds, part_fps)
        aligned = None if part is None else same_changes.align(frames[piece.first : piece.last], torch.from_numpy(part))
        if aligned is not None:
            # A frame is what is on screen in the middle of its time.
            second = start + (aligned.first_frame + 0.5) / part_fps - speed * 0.5 / fps
            yield _Look(match, _placed(match, piece.query_second, second, speed), "video", aligned.surprise)


def _listen(match: Match, window: ViewedFootage, parts: PartReader) -> Iterator[_Look]:
    """Compare the audio of a span's middle with the reference's, at the speed that fits best; nothing if it cannot be read.

    The speeds count as one look: they are so near to each other that they find the same by chance.
    """
    if match.audio_score is None:
        return
    params, speeds = window.shard_params, _speeds(match)
    if params.hop_length % same_sound.STEPS:
        return
    fine = replace(params, hop_length=params.hop_length // same_sound.STEPS)
    column_seconds, per_frame = fine.hop_length / fine.sample_rate_hz, params.columns_per_frame
    piece = _piece(match, window, max(speeds), MOST_HEARD_SECONDS)
    heard = same_sound.piece_of(window.logmel(match.view).cpu(), piece.first * per_frame, piece.last * per_frame)
    start, seconds = piece.around(MARGIN_SECONDS)
    part = parts.logmel(match.reference, start, seconds, fine)
    if part is None or heard is None:
        return
    reference, looks = torch.from_numpy(part).float(), list[_Look]()
    around = (speed * (1 + step * SPEED_STEP) for speed in speeds for step in range(-SPEED_STEPS, SPEED_STEPS + 1))
    for speed in {1.0, *around}:
        at = (torch.arange(int(reference.shape[1] / speed)) * speed).round().long()
        aligned = same_sound.align(heard, reference[:, at.clamp(max=reference.shape[1] - 1)])
        if aligned is not None:
            column = speed * aligned.first_column + 0.5 - speed * same_sound.STEPS * 0.5  # of middles
            placed = _placed(match, piece.query_second, start + column * column_seconds, speed)
            looks.append(_Look(match, placed, "audio", aligned.surprise))
    if looks:
        yield max(looks, key=lambda each: each.surprise)


def _speeds(match: Match) -> set[float]:
    """Return the speeds to try; a span that was cut where its file ends tells a wilder one than the alignment finds."""
    if match.query_end_seconds - match.query_start_seconds <= FITTED_SECONDS:
        return {match.view.speed, 1.0}
    slowest, fastest = SPEED_RANGE
    return {match.speed if slowest <= match.speed / match.view.speed <= fastest else match.view.speed}


def _piece(match: Match, window: ViewedFootage, speed: float, most_seconds: float) -> _Piece:
    """Choose the middle of a span, at most so many seconds of it, and where the reference holds it at a speed."""
    fps, footage = window.fps, window.footage
    seconds = match.query_end_seconds - match.query_start_seconds
    n_frames = min(round(min(max(seconds, LEAST_SECONDS), most_seconds) * fps), len(footage))
    middle = (match.query_start_seconds + seconds / 2) * fps - footage.first_frame
    first = min(max(0, round(middle - n_frames / 2)), len(footage) - n_frames)
    query_second = (footage.first_frame + first) / fps
    place = match.reference_start_seconds + speed * (query_second - match.query_start_seconds)
    return _Piece(first, first + n_frames, query_second, place, speed * n_frames / fps)


def _placed(match: Match, query_second: float, reference_second: float, speed: float) -> Match:
    """Lay a span on the line through a second of both files; what lies before the reference's start is cut off."""
    start = reference_second + speed * (match.query_start_seconds - query_second)
    end = reference_second + speed * (match.query_end_seconds - query_second)
    first = min(max(0.0, start), end)
    return replace(
        match, query_start_seconds=match.query_start_seconds + (first - start) / speed, reference_start_seconds=first,
        reference_end_seconds=end,
    )  # fmt: skip
