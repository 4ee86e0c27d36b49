"""A closer look at audio: a span's middle beside the reference's audio around the place that was found.

A span of descriptors tells its speed badly, and with a cut in it not at all. So spans of a query without video are compared
at other speeds too, and so are their halves, as a cut may lie between them.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor

from evaluate.fingerprint.describe.query_view import ViewedFootage
from evaluate.fingerprint.describe.view import View
from evaluate.fingerprint.match import same_sound
from evaluate.fingerprint.match.matches import Match
from evaluate.fingerprint.match.piece import Look, PartReader, cut, piece_of, placed, speeds_of

MOST_SECONDS = 5.0
MARGIN_SECONDS = 4.0
"""Before and after the place that was found, so that a siren comes again in it."""
SPEED_STEP, SPEED_STEPS = 0.005, 4
"""Speeds around the one that was found differ by such shares: at one that is 1 % off, the ends of five seconds are a column of
the log-mel off. They count as one try: they are so near to each other that they find the same by chance."""
WIDE_STEP, WIDE_STEPS = 0.025, 6
"""All speeds differ by such shares of the view's."""
WIDE_SECONDS = 2.0
"""Of a piece that is compared at all speeds; the best tells where to compare all of it."""
WIDE_REACH_BANDS = 1
"""Shift of pitch there, as the change of pitch with the speed is undone."""
HALVED_SECONDS = 3.0
N_TRIES = 3 * (2 * WIDE_STEPS + 1)
"""At all speeds, of the whole and its halves."""
SURE_NATS = 25.0
"""A surprise that decides at any rate: nothing else is tried."""


def listen(match: Match, window: ViewedFootage, parts: PartReader, *, is_wide: bool) -> Iterator[Look]:
    """Compare the audio of a span's middle with the reference's; nothing if it cannot be read.

    Args:
        match: the span.
        window: of the query, that holds its middle.
        parts: reads the reference.
        is_wide: whether also at all speeds, and by halves.
    """
    params, speeds = window.shard_params, speeds_of(match)
    if match.audio_score is None or params.hop_length % same_sound.STEPS:
        return
    fine = replace(params, hop_length=params.hop_length // same_sound.STEPS)
    piece = piece_of(match, window, max(speeds), MOST_SECONDS)
    start, seconds = piece.around(MARGIN_SECONDS)
    part = parts.logmel(match.reference, start, seconds, fine)
    if part is None:
        return
    heard, pitch = _Heard(window, match.view, torch.from_numpy(part).float()), match.view.pitch
    tried = heard.best(piece.first, piece.last, [(speed, pitch) for speed in {1.0, *_around(speeds)}])
    best = [(tried, 1)]
    if is_wide and (tried is None or tried.surprise < SURE_NATS):
        best.append((_best_at_all_speeds(heard, piece.first, piece.last), N_TRIES))
    for tried, n_tries in best:
        if tried is None:
            continue
        first, last = ((window.footage.first_frame + frame) / window.fps for frame in (tried.first, tried.last))
        column = tried.first_column + 0.5 - tried.speed * same_sound.STEPS * 0.5  # of middles
        told = placed(match, first, start + column * fine.hop_length / fine.sample_rate_hz, tried.speed)
        if (tried.first, tried.last) != (piece.first, piece.last):
            told = cut(told, first if tried.first > piece.first else 0.0, last if tried.last < piece.last else math.inf)
        yield Look(match, told, "audio", tried.surprise, n_tries)


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


def _best_at_all_speeds(heard: _Heard, first: int, last: int) -> _Tried | None:
    """Compare frames and their halves at all speeds, with the pitch kept or changed with the speed; return the best."""
    view, fps = heard.view, heard.window.fps
    middle, n_around = (first + last) // 2, round(WIDE_SECONDS / 2 * fps)
    is_halved = last - first >= HALVED_SECONDS * fps
    speeds = _around([view.speed], WIDE_STEP, WIDE_STEPS)
    tried = sorted({(speed, pitch) for speed in speeds for pitch in (view.pitch, view.pitch * speed / view.speed)})
    parts = [(first, middle), (middle, last)] if is_halved else [(first, last)]
    coarse = list[tuple[_Tried, tuple[int, int]]]()
    for begin, end in parts:
        within = max(begin, (begin + end) // 2 - n_around), min(end, (begin + end) // 2 + n_around)
        if best := heard.best(*within, tried, WIDE_REACH_BANDS):
            coarse.append((best, (begin, end)))
    if not coarse:
        return None
    best, part = max(coarse, key=lambda each: each[0].surprise)
    pitch_per_speed = 0.0 if best.pitch == view.pitch else view.pitch / view.speed
    around = [(speed, pitch_per_speed * speed or view.pitch) for speed in _around([best.speed])]
    found = [heard.best(*each, around, WIDE_REACH_BANDS) for each in {(first, last), part}]
    return max((each for each in found if each), key=lambda each: each.surprise, default=None)


def _around(speeds: Iterable[float], step: float = SPEED_STEP, n_steps: int = SPEED_STEPS) -> list[float]:
    return [speed * (1 + step * n) for speed in speeds for n in range(-n_steps, n_steps + 1)]
