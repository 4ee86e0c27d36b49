"""Plans: which frames of a segment each clip takes, at which speed and in which direction.

A clip of T frames at speed s starting at frame f takes frames f, f + s, ..., f + (T - 1) s; reversed clips take them in
reverse. With a base stride b a clip takes every (b s)-th frame. The log-mel columns follow (`train/views/views.py`).

Two views of one moment have paces of their own: their starts and strides are fractions, and the nearest frames are taken.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from train.config.clip_config import ClipConfig

BEFORE, OVERLAP, AFTER = 0, 1, 2
"""Order classes of a pair (x, y): x ends before y starts, they share time, x starts after y ends."""

IGNORE = -100
"""Label of what must not enter a loss (cross_entropy's default ignore_index)."""


@dataclass(frozen=True)
class Plan:
    """V clips of each of B segments; in pretraining the two views of each moment, moment after moment.

    Attributes:
        start: (B, V) int64, first frame in the window (of the span on the source's time line, also when reversed); float
            in views of one moment, as the stride is.
        speed: (B, V) int64, index into ClipConfig.speeds.
        stride: (B, V) int64, frames from one clip frame to the next.
        reverse: (B, V) bool.
        order: (B,) int64 of BEFORE | OVERLAP | AFTER for (view 0, view 1), or IGNORE.
        timed: (B,) bool, false where no temporal label holds, as in a segment too short for one clip at speed 1.
    """

    start: Tensor
    speed: Tensor
    stride: Tensor
    reverse: Tensor
    order: Tensor
    timed: Tensor

    @classmethod
    def untimed(cls, start: Tensor, stride: Tensor) -> "Plan":
        """Clips (B, V) played forwards, about which nothing temporal is asked."""
        nothing, never = torch.zeros_like(start, dtype=torch.long), torch.zeros_like(start, dtype=torch.bool)
        return cls(start, nothing, stride, never, torch.full_like(nothing[:, 0], IGNORE), never[:, 0])

    def frames(self, n_frames: Tensor, length: int) -> Tensor:
        """Frames of the window that the clips show, in the order in which they are played: (B, V, length) int64.

        Args:
            n_frames: (B,) int64, of each segment's window; a clip that would run past them repeats the last one.
            length: frames a clip.
        """
        start, stride, reverse = (x.flatten() for x in (self.start, self.stride, self.reverse))
        n_clips = self.start.shape[1]
        found = steps(start, stride, reverse, length, n_frames.repeat_interleave(n_clips))
        return found.unflatten(0, (-1, n_clips))

    def map(self, change: Callable[[Tensor], Tensor]) -> "Plan":
        """Change every tensor alike."""
        return Plan(*(change(getattr(self, field.name)) for field in fields(self)))


def draw_plan(n_frames: Tensor, clip: ClipConfig, generator: torch.Generator) -> Plan:
    """Draw two views a segment.

    Speeds are independent and uniform over those that fit. Where the two spans leave room for all three order classes,
    the class is drawn uniformly, so it says nothing about the speeds; elsewhere the views overlap and carry no order
    label. Without `clip.balanced_order` each view starts anywhere, whatever the other does, and no order is labelled.

    Args:
        n_frames: (B,) int64, valid frames of each segment's window.
        clip: frames a clip, speeds, how views are placed.
        generator: on the device of n_frames.
    """
    batch, device = n_frames.shape[0], n_frames.device

    def uniform(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator, device=device)

    if clip.views == "same_moment":
        return _at_one_moment(n_frames, clip, uniform)
    strides = torch.tensor(clip.speeds, device=device) * clip.base_stride
    spans = (clip.n_frames - 1) * strides + 1
    n_fitting = (spans[None] <= n_frames[:, None]).sum(1)
    timed = n_fitting > 0
    speed = (uniform(batch, 2) * n_fitting.clamp(min=1)[:, None]).long()
    stride, span = strides[speed], spans[speed]
    if clip.balanced_order:
        start, order = _ordered_starts(span, n_frames, timed, uniform)
    else:
        start = (uniform(batch, 2) * (n_frames[:, None] - span + 1).clamp(min=1)).long()
        order = torch.full((batch,), IGNORE, device=device)
    coin = uniform(batch, 1).expand(-1, 2) if clip.shared_direction else uniform(batch, 2)
    return Plan(start, speed, stride, coin < clip.reverse_probability, order, timed)


def _at_one_moment(n_frames: Tensor, clip: ClipConfig, uniform: Callable[..., Tensor]) -> Plan:
    """Both views of a moment start within the jitter of it, each at a pace of its own; no temporal label holds.

    Each of M moments lies in a part of the segment of its own, a quarter of a part at least before the next.
    """
    batch, moments = len(n_frames), clip.moments
    stride = clip.base_stride * clip.pace_max ** (2 * uniform(batch, moments, 2) - 1)
    room = (n_frames[:, None, None] - 1 - (clip.n_frames - 1) * stride).clamp(min=0)  # (B, M, 2)
    part = torch.arange(moments, device=n_frames.device)[:, None]
    place = (part + uniform(batch, moments, 1) * (1.0 if moments == 1 else 0.75)) / moments
    moment = room.amin(2, keepdim=True) * place
    start = torch.minimum((moment + clip.jitter_frames * (2 * uniform(batch, moments, 2) - 1)).clamp(min=0), room)
    return Plan.untimed(start.flatten(1), stride.flatten(1))


def _ordered_starts(
    span: Tensor, n_frames: Tensor, timed: Tensor, uniform: Callable[..., Tensor]
) -> tuple[Tensor, Tensor]:
    """Starts (B, 2) and order (B,) of two views of `span` (B, 2) frames in segments of n_frames (B,)."""
    batch = len(n_frames)
    first, second = span[:, 0], span[:, 1]

    slack = n_frames - first - second
    orderable = timed & (slack >= 0)
    order = torch.where(orderable, (uniform(batch) * 3).long(), OVERLAP)

    # Apart: two sorted offsets share the slack before, between and behind the spans.
    offsets = (uniform(batch, 2) * (slack.clamp(min=0) + 1)[:, None]).long().sort(dim=1).values
    starts_before = torch.stack([offsets[:, 0], offsets[:, 1] + first], 1)
    starts_after = torch.stack([offsets[:, 1] + second, offsets[:, 0]], 1)
    # Together: the second starts anywhere that shares a frame with the first.
    start_0 = (uniform(batch) * (n_frames - first + 1).clamp(min=1)).long()
    low = (start_0 - second + 1).clamp(min=0)
    high = torch.minimum(start_0 + first - 1, (n_frames - second).clamp(min=0)).clamp(min=0)
    low = torch.minimum(low, high)
    start_1 = low + (uniform(batch) * (high - low + 1)).long()
    starts_overlap = torch.stack([start_0, start_1], 1)

    start = torch.where(
        (order == BEFORE)[:, None], starts_before, torch.where((order == AFTER)[:, None], starts_after, starts_overlap)
    )
    return start, torch.where(orderable, order, IGNORE)


def steps(start: Tensor, stride: Tensor, reverse: Tensor, length: int, limit: Tensor) -> Tensor:
    """Indices (N, length) nearest to start + i * stride, in reverse where asked, clamped below the limit."""
    ramp = torch.arange(length, device=start.device)[None]
    ramp = torch.where(reverse[:, None], length - 1 - ramp, ramp)
    places = (start[:, None] + stride[:, None] * ramp).round().long()
    return torch.minimum(places, (limit - 1)[:, None].clamp(min=0))
