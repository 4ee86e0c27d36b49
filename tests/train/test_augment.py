"""Augmentation is constant over a clip, deterministic from its generator, and the identity where its ranges are nothing."""

import torch

from train.augment import augment_audio, augment_video
from train.config import AugmentConfig
from train.views import normalise_frames, normalise_logmel

NOTHING = AugmentConfig(
    scale_min=1.0, aspect_max=1.0, flip_probability=0.0, grey_probability=0.0, brightness=0.0, contrast=0.0,
    saturation=0.0, hue_turns=0.0, gain_db=0.0, tilt_db=0.0, mask_mels=0,
)  # fmt: skip


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def clips(n=4, t=5, side=16):
    return torch.randint(0, 256, (n, t, side, side, 3), generator=generator(9), dtype=torch.uint8)


def test_with_ranges_of_nothing_it_only_normalises():
    result = augment_video(clips(), NOTHING, 16, generator())
    assert torch.allclose(result, normalise_frames(clips()), atol=1e-3)
    logmel = torch.randn(3, 8, 20, generator=generator()) * 3 - 9
    assert torch.allclose(
        augment_audio(logmel, NOTHING, generator())[:, 0], normalise_logmel(logmel).clamp(min=-2), atol=1e-5
    )


def test_flip_mirrors_and_grey_removes_colour():
    flipped = augment_video(clips(), AugmentConfig(**{**NOTHING.__dict__, "flip_probability": 1.0}), 16, generator())
    assert torch.allclose(flipped, normalise_frames(clips()).flip(-1), atol=1e-3)
    grey = augment_video(clips(), AugmentConfig(**{**NOTHING.__dict__, "grey_probability": 1.0}), 16, generator())
    assert torch.allclose(grey[:, 0], grey[:, 1], atol=1e-2)
    assert torch.allclose(grey[:, 0], grey[:, 2], atol=1e-2)


def test_a_still_clip_stays_still_and_two_clips_differ():
    still = clips(n=2, t=1).expand(2, 6, 16, 16, 3)
    result = augment_video(still, AugmentConfig(), 12, generator())
    assert result.shape == (2, 3, 6, 12, 12)
    assert torch.allclose(result, result[:, :, :1].expand_as(result), atol=1e-5)
    same_twice = clips(n=1).expand(2, -1, -1, -1, -1)
    a, b = augment_video(same_twice, AugmentConfig(), 12, generator())
    assert not torch.allclose(a, b)


def test_same_generator_same_result():
    assert torch.equal(*[augment_video(clips(), AugmentConfig(), 12, generator(4)) for _ in range(2)])


def test_audio_gain_and_tilt_are_constant_over_time_and_within_range():
    config = AugmentConfig(**{**NOTHING.__dict__, "gain_db": 6.0, "tilt_db": 6.0})
    logmel = torch.full((200, 8, 10), -9.0)
    change = (augment_audio(logmel, config, generator())[:, 0] - normalise_logmel(logmel)) * 4.6051702
    assert torch.allclose(change, change[:, :, :1].expand_as(change), atol=1e-5)
    decibels = change[:, :, 0] * 10 / torch.tensor(10.0).log()
    assert decibels.abs().max() <= 9.001  # gain 6 and half the tilt
    assert decibels.abs().max() > 6


def test_mel_mask_is_at_most_so_wide():
    config = AugmentConfig(**{**NOTHING.__dict__, "mask_mels": 3})
    result = augment_audio(torch.full((300, 10, 4), -18.0), config, generator())
    width = (result[:, 0, :, 0] == 0).sum(1)
    assert set(width.tolist()) == {0, 1, 2, 3}
