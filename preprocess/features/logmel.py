"""Log-mel spectrograms whose columns lie on the frames' clock.

Column j is centred on its hop, the samples [j * hop, (j + 1) * hop): frame i owns columns
[i * columns_per_frame, (i + 1) * columns_per_frame) and they cover the very time that it shows.

Mel power is scaled so that the bands of a stationary signal add up to its power relative to a full-scale sine
(Parseval: sum over FFT bins of |X|^2 = n_fft * sum(window^2) / 4 for a sine of amplitude 1), whatever the window and
n_fft; then floored at MEL_POWER_FLOOR and the natural logarithm taken. The mel scale is HTK's, triangles of height 1.
"""

import functools
import math
from typing import TYPE_CHECKING, cast

import numpy as np

from preprocess.schema import MEL_POWER_FLOOR, ShardParams

if TYPE_CHECKING:
    import torch
    from torchaudio.transforms import MelSpectrogram

DBFS_FLOOR = -120.0
SILENCE_DBFS = -90.0
"""Below the quantisation noise of 16 bits: a segment no louder than this has no audio, whatever its tracks say."""

COLUMNS_PER_BLOCK = 4096
"""Columns computed at once: a three-hour source must not need the complex spectrum of all of it (2 GB)."""
SAMPLES_PER_BLOCK = 1 << 20


@functools.cache
def _transform(params: ShardParams) -> "MelSpectrogram":
    """From a waveform (N,) to 1 + (N - n_fft) // hop columns, without padding; `_mel_power` applies its two parts."""
    import torchaudio

    return torchaudio.transforms.MelSpectrogram(
        sample_rate=params.sample_rate_hz,
        n_fft=params.n_fft,
        win_length=params.win_length,
        hop_length=params.hop_length,
        n_mels=params.n_mels,
        power=None,
        center=False,
        mel_scale="htk",
        norm=None,
    ).eval()


def _mel_power(block: np.ndarray, transform: "MelSpectrogram") -> "torch.Tensor":
    """Waveform (N,) -> mel power (n_mels, columns). Squares are added up here: torchaudio would draw the root and square it."""
    import torch

    spectrum = transform.spectrogram(torch.from_numpy(block))  # (n_fft / 2 + 1, columns) complex
    power = spectrum.real.square().addcmul_(spectrum.imag, spectrum.imag)
    return cast("torch.Tensor", transform.mel_scale(power))


def log_mel(waveform: np.ndarray, params: ShardParams) -> np.ndarray:
    """Waveform (N,) float32 in [-1, 1] -> natural log of mel power, (n_mels, N // hop_length) float16.

    Beyond both ends of the waveform there is silence. Computed in blocks of columns: memory does not grow with the
    source beyond the result.

    Raises:
        ValueError: the waveform is not one-dimensional.
    """
    import torch

    if waveform.ndim != 1:
        raise ValueError(f"waveform must be (N,), not {waveform.shape}")
    transform = _transform(params)
    hop, n_fft = params.hop_length, params.n_fft
    scale = 4.0 / (n_fft * float(transform.spectrogram.window.square().sum()))
    before = (n_fft - hop) // 2
    n_columns = len(waveform) // hop
    result = np.empty((params.n_mels, n_columns), dtype=np.float16)
    for first in range(0, n_columns, COLUMNS_PER_BLOCK):
        last = min(first + COLUMNS_PER_BLOCK, n_columns)
        start = first * hop - before
        block = _cut_padded(waveform, start, start + (last - first - 1) * hop + n_fft)
        with torch.inference_mode():
            power = _mel_power(block, transform).mul_(scale)  # (n_mels, last - first)
            result[:, first:last] = power.clamp_(min=MEL_POWER_FLOOR).log_().to(torch.float16).numpy()
    return result


def _cut_padded(waveform: np.ndarray, start: int, stop: int) -> np.ndarray:
    """Copy samples [start, stop), zeros where they lie outside the waveform."""
    block = np.zeros(stop - start, dtype=np.float32)
    inside = waveform[max(start, 0) : max(min(stop, len(waveform)), 0)]
    offset = max(-start, 0)
    block[offset : offset + len(inside)] = inside
    return block


def silence(n_columns: int, params: ShardParams) -> np.ndarray:
    """Log-mel of a source without audio: (n_mels, n_columns) float16, the floor everywhere."""
    return np.full((params.n_mels, n_columns), math.log(MEL_POWER_FLOOR), dtype=np.float16)


def rms_dbfs(waveform: np.ndarray) -> float:
    """Root-mean-square level of samples (N,) in dB relative to a full-scale sine (AES17), at least DBFS_FLOOR."""
    total = 0.0
    for start in range(0, len(waveform), SAMPLES_PER_BLOCK):
        total += float(np.sum(np.square(waveform[start : start + SAMPLES_PER_BLOCK], dtype=np.float64)))
    power = 2.0 * total / max(len(waveform), 1)
    return max(10.0 * math.log10(power), DBFS_FLOOR) if power > 0.0 else DBFS_FLOOR
