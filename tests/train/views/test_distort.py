"""Distortions: the identity where their ranges are nothing, one draw a clip, and each alone does what it says."""

import dataclasses
import math

import pytest
import torch

from preprocess.schema import MEL_POWER_FLOOR
from tests.train.views.views import clips, generator, sounds
from train.config.distort_config import AudioDistortConfig, VideoDistortConfig
from train.views.distort_audio import distort_audio, shift_pitch
from train.views.distort_video import distort_video
from train.views.views import normalise_frames, normalise_logmel

STILL = VideoDistortConfig(
    shown_probability=0, inset_probability=0, aspect_max=1, rotation_probability=0, flip_probability=0, rectangles=0,
    quarter_turn_probability=0, upside_down_probability=0, hue_probability=0, saturation=(1, 1),
    grey_probability=0, contrast=(1, 1), brightness=0, gamma_max=1,
    blur_probability=0, noise_probability=0,
)  # fmt: skip
QUIET = AudioDistortConfig(
    pitch_max=1, reverb_probability=0, mix_probability=0, noise_probability=0, equaliser_db=0, band_probability=0,
    gain_db=(0, 0),
)  # fmt: skip
UNTOUCHED, ONES = normalise_frames(clips(8, 3)), torch.ones(8)


def shown(**changes):
    """Clips (8, 3, T, 16, 16) under distortions that change nothing but what these settings say."""
    return distort_video(clips(8, 3), dataclasses.replace(STILL, **changes), 16, generator())


def heard(logmel=None, pace=ONES, **changes):
    """Log-mels (8, 1, n_mels, C) under distortions that change nothing but what these settings say."""
    logmel = sounds() if logmel is None else logmel
    return distort_audio(logmel, pace, dataclasses.replace(QUIET, **changes), 16_000, generator())


def test_ranges_of_nothing_are_the_identity():
    assert torch.allclose(shown(), UNTOUCHED, atol=1e-3)
    assert torch.allclose(heard()[:, 0], normalise_logmel(sounds()).clamp(min=-2), atol=1e-4)


@pytest.mark.parametrize("seed", range(3))
def test_all_frames_of_a_clip_are_distorted_alike_and_stay_in_range(seed):
    still = clips(8, 1).expand(-1, 4, -1, -1, -1)
    made = distort_video(still, dataclasses.replace(VideoDistortConfig(), noise=0), 16, generator(seed))
    assert made.shape == (8, 3, 4, 16, 16)
    assert torch.allclose(made, made[:, :, :1].expand_as(made), atol=1e-5)
    noisy = distort_video(clips(8, 3), VideoDistortConfig(), 16, generator(seed))
    assert noisy.min() >= -2
    assert noisy.max() <= 2
    assert torch.equal(noisy, distort_video(clips(8, 3), VideoDistortConfig(), 16, generator(seed)))


@pytest.mark.parametrize(
    "change",
    [
        {"shown_probability": 1.0}, {"inset_probability": 1.0}, {"aspect_max": 1.35}, {"rotation_probability": 1.0},
        {"rectangles": 2, "rectangle_probability": 1.0}, {"hue_probability": 1.0}, {"grey_probability": 1.0},
        {"contrast": (0.5, 0.6)}, {"brightness": 50}, {"gamma_max": 1.5}, {"blur_probability": 1.0},
        {"noise_probability": 1.0},
    ],
)  # fmt: skip
def test_each_distortion_of_the_picture_alone_does_something(change):
    difference = (shown(**change) - UNTOUCHED).abs().flatten(1).amax(1)
    assert difference.max() > 0.05
    assert (difference > 0.005).all()  # beyond rounding, however weak the draw


def test_a_small_frame_lies_whole_before_another_clip():
    levels = torch.arange(8, dtype=torch.uint8)[:, None, None, None, None] * 30
    flat = levels.expand(-1, 2, 32, 32, 3)
    config = dataclasses.replace(STILL, inset_probability=1.0, inset=(0.5, 0.5))
    inset = (distort_video(flat, config, 32, generator()) + 2) * 63.75
    for i, clip in enumerate(inset[:, 0, 0].round()):
        own = clip == 30 * i
        assert own.float().mean() == pytest.approx(0.25, abs=0.08)
        others = clip[~own].long().unique()
        assert any(o % 30 == 0 and o // 30 % 4 != i % 4 for o in others.tolist())  # of another segment


def test_mirrored_and_turned_clips_are_the_mirror_image_and_the_turned_one():
    turned = torch.rot90(UNTOUCHED, 1, (-2, -1))
    assert torch.allclose(shown(flip_probability=1.0), UNTOUCHED.flip(-1), atol=1e-3)
    assert torch.allclose(shown(upside_down_probability=1.0), UNTOUCHED.flip(-2), atol=1e-3)
    assert torch.allclose(shown(quarter_turn_probability=1.0), turned, atol=1e-3)


@pytest.mark.parametrize(
    "change",
    [
        {"pitch_max": 1.19}, {"reverb_probability": 1.0}, {"mix_probability": 1.0}, {"noise_probability": 1.0},
        {"equaliser_db": 6.5}, {"band_probability": 1.0}, {"gain_db": (-14, -5)},
    ],
)  # fmt: skip
def test_each_distortion_of_sound_alone_does_something_and_keeps_shape_and_floor(change):
    result = heard(**change)
    assert result.shape == (8, 1, 12, 30)
    assert result.min() >= -2
    assert not torch.allclose(result[:, 0], normalise_logmel(sounds()).clamp(min=-2), atol=1e-3)


def test_a_mixture_holds_another_segments_sound_at_the_ratio_asked_and_never_silence():
    bands = torch.full((8, 8, 5), math.log(MEL_POWER_FLOOR))
    for i in range(6):
        bands[i, i] = 0.0  # clips 6 and 7 are silent
    mixed = heard(bands, mix_probability=1.0, mix_db=(10.0, 10.0))
    power = ((mixed[:, 0] - normalise_logmel(torch.zeros(()))) * -math.log(MEL_POWER_FLOOR) / 4).exp()
    for i in range(6):
        assert torch.allclose(power[i, i], torch.ones(5), atol=1e-3)
        added = power[i].sum(0) - 1
        assert torch.allclose(added, torch.full((5,), 0.1), atol=1e-3) or added.max() < 1e-3  # of a silent partner


def test_a_tone_moves_to_the_band_of_its_new_pitch():
    mel = lambda hz: 2595 * math.log10(1 + hz / 700)  # noqa: E731
    step = mel(8000) / 65
    tone = torch.full((2, 64, 3), -18.0)
    band = round(mel(1000) / step) - 1
    tone[:, band] = -2.0
    hz = 700 * (10 ** ((band + 1) * step / 2595) - 1)
    shifted = shift_pitch(tone, torch.tensor([1.19, 1 / 1.19]), 16_000)
    for row, pitch in zip(shifted, (1.19, 1 / 1.19), strict=True):
        assert abs(int(row[:, 0].argmax()) - (mel(hz * pitch) / step - 1)) <= 1


def test_pitch_follows_the_pace_where_asked():
    pace = torch.linspace(0.85, 1.18, 8)
    wanted = normalise_logmel(shift_pitch(sounds(), pace, 16_000)).clamp(min=-2)
    assert torch.allclose(heard(pace=pace, pitch_max=1.19, pitch_follows_pace=1.0)[:, 0], wanted, atol=1e-4)
