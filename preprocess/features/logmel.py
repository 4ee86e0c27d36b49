"""Log-mel spectrograms whose columns lie on the frames' clock.

Column j is centred on its hop, the samples [j * hop, (j + 1) * hop). So frame i owns columns
[i * columns_per_frame, (i + 1) * columns_per_frame), and they cover the time that it shows.

Mel power is scaled so that the bands of a stationary signal add up to its power relative to a full-scale sine
(Parseval: sum over FFT bins of |X|^2 = n_fft * sum(window^2) / 4 for a sine of amplitude 1), whatever the window and
n_fft. The power is floored at MEL_POWER_FLOOR before the natural logarithm. The mel scale is HTK's, with triangles of height 1.
"""

import functools
import math
from typing import TYPE_CHECKING

import numpy as np

from preprocess.schema import MEL_POWER_FLOOR, ShardParams

if TYPE_CHECKING:
    from torchaudio.transforms import MelSpectrogram

DBFS_FLOOR = -120.0
SILENCE_DBFS = -90.0
"""Below the quantisation noise of 16 bits: a segment no louder than this counts as one without audio."""

COLUMNS_PER_BLOCK = 4096
"""Columns computed at once: the complex spectrum of a whole source of three hours would take 2 GB."""
SAMPLES_PER_BLOCK = 1 << 20


@functools.cache
def _transform(params: ShardParams) -> "MelSpectrogram":
    """Waveform (N,) -> 1 + (N - n_fft) // hop columns, without padding; `log_mel` uses its two parts."""
    import torchaudio

    return torchaudio.transforms.MelSpectrogram(
        sample_rate=params.sample_rate_hz, n_fft=params.n_fft, win_length=params.win_length,
        hop_length=params.hop_length, n_mels=params.n_mels, power=None, center=False, mel_scale="htk", norm=None,
    ).eval()  # fmt: skip


def log_mel(waveform: np.ndarray, params: ShardParams) -> np.ndarray:
    """Waveform (N,) float32 in [-1, 1] -> natural log of mel power, (n_mels, N // hop_length) float16.

    There is silence beyond both ends of the waveform. Blocks of columns bound the memory: only the result grows with
    the source.
    """
    import torch

    transform = _transform(params)
    hop, n_fft = params.hop_length, params.n_fft
    scale = 4.0 / (n_fft * float(transform.spectrogram.window.square().sum()))
    before = (n_fft - hop) // 2
    n_columns = len(waveform) // hop
    result = np.empty((params.n_mels, n_columns), dtype=np.float16)
    for first in range(0, n_columns, COLUMNS_PER_BLOCK):
        last = min(first + COLUMNS_PER_BLOCK, n_columns)
        start, stop = first * hop - before, (last - 1) * hop - before + n_fft
        block = np.pad(waveform[max(start, 0) : stop], (max(-start, 0), max(stop - len(waveform), 0)))
        with torch.inference_mode():
            spectrum = transform.spectrogram(torch.from_numpy(block))  # (n_fft / 2 + 1, last - first) complex
            # The sum of squares, without the root that torchaudio would square again.
            power = spectrum.real.square().addcmul_(spectrum.imag, spectrum.imag)
            mel = transform.mel_scale(power).mul_(scale)  # (n_mels, last - first)
            result[:, first:last] = mel.clamp_(min=MEL_POWER_FLOOR).log_().to(torch.float16).numpy()
    return result


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
