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
from torch import Tensor

from evaluate.fingerprint.describe.query_view import ViewedFootage
from evaluate.fingerprint.describe.view import View
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
WIDE_STEP, WIDE_STEPS = 0.025, 6
"""Where that shows nothing, at speeds farther apart. A span of descriptors tells its speed badly, and with a cut in it not
at all."""
WIDE_SECONDS = 2.0
"""Of audio that is compared at speeds so far apart."""
HALVED_SECONDS = 4.0
"""From here on the halves of a piece are compared too, as a cut may lie between them."""
N_WIDE = 3 * (2 * WIDE_STEPS + 1)
"""Tries of such a comparison: halves and whole, at speeds that tell something else."""
WIDE_SPANS = 3
"""Spans of a window that are compared so, the best ones: it takes a tenth of a second each."""
WIDE_REACH_BANDS = 1
"""Shift of pitch there, where changes of the pitch with the speed are undone."""
SURE_NATS = 25.0
"""A surprise that decides at any rate."""


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
    """What a closer look at a match has shown: the span with its new seconds, by video or audio, its surprise, and the tries."""

    match: Match
    placed: Match
    modality: Literal["video", "audio"]
    surprise: float
    n_tries: int = 1


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
        look for window, matches in doubtful for rank, match in enumerate(matches)
        for look in (*_look(match, window, parts), *_listen(match, window, parts, is_wide=rank < WIDE_SPANS))
    ]  # fmt: skip
    better = dict[Match, Match]()
    for look in looks:
        score = (look.surprise - math.log(look.n_tries * len(looks) / FALSE_MATCH_SHARE)) / math.log(10)
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


def _listen(match: Match, window: ViewedFootage, parts: PartReader, *, is_wide: bool) -> Iterator[_Look]:
    """Compare the audio of a span's middle with the reference's; nothing if it cannot be read.

    Speeds around the one that was found count as one try: they are so near to each other that they find the same by chance.
    """
    params, speeds = window.shard_params, _speeds(match)
    if match.audio_score is None or params.hop_length % same_sound.STEPS:
        return
    fine = replace(params, hop_length=params.hop_length // same_sound.STEPS)
    piece = _piece(match, window, max(speeds), MOST_HEARD_SECONDS)
    start, seconds = piece.around(MARGIN_SECONDS)
    part = parts.logmel(match.reference, start, seconds, fine)
    if part is None:
        return
    heard, view = _Heard(window, match.view, torch.from_numpy(part).float()), match.view
    told = heard.best(piece.first, piece.last, [(speed, view.pitch) for speed in {1.0, *_around(speeds)}])
    tries = [(told, 2)] if told else []
    if is_wide and (told is None or told.surprise < SURE_NATS):
        tries += [(wide, 2 * N_WIDE) for wide in _heard_widely(heard, piece.first, piece.last)]
    column_seconds = fine.hop_length / fine.sample_rate_hz
    for tried, n_tries in tries:
        begin, end = ((window.footage.first_frame + frame) / window.fps for frame in (tried.first, tried.last))
        column = tried.first_column + 0.5 - tried.speed * same_sound.STEPS * 0.5  # of middles
        placed = _placed(match, begin, start + column * column_seconds, tried.speed)
        if tried.first > piece.first:
            placed = _cut(placed, start=begin)
        if tried.last < piece.last:
            placed = _cut(placed, end=end)
        yield _Look(match, placed, "audio", tried.surprise, n_tries)


class _Tried(NamedTuple):
    """The best alignment of frames [first, last) of a window at a speed and pitch."""

    first: int
    last: int
    speed: float
    pitch: float
    first_column: int
    surprise: float


@dataclass(frozen=True)
class _Heard:
    """The audio of a window in a view, and the log-mel (n_mels, U) of a reference's part."""

    window: ViewedFootage
    view: View
    reference: Tensor

    def best(
        self, first: int, last: int, tried: Sequence[tuple[float, float]], reach_bands: int = same_sound.REACH_BANDS
    ) -> _Tried | None:
        """Compare frames [first, last) of the window at speeds and pitches; return what surprises most."""
        per_frame = self.window.shard_params.columns_per_frame
        most = math.ceil((last - first) * per_frame * same_sound.STEPS * max(speed for speed, _ in tried))
        ground = same_sound.ground_of(self.reference, most, self.view.speed)
        found = []
        for pitch in {pitch for _, pitch in tried}:
            logmel = self.window.logmel(replace(self.view, pitch=pitch)).cpu()
            piece = same_sound.piece_of(logmel, first * per_frame, last * per_frame)
            for speed in (speed for speed, of_pitch in tried if of_pitch == pitch):
                aligned = same_sound.align(piece, ground, speed, reach_bands) if piece and ground else None
                if aligned:
                    found.append(_Tried(first, last, speed, pitch, *aligned))
        return max(found, key=lambda each: each.surprise, default=None)


def _heard_widely(heard: _Heard, first: int, last: int) -> list[_Tried]:
    """Compare frames and their halves at all speeds, with the pitch kept or changed with the speed; give the best, if any."""
    view, fps = heard.view, heard.window.fps
    middle, n_around = (first + last) // 2, round(WIDE_SECONDS / 2 * fps)
    is_halved = last - first >= HALVED_SECONDS * fps
    speeds = _around([view.speed], WIDE_STEP, WIDE_STEPS)
    tried = sorted({(speed, pitch) for speed in speeds for pitch in (view.pitch, view.pitch * speed / view.speed)})
    halves = [(first, middle), (middle, last)] if is_halved else []
    found = list[_Tried | None]()
    for begin, end in halves or [(first, last)]:
        within = max(begin, (begin + end) // 2 - n_around), min(end, (begin + end) // 2 + n_around)
        coarse = heard.best(*within, tried, WIDE_REACH_BANDS)
        if coarse is None:
            continue
        pitch_per_speed = 0.0 if coarse.pitch == view.pitch else view.pitch / view.speed
        around = [(speed, pitch_per_speed * speed or view.pitch) for speed in _around([coarse.speed])]
        found += [heard.best(*each, around, WIDE_REACH_BANDS) for each in {(first, last), (begin, end)}]
    return [max((each for each in found if each), key=lambda each: each.surprise)] if any(found) else []


def _around(speeds: Iterable[float], step: float = SPEED_STEP, n_steps: int = SPEED_STEPS) -> list[float]:
    return [speed * (1 + step * n) for speed in speeds for n in range(-n_steps, n_steps + 1)]


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


def _cut(match: Match, start: float | None = None, end: float | None = None) -> Match:
    """Cut a span at a second of the query."""
    first, last = match.query_start_seconds if start is None else start, match.query_end_seconds if end is None else end
    at = [match.reference_start_seconds + match.speed * (each - match.query_start_seconds) for each in (first, last)]
    return replace(
        match,
        query_start_seconds=first,
        query_end_seconds=last,
        reference_start_seconds=at[0],
        reference_end_seconds=at[1],
    )


def _placed(match: Match, query_second: float, reference_second: float, speed: float) -> Match:
    """Lay a span on the line through a second of both files; what lies before the reference's start is cut off."""
    start = reference_second + speed * (match.query_start_seconds - query_second)
    end = reference_second + speed * (match.query_end_seconds - query_second)
    first = min(max(0.0, start), end)
    return replace(
        match, query_start_seconds=match.query_start_seconds + (first - start) / speed, reference_start_seconds=first,
        reference_end_seconds=end,
    )  # fmt: skip
