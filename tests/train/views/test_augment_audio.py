"""Augmentation of audio: off it draws nothing, mixing keeps the own sound the louder, crops and masks lie where they may."""

from dataclasses import replace

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.train.views.views import NOTHING, generator, sounds
from train.config.augment_config import AugmentConfig
from train.views.augment_audio import augment_audio, mix
from train.views.views import normalise_logmel

UNTOUCHED = normalise_logmel(sounds()).clamp(min=-2)


def augmented(logmel, **changes):
    """Log-mels (N, n_mels, C) under an augmentation that changes nothing but what these settings say."""
    return augment_audio(logmel, replace(NOTHING, **changes), generator())[:, 0]


def test_what_is_off_leaves_the_stream_of_random_numbers_as_it_was():
    plain = AugmentConfig()
    first, second = generator(), generator()
    augment_audio(sounds(), plain, first)
    for _ in range(4):  # gain, tilt, and the blanked band's width and place: one number a clip each
        torch.rand(8, generator=second)
    assert torch.equal(torch.rand(3, generator=first), torch.rand(3, generator=second))


@settings(max_examples=40, deadline=None)
@given(segments=st.integers(2, 6), share=st.floats(0.01, 0.499), seed=st.integers(0, 999))
def test_a_mixture_has_more_of_the_own_sound_than_of_one_other_segments(segments, share, seed):
    power = torch.eye(2 * segments)[:, :, None].expand(-1, -1, 3)  # clip i sounds in band i alone
    mixed = mix((power + 1e-12).log(), share, generator(seed)).exp()
    own = mixed.diagonal().T  # (clips, columns)
    others = mixed * (1 - torch.eye(2 * segments))[:, :, None]
    assert (own > 1 - share - 1e-4).all()
    assert (own > others.amax(1)).all()
    for i, row in enumerate(others):
        (partner,) = (row[:, 0] > 1e-6).nonzero()[:, 0].tolist() or [(i + 1) % (2 * segments)]
        assert partner % segments != i % segments  # neither the clip itself nor its segment's other view
    assert torch.allclose(mixed, mixed[:, :, :1].expand_as(mixed)), "one share for all columns"
    assert torch.allclose(mixed.sum(1), torch.ones(2 * segments, 3), atol=1e-4), "powers add up"


def test_clips_are_mixed_as_the_settings_say_but_a_segment_alone_with_nobody():
    assert not torch.allclose(augmented(sounds(), mix_max=0.4), UNTOUCHED)
    assert torch.equal(mix(sounds(2), 0.4, generator()), sounds(2))


def test_crops_of_everything_are_the_identity_and_of_bands_leave_time_alone():
    for bands in (1.0, 1.0), (1.0, 1.5):  # wider than all bands is all of them
        assert torch.allclose(augmented(sounds(), crop_bands=bands), UNTOUCHED, atol=1e-4)
    clicks, tones = torch.full((2, 6, 12, 30), -18.4)
    clicks[:, :, 7] = tones[:, 6] = -4.0
    assert (augmented(clicks, crop_bands=(0.4, 0.8)).argmax(2) == 7).all()
    assert (augmented(tones, crop_columns=(0.4, 0.8)).argmax(1) == 6).all()


def test_a_crop_is_a_slow_bilinear_reading_of_its_box():
    ramp = torch.arange(30.0).expand(4, 12, 30) / 8 - 12  # a straight line stays one: its ends tell the box
    shown = augmented(ramp, crop_columns=(0.5, 0.5))
    step = (normalise_logmel(ramp)[0, 0, 1] - normalise_logmel(ramp)[0, 0, 0]) / 2
    inner = shown[:, :, 2:-2].diff(dim=2)
    assert torch.allclose(inner, step.expand_as(inner), atol=1e-4)
    assert shown[:, 0, 0].unique().numel() == 4  # every clip its own place
    wide = augmented(torch.full((64, 12, 30), -6.0), crop_columns=(1.5, 1.5))
    assert set((wide[:, 0] != 0).sum(1).tolist()) <= {19, 20, 21}  # 30 columns of 45, shrunk into 30
    assert torch.allclose(wide, wide[:, :1].expand_as(wide), atol=1e-5)


def test_a_run_of_columns_or_of_bands_is_blanked_and_no_wider_than_asked():
    blank = augmented(torch.full((300, 6, 20), -18.0), mask_columns=4) == 0
    assert (blank == blank[:, :1]).all()
    assert set(blank[:, 0].sum(1).tolist()) == {0, 1, 2, 3, 4}
    assert blank[:, 0].any(0).all()  # any column may be among them
    blank = augmented(torch.full((300, 10, 4), -18.0), mask_mels=3) == 0
    assert set(blank[:, :, 0].sum(1).tolist()) == {0, 1, 2, 3}


def test_noise_has_one_strength_a_clip_up_to_the_asked():
    shown = augmented(torch.full((100, 40, 50), -9.0), noise=0.3)
    spread = shown.flatten(1).std(1)
    assert 0.25 < spread.max() < 0.32
    assert spread.min() < 0.05
    halves = shown[:, :, :25].flatten(1).std(1) / shown[:, :, 25:].flatten(1).std(1)
    assert (halves - 1).abs().max() < 0.15


def test_audio_gain_and_tilt_are_constant_over_time_and_within_range():
    logmel = torch.full((200, 8, 10), -9.0)
    change = (augmented(logmel, gain_db=6.0, tilt_db=6.0) - normalise_logmel(logmel)) * 4.6051702
    assert torch.allclose(change, change[:, :, :1].expand_as(change), atol=1e-5)
    decibels = change[:, :, 0] * 10 / torch.tensor(10.0).log()
    assert decibels.abs().max() <= 9.001  # gain 6 and half the tilt
    assert decibels.abs().max() > 6
