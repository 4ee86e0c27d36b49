"""Same changes: found at another time, place, size and brightness and below another video; not in what only resembles."""

from functools import partial

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from evaluate.fingerprint.closer_look.video_alignment import STEPS, align

SURE = 4.5 * np.log(10)
"""Decides at the default rate where three spans are looked at."""


def moving(seed, n_frames, *, side=64, step=1.0):
    """Textures that drift over each other in many places, like water or a crowd, (n_frames, side, side) float32."""
    rng = np.random.default_rng(seed)
    layers = torch.from_numpy(rng.normal(size=(3, 2 * side, 2 * side))).float()
    layers = F.avg_pool2d(layers[None], 5, 1, 2)[0] * 300
    ways = rng.uniform(-1.5, 1.5, (3, 2)) * step
    shown = [
        sum(
            layer.roll(tuple((frame * way).round().astype(int).tolist()), (0, 1))[:side, :side]
            for layer, way in zip(layers, ways, strict=True)
        )
        for frame in range(n_frames)
    ]
    return torch.stack(shown) + 128


EDITS = {
    "a second": lambda clip: clip[:8],
    "darker": lambda clip: 0.4 * clip + 10,
    "noisy": lambda clip: clip + 20 * torch.randn(clip.shape, generator=torch.Generator().manual_seed(0)),
    "moved": lambda clip: clip.roll((5, -6), (1, 2)),
    "smaller": lambda clip: F.pad(
        F.interpolate(clip[None], (50, 50), mode="bilinear", antialias=True)[0], (7, 7, 7, 7)
    ),
    "cropped": lambda clip: clip[:, 8:-8, 8:-8],
    "blended": lambda clip: 0.5 * clip + 0.5 * moving(2, len(clip)),
    "with a bar": lambda clip: clip * (torch.arange(64) >= 20)[:, None],
}


@pytest.mark.parametrize("edit", EDITS)
def test_a_clip_is_found_where_it_begins_though_it_was_edited(edit):
    source = moving(1, 80)
    aligned = align(EDITS[edit](source[20 : 20 + 16 * STEPS : STEPS]), source)
    assert aligned.surprise > SURE
    assert aligned.first_frame == pytest.approx(20, abs=1)


def test_unrelated_videos_are_as_surprising_as_chance_says():
    surprises = np.array([align(moving(100 + n, 16), moving(200 + n, 60)).surprise for n in range(100)])
    assert (surprises > np.log(100)).mean() <= 0.05  # 0.01 is stated
    assert (surprises < SURE).all()


@pytest.mark.parametrize("value", [0.0, 255.0])
def test_what_does_not_change_tells_nothing(value):
    still = torch.full((60, 64, 64), value)
    assert align(still[:16], still).surprise == 0
    assert align(still[:16], moving(5, 60)).surprise < SURE


def test_a_reference_that_is_too_short_has_no_alignment():
    assert align(moving(0, 16), moving(0, 30)) is None


def scene(seed, n_frames):
    """A still scene before a camera with a little noise."""
    noise = torch.randn(n_frames, 64, 64, generator=torch.Generator().manual_seed(seed))
    return moving(seed, 1).repeat(n_frames, 1, 1) + noise


TITLE = torch.zeros(64, 64)
TITLE[44:58, 8:56] = 200 * (torch.rand(14, 48, generator=torch.Generator().manual_seed(1)) > 0.5)


POSTER = torch.zeros(64, 64)
POSTER[8:56, 8:56] = 200 * (torch.rand(48, 48, generator=torch.Generator().manual_seed(2)) > 0.5)


def place(seed, n_frames, _fps):
    """A static camera: all that stands still is the same, and what moves in front of it is not."""
    shown = moving(3, 1).repeat(n_frames, 1, 1)
    shown[:, 20:40, 20:40] = moving(seed, n_frames, side=20)
    return shown


def fade(seed, n_frames, fps):
    return moving(seed, 1) * (torch.arange(n_frames) / fps / 4).clamp(max=1)[:, None, None]


def title(seed, n_frames, fps, *, rise_seconds, shown=TITLE):
    seconds = torch.arange(n_frames)[:, None, None] / fps
    return scene(seed, n_frames) + shown * ((seconds - 1) / rise_seconds).clamp(0, 1)


def spot(seed, n_frames, fps, *, px):
    """A bright spot crosses, as a car or a ball does."""
    rng = np.random.default_rng(seed)
    seconds, (down, right) = torch.arange(n_frames)[:, None, None] / fps, rng.uniform(5, 40, 2)
    y, x = torch.meshgrid(torch.arange(64.0), torch.arange(64.0), indexing="ij")
    away = (x - right - rng.uniform(6, 16) * seconds) ** 2 + (y - down) ** 2
    return scene(seed, n_frames) + 120 * torch.exp(-away / 2 / px**2)


def lamp(seed, n_frames, fps):
    """Blinks once a second."""
    rng, shown = np.random.default_rng(seed), scene(seed, n_frames)
    down, right = rng.integers(8, 56, 2)
    is_on = (torch.arange(n_frames) / fps + rng.random()) % 1 < 0.5
    shown[:, down : down + 3, right : right + 3] += 150 * is_on[:, None, None]
    return shown


def slides(seed, n_frames, fps):
    """The same three pictures, each after a cut, before another camera's noise."""
    slide = (torch.arange(n_frames) / fps / 0.5).long().clamp(max=3)
    pictures = torch.cat([torch.zeros(1, 64, 64), *(moving(each, 1) - 128 for each in (1, 2, 3))])
    return scene(seed, n_frames) + pictures[slide]


@pytest.mark.parametrize(
    "look",
    [
        partial(title, rise_seconds=0.01), partial(title, rise_seconds=1.0),
        partial(title, rise_seconds=1.5, shown=POSTER), partial(spot, px=1.5), partial(spot, px=4.0),
        lamp, slides, place, fade,
    ],
)  # fmt: skip
def test_what_only_resembles_is_no_copy(look):
    """One thing that both show, the same cuts, the same place at another time, two fades."""
    for seed in range(8):
        assert align(look(300 + seed, 24, 8), look(400 + seed, 90, 16)).surprise < SURE


def test_the_noise_of_encoding_a_still_tells_nothing():
    """An encoder gives the same still the same noise wherever it is shown."""
    noise = 0.3 * torch.randn(90, 64, 64, generator=torch.Generator().manual_seed(7))
    still = moving(9, 1).repeat(90, 1, 1) + noise
    assert align(still[10 : 10 + 16 * STEPS : STEPS], still).surprise == 0
