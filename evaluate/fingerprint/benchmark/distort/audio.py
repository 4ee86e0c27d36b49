"""Distortions of the audio: of samples (N,) with torchaudio, or as ffmpeg filters that keep the length."""

from typing import Any

import numpy as np

SAMPLE_RATE_HZ = 44_100
"""Sample rate of all processing from source to query."""


def noise(waveform: np.ndarray, random: np.random.Generator, snr_db: float) -> np.ndarray:
    """Add white noise at a signal-to-noise ratio over the whole query."""
    return _add(waveform, random.standard_normal(len(waveform)), snr_db)


def music(waveform: np.ndarray, random: np.random.Generator, snr_db: float) -> np.ndarray:
    """Add chords and a melody; the query's own audio is `snr_db` above them."""
    return _add(waveform, synthesise_music(len(waveform), random), snr_db)


def _add(waveform: np.ndarray, other: np.ndarray, snr_db: float) -> np.ndarray:
    """Add `other` to a waveform (both (N,)) at a ratio of powers; silence stays silence."""
    import torch
    import torchaudio.functional

    if not np.any(waveform):
        return waveform
    mixed = torchaudio.functional.add_noise(
        torch.from_numpy(waveform), torch.from_numpy(other.astype(np.float32)), torch.tensor(snr_db)
    ).numpy()
    return mixed / max(1.0, float(np.abs(mixed).max()))


def synthesise_music(n_samples: int, random: np.random.Generator) -> np.ndarray:
    """Make four chords in turn and a melody of their notes over them, (n_samples,) float64.

    Notes are a fundamental with five harmonics and a plucked decay, eight to the bar of two seconds.
    """
    note_seconds, tonic_hz = 0.25, 110 * 2 ** (random.integers(12) / 12)
    chords = np.array([[0, 4, 7], [9, 12, 16], [5, 9, 12], [7, 11, 14]])[random.permutation(4)]
    track = np.zeros(n_samples + SAMPLE_RATE_HZ)
    time = np.arange(SAMPLE_RATE_HZ) / SAMPLE_RATE_HZ
    for number in range(int(n_samples / SAMPLE_RATE_HZ / note_seconds) + 1):
        begin = int(number * note_seconds * SAMPLE_RATE_HZ)
        chord = chords[number // 8 % 4]
        notes = [random.choice(chord) + 12, *(chord if number % 4 == 0 else ())]
        for semitones in notes:
            frequency = tonic_hz * 2 ** (semitones / 12)
            tone = sum(np.sin(2 * np.pi * k * frequency * time) / k for k in range(1, 7))
            piece = track[begin : begin + SAMPLE_RATE_HZ]
            piece += (tone * np.exp(-4 * time))[: len(piece)]
    return track[:n_samples]


def reverb(waveform: np.ndarray, random: np.random.Generator, decay_seconds: float) -> np.ndarray:
    """Convolve with the response of a room, noise that decays by 60 dB in `decay_seconds`; the peak level stays."""
    import torch
    import torchaudio.functional

    time = np.arange(int(decay_seconds * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    response = 0.03 * random.standard_normal(len(time)) * 10 ** (-3 * time / decay_seconds)
    response[0] = 1.0  # the direct audio
    wet = torchaudio.functional.fftconvolve(
        torch.from_numpy(waveform), torch.from_numpy(response.astype(np.float32))
    ).numpy()[: len(waveform)]
    peak = float(np.abs(wet).max())
    return wet * (min(1.0, float(np.abs(waveform).max()) / peak) if peak else 1.0)


def band_pass(waveform: np.ndarray, random: np.random.Generator, band_hz: tuple[float, float]) -> np.ndarray:
    """Keep a band of frequencies, 24 dB an octave: a telephone, a small loudspeaker."""
    import torch
    from torchaudio.functional import highpass_biquad, lowpass_biquad

    low_hz, high_hz = band_hz
    filtered = torch.from_numpy(waveform)
    for _ in range(2):
        filtered = lowpass_biquad(highpass_biquad(filtered, SAMPLE_RATE_HZ, low_hz), SAMPLE_RATE_HZ, high_hz)
    return filtered.numpy()


def volume(waveform: np.ndarray, random: np.random.Generator, gain_db: float) -> np.ndarray:
    """Make the audio softer, or louder with samples over full scale clipped."""
    return np.clip(waveform * np.float32(10 ** (gain_db / 20)), -1, 1)


def mute(waveform: np.ndarray, random: np.random.Generator, share: float) -> np.ndarray:
    """Silence a stretch of `share` of the query, at a place drawn."""
    n = round(share * len(waveform))
    begin = int(random.integers(0, len(waveform) - n + 1))
    muted = waveform.copy()
    muted[begin : begin + n] = 0
    return muted


def pitch(stream: Any, random: np.random.Generator, factor: float) -> Any:
    """Multiply all frequencies by `factor` or by 2 - factor, at the same speed."""
    ratio = factor if random.random() < 0.5 else 2 - factor
    return tempo(speed(stream, ratio), 1 / ratio)


def tempo(stream: Any, rate: float) -> Any:
    """Play a stream `rate` times as fast at the same pitch."""
    return stream.filter("atempo", f"{rate:.9f}")


def speed(stream: Any, rate: float) -> Any:
    """Play a stream `rate` times as fast, and change its pitch as a tape does."""
    return stream.filter("asetrate", round(SAMPLE_RATE_HZ * rate)).filter("aresample", SAMPLE_RATE_HZ)
