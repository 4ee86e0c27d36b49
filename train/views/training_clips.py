"""The two planned views of each segment of a batch: augmented for training, plain for evaluating the heads."""

from dataclasses import dataclass

import torch
from torch import Tensor

from preprocess.schema import ShardParams
from train.config.clip_config import ClipConfig
from train.config.schema import Config
from train.data.batch import SegmentBatch
from train.views.augment_audio import augment_audio
from train.views.augment_video import augment_video
from train.views.distort_audio import distort_audio
from train.views.distort_video import distort_video
from train.views.views import gather_columns, gather_frames, normalise_logmel, plain_video


@dataclass(frozen=True)
class TrainClips:
    """Both views, view after view: row i is view 0 of segment i, row B + i its view 1.

    Attributes:
        video: (2B, 3, T, h, w) float32 normalised, or None for audio-only segments.
        audio: (2B, 1, n_mels, C) float32 normalised; rows without audio hold silence.
        has_audio: (2B,) bool.
        n_heard: segments with audio, counted on the host.
    """

    video: Tensor | None
    audio: Tensor
    has_audio: Tensor
    n_heard: int


def make_clips(batch: SegmentBatch, config: Config, params: ShardParams, generator: torch.Generator) -> TrainClips:
    """Gather the planned views and augment or distort them, a whole batch at once."""
    frames, logmel = gather_views(batch, config.clip, params.columns_per_frame)
    if config.distort.enabled:
        pace = batch.plan.stride.T.flatten() / config.clip.base_stride
        audio = distort_audio(logmel, pace, config.distort.audio, params.sample_rate_hz, generator)
        video = None if frames is None else distort_video(frames, config.distort.video, config.clip.crop_px, generator)
    else:
        video = None if frames is None else augment_video(frames, config.augment, config.clip.crop_px, generator)
        audio = augment_audio(logmel, config.augment, generator)
    return TrainClips(video, audio, batch.has_audio.repeat(2), batch.n_heard)


def plain_clips(batch: SegmentBatch, clip: ClipConfig, columns_per_frame: int) -> TrainClips:
    """Gather the planned views unchanged: the middle square, no augmentation."""
    frames, logmel = gather_views(batch, clip, columns_per_frame)
    video = None if frames is None else plain_video(frames, clip.crop_px)
    return TrainClips(video, normalise_logmel(logmel)[:, None], batch.has_audio.repeat(2), batch.n_heard)


def gather_views(batch: SegmentBatch, clip: ClipConfig, columns_per_frame: int) -> tuple[Tensor | None, Tensor]:
    """Frames (2B, T, H, W, 3) uint8, or None, and log-mels (2B, n_mels, C), rows as in TrainClips."""
    plan, n_frames = batch.plan, batch.n_frames.repeat(2)
    # (2B,), view after view.
    start, stride, reverse = (field.T.flatten() for field in (plan.start, plan.stride, plan.reverse))
    frames = None
    if batch.frames is not None and batch.clip_frames is not None:
        segment = torch.arange(len(batch), device=n_frames.device).repeat(2)
        frames = gather_frames(batch.frames, batch.clip_frames.transpose(0, 1).flatten(0, 1), segment)
    logmel = batch.logmel.repeat(2, 1, 1)
    pace = stride if clip.base_stride == 1 else stride / clip.base_stride
    return frames, gather_columns(logmel, n_frames, start, pace, reverse, clip.clock_frames, columns_per_frame)
