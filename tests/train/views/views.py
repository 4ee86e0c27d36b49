"""What tests of views share: a seeded generator, clips and segments, and augmentation that changes nothing."""

import torch

from train.config.augment_config import AugmentConfig
from train.data.batch import SegmentBatch
from train.plans.plan import Plan

NOTHING = AugmentConfig(
    scale_min=1.0, aspect_max=1.0, flip_probability=0.0, grey_probability=0.0, brightness=0.0, contrast=0.0,
    saturation=0.0, hue_turns=0.0, gain_db=0.0, tilt_db=0.0, mask_mels=0,
)  # fmt: skip


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def clips(n: int = 4, t: int = 5, side: int = 16) -> torch.Tensor:
    """Random pixels, (n, t, side, side, 3) uint8."""
    return torch.randint(0, 256, (n, t, side, side, 3), generator=generator(9), dtype=torch.uint8)


def sounds(n: int = 8, mels: int = 12, columns: int = 30) -> torch.Tensor:
    """Random log-mels, (n, mels, columns)."""
    return torch.randn(n, mels, columns, generator=generator(5)) * 2 - 8


def clock(n_frames: list[int], plan: Plan, clip_frames: int, columns_per_frame: int = 5) -> SegmentBatch:
    """Segments whose pixels and log-mels say which frame and column they are, and the clips planned in them."""
    n, longest, lengths = len(n_frames), max(n_frames), torch.tensor(n_frames)
    frames = torch.arange(longest, dtype=torch.uint8)[None, :, None, None, None].expand(n, -1, 8, 8, 3)
    columns = torch.arange(longest * columns_per_frame).float()[None, None].expand(n, 2, -1)
    shown, number = plan.frames(lengths, clip_frames), torch.zeros(n, dtype=torch.long)
    return SegmentBatch(frames, shown, plan, columns, lengths, number, number == 0, n, number, number)
