"""A closer look at audio: a span's middle beside the reference's audio around the place that was found.

A span of descriptors tells its speed badly, and with a cut in it not at all. So spans of a query without video are compared
at other speeds too, and so are their halves, as a cut may lie between them.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor

from evaluate.fingerprint.closer_look import audio_alignment
from evaluate.fingerprint.closer_look.piece import Kind, Look, PartReader, file_end, piece_of, placed, speeds_of
from evaluate.fingerprint.describe.query_view import ViewedFootage
from evaluate.fingerprint.describe.view import View
from evaluate.fingerprint.match.matches import Match

MOST_SECONDS = 5.0
"""Of a span that are compared."""
MARGIN_SECONDS = 4.0
"""Before and after the place that was found, so that a siren comes again in it."""
SPEED_STEP, SPEED_STEPS = 0.005, 4
"""Speeds around one differ by such shares: at one that is 1 % off, the ends of five seconds are a column of the log-mel off.
They count as one try: they are so near to each other that they find the same by chance."""
WIDE_STEP, WIDE_STEPS = 0.025, 6
"""All speeds differ by such shares of the view's."""
WIDE_SECONDS = 2.0
"""Of a part that are compared at all speeds; the best tells where to compare the rest."""
WIDE_REACH_BANDS = 1
"""Shift of pitch there: what the speed does to it is undone."""
HALVED_SECONDS = 3.0
"""From here on the halves are compared too."""
N_TRIES = 3 * 2 * (2 * WIDE_STEPS + 1)
"""The whole and its halves, at two pitches of all speeds."""
SURE_NATS = 25.0
"""A surprise that decides at all usual rates: nothing else is tried."""


def look_at_audio(match: Match, window: ViewedFootage, parts: PartReader, *, is_wide: bool) -> Iterator[Look]:
    """Compare the audio of a span's middle with the reference's; nothing if it cannot be read.

    Args:
        match: the span.
        window: of the query, that holds its middle.
        parts: reads the reference.
        is_wide: whether also at all speeds, and by halves.
    """
    params, speeds = window.shard_params, speeds_of(match)
    if match.audio_score is None or params.hop_length % audio_alignment.STEPS:
        return
    fine = replace(params, hop_length=params.hop_length // audio_alignment.STEPS)
    piece = piece_of(match, window, max(speeds), MOST_SECONDS)
    start, seconds = piece.around(MARGIN_SECONDS)
    part = parts.logmel(match.reference, start, seconds, fine)
    if part is None:
        return
    column_seconds = fine.hop_length / fine.sample_rate_hz
    end = file_end(start, part.shape[1] * column_seconds, seconds)
    audio, pitch = _Audio(window, match.view, torch.from_numpy(part).float()), match.view.pitch
    near = audio.best(piece.first, piece.last, [(speed, pitch) for speed in {1.0, *_around(*speeds)}])
    looks: list[tuple[_Found | None, Kind, int]] = [(near, "audio", len({1.0, *speeds}))]
    if is_wide and (near is None or near.surprise < SURE_NATS):
        looks.append((_best_at_all_speeds(audio, piece.first, piece.last), "audio at all speeds", N_TRIES))
    for found, kind, n_tries in looks:
        if found is None:
            continue
        first, last = ((window.footage.first_frame + frame) / window.fps for frame in (found.first, found.last))
        column = found.first_column + 0.5 - found.speed * audio_alignment.STEPS * 0.5  # of middles
        told = placed(match, first, start + column * column_seconds, found.speed, end)
        if (found.first, found.last) != (piece.first, piece.last):
            told = told.cut(first if found.first > piece.first else 0.0, last if found.last < piece.last else math.inf)
        yield Look(match, told, kind, found.surprise, n_tries)


class _Found(NamedTuple):
    """The best alignment of frames [first, last) of a window, and its speed and pitch."""

    first: int
    last: int
    speed: float
    pitch: float
    first_column: int
    surprise: float


@dataclass(frozen=True)
class _Audio:
    """The audio of a window in a view, and the log-mel (n_mels, U) of a reference's part."""

    window: ViewedFootage
    view: View
    reference: Tensor

    def best(
        self, first: int, last: int, speeds_pitches: Sequence[tuple[float, float]],
        reach_bands: int = audio_alignment.REACH_BANDS,
    ) -> _Found | None:  # fmt: skip
        """Compare frames [first, last) of the window at speeds and pitches; return what surprises most."""
        per_frame = self.window.shard_params.columns_per_frame
        most = math.ceil((last - first) * per_frame * audio_alignment.STEPS * max(speed for speed, _ in speeds_pitches))
        bases = {self.view.speed, 1.0}
        passages = {base: audio_alignment.passage_of(self.reference, most, base) for base in bases}
        found = []
        for pitch in {pitch for _, pitch in speeds_pitches}:
            logmel = self.window.logmel(replace(self.view, pitch=pitch)).cpu()
            excerpt = audio_alignment.excerpt_of(logmel, first * per_frame, last * per_frame)
            for speed in (speed for speed, of_pitch in speeds_pitches if of_pitch == pitch):
                passage = passages[min(bases, key=lambda base: abs(speed - base))]
                aligned = audio_alignment.align(excerpt, passage, speed, reach_bands) if excerpt and passage else None
                if aligned:
                    found.append(_Found(first, last, speed, pitch, *aligned))
        return max(found, key=lambda each: each.surprise, default=None)


def _best_at_all_speeds(audio: _Audio, first: int, last: int) -> _Found | None:
    """Compare frames and their halves at all speeds, with the pitch kept or changed with the speed; return the best."""
    view, fps = audio.view, audio.window.fps
    middle, n_around = (first + last) // 2, round(WIDE_SECONDS / 2 * fps)
    is_halved = last - first >= HALVED_SECONDS * fps
    speeds = _around(view.speed, step=WIDE_STEP, n_steps=WIDE_STEPS)
    tried = sorted({(speed, pitch) for speed in speeds for pitch in (view.pitch, view.pitch * speed / view.speed)})
    coarse = list[tuple[_Found, tuple[int, int]]]()
    for begin, end in [(first, middle), (middle, last)] if is_halved else [(first, last)]:
        within = max(begin, (begin + end) // 2 - n_around), min(end, (begin + end) // 2 + n_around)
        if best := audio.best(*within, tried, WIDE_REACH_BANDS):
            coarse.append((best, (begin, end)))
    if not coarse:
        return None
    best, part = max(coarse, key=lambda each: each[0].surprise)
    pitch_per_speed = 0.0 if best.pitch == view.pitch else view.pitch / view.speed
    around = [(speed, pitch_per_speed * speed or view.pitch) for speed in _around(best.speed)]
    whole = audio.best(first, last, around, WIDE_REACH_BANDS)
    if part == (first, last) or (whole and whole.surprise >= SURE_NATS):
        return whole
    half = audio.best(*part, around, WIDE_REACH_BANDS)
    return max((each for each in (whole, half) if each), key=lambda each: each.surprise, default=None)


def _around(*speeds: float, step: float = SPEED_STEP, n_steps: int = SPEED_STEPS) -> list[float]:
    return [speed * (1 + step * n) for speed in speeds for n in range(-n_steps, n_steps + 1)]
