"""Augmentation is constant over a clip, deterministic from its generator, and the identity where its ranges are nothing."""

from dataclasses import replace

import pytest
import torch
from PIL import Image

from tests.train.views.views import NOTHING, clips, generator
from train.config.augment_config import AugmentConfig
from train.views.augment_video import _crop_boxes, _crop_together, augment_video
from train.views.views import normalise_frames

GREY = torch.tensor([0.299, 0.587, 0.114], dtype=torch.double)


def augmented(**changes):
    """Clips (4, 3, 5, 16, 16) under an augmentation that changes nothing but what these settings say."""
    return augment_video(clips(), replace(NOTHING, **changes), 16, generator())


def test_with_ranges_of_nothing_it_only_normalises_flip_mirrors_and_grey_removes_colour():
    assert torch.allclose(augmented(), normalise_frames(clips()), atol=1e-3)
    assert torch.allclose(augmented(flip_probability=1.0), normalise_frames(clips()).flip(-1), atol=1e-3)
    grey = augmented(grey_probability=1.0)
    assert torch.allclose(grey[:, :1].expand_as(grey), grey, atol=1e-2)


def test_a_still_clip_stays_still_and_two_clips_differ():
    still = clips(n=2, t=1).expand(2, 6, 16, 16, 3)
    result = augment_video(still, AugmentConfig(), 12, generator())
    assert result.shape == (2, 3, 6, 12, 12)
    assert torch.allclose(result, result[:, :, :1].expand_as(result), atol=1e-5)
    same_twice = clips(n=1).expand(2, -1, -1, -1, -1)
    a, b = augment_video(same_twice, AugmentConfig(), 12, generator())
    assert not torch.allclose(a, b)
    assert torch.equal(augment_video(still, AugmentConfig(), 12, generator()), result)


@pytest.mark.parametrize("crop_px", [8, 16, 24])  # smaller and larger than the boxes
def test_a_crop_clip_by_clip_or_together_for_a_gpu_is_what_pillow_makes_of_its_box(crop_px):
    config = replace(NOTHING, scale_min=0.2, aspect_max=1.5, flip_probability=0.5)
    source = clips(n=12, t=3, side=24)
    boxes = _crop_boxes(12, 24, 24, config, torch.device("cpu"), generator(1))  # the first that is drawn
    result = (augment_video(source, config, crop_px, generator(1)) + 2) * 63.75
    together = _crop_together(source, boxes, crop_px).permute(0, 4, 1, 2, 3).float()
    for i, (top, left, height, width, flipped) in enumerate(boxes.tolist()):
        for t in range(3):
            image = Image.fromarray(source[i, t].numpy()).crop((left, top, left + width, top + height))
            image = image.resize((crop_px, crop_px), Image.Resampling.BILINEAR)
            image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if flipped else image
            slow = torch.tensor(list(image.tobytes())).view(crop_px, crop_px, 3).permute(2, 0, 1)
            assert (result[i, :, t] - slow).abs().max() < 1.01, "both round to whole grey levels"
            off = (together[i, :, t] - slow).abs()
            assert off.max() <= 2  # rounded after each direction; the CPU has weights of 16 bits
            assert off.mean() < 0.3


def test_boxes_lie_in_the_frame_have_the_asked_area_and_reach_every_edge():
    config = replace(NOTHING, scale_min=0.25, aspect_max=1.3, flip_probability=0.5)
    boxes = _crop_boxes(4000, 40, 60, config, torch.device("cpu"), generator())
    top, left, height, width, flipped = boxes.unbind(1)
    assert top.min() == left.min() == 0
    assert (top + height).max() == 40
    assert (left + width).max() == 60
    area = height * width / (40 * 60)
    assert area.min() > 0.22
    assert 0.5 < area.mean() < 0.65  # uniform from a quarter to one, less where an edge is in the way
    assert abs(flipped.float().mean() - 0.5) < 0.03
    assert abs((top[height < 40] / (40 - height[height < 40])).mean() - 0.5) < 0.03


@pytest.mark.parametrize("setting", ["contrast", "brightness"])
def test_contrast_turns_about_the_mean_grey_of_the_clip_and_brightness_scales(setting):
    bars = torch.randint(90, 160, (6, 4, 1, 10, 3), generator=generator(2), dtype=torch.uint8).expand(6, 4, 10, 10, 3)
    result = augment_video(bars, replace(NOTHING, **{setting: 0.4}), 10, generator())
    for clip, changed in zip(bars.double(), result, strict=True):
        centre = (clip @ GREY).mean() if setting == "contrast" else 0
        before = clip.permute(3, 0, 1, 2) - centre
        gain = (((changed + 2) * 63.75 - centre) / before)[before.abs() > 5]
        assert gain.std() < 1e-3
        assert 0.6 <= gain.mean() <= 1.4


def test_clips_of_an_odd_number_of_pixels_and_of_more_than_are_recoloured_at_once():
    config = replace(NOTHING, hue_turns=0.5, saturation=0.4)
    together = augment_video(clips(n=9, t=1, side=5), config, 5, generator())
    assert together.shape == (9, 3, 1, 5, 5)
    grey_after = (together.double().permute(0, 2, 3, 4, 1) + 2) * 63.75 @ GREY
    off = (grey_after - clips(n=9, t=1, side=5).double() @ GREY)[(together.abs() < 1.999).all(1)]
    assert off.abs().max() < 0.5  # hue and saturation keep it
