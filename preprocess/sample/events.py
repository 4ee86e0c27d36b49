"""The seven events of the sample world, each in two variants: from a timeline to a motion with its strikes.

A class and its time-reversed twin share every single picture and every single sound: what runs one way only (radius,
size, height) leaves no trace, while the trail is that of a coordinate that runs both ways alike (angle, sway). Trail,
halo and decay of the sound always follow their cause, so that a clip played backwards is not a clip of the twin.
"""

from collections.abc import Callable

import numpy as np

from preprocess.sample.classes import EventClass, EventKind
from preprocess.sample.motion import (
    ASPECT,
    GRID_HZ,
    N_FRAMES,
    TRAIL_LAGS_SECONDS,
    Floats,
    Motion,
    Strikes,
    Timeline,
    wear_at,
)

TEMPO_SPREAD = 0.18
"""Natural logarithm of the largest tempo: within 20 % of the class's own, so that twice as fast is never natural."""
CYCLE_SECONDS = 3.0
_MIDDLE = ASPECT / 2


def _strikes(seconds: Floats, strength: Floats | float, semitones: Floats | float = 0.0, glide: float = 0.0) -> Strikes:
    shape = np.zeros_like(seconds)
    return Strikes(seconds, shape + strength, shape + semitones, shape + glide, wear_at(seconds))


def _cycle(line: Timeline, variant: int, rng: np.random.Generator) -> Floats:
    """Sawtooth over the grid, 0 -> 1 (variant 0) or 1 -> 0 (variant 1), from a random phase."""
    unit = np.mod(line.beats / CYCLE_SECONDS + rng.random(), 1.0)
    return unit if variant == 0 else 1.0 - unit


def _wave(line: Timeline, rng: np.random.Generator, period_seconds: float, width: float) -> Floats:
    """Sideways sway about the middle, the same forwards and backwards."""
    return _MIDDLE + width * np.sin(2 * np.pi * (line.beats / period_seconds + rng.random()))


def _motion(
    line: Timeline,
    x: Floats,
    y: Floats,
    strikes: Strikes,
    *,
    scale: Floats | None = None,
    squash: Floats | None = None,
    trail: tuple[Floats, Floats] | None = None,
    ground_y: float | None = None,
) -> Motion:
    """Read everything at the frames; the trail is the path itself unless given."""
    ones = np.ones(N_FRAMES)
    trail_x, trail_y = (line.at_lags(x), line.at_lags(y)) if trail is None else trail
    return Motion(
        x=line.at_frames(x),
        y=line.at_frames(y),
        scale=ones if scale is None else line.at_frames(scale),
        squash=ones if squash is None else line.at_frames(squash),
        trail_x=trail_x,
        trail_y=trail_y,
        strikes=strikes,
        ground_y=ground_y,
    )


def _squash(height: Floats) -> Floats:
    """Flatter the nearer to the ground."""
    return 1 - 0.35 * np.clip(1 - height / 0.10, 0, 1)


def _bounce(line: Timeline, variant: int, rng: np.random.Generator) -> Motion:
    """Parabolas under one gravity whose height falls by a constant factor within a cycle; reversed: rises."""
    heights = (0.60 * 0.58 ** np.arange(4))[:: 1 if variant == 0 else -1]
    speeds = np.sqrt(heights / heights.max())
    lengths = speeds / speeds.sum() * CYCLE_SECONDS
    n_cycles = 5  # covers lead-in, clip and the random phase at the quickest tempo
    ends = np.cumsum(np.tile(lengths, n_cycles)) - rng.random() * lengths.sum()
    index = np.searchsorted(ends, line.beats, side="right")
    unit = 1 - (ends[index] - line.beats) / np.tile(lengths, n_cycles)[index]
    height = np.tile(heights, n_cycles)[index] * 4 * unit * (1 - unit)
    # Loudness by the mean of the speeds before and after contact: the same in both directions of time.
    strength = (np.tile(speeds, n_cycles) + np.tile(np.roll(speeds, -1), n_cycles)) / 2
    struck = ends / line.tempo + line.grid[0]
    x, ground = _wave(line, rng, 4.5, 0.12), 0.80
    return _motion(line, x, ground - height, _strikes(struck, strength), squash=_squash(height), ground_y=ground)


