"""Sound: one to four voices mixed, in a room or not, with a little noise."""

import numpy as np
from numpy.typing import NDArray

from preprocess.synthetic.collage.voices import PLAYERS, SAMPLE_RATE_HZ, Wave


def _decibels(rng: np.random.Generator, low: float, high: float) -> float:
    """Draw an amplitude between two levels in dB."""
    return float(10 ** (rng.uniform(low, high) / 20))


def _voice(rng: np.random.Generator, n_samples: int) -> Wave:
    line = PLAYERS[rng.integers(len(PLAYERS))](rng, n_samples)
    return line / (np.sqrt(np.mean(line**2)) + 1e-6)


def _in_a_room(rng: np.random.Generator, dry: Wave) -> Wave:
    """Add a diffuse tail of 0.05 to 0.6 s, over which it falls by 52 dB."""
    n_tail = int(rng.uniform(0.05, 0.6) * SAMPLE_RATE_HZ)
    response = rng.standard_normal(n_tail) * np.exp(-6 * np.arange(n_tail) / n_tail)
    response[0] = rng.uniform(1, 6)
    size = 1 << (len(dry) + n_tail - 1).bit_length()
    return np.fft.irfft(np.fft.rfft(dry, size) * np.fft.rfft(response, size), size)[: len(dry)]


def render_sound(rng: np.random.Generator, n_samples: int) -> NDArray[np.float32]:
    """Play a video's sound, (n_samples,) float32 within [-1, 1], mono at SAMPLE_RATE_HZ."""
    mixed = np.zeros(n_samples)
    for _ in range(rng.integers(1, 5)):
        mixed += _decibels(rng, -18, 0) * _voice(rng, n_samples)
    if rng.random() < 0.4:
        mixed = _in_a_room(rng, mixed)
    mixed *= _decibels(rng, -16, 0) / (np.abs(mixed).max() + 1e-6)
    mixed += _decibels(rng, -80, -45) * rng.standard_normal(n_samples)
    return np.clip(mixed, -1, 1).astype(np.float32)
