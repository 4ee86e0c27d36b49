"""The descriptors of one source, and a source that cannot be described."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Descriptors:
    """Descriptors of one source at a fixed hop, in order of time.

    Attributes:
        source: name of the video or sound file, as in the index.
        start_seconds: first instant of each descriptor's clip in the source, float64 (n,).
        end_seconds: end of it, exclusive, float64 (n,).
        has_picture: bool (n,).
        has_sound: bool (n,).
        picture: float32 (n, d), unit rows, zeros where there is no picture; None for a source of sound alone.
        sound: float32 (n, e), unit rows, zeros where there is no sound; None for a source of picture alone.

    Raises:
        ValueError: lengths differ, or there is neither picture nor sound.
    """

    source: str
    start_seconds: np.ndarray
    end_seconds: np.ndarray
    has_picture: np.ndarray
    has_sound: np.ndarray
    picture: np.ndarray | None
    sound: np.ndarray | None

    def __post_init__(self) -> None:
        n = len(self.start_seconds)
        given = [self.end_seconds, self.has_picture, self.has_sound, self.picture, self.sound]
        if any(len(values) != n for values in given if values is not None):
            raise ValueError(f"{self.source}: descriptors of different lengths")
        if self.picture is None and self.sound is None:
            raise ValueError(f"{self.source}: neither picture nor sound")

    def __len__(self) -> int:
        return len(self.start_seconds)

    def __repr__(self) -> str:
        shapes = {name: getattr(self, name) for name in ("picture", "sound")}
        shown = ", ".join(f"{name} {None if v is None else v.shape}" for name, v in shapes.items())
        return f"Descriptors({self.source!r}, n={len(self)}, {shown})"


@dataclass(frozen=True)
class Unreadable:
    """A file that could not be described.

    Attributes:
        source: its name.
        reason: why, in ffmpeg's own words where it spoke.
    """

    source: str
    reason: str
