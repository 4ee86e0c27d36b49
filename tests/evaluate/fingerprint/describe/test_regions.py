"""Regions that hold another video are found by their still edges, and views undo edits exactly."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluate.fingerprint.describe.footage import Footage
from evaluate.fingerprint.describe.query_view import FIXED_REGIONS, ViewedFootage, middle_squares, views_of
from evaluate.fingerprint.describe.regions import found_regions
from evaluate.fingerprint.describe.view import PLAIN, Region, View


def moving(seed, height, width, n_frames=24):
    """Frames of soft blobs that wander, uint8 (T, H, W, 3)."""
    random = np.random.default_rng(seed)
    y, x, t = np.mgrid[:height, :width][0], np.mgrid[:height, :width][1], np.arange(n_frames)[:, None, None]
    grey = np.zeros((n_frames, height, width))
    for _ in range(12):
        where, speed, size = random.uniform(0, 1, 2), random.uniform(-0.03, 0.03, 2), random.uniform(0.08, 0.2)
        centre = (where[:, None, None, None] + speed[:, None, None, None] * t) * [[[[height]]], [[[width]]]]
        grey += random.uniform(-1, 1) * np.exp(-((y - centre[0]) ** 2 + (x - centre[1]) ** 2) / (size * height) ** 2)
    scaled = np.clip(128 + 90 * grey, 0, 255)
    return torch.from_numpy(np.repeat(scaled[..., None], 3, 3).astype(np.uint8))


def laid(seed, region, background):
    frames = background.clone()
    rows, columns = region.pixels(*frames.shape[1:3])
    frames[:, rows, columns] = moving(seed, rows.stop - rows.start, columns.stop - columns.start)
    return frames


def viewed(encoder, frames, **changes):
    """A query of frames (T, H, W, 3) with silence."""
    footage = Footage(frames, torch.zeros(64, 5 * len(frames)), torch.ones(len(frames), dtype=torch.bool), **changes)
    return ViewedFootage("q", footage, encoder)


@pytest.mark.parametrize(
    ("region", "background"),
    [
        (Region(0.55, 0.5, 0.95, 0.9), moving(1, 120, 200)),  # a reaction video
        (Region(0.0, 0.0, 0.5, 0.5), moving(2, 120, 200)),  # a quarter of a grid
        (Region(0.0, 0.3, 1.0, 0.65), torch.zeros(24, 200, 112, 3, dtype=torch.uint8)),  # upright, between black bars
        (Region(0.3, 0.0, 0.7, 1.0), torch.nn.functional.avg_pool2d(moving(3, 120, 200).float().permute(0, 3, 1, 2), 9, 1, 4)
         .permute(0, 2, 3, 1).to(torch.uint8)),  # blurred sides
    ],
)  # fmt: skip
def test_a_video_within_another_frame_is_found(region, background):
    found = found_regions(laid(9, region, background))
    assert max(region.overlap(each) for each in found) > 0.85, found


def test_a_frame_of_one_video_has_no_region_and_one_colour_is_no_error():
    assert found_regions(moving(5, 120, 200)) == []
    assert found_regions(torch.zeros(3, 16, 16, 3, dtype=torch.uint8)) == []


@settings(max_examples=20, deadline=None)
@given(st.booleans(), st.sampled_from([0, 90, 180, 270]), st.sampled_from([None, *FIXED_REGIONS[4:8]]))
def test_a_view_undoes_what_was_done(shipped_encoder, mirrored, degrees, region):
    original = moving(7, 96, 96, 16)
    edited = original.flip(2) if mirrored else original
    edited = torch.rot90(edited, -degrees // 90, (1, 2))  # clockwise
    if region:
        host = torch.full((16, 192, 192, 3), 40, dtype=torch.uint8)
        rows, columns = region.pixels(192, 192)
        host[:, rows, columns] = edited
        edited = host
    view = View(region or PLAIN.region, is_mirrored=mirrored, turned_degrees=degrees)
    plain = viewed(shipped_encoder, original).describe(PLAIN, 0.5)
    undone = viewed(shipped_encoder, edited).describe(view, 0.5)
    assert np.allclose(plain.video, undone.video, atol=1e-3)  # pixels are rounded before they are turned
    assert np.array_equal(plain.start_seconds, undone.start_seconds)


def test_a_faster_query_is_played_at_the_speed_of_its_reference(shipped_encoder):
    fast = viewed(shipped_encoder, moving(3, 64, 64, 32)[::2], first_frame=16)
    described = fast.describe(View(speed=2.0), 0.5)
    assert described.start_seconds[0] == 4.0  # frame 16 of 8 a second, at half the speed
    assert described.end_seconds[-1] <= 8.0
    assert len(described) >= 5


def test_views_described_together_are_those_described_alone(shipped_encoder):
    black = torch.zeros(60, 96, 128, 3, dtype=torch.uint8)
    query = viewed(shipped_encoder, torch.cat([moving(4, 96, 128, 20), black]))
    views = [PLAIN, View(speed=2.0), View(FIXED_REGIONS[0], is_mirrored=True), View(turned_degrees=90)]
    for view, described in zip(views, query.describe_all(views, 0.5), strict=True):
        alone = viewed(shipped_encoder, query.footage.frames).describe(view, 0.5)
        assert np.array_equal(described.start_seconds, alone.start_seconds)
        assert np.array_equal(described.has_video, alone.has_video)
        assert np.allclose(described.video, alone.video, atol=1e-5)
        assert 0 < described.has_video.sum() < len(described)
        assert not described.video[~described.has_video].any()
    assert not any(each.has_video.any() for each in viewed(shipped_encoder, black).describe_all(views, 0.5))
    assert query.describe_all([], 0.5) == []


def test_views_are_all_different_and_audio_alone_has_only_speeds_and_pitches(shipped_encoder):
    whole = viewed(shipped_encoder, laid(9, Region(0.5, 0.5, 1.0, 1.0), moving(1, 120, 200))).footage
    views = views_of(whole)
    assert len(set(views)) == len(views)
    assert PLAIN not in views
    blind = views_of(Footage(None, whole.logmel, whole.has_audio))
    assert blind and all(each.region == PLAIN.region and not each.is_mirrored for each in blind)


def test_squares_lie_in_the_middle():
    frames = torch.arange(10, dtype=torch.uint8)[None, None, :, None].expand(1, 4, 10, 3)
    assert middle_squares(frames, 4)[0, 0, :, 0].tolist() == [3, 4, 5, 6]
