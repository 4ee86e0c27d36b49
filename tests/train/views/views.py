"""What tests of views share: a seeded generator, random clips, and augmentation that changes nothing."""

import torch

from train.config.augment_config import AugmentConfig

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
