"""What travels through fingerprinting: descriptors of one source, and the matches of a query."""

import math
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


@dataclass(frozen=True)
class Match:
    """A span of a query that was found in a reference.

    Spans are half open, in seconds from the start of each file. A reference played backwards or at another speed has a
    span of its own length; nothing says that the two are equally long.

    Attributes:
        query: name of the query.
        reference: name of the reference in the index.
        query_start_seconds, query_end_seconds: the span of the query.
        reference_start_seconds, reference_end_seconds: the span of the reference.
        score: the higher, the surer; comparable over all queries.
        decision: whether the score passes the threshold of the stated false-positive rate.

    Raises:
        ValueError: a span ends before it starts, or a number is not finite.
    """

    query: str
    reference: str
    query_start_seconds: float
    query_end_seconds: float
    reference_start_seconds: float
    reference_end_seconds: float
    score: float
    decision: bool

    def __post_init__(self) -> None:
        spans = (
            (self.query_start_seconds, self.query_end_seconds),
            (self.reference_start_seconds, self.reference_end_seconds),
        )
        if not all(math.isfinite(value) for value in (*spans[0], *spans[1], self.score)):
            raise ValueError(f"match of {self.query} in {self.reference}: numbers must be finite")
        if any(end < start for start, end in spans):
            raise ValueError(f"match of {self.query} in {self.reference}: a span ends before it starts")


@dataclass(frozen=True)
class Answer:
    """What was found for one query.

    Attributes:
        query: its name.
        seconds: its length as described.
        matches: best first, decided ones before candidates that missed the threshold; empty where nothing was near.
        unreadable: why the query could not be read, "" where it could.
    """

    query: str
    seconds: float
    matches: tuple[Match, ...]
    unreadable: str = ""

    @property
    def decided(self) -> tuple[Match, ...]:
        """The matches that pass the threshold."""
        return tuple(match for match in self.matches if match.decision)
