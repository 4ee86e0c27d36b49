"""Spatial and colour augmentation on the device: drawn once per clip, the same for all its frames."""

import math
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

from train.config.augment_config import VideoAugmentConfig
from train.views.augment_audio import uniform

# RGB to YIQ: hue is a rotation of the I-Q plane (ITU-R BT.601 primaries). The first row gives the luma.
_TO_YIQ = torch.tensor([[0.299, 0.587, 0.114], [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])
_HALF_RANGE = 255 / 4
"""Grey levels per unit of the normalised range [-2, 2]."""
_CLIPS_AT_ONCE = 4
"""Clips recoloured together on a CPU: few enough to stay in its cache between the passes."""


def augment_video(clips: Tensor, config: VideoAugmentConfig, crop_px: int, generator: torch.Generator) -> Tensor:
    """Random resized crop, flip, colour and grey.

    Args:
        clips: (N, T, H, W, 3) uint8.
        config: ranges.
        crop_px: side of the result.
        generator: on the device of clips.

    Returns:
        (N, 3, T, crop_px, crop_px) float32, normalised to [-2, 2]; channels last in memory, as the frames came.
    """
    crops = _crop(clips, config, crop_px, generator)
    matrix, offset = _colour(_mean_grey(crops), config, generator)
    return _recolour(crops, matrix / _HALF_RANGE, offset / _HALF_RANGE - 2.0).permute(0, 4, 1, 2, 3)


def _crop(clips: Tensor, config: VideoAugmentConfig, crop_px: int, generator: torch.Generator) -> Tensor:
    """(N, T, H, W, 3) uint8 to (N, T, crop_px, crop_px, 3) uint8: one box of whole pixels per clip, some mirrored."""
    n, t, h, w, _ = clips.shape
    boxes = _crop_boxes(n, h, w, config, clips.device, generator)
    if clips.device.type != "cpu":
        return _crop_together(clips, boxes, crop_px)
    # On CPUs torch resizes uint8 with channels last several times faster than floats.
    crops = clips.new_empty(n, t, crop_px, crop_px, 3)
    for i, (top, left, height, width, flipped) in enumerate(boxes.tolist()):
        box = clips[i, :, top : top + height, left : left + width].permute(0, 3, 1, 2)  # (T, 3, height, width)
        box = F.interpolate(box, (crop_px, crop_px), mode="bilinear", antialias=True)
        crops[i] = (box.flip(-1) if flipped else box).permute(0, 2, 3, 1)
    return crops


def _crop_together(clips: Tensor, boxes: Tensor, crop_px: int) -> Tensor:
    """Do for a GPU what `_crop` does clip by clip, in a few calls that do not make the host wait for the boxes."""
    top, left, height, width, flipped = boxes.unbind(1)
    rows = _weights(top, height, clips.shape[2], crop_px)  # (N, crop_px, H)
    columns = _weights(left, width, clips.shape[3], crop_px)  # (N, crop_px, W)
    columns = torch.where(flipped[:, None, None] > 0, columns.flip(1), columns)
    shrunk = torch.einsum("nxw,nthwc->nthxc", columns, clips.float()).round_()
    return torch.einsum("nyh,nthxc->ntyxc", rows, shrunk).round_().byte().contiguous()


def _weights(first: Tensor, length: Tensor, size: int, n_out: int) -> Tensor:
    """Weights (N, n_out, size) that resize pixels first .. first + length of a line, (N,) each, to n_out.

    Those of a triangle filter as wide as the reduction, as antialiased bilinear resizing has them in torch and Pillow.
    """
    scale = (length / n_out)[:, None, None]
    centre = first[:, None, None] + scale * (torch.arange(n_out, device=first.device)[None, :, None] + 0.5)
    place = torch.arange(size, device=first.device)[None, None]
    weights = (1 - (place + 0.5 - centre).abs() / scale.clamp(min=1)).clamp(min=0)
    inside = (place >= first[:, None, None]) & (place < (first + length)[:, None, None])
    weights = weights * inside
    return weights / weights.sum(2, keepdim=True)


def _mean_grey(crops: Tensor) -> Tensor:
    """Mean luma (N,) in 0..255 of (N, T, h, w, 3) uint8, over every fourth row."""
    rows = crops[:, :, ::4].reshape(len(crops), -1, 3)
    luma = _yiq(crops.device)[0][0].repeat(rows.shape[1])
    return rows.flatten(1).float() @ luma / rows.shape[1]


def _recolour(crops: Tensor, matrix: Tensor, offset: Tensor) -> Tensor:
    """RGB (N, T, h, w, 3) uint8 times matrices (N, 3, 3) plus offsets (N,): float32 of that shape, clamped to [-2, 2]."""
    n = len(crops)
    # A 3x3 product is too small to be fast: up to 4 pixels, as many as divide the clip, share one product.
    group = math.gcd(crops[0].numel() // 3, 4)
    eye = torch.eye(group, device=crops.device)
    blocks = (eye[:, None, :, None] * matrix.mT[:, None, :, None, :]).reshape(n, 3 * group, 3 * group)
    pixels = crops.view(n, -1, 3 * group)
    result = torch.empty(pixels.shape, device=crops.device)
    at_once = _CLIPS_AT_ONCE if crops.device.type == "cpu" else n
    for first in range(0, n, at_once):
        part = slice(first, first + at_once)
        torch.bmm(pixels[part].float(), blocks[part], out=result[part])
        result[part].add_(offset[part, None, None]).clamp_(-2.0, 2.0)
    return result.view(crops.shape)


def _crop_boxes(
    n: int, h: int, w: int, config: VideoAugmentConfig, device: torch.device, generator: torch.Generator
) -> Tensor:
    """Boxes inside the frame, (N, 5) int64: top, left, height, width, and whether to mirror."""
    scale = uniform(config.scale_min, 1.0, n, device, generator).sqrt()
    aspect = uniform(-1.0, 1.0, n, device, generator).mul(math.log(config.aspect_max) / 2).exp()
    width = (scale * aspect * w).round().clamp(1, w)
    height = (scale / aspect * h).round().clamp(1, h)
    left = (torch.rand(n, generator=generator, device=device) * (w - width + 1)).floor()
    top = (torch.rand(n, generator=generator, device=device) * (h - height + 1)).floor()
    flip = torch.rand(n, generator=generator, device=device) < config.flip_probability
    return torch.stack([top, left, height, width, flip], 1).long()


def _colour(mean_grey: Tensor, config: VideoAugmentConfig, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Brightness, contrast, saturation, hue and grey as one matrix (N, 3, 3) and offset (N,) on 0..255 RGB.

    Contrast is relative to the clip's mean grey (N,): relative to each frame's own mean, a clip would flicker.
    """
    n, device = len(mean_grey), mean_grey.device
    brightness = uniform(1 - config.brightness, 1 + config.brightness, n, device, generator)
    contrast = uniform(1 - config.contrast, 1 + config.contrast, n, device, generator)
    saturation = uniform(1 - config.saturation, 1 + config.saturation, n, device, generator)
    grey = torch.rand(n, generator=generator, device=device) < config.grey_probability
    saturation = torch.where(grey, 0.0, saturation)
    angle = uniform(-config.hue_turns, config.hue_turns, n, device, generator) * (2 * math.pi)
    matrix = turn_colours(angle, saturation)
    return matrix * (brightness * contrast)[:, None, None], (1 - contrast) * brightness * mean_grey


def turn_colours(angle: Tensor, saturation: Tensor) -> Tensor:
    """Matrices (N, 3, 3) on RGB that turn the hue by an angle (N,) in radians and scale the saturation by (N,)."""
    cos, sin, zero, one = angle.cos(), angle.sin(), torch.zeros_like(angle), torch.ones_like(angle)
    turn = torch.stack(
        [one, zero, zero, zero, cos * saturation, -sin * saturation, zero, sin * saturation, cos * saturation], 1
    )
    to_yiq, from_yiq = _yiq(angle.device)
    return from_yiq @ turn.view(len(angle), 3, 3) @ to_yiq


@cache
def _yiq(device: torch.device) -> tuple[Tensor, Tensor]:
    """RGB to YIQ and back, (3, 3) each, copied to a device once: the host waits for every such copy."""
    return _TO_YIQ.to(device), torch.linalg.inv(_TO_YIQ).to(device)
