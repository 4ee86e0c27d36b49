"""Temporal views: which frames and log-mel columns each clip takes, at which speed and direction, and the labels.

A plan is drawn per segment on the device, whole batches at once. A clip of T frames at speed s starting at frame f takes
frames f, f + s, ..., f + (T - 1) s, and the log-mel columns between the first and the last of them, every s-th: a clip
has (T - 1) * columns_per_frame + 1 columns whatever its speed. Taking columns, not averaging them, keeps the variance of
background noise free of the speed. Reversed clips take both in reverse. With a base stride b a clip takes every (b s)-th
frame and, as before, every s-th column: it sees b times as much time, and all of its sound.

Two views of one moment play at paces of their own, so that starts and strides are fractions; the nearest frames and
columns are taken.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from preprocess.schema import MEL_POWER_FLOOR
from train.config import ClipConfig

if TYPE_CHECKING:
    from train.loader import SegmentBatch

BEFORE, OVERLAP, AFTER = 0, 1, 2
"""Order classes of a pair (x, y): x ends before y starts, they share time, x starts after y ends."""

IGNORE = -100
"""Label of what must not enter a loss (cross_entropy's default ignore_index)."""

LOG_MIDDLE = torch.tensor(MEL_POWER_FLOOR).log().item() / 2
"""Middle of the log-mel range: normalised log-mels run from -2 (floor) to 2 (a full-scale sine)."""
LOG_SCALE = -LOG_MIDDLE / 2


@dataclass(frozen=True)
class Plan:
    """Two views of each of B segments.

    Attributes:
        start: (B, 2) int64, first frame in the window (of the span on the source's time line, also when reversed); float
            in views of one moment, as the stride is.
        speed: (B, 2) int64, index into ClipConfig.speeds.
        stride: (B, 2) int64, frames from one clip frame to the next.
        reverse: (B, 2) bool.
        order: (B,) int64 of BEFORE | OVERLAP | AFTER for (view 0, view 1), or IGNORE.
        timed: (B,) bool, false where the segment is too short for one clip at speed 1; no temporal label holds there.
    """

    start: Tensor
    speed: Tensor
    stride: Tensor
    reverse: Tensor
    order: Tensor
    timed: Tensor


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
    """Both views start within the jitter of one moment, each at a pace of its own; no temporal label holds."""
    batch = len(n_frames)
    stride = clip.base_stride * clip.pace_max ** (2 * uniform(batch, 2) - 1)
    room = (n_frames[:, None] - 1 - (clip.n_frames - 1) * stride).clamp(min=0)  # (B, 2)
    moment = room.amin(1, keepdim=True) * uniform(batch, 1)
    start = torch.minimum((moment + clip.jitter_frames * (2 * uniform(batch, 2) - 1)).clamp(min=0), room)
    nothing = torch.zeros_like(n_frames)
    speed, reverse = nothing[:, None].expand(-1, 2), torch.zeros_like(start, dtype=torch.bool)
    return Plan(start, speed, stride, reverse, torch.full_like(nothing, IGNORE), torch.zeros_like(reverse[:, 0]))


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


def gather_frames(
    frames: Tensor, n_frames: Tensor, start: Tensor, stride: Tensor, reverse: Tensor, length: int,
    segment: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """Cut N clips: one a segment, or of the segments named.

    Args:
        frames: (B, T, H, W, 3) uint8.
        n_frames: (N,) int64, of each clip's segment; a clip that would run past them repeats the last one.
        start, stride: (N,) int64, or float: the nearest frames are taken.
        reverse: (N,) bool.
        length: frames of the clip.
        segment: (N,) int64, the row of frames that each clip is cut from; without it clip i is cut from row i.

    Returns:
        (N, length, H, W, 3) uint8.
    """
    segment = torch.arange(len(frames), device=frames.device) if segment is None else segment
    index = _steps(start, stride, reverse, length, n_frames) + (segment * frames.shape[1])[:, None]  # (N, length)
    # One row a frame: index_select copies whole frames, indexing by two tensors goes byte by byte.
    return frames.flatten(0, 1).index_select(0, index.flatten()).unflatten(0, (len(index), length))


def gather_columns(
    logmel: Tensor,
    n_frames: Tensor,
    start: Tensor,
    stride: Tensor,
    reverse: Tensor,
    length: int,
    columns_per_frame: int,
) -> Tensor:
    """Cut the log-mel of one clip a segment: (B, n_mels, C) to (B, n_mels, (length - 1) * columns_per_frame + 1)."""
    n_columns = (length - 1) * columns_per_frame + 1
    index = _steps(start * columns_per_frame, stride, reverse, n_columns, n_frames * columns_per_frame)
    return logmel.gather(2, index[:, None, :].expand(-1, logmel.shape[1], -1))


def _steps(start: Tensor, stride: Tensor, reverse: Tensor, length: int, limit: Tensor) -> Tensor:
    """Indices (B, length) nearest to start + i * stride, in reverse where asked, clamped below the limit."""
    ramp = torch.arange(length, device=start.device)[None]
    ramp = torch.where(reverse[:, None], length - 1 - ramp, ramp)
    places = (start[:, None] + stride[:, None] * ramp).round().long()
    return torch.minimum(places, (limit - 1)[:, None].clamp(min=0))


def normalise_logmel(logmel: Tensor) -> Tensor:
    """Natural-log mel power to about [-2, 2], same shape."""
    return (logmel - LOG_MIDDLE) / LOG_SCALE


def normalise_frames(frames: Tensor) -> Tensor:
    """(B, T, H, W, 3) uint8 to (B, 3, T, H, W) float32 in [-2, 2]."""
    return frames.permute(0, 4, 1, 2, 3).float().div_(63.75).sub_(2.0)


def plain_video(clips: Tensor, crop_px: int) -> Tensor:
    """The middle square of every frame: (N, T, H, W, 3) uint8 to (N, 3, T, crop_px, crop_px) float32 in [-2, 2]."""
    top, left = (clips.shape[2] - crop_px) // 2, (clips.shape[3] - crop_px) // 2
    return normalise_frames(clips[:, :, top : top + crop_px, left : left + crop_px])


@dataclass(frozen=True)
class EvalClips:
    """Evenly spaced clips, n a segment, in segment order.

    Attributes:
        video: (B * n, 3, T, h, w) float32 normalised, or None for audio-only sources.
        audio: (B * n, 1, n_mels, C) float32 normalised.
        start_frame: (B * n,) int64 on the segment's window.
        span_frames: (B * n,) int64, frames from the first to the last, inclusive.
    """

    video: Tensor | None
    audio: Tensor
    start_frame: Tensor
    span_frames: Tensor


def eval_clips(
    batch: "SegmentBatch", clip: ClipConfig, *, n_clips: int, speed: int, columns_per_frame: int
) -> EvalClips:
    """Cut n_clips clips at one speed, forward, spread evenly over the segment, centre crop.

    A segment too short for the speed is cut at the highest speed of ClipConfig.speeds that fits it.
    """
    n_frames = batch.n_frames.repeat_interleave(n_clips)
    strides = torch.tensor([s for s in clip.speeds if s <= speed], device=n_frames.device) * clip.base_stride
    fitting = ((clip.n_frames - 1) * strides[None] + 1 <= n_frames[:, None]).sum(1).clamp(min=1)
    stride = strides[fitting - 1]
    span = (clip.n_frames - 1) * stride + 1
    room = (n_frames - span).clamp(min=0)
    place = torch.arange(n_clips, device=n_frames.device).repeat(len(batch.n_frames))
    start = room // 2 if n_clips == 1 else torch.div(room * place, n_clips - 1, rounding_mode="floor")
    forward = torch.zeros_like(start, dtype=torch.bool)

    video = None
    if batch.frames is not None:
        segment = torch.arange(len(batch.frames), device=n_frames.device).repeat_interleave(n_clips)
        cut = gather_frames(batch.frames, n_frames, start, stride, forward, clip.n_frames, segment)
        video = plain_video(cut, clip.crop_px)
    audio = gather_columns(
        batch.logmel.repeat_interleave(n_clips, 0), n_frames, start, stride / clip.base_stride, forward,
        clip.clock_frames, columns_per_frame,
    )  # fmt: skip
    return EvalClips(video, normalise_logmel(audio)[:, None], start, torch.minimum(span, n_frames))
