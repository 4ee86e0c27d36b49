"""Every distortion at its three strengths, as one table of functions and values."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from evaluate.errors import FingerprintError
from evaluate.fingerprint.benchmark import truth
from evaluate.fingerprint.benchmark.distort import audio, video

Strength = Literal["light", "medium", "strong"]
STRENGTHS: tuple[Strength, ...] = ("light", "medium", "strong")
Streams = Literal["both", "video", "audio"]
Part = Literal["cut", "speed", "tempo", "video", "waveform", "audio", "video-encoding", "audio-encoding"]


@dataclass(frozen=True)
class Distortion:
    """A function that changes one part of a query, with its value for one strength.

    The part says which arguments the function takes, and what it returns:

    - "cut": (wanted piece, host piece, generator, value) -> the query's pieces in order
    - "speed", "tempo": (generator, value) -> playing speed; the pitch changes with the speed, or stays
    - "video": (ffmpeg-python stream, scene, value) -> stream
    - "waveform": (samples (N,) float32 in [-1, 1] at SAMPLE_RATE_HZ, generator, value) -> samples (N,)
    - "audio": (ffmpeg-python stream, generator, value) -> stream of the same length
    - "video-encoding", "audio-encoding": (value) -> ffmpeg's output options

    All random choices come from the generator, so one seed gives one query.
    """

    name: str
    part: Part
    function: Callable[..., Any]
    value: Any

    def apply(self, *arguments: Any) -> Any:
        """Call the function with this strength's value."""
        return self.function(*arguments, self.value)


def _low(codec: str) -> Callable[[int], dict[str, Any]]:
    """Encode the audio at a low bit rate, in kilobits a second."""
    return lambda kilobits: {"c:a": codec, "b:a": 1000 * kilobits, "ar": 22_050}


_TABLE: tuple[tuple[str, Part, Callable[..., Any], tuple[Any, Any, Any]], ...] = (
    # name, the part of a query that it changes, its function, the function's last argument from light to strong
    ("bit-rate", "video-encoding", lambda crf: {"crf": crf}, (33, 39, 45)),
    ("resolution", "video", video.shrink, (0.6, 0.35, 0.2)),
    ("crop", "video", video.crop, (0.9, 0.75, 0.5)),
    ("pad", "video", video.pad, (0.1, 0.3, 0.6)),
    ("flip", "video", video.flip, ("h", "v", "hv")),
    ("rotate", "video", video.rotate, (5, 15, 90)),
    ("blur", "video", video.blur, (0.006, 0.015, 0.035)),
    ("noise", "video", video.noise, (15, 35, 70)),
    ("brightness", "video", video.brightness, (0.1, 0.2, 0.35)),
    ("contrast", "video", video.contrast, (1.3, 1.7, 2.5)),
    ("hue", "video", video.hue, (20, 60, 150)),
    ("text", "video", video.text, (0.1, 0.25, 0.45)),
    ("logo", "video", video.logo, (0.15, 0.3, 0.5)),
    ("picture-in-picture", "video", video.picture_in_picture, (0.8, 0.6, 0.4)),
    ("grid", "video", video.grid, (2, 2, 3)),
    ("upright", "video", video.upright, ("black", "blurred", "blurred")),
    ("blend", "video", video.blend, (0.2, 0.35, 0.5)),
    ("frames-out", "video", video.take_out_frames, (0.05, 0.15, 0.3)),
    ("frame-rate", "video", video.frame_rate, (15, 8, 4)),
    ("dropped-frames", "video", video.drop_frames, (0.2, 0.5, 0.8)),
    ("speed", "speed", truth.faster_or_slower, (0.05, 0.1, 0.16)),
    ("tempo", "tempo", truth.faster_or_slower, (0.05, 0.1, 0.16)),
    ("pace", "tempo", truth.times, (1.25, 1.5, 2.0)),
    ("cut", "cut", truth.cut_out, (0.1, 0.25, 0.4)),
    ("concatenation", "cut", truth.concatenate, (0.25, 0.5, 0.7)),
    ("mp3", "audio-encoding", _low("libmp3lame"), (48, 24, 16)),
    ("aac", "audio-encoding", _low("aac"), (48, 24, 12)),
    ("sound-noise", "waveform", audio.noise, (10.0, 5.0, 0.0)),
    ("reverb", "waveform", audio.reverb, (0.3, 0.8, 1.8)),
    ("band-pass", "waveform", audio.band_pass, ((150, 6000), (300, 3400), (500, 2000))),
    ("pitch", "audio", audio.pitch, (1.05, 1.1, 1.16)),
    ("music", "waveform", audio.music, (10.0, 5.0, 0.0)),
    ("volume", "waveform", audio.volume, (-6.0, -20.0, 20.0)),
    ("muted", "waveform", audio.mute, (0.3, 0.6, 1.0)),
)
_ALONE: tuple[set[Part], ...] = ({"speed", "tempo"}, {"cut"}, {"video-encoding", "audio-encoding"})
"""A query has at most one distortion of each of these sets of parts."""
_OTHERS: dict[Streams, set[Part]] = {
    "both": set(), "video": {"waveform", "audio", "audio-encoding"}, "audio": {"video", "video-encoding"},
}  # fmt: skip
"""Parts that queries of some streams lack."""

NAMES: tuple[str, ...] = tuple(row[0] for row in _TABLE)
CATALOGUE: dict[str, Distortion] = {
    f"{name}/{strength}": Distortion(name, part, function, value)
    for name, part, function, values in _TABLE
    for strength, value in zip(STRENGTHS, values, strict=True)
}
"""By task, such as "crop/medium", in the order of the table."""


def draw_medium(streams: Streams, random: np.random.Generator) -> tuple[str]:
    """Draw one distortion of medium strength that alters these streams, as a task."""
    return (str(random.choice(_tasks("medium", streams))),)


def draw_pair(strength: Strength, streams: Streams, random: np.random.Generator) -> tuple[str, str]:
    """Draw two different distortions of these streams that can be combined, as tasks in the catalogue's order."""
    tasks = _tasks(strength, streams)
    while True:
        first, second = sorted(random.choice(len(tasks), 2, replace=False))
        pair = (tasks[first], tasks[second])
        parts = {CATALOGUE[task].part for task in pair}
        if not any(parts <= alone for alone in _ALONE):
            return pair


def _tasks(strength: Strength, streams: Streams) -> list[str]:
    tasks = [f"{name}/{strength}" for name in NAMES]
    return [task for task in tasks if CATALOGUE[task].part not in _OTHERS[streams]]


def choose(words: str) -> tuple[str, ...]:
    """Choose the tasks that words name: a distortion, a strength, or both as in "crop/medium"; no words mean all.

    Raises:
        FingerprintError: a word is not a distortion or a strength.
    """
    wanted = {word.strip() for word in words.split(",") if word.strip()}
    named = {task: {task, *task.split("/")} for task in CATALOGUE}
    unknown = wanted.difference(*named.values())
    if unknown:
        shown = ", ".join(sorted(unknown))
        raise FingerprintError(f"no such distortion: {shown}; there are {', '.join(NAMES)}, as crop or crop/light")
    return tuple(task for task in CATALOGUE if not wanted or wanted & named[task])
