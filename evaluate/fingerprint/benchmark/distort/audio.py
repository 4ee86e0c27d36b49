"""Distortions of the sound: on samples through torchaudio, or as ffmpeg filters where these keep the length."""

from typing import Any

import numpy as np

from evaluate.fingerprint.benchmark.distort.distortion import SoundFilter, WaveformFunction
from evaluate.fingerprint.benchmark.distort.rates import tempo


def _add(waveform: np.ndarray, other: np.ndarray, snr_db: float) -> np.ndarray:
    """Lay `other` under a waveform (both (N,)) at a ratio of powers; silence stays silence."""
    import torch
    import torchaudio.functional

    if not np.any(waveform):
        return waveform
    mixed = torchaudio.functional.add_noise(
        torch.from_numpy(waveform), torch.from_numpy(other.astype(np.float32)), torch.tensor(snr_db)
    ).numpy()
    return mixed / max(1.0, float(np.abs(mixed).max()))


def noise(snr_db: float) -> WaveformFunction:
    """White noise at a signal-to-noise ratio over the whole query."""
    return lambda waveform, rate_hz, random: _add(waveform, random.standard_normal(len(waveform)), snr_db)


def music(snr_db: float) -> WaveformFunction:
    """Chords and a melody laid over, the query's own sound `snr_db` above them."""
    return lambda waveform, rate_hz, random: _add(waveform, synthesise_music(len(waveform), rate_hz, random), snr_db)


def synthesise_music(n_samples: int, rate_hz: int, random: np.random.Generator) -> np.ndarray:
    """Four chords in turn and a melody of their notes over them, (n_samples,) float64.

    Notes are a fundamental with five harmonics and a plucked decay, eight to the bar of two seconds.
    """
    note_seconds, tonic_hz = 0.25, 110 * 2 ** (random.integers(12) / 12)
    chords = np.array([[0, 4, 7], [9, 12, 16], [5, 9, 12], [7, 11, 14]])[random.permutation(4)]
    track = np.zeros(n_samples + rate_hz)
    time = np.arange(rate_hz) / rate_hz
    for number in range(int(n_samples / rate_hz / note_seconds) + 1):
        begin = int(number * note_seconds * rate_hz)
        chord = chords[number // 8 % 4]
        notes = [random.choice(chord) + 12, *(chord if number % 4 == 0 else ())]
        for semitones in notes:
            frequency = tonic_hz * 2 ** (semitones / 12)
            tone = sum(np.sin(2 * np.pi * k * frequency * time) / k for k in range(1, 7))
            piece = track[begin : begin + rate_hz]
            piece += (tone * np.exp(-4 * time))[: len(piece)]
    return track[:n_samples]


def reverb(decay_seconds: float) -> WaveformFunction:
    """A room: noise that decays by 60 dB in `decay_seconds`, convolved, at the level that was."""

    def apply(waveform: np.ndarray, rate_hz: int, random: np.random.Generator) -> np.ndarray:
        import torch
        import torchaudio.functional

        time = np.arange(int(decay_seconds * rate_hz)) / rate_hz
        response = 0.03 * random.standard_normal(len(time)) * 10 ** (-3 * time / decay_seconds)
        response[0] = 1.0  # the direct sound
        wet = torchaudio.functional.fftconvolve(
            torch.from_numpy(waveform), torch.from_numpy(response.astype(np.float32))
        ).numpy()[: len(waveform)]
        peak = float(np.abs(wet).max())
        return wet * (min(1.0, float(np.abs(waveform).max()) / peak) if peak else 1.0)

    return apply


def band_pass(low_hz: float, high_hz: float) -> WaveformFunction:
    """Only what lies between two frequencies, 24 dB an octave: a telephone, a small loudspeaker."""

    def apply(waveform: np.ndarray, rate_hz: int, random: np.random.Generator) -> np.ndarray:
        import torch
        from torchaudio.functional import highpass_biquad, lowpass_biquad

        sound = torch.from_numpy(waveform)
        for _ in range(2):
            sound = lowpass_biquad(highpass_biquad(sound, rate_hz, low_hz), rate_hz, high_hz)
        return sound.numpy()

    return apply


def volume(gain_db: float) -> WaveformFunction:
    """Softer, or louder with what is over full scale clipped."""
    return lambda waveform, rate_hz, random: np.clip(waveform * np.float32(10 ** (gain_db / 20)), -1, 1)


def mute(share: float) -> WaveformFunction:
    """Silence over a stretch of `share` of the query, at a place drawn."""

    def apply(waveform: np.ndarray, rate_hz: int, random: np.random.Generator) -> np.ndarray:
        n = round(share * len(waveform))
        begin = int(random.integers(0, len(waveform) - n + 1))
        muted = waveform.copy()
        muted[begin : begin + n] = 0
        return muted

    return apply


def pitch(factor: float) -> SoundFilter:
    """All frequencies times `factor` or divided by it, at the same speed."""

    def apply(stream: Any, rate_hz: int, random: np.random.Generator) -> Any:
        ratio = factor if random.random() < 0.5 else 2 - factor
        return tempo(stream.filter("asetrate", round(rate_hz * ratio)).filter("aresample", rate_hz), 1 / ratio)

    return apply
