"""Augmentation of log-mels on the device: mixing, loudness, crop, noise and masks, drawn once per clip.

Mixing and random resized crops are those of BYOL-A (Niizumi et al., "BYOL for Audio: Self-Supervised Learning for
General-Purpose Audio Representation", IJCNN 2021, section II-B). An augmentation that is off draws no random number.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from train.config.augment_config import AugmentConfig
from train.views.views import normalise_logmel

NEPERS_PER_DB = math.log(10) / 10
"""Natural-log power of one decibel."""


def augment_audio(logmel: Tensor, config: AugmentConfig, generator: torch.Generator) -> Tensor:
    """Mix with another clip, change loudness and spectral slope, crop, add noise, mask a band and a run of columns.

    Args:
        logmel: (N, n_mels, C) float, natural log of mel power; rows view after view if clips are mixed.
        config: ranges.
        generator: on the device of logmel.

    Returns:
        (N, 1, n_mels, C) float32, normalised to about [-2, 2].
    """
    n, n_mels, _ = logmel.shape
    device = logmel.device
    if config.mix_max > 0:
        logmel = mix(logmel, config.mix_max, generator)
    gain = uniform(-config.gain_db, config.gain_db, n, device, generator) * NEPERS_PER_DB
    slope = uniform(-config.tilt_db, config.tilt_db, n, device, generator) * NEPERS_PER_DB
    band = torch.linspace(-0.5, 0.5, n_mels, device=device)
    changed = logmel + gain[:, None, None] + (slope[:, None] * band)[:, :, None]
    result = normalise_logmel(changed).clamp_(min=-2.0)
    if (config.crop_bands, config.crop_columns) != ((1.0, 1.0), (1.0, 1.0)):
        result = _resized_crop(result, config, generator)
    if config.noise > 0:
        strength = uniform(0.0, config.noise, n, device, generator)
        white = torch.randn(result.shape, generator=generator, device=device)
        result.addcmul_(white, strength[:, None, None])
    result.masked_fill_(_blank(n, n_mels, config.mask_mels, device, generator)[:, :, None], 0.0)
    if config.mask_columns > 0:
        result.masked_fill_(_blank(n, result.shape[2], config.mask_columns, device, generator)[:, None], 0.0)
    return result[:, None]


def uniform(low: float, high: float, n: int, device: torch.device, generator: torch.Generator) -> Tensor:
    """(n,) float32, uniform over [low, high)."""
    return low + (high - low) * torch.rand(n, generator=generator, device=device)


def another(n: int, device: torch.device, generator: torch.Generator) -> Tensor:
    """Draw for each of n = 2B rows the row of another segment, (n,) int64; with B = 1 it is the row of the other view."""
    # Fewer than B rows on: never the segment itself, whose views lie B rows apart.
    step = 1 + (torch.rand(n, generator=generator, device=device) * (n // 2 - 1)).long()
    return (torch.arange(n, device=device) + step) % n


def mix(logmel: Tensor, share_max: float, generator: torch.Generator) -> Tensor:
    """Mix every clip's power with that of another segment's clip, whose share is uniform over [0, share_max).

    Args:
        logmel: (2B, n_mels, C) natural log of power, rows view after view.
        share_max: below 0.5.
        generator: on the device of logmel.

    Returns:
        log((1 - share) exp(x) + share exp(other)), (2B, n_mels, C).
    """
    n = len(logmel)
    share = uniform(0.0, share_max, n, logmel.device, generator)[:, None, None]
    other = another(n, logmel.device, generator)
    if n < 4:  # a single segment has no other to mix with
        return logmel
    return torch.logaddexp(logmel + torch.log1p(-share), logmel[other] + share.log())


def _resized_crop(clips: Tensor, config: AugmentConfig, generator: torch.Generator) -> Tensor:
    """Stretch a box of every clip to full size, bilinear; (N, n_mels, C) to the same. 0 outside the clip."""
    n, n_mels, n_columns = clips.shape

    def places(length: int, limits: tuple[float, float], cap: float) -> Tensor:
        # (n, length) positions to read, in cells; a crop wider than the clip may begin before it.
        size = uniform(*limits, n, clips.device, generator).clamp(max=cap) * length
        start = torch.rand(n, generator=generator, device=clips.device) * (length - size)
        cells = (torch.arange(length, device=clips.device) + 0.5) / length
        return start[:, None] + size[:, None] * cells - 0.5

    bands = places(n_mels, config.crop_bands, 1.0)
    columns = places(n_columns, config.crop_columns, math.inf)
    outside = (columns < -0.5) | (columns > n_columns - 0.5)
    x, y = (2 * columns + 1) / n_columns - 1, (2 * bands + 1) / n_mels - 1
    grid = torch.stack([x[:, None].expand(-1, n_mels, -1), y[:, :, None].expand(-1, -1, n_columns)], 3)
    read = F.grid_sample(clips[:, None], grid, mode="bilinear", padding_mode="border", align_corners=False)[:, 0]
    return read.masked_fill_(outside[:, None], 0.0)


def _blank(n: int, length: int, widest: int, device: torch.device, generator: torch.Generator) -> Tensor:
    """(n, length) bool: one run of up to `widest` cells per row."""
    width = (torch.rand(n, generator=generator, device=device) * (widest + 1)).long()
    low = (torch.rand(n, generator=generator, device=device) * (length - width + 1)).long()
    place = torch.arange(length, device=device)[None]
    return (place >= low[:, None]) & (place < (low + width)[:, None])
