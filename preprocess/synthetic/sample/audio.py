"""Audio of the sample world: one of a few voices, played at the strikes of a clip.

Every sound has a sharp attack and an exponential decay. The voice (pitch, timbre, decay, loudness, room, background
noise, other sounds) is independent of the class. It dominates the mean spectrum.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from preprocess.synthetic.sample.motion import CLIP_SECONDS, LEAD_IN_SECONDS, Strikes

SAMPLE_RATE_HZ = 16_000
N_SAMPLES = round(CLIP_SECONDS * SAMPLE_RATE_HZ)
N_VOICES = 4
"""So few that a voice reveals neither the class nor the clip, and each occurs in every place."""
NOTE_SECONDS = 0.8
ATTACK_SECONDS = 0.004
GLIDE_SECONDS = 0.30
_WORN_NOISE_SHARE = 0.75
"""Share of noise in the sound of a wholly worn object: the tone stays audible."""
_LEAD_IN = round(LEAD_IN_SECONDS * SAMPLE_RATE_HZ)
_TOTAL = _LEAD_IN + N_SAMPLES

Samples = NDArray[np.float32]


@dataclass(frozen=True)
class Timbre:
    """One instrument."""

    pitch_hz: float  # fundamental at 0 semitones
    partials: tuple[float, ...]  # amplitudes of the fundamental and of the partials above it
    stretch: float  # partial k lies at k * stretch ** (k - 1) times the fundamental: 1 for a string, more for a bell
    noise_share: float  # share of the amplitude that is noise, 0 to 1
    decay_seconds: float  # time in which the amplitude falls to 1/e


@dataclass(frozen=True)
class Voice:
    """The object's timbre and its acoustic surroundings; `other` sounds are unrelated to the event."""

    timbre: Timbre
    other: Timbre
    loudness: float  # amplitude of a strike of strength 1
    other_per_second: float  # mean rate
    other_level: float  # largest strength
    noise_level: float  # root mean square of the stationary background noise
    bands_db: tuple[float, ...]  # level of the noise from low to high frequencies
    room_level: float  # amplitude of the diffuse tail of a strike
    room_seconds: float  # its decay


def _draw_timbre(rng: np.random.Generator) -> Timbre:
    tilt = rng.uniform(0.3, 0.8)
    return Timbre(
        pitch_hz=float(np.exp(rng.uniform(np.log(300), np.log(700)))),
        partials=tuple(float(tilt**k * rng.uniform(0.4, 1.0)) for k in range(3)),
        stretch=float(rng.uniform(1.0, 1.12)),
        noise_share=float(rng.uniform(0.02, 0.10)),
        decay_seconds=float(rng.uniform(0.09, 0.17)),
    )


def draw_voice(rng: np.random.Generator) -> Voice:
    """Draw a voice."""
    return Voice(
        timbre=_draw_timbre(rng),
        other=_draw_timbre(rng),
        loudness=float(10 ** (rng.uniform(-20, -10) / 20)),
        other_per_second=float(rng.uniform(0.4, 1.4)),
        other_level=float(rng.uniform(0.1, 0.35)),
        noise_level=float(10 ** (rng.uniform(-52, -38) / 20)),
        bands_db=tuple(float(level) for level in rng.uniform(-18, 6, size=8)),
        room_level=float(rng.uniform(0.0, 0.25)),
        room_seconds=float(rng.uniform(0.10, 0.30)),
    )


def _note(timbre: Timbre, strength: float, semitones: float, glide: float, wear: float) -> tuple[Samples, Samples]:
    """Tonal part and envelope of the noise part of one sound, each (NOTE_SECONDS * SAMPLE_RATE_HZ,)."""
    noise_share = timbre.noise_share + wear * (_WORN_NOISE_SHARE - timbre.noise_share)
    seconds = np.arange(round(NOTE_SECONDS * SAMPLE_RATE_HZ), dtype=np.float32) / SAMPLE_RATE_HZ
    exponent = (semitones + glide * np.minimum(seconds / GLIDE_SECONDS, 1.0)) / 12
    phase = (2 * np.pi / SAMPLE_RATE_HZ) * np.cumsum(timbre.pitch_hz * 2.0**exponent)
    attack = np.minimum(seconds / ATTACK_SECONDS, 1.0)
    # A glide must outlive the usual decay to be heard as one.
    decay_seconds = timbre.decay_seconds * (1.5 if glide else 1.0)
    envelope = attack * np.exp(-seconds / np.float32(decay_seconds))
    tone = np.zeros_like(seconds)
    for number, level in enumerate(timbre.partials, start=1):
        partial = np.sin(phase * (number * timbre.stretch ** (number - 1))).astype(np.float32)
        tone += level * partial * envelope ** (1 + 0.3 * (number - 1))
    tone *= np.float32(strength * (1 - noise_share) / sum(timbre.partials))
    return tone.astype(np.float32, copy=False), np.float32(0.5 * strength * noise_share) * envelope**2


