"""Spatial, colour and spectral augmentation on the device: drawn once a clip, the same for all its frames or columns."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from train.config import AugmentConfig
from train.views import normalise_logmel

_LUMA = torch.tensor([0.299, 0.587, 0.114])
# RGB to YIQ and back: hue is a rotation of the I-Q plane (ITU-R BT.601 primaries).
_TO_YIQ = torch.tensor([[0.299, 0.587, 0.114], [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])
_FROM_YIQ = torch.linalg.inv(_TO_YIQ)
_NEPERS_PER_DB = math.log(10) / 10
"""Natural-log power of one decibel."""


def augment_video(clips: Tensor, config: AugmentConfig, crop_px: int, generator: torch.Generator) -> Tensor:
    """Random resized crop, flip, colour and grey.

    Args:
        clips: (N, T, H, W, 3) uint8.
        config: ranges.
        crop_px: side of the result.
        generator: on the device of clips.

    Returns:
        (N, 3, T, crop_px, crop_px) float32, normalised to about [-2, 2].
    """
    n, t, h, w, _ = clips.shape
    # The time axis rides along as channels: one sampling grid a clip, not a frame.
    planes = clips.permute(0, 1, 4, 2, 3).reshape(n, t * 3, h, w).float()  # (N, T*3, H, W)
    grid = F.affine_grid(
        _crop_matrices(n, config, clips.device, generator), [n, t * 3, crop_px, crop_px], align_corners=False
    )
    planes = F.grid_sample(planes, grid, mode="bilinear", padding_mode="reflection", align_corners=False)
    matrix, offset = _colour_matrices(planes.view(n, t, 3, -1), config, generator)
    pixels = planes.view(n, t, 3, crop_px * crop_px)
    pixels = torch.matmul(matrix[:, None], pixels).add_(offset[:, None])  # (N, T, 3, h*w)
    pixels = pixels.clamp_(0, 255).div_(63.75).sub_(2.0)
    return pixels.view(n, t, 3, crop_px, crop_px).transpose(1, 2)


def _uniform(low: float, high: float, n: int, device: torch.device, generator: torch.Generator) -> Tensor:
    return low + (high - low) * torch.rand(n, generator=generator, device=device)


def _crop_matrices(n: int, config: AugmentConfig, device: torch.device, generator: torch.Generator) -> Tensor:
    """Affine matrices (N, 2, 3) of crops that stay inside the frame, half of them mirrored."""
    scale = _uniform(config.scale_min, 1.0, n, device, generator).sqrt()
    aspect = _uniform(-1.0, 1.0, n, device, generator).mul(math.log(config.aspect_max) / 2).exp()
    width, height = (scale * aspect).clamp(max=1), (scale / aspect).clamp(max=1)
    shift_x = _uniform(-1.0, 1.0, n, device, generator) * (1 - width)
    shift_y = _uniform(-1.0, 1.0, n, device, generator) * (1 - height)
    flip = torch.where(torch.rand(n, generator=generator, device=device) < config.flip_probability, -1.0, 1.0)
    zero = torch.zeros_like(width)
    return torch.stack(
        [torch.stack([width * flip, zero, shift_x], 1), torch.stack([zero, height, shift_y], 1)], 1
    )  # fmt: skip


def _colour_matrices(
    pixels: Tensor, config: AugmentConfig, generator: torch.Generator
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Brightness, contrast, saturation, hue and grey as one matrix (N, 3, 3) and offset (N, 3, 1) on 0..255 RGB."""
    n, device = pixels.shape[0], pixels.device
    luma = _LUMA.to(device)
    brightness = _uniform(1 - config.brightness, 1 + config.brightness, n, device, generator)
    contrast = _uniform(1 - config.contrast, 1 + config.contrast, n, device, generator)
    saturation = _uniform(1 - config.saturation, 1 + config.saturation, n, device, generator)
    grey = torch.rand(n, generator=generator, device=device) < config.grey_probability
    saturation = torch.where(grey, 0.0, saturation)
    angle = _uniform(-config.hue_turns, config.hue_turns, n, device, generator) * (2 * math.pi)

    cos, sin, zero, one = angle.cos(), angle.sin(), torch.zeros_like(angle), torch.ones_like(angle)
    turn = torch.stack(
        [one, zero, zero, zero, cos * saturation, -sin * saturation, zero, sin * saturation, cos * saturation], 1
    )
    matrix = _FROM_YIQ.to(device) @ turn.view(n, 3, 3) @ _TO_YIQ.to(device)
    gain = brightness * contrast
    # Contrast turns about the clip's mean grey, not a frame's: a frame's own mean would flicker.
    mean_grey = (pixels.mean(dim=(1, 3)) * luma).sum(1)
    offset = ((1 - contrast) * brightness * mean_grey)[:, None, None].expand(-1, 3, 1)
    return matrix * gain[:, None, None], offset


def augment_audio(logmel: Tensor, config: AugmentConfig, generator: torch.Generator) -> Tensor:
    """Random gain, spectral tilt and one blanked band.

    Args:
        logmel: (N, n_mels, C) float, natural log of mel power.
        config: ranges.
        generator: on the device of logmel.

    Returns:
        (N, 1, n_mels, C) float32, normalised to about [-2, 2].
    """
    n, n_mels, _ = logmel.shape
    device = logmel.device
    gain = _uniform(-config.gain_db, config.gain_db, n, device, generator) * _NEPERS_PER_DB
    slope = _uniform(-config.tilt_db, config.tilt_db, n, device, generator) * _NEPERS_PER_DB
    band = torch.linspace(-0.5, 0.5, n_mels, device=device)
    changed = logmel + gain[:, None, None] + (slope[:, None] * band)[:, :, None]
    result = normalise_logmel(changed).clamp_(min=-2.0)
    width = (torch.rand(n, generator=generator, device=device) * (config.mask_mels + 1)).long()
    low = (torch.rand(n, generator=generator, device=device) * (n_mels - width + 1)).long()
    mel = torch.arange(n_mels, device=device)[None]
    blank = (mel >= low[:, None]) & (mel < (low + width)[:, None])
    return result.masked_fill_(blank[:, :, None], 0.0)[:, None]
