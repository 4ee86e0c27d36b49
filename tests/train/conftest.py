"""Small shard sets, built by the real pipeline from frames and waveforms that the test makes up."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from preprocess.build.pipeline import build
from preprocess.executors.processes import SerialExecutor
from preprocess.media.media_info import Decoded, MediaInfo
from preprocess.schema import ShardParams
from preprocess.sources import Catalogue, Source
from tests.planes import from_rgb
from train.config.clip_config import ClipConfig
from train.data.loader_config import LoaderConfig

SMALL = ShardParams(
    fps=16.0, short_side_px=32, segment_seconds=0.5, hop_length=500, win_length=1000, n_mels=16, sources_per_shard=4
)
"""Segments of up to 8 frames of 32 px, four sources a shard."""

SIZES = ((32, 48), (32, 32), (48, 32))
"""(H, W): landscape, square, portrait; sources take turns."""


def make_frames(index: int, n_frames: int, height: int, width: int) -> np.ndarray:
    """(n_frames, height, width, 3) uint8: smooth, so that JPEG keeps it, and different in every frame and place."""
    t, y, x = np.mgrid[:n_frames, :height, :width]
    red = 128 + 80 * np.sin(x / 9 + index)
    green = 128 + 80 * np.cos(y / 11 + t / 2)
    blue = 128 + 60 * np.sin((x + y) / 13 + t + index / 3)
    return np.stack([red, green, blue], axis=-1).astype(np.uint8)


def decoded_of(frames: np.ndarray | None, waveform: np.ndarray | None, n_frames: int, params: ShardParams) -> Decoded:
    """What the decoder would hand over of frames (T, H, W, 3) uint8 and samples (N,) float32."""
    has_video, has_audio = frames is not None, waveform is not None
    info = MediaInfo(n_frames / params.fps, 64, 48, params.fps, has_video=has_video, has_audio=has_audio)
    return Decoded(n_frames, None if frames is None else from_rgb(frames), waveform, info)


def make_decoded(index: int, n_frames: int, params: ShardParams) -> Decoded:
    """Every third source is silent; audio data sets have no frames."""
    height, width = SIZES[index % len(SIZES)]
    scale = params.short_side_px // 32
    waveform = np.random.default_rng(index).normal(0, 0.1, n_frames * params.samples_per_frame).astype(np.float32)
    frames = make_frames(index, n_frames, height * scale, width * scale) if params.media == "video" else None
    return decoded_of(frames, waveform if index % 3 != 2 else None, n_frames, params)


def write_shards(
    folder: Path, n_sources: int, params: ShardParams = SMALL, n_frames: Callable[[int], int] | None = None,
    decoded_from: Callable[[int, int, ShardParams], Decoded] = make_decoded,
    label: Callable[[int], int] = lambda index: index % 5, group: Callable[[int], str] = lambda _: "",
) -> Path:  # fmt: skip
    """Write a finished set; source i has label i % 5 and no group, unless told otherwise.

    Split 1 says train but for every fourth source, which it says test.
    """
    length = n_frames or (lambda index: params.segment_frames - index % 4)
    sources = []
    for index in range(n_sources):
        name = f"label-{label(index)}" if label(index) >= 0 else ""
        splits = {"1": "test" if index % 4 == 3 else "train"}
        sources.append(Source(index, Path(f"{index}.mp4"), f"{index}.mp4", label(index), name, group(index), splits))
    catalogue = Catalogue("made-up", params.media, tuple(sources), tuple(f"label-{number}" for number in range(5)))

    def decode(path: Path, *_: object) -> Decoded:
        return decoded_from(int(path.stem), length(int(path.stem)), params)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("preprocess.build.shard_task.decode", decode)
        build(catalogue, folder, params, executor=SerialExecutor())
    return folder


AT_ONE_MOMENT = ClipConfig(
    n_frames=2, crop_px=32, speeds=(1,), base_stride=2, views="same_moment", jitter_frames=1.0, eval_speed=1
)


def loading(shards: Path, **changes: Any) -> LoaderConfig:
    """How the tests load, unless told otherwise: whole segments in order, in batches of 5."""
    plain = LoaderConfig(str(shards), 5, 32, 8, shuffle=False, seed=1, num_threads=1)
    return replace(plain, **changes)


def unit(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    """Vectors of length 1 in random directions."""
    x = torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)
    return torch.nn.functional.normalize(x, dim=-1)


@pytest.fixture(scope="session")
def small_shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """48 segments of 5 to 8 frames in 12 shards; landscape, square and portrait; a third silent."""
    return write_shards(tmp_path_factory.mktemp("loader") / "small", 48)
