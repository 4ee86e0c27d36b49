"""The clip that fine-tuning cuts of a segment: where it lies, and what is made of it."""

from dataclasses import dataclass

import torch
from torch import Tensor

from train.data.batch import SegmentBatch
from train.errors import LabelError
from train.finetune.config import FinetuneClip, FinetuneConfig
from train.plans.plan import Plan
from train.views.augment_video import augment_video
from train.views.views import gather_frames


@dataclass(frozen=True)
class OneClip:
    """A clip at a random place, played forwards: fine-tuning's.

    A segment too short for the speed is cut at the highest speed that fits it.
    """

    clip: FinetuneClip
    n_clips: int = 1

    @property
    def n_frames(self) -> int:
        """Frames a clip."""
        return self.clip.n_frames

    def __call__(self, n_frames: Tensor, generator: torch.Generator) -> Plan:
        """Draw the place."""
        last = self.clip.n_frames - 1
        stride = ((n_frames - 1) // last).clamp(1, self.clip.speed)
        room = (n_frames - 1 - last * stride).clamp(min=0)
        start = (torch.rand(len(n_frames), generator=generator, device=n_frames.device) * (room + 1)).long()
        return Plan.untimed(start[:, None], stride[:, None])


def training_clips(batch: SegmentBatch, config: FinetuneConfig, generator: torch.Generator) -> Tensor:
    """The planned clip of each segment, augmented: (B, 3, T, crop_px, crop_px) float32 in [-2, 2]."""
    if batch.frames is None or batch.clip_frames is None:
        raise LabelError(f"{config.data.shards} holds sound without pictures: name shards of a video data set")
    segment = torch.arange(len(batch), device=batch.frames.device)
    frames = gather_frames(batch.frames, batch.clip_frames[:, 0], segment)
    return augment_video(frames, config.augment, config.clip.crop_px, generator)
