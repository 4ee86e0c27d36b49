"""Shards of noise, in which nothing happens, so that no temporal task can be solved but by a short-cut.

And what short-cuts leave in clips, as a handful of numbers a clip, and how much a linear classifier makes of them.
"""

import math
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from preprocess.media.media_info import Decoded
from preprocess.schema import PRESETS, ShardParams
from tests.train.conftest import decoded_of, loading, write_shards
from train.data.loader import SegmentLoader
from train.plans.clip_planners import TwoViews
from train.plans.temporal_labels import temporal_labels
from train.views.training_clips import plain_clips

PARAMS = PRESETS["sample"]
LENGTHS = (64, 38, 64)
"""Frames of the segments by turns: a whole window of the preset, and 60 per cent of one."""


def noise_waveform(index: int, n_samples: int) -> np.ndarray:
    """(n_samples,) float32 of white noise at -20 dB of full scale."""
    return np.random.default_rng([index, 1]).normal(0, 0.1, n_samples).astype(np.float32)


def write_noise(folder: Path, n_sources: int) -> Path:
    """A finished set of noise through the real pipeline, JPEG strips and log-mels; each value of a pixel is drawn alone."""

    def decoded(index: int, n_frames: int, params: ShardParams) -> Decoded:
        frames = np.random.default_rng([index, 0]).integers(0, 256, (n_frames, 48, 64, 3), dtype=np.uint8)
        waveform = noise_waveform(index, n_frames * params.samples_per_frame)
        return decoded_of(frames, waveform, n_frames, params)

    return write_shards(folder, n_sources, PARAMS, lambda index: LENGTHS[index % len(LENGTHS)], decoded)


def four_sigma(chance, n):
    """Largest share that guessing n times reaches but once in 30,000."""
    return chance + 4 * math.sqrt(chance * (1 - chance) / n)


def standardised(x):
    """Each band or place without its mean and spread over all clips: (N, P, T)."""
    return (x - x.mean((0, 2), keepdims=True)) / x.std((0, 2), keepdims=True)


def statistics(x):
    """What (N, P, T) says of its time axis: likeness at lags 1 to 3, its runs of mean and variance, its ends. (N, 10)."""
    z = standardised(x)
    ramp = np.linspace(-1, 1, z.shape[2])
    level, power = z.mean(1), (z * z).mean(1)  # (N, T)
    lags = [(z[..., k:] * z[..., :-k]).mean((1, 2)) for k in (1, 2, 3)]
    runs = [level @ ramp, power @ ramp, level.var(1), power.mean(1)]
    ends = [level[:, 0], level[:, -1], (z[..., 0] * z[..., -1]).mean(1)]
    return np.stack([*lags, *runs, *ends], 1)


def border_statistics(video):
    """Likeness of a frame's top row to the bottom row of the frame before, and of that behind, in chroma: (N, 2)."""
    red, green, blue = video.unbind(1)  # (N, T, H, W)
    chroma = torch.stack([red - green, blue - green], 1)[:, :, :, [0, -1]]  # (N, 2, T, 2, W)
    top, bottom = (standardised(chroma[:, :, :, row].transpose(2, 3).flatten(1, 2).numpy()) for row in (0, 1))
    before, behind = top[..., 1:] * bottom[..., :-1], top[..., :-1] * bottom[..., 1:]
    return np.stack([before.mean((1, 2)), behind.mean((1, 2))], 1)


STATISTICS = {
    # (N, 3, T, H, W) to (N, pixels, T): every second pixel, two rows away from the borders
    "pixels": lambda clips: statistics(clips.video[..., 2:-2:2, ::2].permute(0, 1, 3, 4, 2).flatten(1, 3).numpy()),
    "borders": lambda clips: border_statistics(clips.video),
    "next to borders": lambda clips: border_statistics(clips.video[..., 1:-1, :]),
    "sound": lambda clips: statistics(clips.audio[:, 0].numpy()),
}


@dataclass(frozen=True)
class Findings:
    """Statistics (batches, 2 views, B, F) of plain clips by STATISTICS, and labels (batches, 2B) or (batches, B) by head."""

    numbers: dict[str, np.ndarray]
    labels: dict[str, np.ndarray]

    def rows(self, kind, head):
        """Rows and labels that a head would see: clips by themselves, or both views side by side."""
        numbers, truth = self.numbers[kind], self.labels[head].ravel()
        if head.startswith("order"):
            first, second = numbers[:, 0], numbers[:, 1]
            numbers = np.concatenate([first, second, first - second], 2)
        numbers = numbers.reshape(len(truth), -1)
        return numbers[truth >= 0], truth[truth >= 0]


def look_at(shards, config, n_batches):
    """Findings in clips that the trainer's plans cut."""
    data = config.data
    settings = loading(
        shards, batch_size=data.batch_size, frame_px=data.frame_px, window_frames=data.window_frames, shuffle=True,
        clips=TwoViews(config.clip),
    )  # fmt: skip
    loader = SegmentLoader(settings)
    numbers, labels = defaultdict(list), defaultdict(list)
    for _ in range(n_batches):
        batch = next(loader)
        clips = plain_clips(batch, config.clip, PARAMS.columns_per_frame)
        for kind, of_clips in STATISTICS.items():
            numbers[kind].append(np.stack(np.split(of_clips(clips), 2)))
        for head, truth in temporal_labels(batch.plan, batch.has_audio).items():
            labels[head].append(truth.numpy())
    return Findings(*({name: np.stack(each) for name, each in parts.items()} for parts in (numbers, labels)))


def held_out_share(rows, truth):
    """(share of right answers of a linear classifier on rows it has not seen, share of the commonest label, n)."""
    half = len(rows) // 2
    classifier = LinearDiscriminantAnalysis().fit(rows[:half], truth[:half])
    rest = truth[half:]
    commonest = np.bincount(rest).max() / len(rest)
    return float((classifier.predict(rows[half:]) == rest).mean()), float(commonest), len(rest)
