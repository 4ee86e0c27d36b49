"""One channel out of many: how ffmpeg mixes the channels of a source, and what is taken where they cancel in the mix."""

import itertools
from typing import BinaryIO

import numpy as np

from preprocess.media.media_info import MediaInfo

MAX_GUESSED_CHANNELS = 8
"""ffmpeg guesses the places of so many channels where the container does not state them; more it cannot mix."""
BLOCK_SECONDS = 10
"""The channels are compared over about this time: no ordinary stereo cancels for so long."""
CANCELLED_SHARE = 0.1
"""Share of the power that a mix keeps at least. A mix of n channels keeps 1 / n^2 of the first one if the others are
silent; a tenth of this is left where two channels have a correlation of -0.95."""

FIRST_CHANNEL = "pan=mono|c0=c0"
MIX_AND_FIRST = "join=inputs=2:channel_layout=stereo:map=0.0-FL|1.0-FR"
"""Filter that puts two mono streams beside one another."""


def mix_filters(info: MediaInfo) -> list[str]:
    """Filters before the resampling, which mixes to mono all layouts that it knows; for the others the mean.

    The first channel of an ambisonic source, W, is its audio from all directions.
    """
    if info.audio_layout.startswith("ambisonic"):
        return [FIRST_CHANNEL]
    n = info.audio_channels
    is_unknown = info.audio_layout == f"{n} channels" and n > MAX_GUESSED_CHANNELS
    if not is_unknown and info.audio_layout != "binaural":
        return []
    return ["pan=mono|c0=" + "+".join(f"{1 / n:.6f}*c{channel}" for channel in range(n))]


def keep_one_channel(samples: BinaryIO, n_channels: int, sample_rate_hz: int) -> float:
    """Leave one channel in the file: the mix, or the first one where the channels cancel. Return the seconds of that.

    Args:
        samples: float32 samples, the mix of `n_channels` and the first of them by turns; those kept, from its start.
        n_channels: of the source.
        sample_rate_hz: of both.
    """
    n_samples, n_replaced = samples.seek(0, 2) // 8, 0
    if not n_samples:
        return 0.0
    kept = np.memmap(samples, np.float32, "r+", shape=(2 * n_samples,))
    pairs = kept.reshape(n_samples, 2)  # the same memory: what is kept lies before what is still to be read
    edges = np.linspace(0, n_samples, 1 + max(1, round(n_samples / sample_rate_hz / BLOCK_SECONDS))).astype(int)
    for start, stop in itertools.pairwise(edges):
        mix, first = pairs[start:stop].T.copy()
        least = CANCELLED_SHARE / n_channels**2 * np.square(first, dtype=np.float64).sum()
        is_cancelled = np.square(mix, dtype=np.float64).sum() < least
        kept[start:stop] = first if is_cancelled else mix
        n_replaced += is_cancelled * len(mix)
    samples.truncate(4 * n_samples)
    return n_replaced / sample_rate_hz
