"""Shards of noise: frames and audio in which nothing happens, so that no temporal task can be solved but by a short-cut."""

from pathlib import Path

import numpy as np

from preprocess.media.media_info import Decoded, MediaInfo
from preprocess.schema import PRESETS, ShardParams
from tests.planes import from_rgb
from tests.train.conftest import write_shards

PARAMS = PRESETS["sample"]
LENGTHS = (64, 38, 64)
"""Frames of the segments by turns: a whole window of the preset, and 60 per cent of one."""


def noise_frames(index: int, n_frames: int, height: int = 48, width: int = 64) -> np.ndarray:
    """(n_frames, height, width, 3) uint8, every value drawn by itself."""
    return np.random.default_rng([index, 0]).integers(0, 256, (n_frames, height, width, 3), dtype=np.uint8)


def noise_waveform(index: int, n_samples: int) -> np.ndarray:
    """(n_samples,) float32 of white noise at -20 dB of full scale."""
    return np.random.default_rng([index, 1]).normal(0, 0.1, n_samples).astype(np.float32)


def noise_decoded(index: int, n_frames: int, params: ShardParams) -> Decoded:
    """A source of noise, as the decoder would hand it over."""
    info = MediaInfo(
        duration_seconds=n_frames / params.fps, width_px=64, height_px=48, fps=params.fps, rotation_degrees=0,
        has_video=True, has_audio=True, video_codec="rawvideo", audio_codec="pcm_s16le",
    )  # fmt: skip
    frames, waveform = noise_frames(index, n_frames), noise_waveform(index, n_frames * params.samples_per_frame)
    return Decoded(n_frames=n_frames, planes=from_rgb(frames), waveform=waveform, info=info, warnings="")


def write_noise(folder: Path, n_sources: int, params: ShardParams = PARAMS) -> Path:
    """A finished set of noise through the real writer: JPEG strips and log-mels."""
    return write_shards(folder, n_sources, params, lambda index: LENGTHS[index % len(LENGTHS)], noise_decoded)
