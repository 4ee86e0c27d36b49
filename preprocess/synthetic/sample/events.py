"""The seven events of the sample world, each in two variants: from a timeline to a motion with its strikes.

A class and its time-reversed twin share every single frame; their sounds glide in opposite directions. A quantity that
runs one way only (radius, size, height) leaves no trail; the trail is that of a coordinate that runs both ways alike
(angle, sway). Trail, halo and decay of the sound always follow their cause, so that a clip played backwards is not a clip
of the twin.
"""

from collections.abc import Callable

import numpy as np

from preprocess.synthetic.sample.classes import EventClass, EventKind
from preprocess.synthetic.sample.motion import ASPECT, GRID_HZ, Floats, Motion, Strikes, Timeline, wear_at

TEMPO_SPREAD = 0.18
"""Natural logarithm of the largest tempo: within 20 % of the class's own, so that twice as fast is never natural."""
CYCLE_SECONDS = 1.8
_MIDDLE = ASPECT / 2


def _strikes(seconds: Floats, strength: Floats | float, semitones: Floats | float = 0.0, glide: float = 0.0) -> Strikes:
    shape = np.zeros_like(seconds)
    return Strikes(seconds, shape + strength, shape + semitones, shape + glide, wear_at(seconds))


def _glide(variant: int) -> float:
    """Glide of every sound in semitones, up where something grows (variant 0) and down where it shrinks."""
    return 12.0 if variant == 0 else -12.0


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
    trail: tuple[Floats, Floats] | None = None,
    ground_y: float | None = None,
    **form: Floats,
) -> Motion:
    """Read all values at the frames; the trail is the path itself unless given, and `form` changes what else is usual."""
    usual = {"scale": 1.0, "squash": 1.0, "brightness": 0.5, "gap": 0.0}
    at_frames = {name: line.at_frames(value) for name, value in ({"x": x, "y": y} | usual | form).items()}
    trail_x, trail_y = trail or (line.at_lags(x), line.at_lags(y))
    return Motion(**at_frames, trail_x=trail_x, trail_y=trail_y, strikes=strikes, ground_y=ground_y)


def _rise(line: Timeline, variant: int, rng: np.random.Generator) -> Motion:
    """Height grows evenly and the pitch with it; ghosts lie beside the object, at its present height."""
    height = _cycle(line, variant, rng)
    x, y = _wave(line, rng, 1.4, 0.12), 0.95 - 0.90 * height
    beats = line.crossings(4 * line.beats + rng.random())
    trail_x = line.at_lags(x)
    strikes = _strikes(beats, 0.6, 14 * line.read(beats, height) - 7, _glide(variant))
    return _motion(line, x, y, strikes, trail=(trail_x, np.broadcast_to(line.at_frames(y), trail_x.shape)))


def _approach(line: Timeline, variant: int, rng: np.random.Generator) -> Motion:
    """Size grows evenly on a log scale, loudness with it; ghosts have the present size."""
    near = _cycle(line, variant, rng)
    beats = line.crossings(4 * line.beats + rng.random())
    strikes = _strikes(beats, 0.12 * 8.0 ** line.read(beats, near), 0.0, _glide(variant))
    x = _wave(line, rng, 4.5, 0.10)
    return _motion(line, x, np.full_like(near, 0.5), strikes, scale=0.40 * 5.5**near)


def _kindle(line: Timeline, variant: int, rng: np.random.Generator) -> Motion:
    """The object goes from dark to glowing while its beat quickens."""
    heat = _cycle(line, variant, rng)
    beats = line.crossings(np.cumsum(line.tempo * (2.5 + 4.0 * heat)) / GRID_HZ + rng.random())
    strikes = _strikes(beats, 0.35, 0.0, _glide(variant))
    return _motion(line, _wave(line, rng, 4.5, 0.12), np.full_like(heat, 0.5), strikes, brightness=heat)


def _part(line: Timeline, variant: int, rng: np.random.Generator) -> Motion:
    """Two halves of one object drift apart, and its tick-tock with them: from one pitch to an octave and a half."""
    apart = _cycle(line, variant, rng)
    beats = 4 * line.beats + rng.random()
    ticks = line.crossings(beats)
    tock = 2 * np.mod(np.round(line.read(ticks, beats)), 2.0) - 1
    strikes = _strikes(ticks, 0.5, 5.0 * tock * line.read(ticks, apart), _glide(variant))
    x = _wave(line, rng, 4.5, 0.08)
    return _motion(line, x, np.full_like(apart, 0.5), strikes, gap=0.03 + 0.33 * apart)


def _tap(line: Timeline, variant: int, rng: np.random.Generator) -> Motion:
    """Strokes of one shape; only their spacing differs: 1-1 or 0.6-1.4 of the mean interval."""
    number = np.arange(-4, 24)
    shift = 0.0 if variant == 0 else 0.4
    struck = 0.56 * (number - shift * (number % 2) + 2 * rng.random())
    apart = np.abs(line.beats[:, None] - struck[None, :]).min(axis=1)
    height = 0.42 * np.minimum(1.0, apart / 0.18)
    x, ground = _wave(line, rng, 2.6, 0.12), 0.78
    strikes = _strikes(struck / line.tempo + line.grid[0], 0.8)
    squash = 1 - 0.35 * np.clip(1 - height / 0.10, 0, 1)  # flatter, the nearer to the ground
    return _motion(line, x, ground - height, strikes, squash=squash, ground_y=ground)


def _orbit(line: Timeline, variant: int, rng: np.random.Generator) -> Motion:
    """Turn by a quarter in every beat: evenly, or within its first third; the sound is the same."""
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
    "rise": _rise,
    "approach": _approach,
    "kindle": _kindle,
    "part": _part,
    "tap": _tap,
    "orbit": _orbit,
    "swing": _swing,
}


def build_motion(entry: EventClass, rng: np.random.Generator) -> Motion:
    """Draw the motion of one clip: the class's event near its own tempo, from a random phase."""
    line = Timeline(tempo=float(np.exp(rng.uniform(-TEMPO_SPREAD, TEMPO_SPREAD))))
    return _BUILDERS[entry.kind](line, entry.variant, rng)
