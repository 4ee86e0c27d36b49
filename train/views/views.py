"""Views: frames and log-mel columns of planned clips, gathered on the device, a whole batch at once.

Frames are gathered by the positions that the loader gives (`SegmentBatch.clip_frames`). A clip at speed s takes every s-th
log-mel column between its first and last frame: (T - 1) * columns_per_frame + 1 columns at any speed. Columns are taken,
not averaged, because averaging lowers the variance of background noise and so reveals the speed. Reversed clips take
frames and columns in reverse. With a base stride b a clip takes every (b s)-th frame but still every s-th column, so it
covers b times as much time, and all audio of that time. With fractional starts and strides the nearest columns are taken.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from preprocess.schema import MEL_POWER_FLOOR
from train.config.clip_config import ClipConfig
from train.data.batch import SegmentBatch
from train.plans.plan import steps

LOG_MIDDLE = torch.tensor(MEL_POWER_FLOOR).log().item() / 2
"""Middle of the log-mel range: normalised log-mels run from -2 (floor) to 2 (a full-scale sine)."""
LOG_SCALE = -LOG_MIDDLE / 2


def gather_frames(frames: Tensor, rows: Tensor, segment: Tensor) -> Tensor:
    """Gather the frames of N clips.

    Args:
        frames: (B, K, H, W, 3) uint8.
        rows: (N, T) int64, for each clip the positions of its frames.
        segment: (N,) int64, the row of each clip's segment in `frames`.

    Returns:
        (N, T, H, W, 3) uint8.
    """
    index = rows + (segment * frames.shape[1])[:, None]  # (N, T)
    # index_select copies whole frames; indexing by two tensors copies byte by byte.
    return frames.flatten(0, 1).index_select(0, index.flatten()).unflatten(0, index.shape)


def gather_columns(
    logmel: Tensor,
    n_frames: Tensor,
    start: Tensor,
    stride: Tensor,
    reverse: Tensor,
    length: int,
    columns_per_frame: int,
) -> Tensor:
    """Gather one clip per row: (B, n_mels, C) to (B, n_mels, (length - 1) * columns_per_frame + 1)."""
    n_columns = (length - 1) * columns_per_frame + 1
    index = steps(start * columns_per_frame, stride, reverse, n_columns, n_frames * columns_per_frame)
    return logmel.gather(2, index[:, None, :].expand(-1, logmel.shape[1], -1))


def normalise_logmel(logmel: Tensor) -> Tensor:
    """Scale the natural log of mel power to about [-2, 2]; same shape."""
    return torch.add(torch.tensor(-LOG_MIDDLE / LOG_SCALE), logmel, alpha=1 / LOG_SCALE)


def normalise_frames(frames: Tensor) -> Tensor:
    """(B, T, H, W, 3) uint8 to (B, 3, T, H, W) float32 in [-2, 2]."""
    # One pass over memory and no division: a quarter of the time.
    values = frames.permute(0, 4, 1, 2, 3).float()
    return torch.add(torch.tensor(-2.0), values, alpha=4 / 255, out=values)


def plain_video(clips: Tensor, crop_px: int) -> Tensor:
    """The middle square of every frame: (N, T, H, W, 3) uint8 to (N, 3, T, crop_px, crop_px) float32 in [-2, 2]."""
    top, left = (clips.shape[2] - crop_px) // 2, (clips.shape[3] - crop_px) // 2
    return normalise_frames(clips[:, :, top : top + crop_px, left : left + crop_px])


@dataclass(frozen=True)
class EvalClips:
    """Clips for evaluation, V per segment, in segment order.

    Attributes:
        video: (B * V, 3, T, h, w) float32 normalised, or None for audio-only sources.
        audio: (B * V, 1, n_mels, C) float32 normalised.
        start_frame: (B * V,) int64, in the window of the segment.
        span_frames: (B * V,) int64, frames from the first to the last, inclusive.
    """

    video: Tensor | None
    audio: Tensor
    start_frame: Tensor
    span_frames: Tensor


def eval_clips(batch: SegmentBatch, clip: ClipConfig, columns_per_frame: int) -> EvalClips:
    """Gather the planned clips unchanged, played forwards: the middle square, no augmentation."""
    n_clips = batch.plan.start.shape[1]
    n_frames = batch.n_frames.repeat_interleave(n_clips)
    start, stride, reverse = (x.flatten() for x in (batch.plan.start, batch.plan.stride, batch.plan.reverse))
    video = None
    if batch.frames is not None and batch.clip_frames is not None:
        segment = torch.arange(len(batch), device=n_frames.device).repeat_interleave(n_clips)
        video = plain_video(gather_frames(batch.frames, batch.clip_frames.flatten(0, 1), segment), clip.crop_px)
    audio = gather_columns(
        batch.logmel.repeat_interleave(n_clips, 0), n_frames, start, stride / clip.base_stride, reverse,
        clip.clock_frames, columns_per_frame,
    )  # fmt: skip
    span = (clip.n_frames - 1) * stride + 1
    return EvalClips(video, normalise_logmel(audio)[:, None], start, torch.minimum(span, n_frames))
