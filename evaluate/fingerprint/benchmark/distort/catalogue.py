"""Every distortion at its three strengths."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from evaluate.errors import FingerprintError
from evaluate.fingerprint.benchmark.distort import audio, rates, video
from evaluate.fingerprint.benchmark.distort.distortion import STRENGTHS, Distortion, Encoding, Kind

Part = tuple[str, Callable[[Any], Any]]
"""The field of `Distortion` that is set, and what makes it from the strength's value."""

_TABLE: tuple[tuple[str, Kind, Part, Sequence[Any]], ...] = (
    # name, what it touches, how it is made, its values from light to strong
    ("bit-rate", "picture", ("encoding", lambda crf: Encoding(crf=crf)), (33, 39, 45)),
    ("resolution", "picture", ("picture", video.shrink), (0.6, 0.35, 0.2)),
    ("crop", "picture", ("picture", video.crop), (0.9, 0.75, 0.5)),
    ("pad", "picture", ("picture", video.pad), (0.1, 0.3, 0.6)),
    ("flip", "picture", ("picture", video.flip), ("h", "v", "hv")),
    ("rotate", "picture", ("picture", video.rotate), (5, 15, 90)),
    ("blur", "picture", ("picture", video.blur), (0.006, 0.015, 0.035)),
    ("noise", "picture", ("picture", video.noise), (15, 35, 70)),
    ("brightness", "picture", ("picture", video.brightness), (0.1, 0.2, 0.35)),
    ("contrast", "picture", ("picture", video.contrast), (1.3, 1.7, 2.5)),
    ("hue", "picture", ("picture", video.hue), (20, 60, 150)),
    ("text", "picture", ("picture", video.text), (0.1, 0.25, 0.45)),
    ("logo", "picture", ("picture", video.logo), (0.15, 0.3, 0.5)),
    ("picture-in-picture", "picture", ("picture", video.picture_in_picture), (0.8, 0.6, 0.4)),
    ("frame-rate", "picture", ("picture", video.frame_rate), (15, 8, 4)),
    ("dropped-frames", "picture", ("picture", video.drop_frames), (0.2, 0.5, 0.8)),
    ("speed", "both", ("rate", rates.faster_or_slower), (0.05, 0.1, 0.16)),
    ("tempo", "both", ("rate", rates.faster_or_slower), (0.05, 0.1, 0.16)),
    ("cut", "both", ("cut", rates.cut_out), (0.1, 0.25, 0.4)),
    ("concatenation", "both", ("cut", rates.concatenate), (0.25, 0.5, 0.7)),
    ("mp3", "sound", ("encoding", lambda kilobits: _low("libmp3lame", kilobits)), (48, 24, 16)),
    ("aac", "sound", ("encoding", lambda kilobits: _low("aac", kilobits)), (48, 24, 12)),
    ("sound-noise", "sound", ("waveform", audio.noise), (10.0, 5.0, 0.0)),
    ("reverb", "sound", ("waveform", audio.reverb), (0.3, 0.8, 1.8)),
    ("band-pass", "sound", ("waveform", lambda band: audio.band_pass(*band)), ((150, 6000), (300, 3400), (500, 2000))),
    ("pitch", "sound", ("sound", audio.pitch), (1.05, 1.1, 1.16)),
    ("music", "sound", ("waveform", audio.music), (10.0, 5.0, 0.0)),
    ("volume", "sound", ("waveform", audio.volume), (-6.0, -20.0, 20.0)),
    ("muted", "sound", ("waveform", audio.mute), (0.3, 0.6, 1.0)),
)
_KEEPS_PITCH = frozenset({"tempo"})


def _low(codec: str, kilobits: int) -> Encoding:
    return Encoding(audio_codec=codec, audio_bits_per_second=1000 * kilobits, audio_rate_hz=22_050)


def _make(name: str, kind: Kind, part: Part, values: Sequence[Any]) -> tuple[Distortion, ...]:
    return tuple(
        Distortion(name, strength, kind, keeps_pitch=name in _KEEPS_PITCH, **{part[0]: part[1](value)})
        for strength, value in zip(STRENGTHS, values, strict=True)
    )


CATALOGUE: dict[str, Distortion] = {distortion.task: distortion for row in _TABLE for distortion in _make(*row)}
"""By task, such as "crop/medium"; in the order of the tables."""
NAMES: tuple[str, ...] = tuple(row[0] for row in _TABLE)


def draw_pair(strength: str, random: np.random.Generator) -> tuple[str, str]:
    """Draw two different distortions of one strength, in the catalogue's order: tasks such as "crop/light".

    Two that change the speed, or two that write the sound in their own way, do not come together.
    """
    while True:
        first, second = sorted(random.choice(len(NAMES), 2, replace=False))
        pair = (f"{NAMES[first]}/{strength}", f"{NAMES[second]}/{strength}")
        one, other = (CATALOGUE[task] for task in pair)
        if not any(_set(one, part) and _set(other, part) for part in ("rate", "cut", "encoding")):
            return pair


def _set(distortion: Distortion, part: str) -> bool:
    return getattr(distortion, part) not in (None, Encoding())


def choose(words: str) -> tuple[str, ...]:
    """Tasks that any of some words names: a distortion, a strength, or both as in "crop/medium"; all for none.

    Raises:
        FingerprintError: a word names nothing.
    """
    wanted = [word.strip() for word in words.split(",") if word.strip()]
    for word in wanted:
        if not any(_named(task, word) for task in CATALOGUE):
            raise FingerprintError(f"no such distortion: {word!r}; there are {', '.join(NAMES)}, as crop or crop/light")
    return tuple(task for task in CATALOGUE if not wanted or any(_named(task, word) for word in wanted))


def _named(task: str, word: str) -> bool:
    return word in (task, *task.split("/"))
