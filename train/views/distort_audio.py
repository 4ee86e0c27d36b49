"""Audio distortions that a fingerprint must survive, on log-mels: pitch, reverb, mixture, noise, filters, gain.

Drawn once per clip, the same for all its columns; only noise is drawn per cell. Other clips of the batch are mixed in.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from preprocess.schema import MEL_POWER_FLOOR
from train.config.distort_config import AudioDistortConfig, Range
from train.views.augment_audio import NEPERS_PER_DB, another, uniform
from train.views.distort_video import chance, log_uniform
from train.views.views import normalise_logmel


def distort_audio(
    logmel: Tensor, pace: Tensor, config: AudioDistortConfig, sample_rate_hz: int, generator: torch.Generator
) -> Tensor:
    """Distort every clip in its own way.

    Args:
        logmel: (N, n_mels, C) natural log of mel power, rows view after view.
        pace: (N,) playback speed of each clip.
        config: ranges.
        sample_rate_hz: sample rate of the audio; the mel bands reach up to half of it.
        generator: on the device of logmel.

    Returns:
        (N, 1, n_mels, C) float32, normalised to about [-2, 2].
    """
    n, device = len(logmel), logmel.device
    limits = (1 / config.pitch_max, config.pitch_max)
    pitch = log_uniform(limits, n, device, generator)
    pitch = torch.where(chance(config.pitch_follows_pace, n, device, generator), pace.clamp(*limits), pitch)
    power = shift_pitch(logmel, pitch, sample_rate_hz).exp()
    power = _reverb(power, config, generator)
    loudness = power.mean((1, 2), keepdim=True)
    power = _mix(power, logmel.exp()[another(n, device, generator)], loudness, config, generator)
    power = _noise(power, loudness, config, generator) * _filter(logmel, config, generator)[:, :, None]
    gain = uniform(*config.gain_db, n, device, generator) * NEPERS_PER_DB
    return normalise_logmel(power.clamp(min=MEL_POWER_FLOOR).log() + gain[:, None, None]).clamp_(min=-2.0)[:, None]


def shift_pitch(logmel: Tensor, pitch: Tensor, sample_rate_hz: int) -> Tensor:
    """Move energy at frequency f to pitch * f; (N, n_mels, C) and pitch (N,) to (N, n_mels, C).

    Bands lie evenly on HTK's mel scale, m = 2595 log10(1 + f / 700), from 0 to half the sample rate.
    """
    n_mels, device = logmel.shape[1], logmel.device
    step = 2595 * math.log10(1 + sample_rate_hz / 2 / 700) / (n_mels + 1)
    centre_hz = 700 * (10 ** (step * torch.arange(1, n_mels + 1, device=device) / 2595) - 1)
    source = 2595 * torch.log10(1 + centre_hz / pitch[:, None] / 700) / step - 1  # (N, n_mels), in bands
    source = source.clamp(0, n_mels - 1)
    low = source.floor().clamp(max=n_mels - 2).long()
    share = (source - low)[:, :, None]
    index = low[:, :, None].expand(-1, -1, logmel.shape[2])
    return torch.lerp(logmel.gather(1, index), logmel.gather(1, index + 1), share)


def _reverb(power: Tensor, config: AudioDistortConfig, generator: torch.Generator) -> Tensor:
    """Mix some clips with their exponential tail; the power of steady audio is kept."""
    (n, _, columns), device = power.shape, power.device
    there = chance(config.reverb_probability, n, device, generator)
    decay = uniform(*config.reverb_columns, n, device, generator).reciprocal()
    share = uniform(*config.reverb_share, n, device, generator) * there
    place = torch.arange(columns, device=device)
    ago = (place[None] - place[:, None])[None]  # (1, from, to)
    tail = torch.where(ago >= 0, torch.exp(-ago.clamp(min=0) * decay[:, None, None]), 0.0)
    tail = tail * (1 - torch.exp(-decay))[:, None, None]
    return torch.lerp(power, power @ tail, share[:, None, None])


def _mix(
    power: Tensor, other: Tensor, loudness: Tensor, config: AudioDistortConfig, generator: torch.Generator
) -> Tensor:
    """Add another clip to some clips; silent ones are not added."""
    n, device = len(power), power.device
    level = other.mean((1, 2), keepdim=True)
    there = chance(config.mix_probability, n, device, generator)[:, None, None] & (level > 2 * MEL_POWER_FLOOR)
    return power + there * other / level * loudness * _ratio(config.mix_db, n, device, generator)


def _noise(power: Tensor, loudness: Tensor, config: AudioDistortConfig, generator: torch.Generator) -> Tensor:
    """Add coloured noise to some clips; the power of white noise in a band is about exponentially distributed."""
    n, device = len(power), power.device
    there = chance(config.noise_probability, n, device, generator)[:, None, None]
    tilt = uniform(*config.noise_tilt_db, n, device, generator) * NEPERS_PER_DB
    slope = torch.exp(tilt[:, None] * torch.linspace(0, 1, power.shape[1], device=device))
    noise = -torch.rand(power.shape, generator=generator, device=device).clamp(min=1e-4).log() * slope[:, :, None]
    noise = noise / noise.mean((1, 2), keepdim=True)
    return power + there * noise * loudness * _ratio(config.noise_db, n, device, generator)


def _filter(like: Tensor, config: AudioDistortConfig, generator: torch.Generator) -> Tensor:
    """Power response (N, n_mels) of an equaliser and, for some clips, a band-pass; for clips `like` (N, n_mels, C)."""
    (n, n_mels, _), device = like.shape, like.device
    points = torch.rand(n, 1, config.equaliser_points, generator=generator, device=device) * 2 - 1
    equaliser = F.interpolate(points * config.equaliser_db * NEPERS_PER_DB, n_mels, mode="linear")[:, 0].exp()
    there = chance(config.band_probability, n, device, generator)[:, None]
    low, high = (uniform(*edge, n, device, generator)[:, None] * n_mels for edge in (config.band_low, config.band_high))
    band = torch.arange(n_mels, device=device)[None]
    outside = there & ((band < low.floor()) | (band >= high.floor()))
    return torch.where(outside, equaliser * 10 ** (-config.band_rejection_db / 10), equaliser)


def _ratio(decibels: Range, n: int, device: torch.device, generator: torch.Generator) -> Tensor:
    """Draw power ratios (N, 1, 1): how far below the clip's own power something is added."""
    return torch.exp(-uniform(*decibels, n, device, generator) * NEPERS_PER_DB)[:, None, None]
