"""Video distortions that a fingerprint must survive: geometry, rectangles, colour, blur, noise.

Drawn once per clip, the same for all its frames; only noise is drawn per pixel. Other clips come from the batch.
"""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from train.config.distort_config import Range, VideoDistortConfig
from train.views.augment_audio import another, uniform
from train.views.augment_video import turn_colours

_SMALL = 1.5
"""Frames reduced by more than this factor are blurred first, because bilinear sampling would skip pixels."""


def distort_video(clips: Tensor, config: VideoDistortConfig, px: int, generator: torch.Generator) -> Tensor:
    """Distort every clip in its own way.

    Args:
        clips: (N, T, H, W, 3) uint8, rows view after view.
        config: ranges.
        px: side of the result.
        generator: on the device of clips.

    Returns:
        (N, 3, T, px, px) float32, normalised to [-2, 2].
    """
    n, t, h, w, _ = clips.shape
    frames = clips.permute(0, 1, 4, 2, 3).float().reshape(n, 3 * t, h, w)  # channels of a clip: frame by frame
    whole = frames if (h, w) == (px, px) else F.interpolate(frames, (px, px), mode="bilinear", antialias=True)
    other = whole[another(n, clips.device, generator)]
    placed = _place(frames, other, config, px, generator)
    covered = _cover(_blend(placed, other, config, generator), other, config, generator)
    coloured = _colour(covered.view(n, t, 3, px, px), config, generator)
    noisy = _noise(_blur(coloured.flatten(1, 2), config, generator), config, generator)
    return (noisy.clamp_(0, 255).view(n, t, 3, px, px) / 63.75 - 2.0).transpose(1, 2).clamp_(-2.0, 2.0)


def chance(probability: float, n: int, device: torch.device, generator: torch.Generator) -> Tensor:
    """(n,) bool, True with this probability."""
    return torch.rand(n, generator=generator, device=device) < probability


def log_uniform(limits: Range, n: int, device: torch.device, generator: torch.Generator) -> Tensor:
    """(n,) float32, log-uniform between the limits."""
    return uniform(math.log(limits[0]), math.log(limits[1]), n, device, generator).exp()


def _place(frames: Tensor, other: Tensor, config: VideoDistortConfig, px: int, generator: torch.Generator) -> Tensor:
    """Crop, shrink, rotate and mirror, on another clip or a flat colour: (N, 3T, H, W) to (N, 3T, px, px)."""
    n, device = len(frames), frames.device
    inset = chance(config.inset_probability, n, device, generator)
    matrix, side = _geometry(inset, config, generator)
    grid = F.affine_grid(matrix, [n, 1, px, px], align_corners=False)

    def soften(clips: Tensor) -> Tensor:
        return F.interpolate(F.avg_pool2d(clips, 2), frames.shape[2:], mode="bilinear")

    soft = _changed(frames, side > _SMALL, soften)
    shown = F.grid_sample(soft, grid, padding_mode="border", align_corners=False)
    inside = F.grid_sample(frames.new_ones(n, 1, *frames.shape[2:]), grid, align_corners=False)
    kind = torch.rand(n, generator=generator, device=device)
    is_other = (inset | (kind < config.border_other))[:, None, None, None]
    is_flat = (kind >= config.border_other + config.border_black)[:, None]
    flat = _flat(other, generator) * is_flat[:, :, None, None]
    # The very edge of the frame counts as inside, so that a frame shown whole stays whole.
    return torch.lerp(torch.where(is_other, other, flat), shown, (2 * inside).clamp(max=1.0))


