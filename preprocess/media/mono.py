"""One channel out of many: how ffmpeg mixes the channels of a source, and what replaces a mix in which they cancel."""

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


def replace_cancelled(mix: BinaryIO, first: BinaryIO, n_channels: int, sample_rate_hz: int) -> float:
    """Put the first channel in place of the mix, in the file, where the channels cancel; return the seconds of it.

    Args:
        mix, first: files of equally many float32 samples, the mix of `n_channels` and the first of them.
        n_channels: of the source.
        sample_rate_hz: of both.
    """
    n_samples, n_replaced = min(mix.seek(0, 2), first.seek(0, 2)) // 4, 0
    if not n_samples:
        return 0.0
    n_blocks = max(1, round(n_samples / sample_rate_hz / BLOCK_SECONDS))
    mapped = (np.memmap(file, np.float32, "r+", shape=(n_samples,)) for file in (mix, first))
    for part, alone in zip(*(np.array_split(samples, n_blocks) for samples in mapped), strict=True):
        least = CANCELLED_SHARE / n_channels**2 * np.square(alone, dtype=np.float64).sum()
        if np.square(part, dtype=np.float64).sum() < least:
            part[:] = alone
            n_replaced += len(part)
    return n_replaced / sample_rate_hz
