"""What tests of views share: a seeded generator, and augmentation that changes nothing."""

import torch

from train.config.augment_config import AugmentConfig

NOTHING = AugmentConfig(
    scale_min=1.0, aspect_max=1.0, flip_probability=0.0, grey_probability=0.0, brightness=0.0, contrast=0.0,
    saturation=0.0, hue_turns=0.0, gain_db=0.0, tilt_db=0.0, mask_mels=0,
)  # fmt: skip


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)
