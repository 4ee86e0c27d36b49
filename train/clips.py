"""Training clips: a batch of segments and a plan to two augmented views of each."""

from dataclasses import dataclass

import torch
from torch import Tensor

from train.augment import augment_audio, augment_video
from train.config import Config
from train.loader import SegmentBatch
from train.views import Plan, gather_columns, gather_frames


@dataclass(frozen=True)
class TrainClips:
    """Both views, view after view: row i is view 0 of segment i, row B + i its view 1.

    Attributes:
        video: (2B, 3, T, h, w) float32 normalised, or None for audio-only segments.
        audio: (2B, 1, n_mels, C) float32 normalised; rows without sound hold silence.
        has_audio: (2B,) bool.
    """

    video: Tensor | None
    audio: Tensor
    has_audio: Tensor


def make_clips(
    batch: SegmentBatch, plan: Plan, config: Config, columns_per_frame: int, generator: torch.Generator
) -> TrainClips:
    """Gather and augment the planned views, whole batches at once."""
    length = config.clip.n_frames
    videos, audios = [], []
    for view in (0, 1):
        start, stride, reverse = plan.start[:, view], plan.stride[:, view], plan.reverse[:, view]
        if batch.frames is not None:
            videos.append(gather_frames(batch.frames, batch.n_frames, start, stride, reverse, length))
        audios.append(gather_columns(batch.logmel, batch.n_frames, start, stride, reverse, length, columns_per_frame))
    video = None
    if videos:
        video = augment_video(torch.cat(videos), config.augment, config.clip.crop_px, generator)
    audio = augment_audio(torch.cat(audios), config.augment, generator)
    return TrainClips(video, audio, batch.has_audio.repeat(2))