def _geometry(inset: Tensor, config: VideoDistortConfig, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Return matrices (N, 2, 3) from view to frame, for affine_grid, and the side (N,) of the shown part, in frames."""
    n, device = len(inset), inset.device
    side = log_uniform(config.shown, n, device, generator)
    side = torch.where(chance(config.shown_probability, n, device, generator), side, 1.0)
    side = torch.where(inset, 1 / log_uniform(config.inset, n, device, generator), side)
    stretch = log_uniform((1 / config.aspect_max, config.aspect_max), n, device, generator).sqrt()
    tilt = uniform(-config.rotation_degrees, config.rotation_degrees, n, device, generator)
    tilt = tilt * chance(config.rotation_probability, n, device, generator)
    angle = (tilt + 90 * chance(config.quarter_turn_probability, n, device, generator)).deg2rad()
    mirror = 1 - 2 * chance(config.flip_probability, n, device, generator).float()
    upside = 1 - 2 * chance(config.upside_down_probability, n, device, generator).float()
    x, y = side * stretch, side / stretch
    shift_x, shift_y = (uniform(-1.0, 1.0, n, device, generator) * (1 - length).abs() for length in (x, y))
    cos, sin = angle.cos(), angle.sin()
    rows = [x * cos * mirror, -x * sin * upside, shift_x, y * sin * mirror, y * cos * upside, shift_y]
    return torch.stack(rows, 1).view(n, 2, 3), side


def _flat(like: Tensor, generator: torch.Generator) -> Tensor:
    """One colour per clip, (N, 3T, 1, 1) in 0..255."""
    colour = 255 * torch.rand(len(like), 3, generator=generator, device=like.device)
    return colour.repeat(1, like.shape[1] // 3)[:, :, None, None]


def _blend(frames: Tensor, other: Tensor, config: VideoDistortConfig, generator: torch.Generator) -> Tensor:
    """Let another clip shine through some clips: (N, 3T, px, px) to the same."""
    there = chance(config.blend_probability, len(frames), frames.device, generator)
    share = uniform(*config.blend, len(frames), frames.device, generator) * there
    return torch.lerp(frames, other, share[:, None, None, None])


def _cover(frames: Tensor, other: Tensor, config: VideoDistortConfig, generator: torch.Generator) -> Tensor:
    """Cover parts of (N, 3T, px, px) with rectangles of another clip or a flat colour."""
    n, px, device = len(frames), frames.shape[-1], frames.device

    def run(limits: Range) -> Tensor:
        length = (uniform(*limits, n, device, generator) * px).round()
        start = (torch.rand(n, generator=generator, device=device) * (px - length + 1)).floor()
        place = torch.arange(px, device=device)[None]
        return (place >= start[:, None]) & (place < (start + length)[:, None])

    for _ in range(config.rectangles):
        there = chance(config.rectangle_probability, n, device, generator)
        rows, columns = run(config.rectangle_height), run(config.rectangle_width)
        mask = there[:, None, None] & rows[:, :, None] & columns[:, None]
        is_other = chance(0.5, n, device, generator)[:, None, None, None]
        frames = torch.where(mask[:, None], torch.where(is_other, other, _flat(other, generator)), frames)
    return frames


def _colour(frames: Tensor, config: VideoDistortConfig, generator: torch.Generator) -> Tensor:
    """Change hue, saturation, contrast about the clip's mean, brightness and gamma: (N, T, 3, px, px) to the same, in 0..255."""
    n, device = len(frames), frames.device
    angle = uniform(-config.hue_turns, config.hue_turns, n, device, generator) * (2 * math.pi)
    angle = angle * chance(config.hue_probability, n, device, generator)
    saturation = uniform(*config.saturation, n, device, generator)
    saturation = torch.where(chance(config.grey_probability, n, device, generator), 0.0, saturation)
    contrast = uniform(*config.contrast, n, device, generator)
    brightness = uniform(-config.brightness, config.brightness, n, device, generator)
    gamma = log_uniform((1 / config.gamma_max, config.gamma_max), n, device, generator)
    offset = (1 - contrast) * frames.mean((1, 2, 3, 4)) + brightness
    turned = torch.einsum("nij,ntjhw->ntihw", turn_colours(angle, saturation) * contrast[:, None, None], frames)
    share = (turned + offset[:, None, None, None, None]).clamp_(0, 255) / 255
    return 255 * share ** gamma[:, None, None, None, None]


def _blur(frames: Tensor, config: VideoDistortConfig, generator: torch.Generator) -> Tensor:
    """Scale some clips down and up again: (N, 3T, px, px) to the same."""
    n, px, device = len(frames), frames.shape[-1], frames.device
    blurred = chance(config.blur_probability, n, device, generator)
    which = (torch.rand(n, generator=generator, device=device) * len(config.blur_sides)).long()
    for k, side in enumerate(config.blur_sides):

        def blur(clips: Tensor, small_px: int = max(1, round(side * px))) -> Tensor:
            down = F.interpolate(clips, (small_px, small_px), mode="bilinear", antialias=True)
            return F.interpolate(down, (px, px), mode="bilinear")

        frames = _changed(frames, blurred & (which == k), blur)
    return frames


def _noise(frames: Tensor, config: VideoDistortConfig, generator: torch.Generator) -> Tensor:
    n, device = len(frames), frames.device
    strength = uniform(0.0, config.noise, n, device, generator)

    def add(clips: Tensor, strength: Tensor) -> Tensor:
        white = torch.randn(clips.shape, generator=generator, device=device)
        return clips + white * strength[:, None, None, None]

    return _changed(frames, chance(config.noise_probability, n, device, generator), add, strength)


def _changed(frames: Tensor, mask: Tensor, change: Callable[..., Tensor], *drawn: Tensor) -> Tensor:
    """Change the clips (N, 3T, H, W) of a mask (N,), given the values drawn for them, each (N,).

    A CPU computes these clips alone. A GPU computes all and keeps some: the number of rows of a mask lies on the device,
    and the host would wait for it.
    """
    if frames.device.type == "cpu":
        rows = mask.nonzero()[:, 0]
        return frames.index_copy(0, rows, change(frames[rows], *(values[rows] for values in drawn)))
    return torch.where(mask[:, None, None, None], change(frames, *drawn), frames)
