"""Audio of the collage: one to four voices mixed, in a room or not, with a little noise.

The voices are notes, rustling, bursts, chirps, babble and drones. A player takes a generator and a number of samples, and
returns a waveform (n_samples,) float64 at SAMPLE_RATE_HZ, of any loudness.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE_HZ = 16_000
_HIGHEST_HZ = 7800
_COUNTED_SECONDS = 10
"""Numbers of events are drawn for this long."""
_SCALE_SEMITONES = (0, 2, 4, 5, 7, 9, 11, 12, 14, 16, 19)
_FORMANTS = ((250, 900, 90, 1.0), (800, 2400, 130, 0.6), (2200, 3400, 180, 0.3), (3500, 7000, 900, 0.08))
"""Lowest and highest Hz, width in Hz, amplitude of the resonances of a mouth."""

Wave = NDArray[np.float64]
Player = Callable[[np.random.Generator, int], Wave]


def _samples(seconds: float) -> int:
    return int(seconds * SAMPLE_RATE_HZ)


def _log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def _count(rng: np.random.Generator, low: int, high: int, n_samples: int) -> int:
    """Draw a number of events from a range for _COUNTED_SECONDS."""
    return max(1, round(rng.integers(low, high) * n_samples / (_COUNTED_SECONDS * SAMPLE_RATE_HZ)))


def _cycles(frequency_hz: Wave) -> Wave:
    """Phase of a tone whose frequency changes, in cycles."""
    return np.cumsum(frequency_hz) / SAMPLE_RATE_HZ


def _attack_and_decay(rng: np.random.Generator, n_samples: int) -> Wave:
    attack, decay = rng.uniform(0.002, 0.1) * SAMPLE_RATE_HZ, rng.uniform(0.05, 1) * SAMPLE_RATE_HZ
    number = np.arange(n_samples)
    return np.minimum(1, number / attack) * np.exp(-np.maximum(0, number - attack) / decay)


def _coloured_noise(rng: np.random.Generator, n_samples: int) -> Wave:
    """Noise that falls with frequency, with one to four peaks or dips."""
    hz = np.fft.rfftfreq(n_samples, 1 / SAMPLE_RATE_HZ) + 1
    gain = hz ** -rng.uniform(0, 0.9)
    for _ in range(rng.integers(1, 5)):
        octaves = np.log(hz / _log_uniform(rng, 120, 7000)) / rng.uniform(0.05, 0.5)
        gain *= 1 + rng.uniform(-0.9, 6) * np.exp(-0.5 * octaves**2)
    return np.fft.irfft(np.fft.rfft(rng.standard_normal(n_samples)) * gain, n_samples)


def _note(pitch_hz: float, partials: Wave, vibrato: Wave) -> Wave:
    """A tone and its partials; single precision, since a third of all time goes into these sines."""
    cycles = np.mod(_cycles(pitch_hz * (1 + vibrato)), 1).astype(np.float32)
    tone = np.zeros(len(vibrato), np.float32)
    for number, level in enumerate(partials, 1):
        if number * pitch_hz < _HIGHEST_HZ:
            tone += np.float32(level) * np.sin(np.float32(2 * np.pi * number) * cycles)
    return tone.astype(np.float64)


def _notes(rng: np.random.Generator, n_samples: int) -> Wave:
    """Play a tune of up to six pitches on an instrument of up to eleven partials, with rests."""
    line = np.zeros(n_samples)
    base_hz, beat_seconds = _log_uniform(rng, 80, 900), rng.uniform(0.12, 0.6)
    pitches = rng.choice(_SCALE_SEMITONES, size=6)
    partials = rng.uniform(0.2, 1, size=11) / np.arange(1, 12) ** rng.uniform(0.5, 2)
    start = 0
    while start < n_samples:
        length = _samples(beat_seconds * rng.choice([1, 1, 2, 3]))
        size = min(n_samples - start, int(length * rng.uniform(0.6, 2)))
        pitch_hz = base_hz * 2 ** ((rng.choice(pitches) + rng.normal(0, 0.05)) / 12)
        seconds = np.arange(size) / SAMPLE_RATE_HZ
        vibrato = rng.uniform(0, 0.01) * np.sin(2 * np.pi * rng.uniform(4, 7) * seconds)
        note = _note(pitch_hz, partials, vibrato) * _attack_and_decay(rng, size)
        line[start : start + size] += rng.uniform(0.3, 1) * note
        start += length if rng.random() < 0.85 else int(2.5 * length)
    return line


def _rustling(rng: np.random.Generator, n_samples: int) -> Wave:
    """Noise that swells and ebbs."""
    n_levels = max(2, _count(rng, 4, 80, n_samples))
    levels = np.interp(np.linspace(0, 1, n_samples), np.linspace(0, 1, n_levels), rng.uniform(0.02, 1, n_levels))
    return levels * _coloured_noise(rng, n_samples)


def _place(rng: np.random.Generator, n_samples: int, shortest: float, longest: float) -> tuple[slice, int]:
    """Draw where an event of a length in seconds lies, and its size in samples."""
    size = min(n_samples, _samples(rng.uniform(shortest, longest)))
    start = int(rng.integers(n_samples - size + 1))
    return slice(start, start + size), size


def _bursts(rng: np.random.Generator, n_samples: int) -> Wave:
    """Knocks, crashes, hisses."""
    line = np.zeros(n_samples)
    for _ in range(_count(rng, 3, 40, n_samples)):
        place, size = _place(rng, n_samples, 0.02, 0.5)
        line[place] += rng.uniform(0.2, 1) * _coloured_noise(rng, size) * _attack_and_decay(rng, size)
    return line


def _chirps(rng: np.random.Generator, n_samples: int) -> Wave:
    """Glides between two pitches."""
    line = np.zeros(n_samples)
    for _ in range(_count(rng, 2, 25, n_samples)):
        place, size = _place(rng, n_samples, 0.05, 0.8)
        glide_hz = np.geomspace(_log_uniform(rng, 150, 5000), _log_uniform(rng, 150, 5000), size)
        line[place] += rng.uniform(0.2, 1) * np.sin(2 * np.pi * _cycles(glide_hz)) * np.hanning(size)
    return line


def _syllable(rng: np.random.Generator, size: int) -> Wave:
    """A pulse train (3 of 4) or breath through the resonances of a mouth."""
    if rng.random() < 0.75:
        pitch_hz = rng.uniform(90, 280) * np.linspace(1, rng.uniform(0.8, 1.25), size)
        source = np.diff(np.floor(_cycles(pitch_hz)), prepend=0) + 0.02 * rng.standard_normal(size)
    else:
        source = 0.2 * rng.standard_normal(size)
    hz = np.fft.rfftfreq(size, 1 / SAMPLE_RATE_HZ)
    gain = np.zeros_like(hz)
    for low, high, width, level in _FORMANTS:
        gain += level * np.exp(-0.5 * ((hz - rng.uniform(low, high)) / width) ** 2)
    return np.fft.irfft(np.fft.rfft(source) * gain, size) * np.hanning(size) ** 0.4


def _babble(rng: np.random.Generator, n_samples: int) -> Wave:
    """Speak syllables without words, with pauses."""
    line = np.zeros(n_samples)
    start = 0
    while start < n_samples - 1:
        size = min(n_samples - start, _samples(rng.uniform(0.06, 0.3)))
        line[start : start + size] += rng.uniform(0.3, 1) * _syllable(rng, size)
        start += size if rng.random() < 0.85 else size + _samples(rng.uniform(0.05, 0.5))
    return line


def _drone(rng: np.random.Generator, n_samples: int) -> Wave:
    """Hold a tone whose pitch wavers, whose timbre is modulated, and which swells."""
    seconds = 2 * np.pi * np.arange(n_samples) / SAMPLE_RATE_HZ
    waver = 1 + rng.uniform(0, 0.3) * np.sin(rng.uniform(0.1, 8) * seconds)
    phase = 2 * np.pi * _cycles(_log_uniform(rng, 60, 2500) * waver)
    phase += rng.uniform(0, 5) * np.sin(rng.uniform(20, 300) * seconds)
    return np.sin(phase) * (1 + rng.uniform(0, 1) * np.sin(rng.uniform(0.3, 12) * seconds))


PLAYERS: tuple[Player, ...] = (_notes, _notes, _rustling, _bursts, _chirps, _babble, _drone)
"""Drawn from with equal chances: tunes come twice as often."""


def _decibels(rng: np.random.Generator, low: float, high: float) -> float:
    """Draw an amplitude between two levels in dB."""
    return float(10 ** (rng.uniform(low, high) / 20))


def _in_a_room(rng: np.random.Generator, dry: Wave) -> Wave:
    """Add a diffuse tail of 0.05 to 0.6 s, over which it falls by 52 dB."""
    n_tail = int(rng.uniform(0.05, 0.6) * SAMPLE_RATE_HZ)
    response = rng.standard_normal(n_tail) * np.exp(-6 * np.arange(n_tail) / n_tail)
    response[0] = rng.uniform(1, 6)
    size = 1 << (len(dry) + n_tail - 1).bit_length()
    return np.fft.irfft(np.fft.rfft(dry, size) * np.fft.rfft(response, size), size)[: len(dry)]


def render_audio(rng: np.random.Generator, n_samples: int) -> NDArray[np.float32]:
    """Render a video's audio, (n_samples,) float32 within [-1, 1], mono at SAMPLE_RATE_HZ."""
    mixed = np.zeros(n_samples)
    for _ in range(rng.integers(1, 5)):
        level = _decibels(rng, -18, 0)
        voice = PLAYERS[rng.integers(len(PLAYERS))](rng, n_samples)
        mixed += level * (voice / (np.sqrt(np.mean(voice**2)) + 1e-6))
    if rng.random() < 0.4:
        mixed = _in_a_room(rng, mixed)
    mixed *= _decibels(rng, -16, 0) / (np.abs(mixed).max() + 1e-6)
    mixed += _decibels(rng, -80, -45) * rng.standard_normal(n_samples)
    return np.clip(mixed, -1, 1).astype(np.float32)
