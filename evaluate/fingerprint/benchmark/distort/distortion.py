"""A distortion: what it does to picture, sound, cuts, speed and encoding; all parts may be empty.

Functions get a `Scene` and draw what is random from its generator, so that one seed gives one query.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from evaluate.fingerprint.benchmark.truth import Piece

Strength = Literal["light", "medium", "strong"]
Kind = Literal["picture", "sound", "both"]
STRENGTHS: tuple[Strength, ...] = ("light", "medium", "strong")


@dataclass(frozen=True)
class Encoding:
    """How a query is written: x264's constant rate factor, and the sound's codec at its bit and sample rate."""

    crf: int = 20
    audio_codec: str = "aac"
    audio_bits_per_second: int = 128_000
    audio_rate_hz: int = 44_100


@dataclass(frozen=True)
class Scene:
    """What a distortion may look at.

    Attributes:
        width_px, height_px: of the upright picture as it enters the filter.
        fps: of the source.
        seconds: of the query at normal speed.
        random: generator of this distortion in this query.
        folder: temporary folder for pictures to lay over.
        host: opens foreign picture (a stream of the same size, endless), for picture-in-picture.
    """

    width_px: int
    height_px: int
    fps: float
    seconds: float
    random: np.random.Generator
    folder: Path
    host: Callable[[], Any]


PictureFilter = Callable[[Any, Scene], Any]
"""(ffmpeg-python stream, scene) -> stream."""
WaveformFunction = Callable[[np.ndarray, int, np.random.Generator], np.ndarray]
"""(waveform (N,) float32 in [-1, 1], rate in Hz, generator) -> waveform (N,)."""
SoundFilter = Callable[[Any, int, np.random.Generator], Any]
"""(ffmpeg-python stream, rate in Hz, generator) -> stream; must not change the length."""
Cut = Callable[[Piece, Piece, np.random.Generator], tuple[Piece, ...]]
"""(what is looked for, a host of at least its length or less, generator) -> the query's pieces in order."""
Rate = Callable[[np.random.Generator], float]


@dataclass(frozen=True)
class Distortion:
    """One distortion at one strength.

    Attributes:
        name: such as "crop".
        strength: light, medium or strong.
        kind: which streams it touches.
        picture: filter graph of the picture.
        sound: filter graph of the sound.
        waveform: function on the samples, run before the filter graph.
        cut: how pieces are put together.
        rate: playing speed, of picture and sound.
        keeps_pitch: whether a change of speed leaves the pitch as it was.
        encoding: how the query is written; only what differs from `Encoding()` counts when two are joined.
    """

    name: str
    strength: Strength
    kind: Kind
    picture: PictureFilter | None = None
    sound: SoundFilter | None = None
    waveform: WaveformFunction | None = None
    cut: Cut | None = None
    rate: Rate | None = None
    keeps_pitch: bool = False
    encoding: Encoding = field(default_factory=Encoding)

    @property
    def task(self) -> str:
        """Name in results and tables, such as "crop/medium"."""
        return f"{self.name}/{self.strength}"


def join_encodings(encodings: list[Encoding]) -> Encoding:
    """Join what several distortions ask for; the later one wins where two differ from the default."""
    joined, default = Encoding(), Encoding()
    for each in encodings:
        changed = {key: value for key, value in vars(each).items() if value != getattr(default, key)}
        joined = replace(joined, **changed)
    return joined