def _spiral(line: Timeline, variant: int, rng: np.random.Generator) -> Motion:
    """Radius shrinks while the turning quickens; the trail is an arc of the present circle."""
    tight = _cycle(line, variant, rng)
    radius = 0.36 - 0.27 * tight
    turns_per_second = line.tempo * (0.45 + 0.65 * tight)
    turns = np.cumsum(turns_per_second) / GRID_HZ + rng.random()
    side = rng.choice([-1.0, 1.0])

    def place(turned: Floats) -> tuple[Floats, Floats]:
        angle = 2 * np.pi * side * turned
        return _MIDDLE + radius * np.cos(angle), 0.5 + radius * np.sin(angle)

    ghosts = [place(turns - turns_per_second * lag) for lag in TRAIL_LAGS_SECONDS]
    trail = (
        np.stack([line.at_frames(ghost_x) for ghost_x, _ in ghosts]),
        np.stack([line.at_frames(ghost_y) for _, ghost_y in ghosts]),
    )
    plucks = line.crossings(5 * turns)
    return _motion(line, *place(turns), _strikes(plucks, 0.7, 14 * line.read(plucks, tight) - 7), trail=trail)


def _approach(line: Timeline, variant: int, rng: np.random.Generator) -> Motion:
    """Size grows evenly on a log scale, loudness with it; ghosts have the present size."""
    near = _cycle(line, variant, rng)
    beats = line.crossings(4 * line.beats + rng.random())
    strikes = _strikes(beats, 0.12 * 8.0 ** line.read(beats, near))
    return _motion(line, _wave(line, rng, 1.4, 0.14), np.full_like(near, 0.5), strikes, scale=0.45 * 4.0**near)


def _rise(line: Timeline, variant: int, rng: np.random.Generator) -> Motion:
    """Height grows evenly and the pitch with it; ghosts lie beside the object, at its present height."""
    height = _cycle(line, variant, rng)
    x, y = _wave(line, rng, 1.4, 0.12), 0.95 - 0.90 * height
    beats = line.crossings(4 * line.beats + rng.random())
    trail = (line.at_lags(x), np.tile(line.at_frames(y), (len(TRAIL_LAGS_SECONDS), 1)))
    return _motion(line, x, y, _strikes(beats, 0.6, 14 * line.read(beats, height) - 7), trail=trail)


def _tap(line: Timeline, variant: int, rng: np.random.Generator) -> Motion:
    """Strokes of one shape; only their spacing differs: 1-1 or 0.6-1.4 of the mean interval."""
    number = np.arange(-4, 24)
    shift = 0.0 if variant == 0 else 0.4
    struck = 0.56 * (number - shift * (number % 2) + 2 * rng.random())
    apart = np.abs(line.beats[:, None] - struck[None, :]).min(axis=1)
    height = 0.42 * np.minimum(1.0, apart / 0.18)
    x, ground = _wave(line, rng, 2.6, 0.12), 0.78
    strikes = _strikes(struck / line.tempo + line.grid[0], 0.8)
    return _motion(line, x, ground - height, strikes, squash=_squash(height), ground_y=ground)


def _orbit(line: Timeline, variant: int, rng: np.random.Generator) -> Motion:
    """Turn by a quarter in every beat: evenly, or within the first third of it; the sound is the same."""
    beats = line.beats / 0.80 + rng.random()
    step = np.clip(np.mod(beats, 1.0) / 0.35, 0, 1)
    quarters = beats if variant == 0 else np.floor(beats) + step * step * (3 - 2 * step)
    angle = rng.choice([-1.0, 1.0]) * quarters * np.pi / 2 + 2 * np.pi * rng.random()
    ticks = line.crossings(2 * beats)
    tock = np.mod(np.round(line.read(ticks, 2 * beats)), 2.0)
    strikes = _strikes(ticks, 0.65, 9.0 * tock - 4.5)
    return _motion(line, _MIDDLE + 0.31 * np.cos(angle), 0.5 + 0.28 * np.sin(angle), strikes)


def _swing(line: Timeline, variant: int, rng: np.random.Generator) -> Motion:
    """Swing as a pendulum that sounds at the bottom; only the glide of the sound differs."""
    phase = line.beats / 1.7 + rng.random()
    angle = 0.85 * np.sin(2 * np.pi * phase)
    glide = 10.0 if variant == 0 else -10.0
    strikes = _strikes(line.crossings(2 * phase), 0.9, -glide / 2, glide)
    return _motion(line, _MIDDLE + 0.50 * np.sin(angle), 0.24 + 0.50 * np.cos(angle), strikes)


_BUILDERS: dict[EventKind, Callable[[Timeline, int, np.random.Generator], Motion]] = {
    "bounce": _bounce,
    "spiral": _spiral,
    "approach": _approach,
    "rise": _rise,
    "tap": _tap,
    "orbit": _orbit,
    "swing": _swing,
}


def build_motion(entry: EventClass, rng: np.random.Generator) -> Motion:
    """Draw the motion of one clip: the class's event near its own tempo, from a random phase."""
    line = Timeline(tempo=float(np.exp(rng.uniform(-TEMPO_SPREAD, TEMPO_SPREAD))))
    return _BUILDERS[entry.kind](line, entry.variant, rng)
