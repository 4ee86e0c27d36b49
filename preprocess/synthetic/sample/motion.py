"""Motion and sounds of the object in one clip: the data between an event and its rendering.

Lengths are in frame heights (a frame is ASPECT wide and 1 high, y downwards), times in seconds.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

FPS = 25
N_FRAMES = 100
CLIP_SECONDS = N_FRAMES / FPS
ASPECT = 4 / 3
LEAD_IN_SECONDS = 1.0
"""Events start this long before the clip, so that its first sounds and halos are already under way."""
TRAIL_LAGS_SECONDS = (0.09, 0.18, 0.27, 0.36)
GRID_HZ = 1000

Floats = NDArray[np.float64]


def wear_at(seconds: Floats) -> Floats:
    """Wear of an object: 0 at the start of the clip, 1 at its end, in all classes, visible and audible.

    Events repeat, so they alone would not reveal the order of two moments. The wear does.
    """
    return np.clip(seconds / CLIP_SECONDS, 0.0, 1.0)


@dataclass(frozen=True)
class Strikes:
    """The sounds of a clip, in order; all arrays (E,)."""

    seconds: Floats  # onset on the clip's time line (may lie before 0 or after the end)
    strength: Floats  # loudness, 0 to 1 (amplitude)
    semitones: Floats  # pitch relative to the voice's own
    glide: Floats  # semitones that the pitch moves within the sound
    wear: Floats  # how worn the object is, 0 to 1


@dataclass(frozen=True)
class Motion:
    """The object at every frame, and its strikes; arrays (N_FRAMES,), except the trail."""

    x: Floats  # of the centre
    y: Floats
    scale: Floats  # size relative to the look's object size
    squash: Floats  # height of the object relative to its usual one
    brightness: Floats  # 0 black, 0.5 the object's own colour, 1 white
    gap: Floats  # distance of the object's two halves above and below its place; 0 where it is whole
    trail_x: Floats  # centres of the fading ghosts behind it, (len(TRAIL_LAGS_SECONDS), N_FRAMES), newest first
    trail_y: Floats
    strikes: Strikes
    ground_y: float | None  # height at which it strikes the ground and halos stay; None: halos move with the object


@dataclass(frozen=True)
class Timeline:
    """A time grid at GRID_HZ from -LEAD_IN_SECONDS to the end of the clip; G points."""

    tempo: float  # speed of everything that happens on it, relative to the class's own

    @cached_property
    def grid(self) -> Floats:
        """Seconds, (G,)."""
        return np.arange(round((LEAD_IN_SECONDS + CLIP_SECONDS) * GRID_HZ)) / GRID_HZ - LEAD_IN_SECONDS

    @cached_property
    def beats(self) -> Floats:
        """Seconds at the line's tempo since its start, (G,): even phases are multiples of it."""
        return self.tempo * (self.grid + LEAD_IN_SECONDS)

    def read(self, seconds: Floats, values: Floats | float) -> Floats:
        """Values (G,), or a constant, at some moments, in the shape of `seconds`."""
        return np.interp(seconds, self.grid, np.broadcast_to(values, self.grid.shape))

    def at_frames(self, values: Floats | float) -> Floats:
        """Values (G,), or a constant, at the frames, (N_FRAMES,)."""
        return self.read(np.arange(N_FRAMES) / FPS, values)

    def at_lags(self, values: Floats) -> Floats:
        """Values (G,) a little before every frame, (len(TRAIL_LAGS_SECONDS), N_FRAMES)."""
        lags = np.array(TRAIL_LAGS_SECONDS)
        return self.read(np.arange(N_FRAMES)[None, :] / FPS - lags[:, None], values)

    def crossings(self, phase: Floats) -> Floats:
        """Moments at which a growing phase (G,) passes a whole number."""
        return self.grid[1:][np.diff(np.floor(phase)) > 0]