def _play(timbre: Timbre, strikes: Strikes, rng: np.random.Generator) -> Samples:
    """All strikes on one time line with the lead-in before it, (_TOTAL,)."""
    tone = np.zeros(_TOTAL, np.float32)
    hiss = np.zeros(_TOTAL, np.float32)
    rows = zip(strikes.seconds, strikes.strength, strikes.semitones, strikes.glide, strikes.wear, strict=True)
    for seconds, strength, semitones, glide, wear in rows:
        start = round(seconds * SAMPLE_RATE_HZ) + _LEAD_IN
        if not 0 <= start < _TOTAL:
            continue
        sound, envelope = _note(timbre, float(strength), float(semitones), float(glide), float(wear))
        tone[start : start + len(sound)] += sound[: _TOTAL - start]
        hiss[start : start + len(sound)] += envelope[: _TOTAL - start]
    return tone + hiss * rng.standard_normal(_TOTAL, dtype=np.float32)


def _other_sounds(voice: Voice, rng: np.random.Generator) -> Samples:
    """Play sounds unrelated to the event: same kind of attack and decay, at random moments."""
    count = int(rng.poisson(voice.other_per_second * (LEAD_IN_SECONDS + CLIP_SECONDS)))
    seconds = np.sort(rng.uniform(-LEAD_IN_SECONDS, CLIP_SECONDS, size=count))
    strength = voice.other_level * rng.uniform(0.4, 1.0, size=count)
    semitones = rng.uniform(-7, 7, size=count)
    return _play(voice.other, Strikes(seconds, strength, semitones, np.zeros(count), np.zeros(count)), rng)


def _background(voice: Voice, rng: np.random.Generator) -> Samples:
    """Stationary noise with the voice's own spectrum, root mean square `noise_level`, (N_SAMPLES,)."""
    spectrum = np.fft.rfft(rng.standard_normal(N_SAMPLES))
    position = np.sqrt(np.linspace(0, 1, len(spectrum)))
    shape_db = np.interp(position, np.linspace(0, 1, len(voice.bands_db)), voice.bands_db)
    noise = np.fft.irfft(spectrum * 10 ** (shape_db / 20), N_SAMPLES)
    return (noise * (voice.noise_level / np.sqrt(np.mean(noise**2)))).astype(np.float32)


def _room(dry: Samples, voice: Voice, rng: np.random.Generator) -> Samples:
    """Add a decaying diffuse tail."""
    seconds = np.arange(round(3 * voice.room_seconds * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    tail = rng.standard_normal(len(seconds)) * np.exp(-seconds / voice.room_seconds)
    tail *= voice.room_level / np.sqrt(np.sum(tail**2))
    size = 1 << (len(dry) + len(tail) - 1).bit_length()
    wet = np.fft.irfft(np.fft.rfft(dry, size) * np.fft.rfft(tail, size), size)[: len(dry)]
    return dry + wet.astype(np.float32)


def render_audio(strikes: Strikes, voice: Voice, rng: np.random.Generator) -> Samples:
    """Play the clip's waveform, (N_SAMPLES,) float32 within [-1, 1], mono at SAMPLE_RATE_HZ."""
    pitch = rng.uniform(-2, 2)
    gain = voice.loudness * 10 ** (rng.uniform(-3, 3) / 20)
    moved = replace(strikes, semitones=strikes.semitones + pitch)
    dry = gain * (_play(voice.timbre, moved, rng) + _other_sounds(voice, rng))
    wet = _room(dry, voice, rng)[_LEAD_IN:]
    return np.clip(wet + _background(voice, rng), -1, 1).astype(np.float32)
