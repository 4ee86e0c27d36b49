"""What makes the sample world worth learning from: twins that only time distinguishes, and an arrow of time."""

import numpy as np
import pytest

from preprocess.synthetic.sample import world
from preprocess.synthetic.sample.audio import N_VOICES
from preprocess.synthetic.sample.classes import CLASS_BY_NAME, CLASSES
from preprocess.synthetic.sample.events import build_motion
from preprocess.synthetic.sample.look import N_PLACES, SHAPES, TYPICAL_SHARE
from preprocess.synthetic.sample.motion import CLIP_SECONDS

REVERSED = [(entry.name, entry.twin) for entry in CLASSES if entry.difference == "time" and entry.variant == 0]


def motions(name: str, n: int = 150):
    return [build_motion(CLASS_BY_NAME[name], np.random.default_rng([7, number])) for number in range(n)]


def distribution(name: str) -> dict[str, np.ndarray]:
    """Deciles of what a single frame or a single sound shows, over many clips."""
    every = motions(name)
    inside = [(motion.strikes.seconds >= 0) & (motion.strikes.seconds < CLIP_SECONDS) for motion in every]
    readings = {
        **{name: [getattr(motion, name) for motion in every] for name in ("x", "y", "scale", "brightness", "gap")},
        "trail_x": [np.abs(motion.trail_x[2] - motion.x) for motion in every],
        "trail_y": [np.abs(motion.trail_y[2] - motion.y) for motion in every],
        **{
            name: [getattr(motion.strikes, name)[keep] for motion, keep in zip(every, inside, strict=True)]
            for name in ("strength", "semitones")
        },
    }
    return {key: np.quantile(np.concatenate(rows), np.arange(1, 10) / 10) for key, rows in readings.items()}


@pytest.mark.parametrize(("name", "twin_name"), REVERSED)
def test_reversed_twins_look_and_sound_alike_in_single_frames_and_sounds(name: str, twin_name: str) -> None:
    own, twin = distribution(name), distribution(twin_name)
    tolerance = {"x": 0.04, "y": 0.04, "scale": 0.10, "brightness": 0.04, "gap": 0.02}
    tolerance |= {"trail_x": 0.02, "trail_y": 0.02, "strength": 0.06, "semitones": 1.0}
    for key, allowed in tolerance.items():
        assert np.abs(own[key] - twin[key]).max() <= allowed, key


@pytest.mark.parametrize(
    ("name", "reading"),
    [
        ("Rising", lambda motion: -motion.y),
        ("Coming", lambda motion: motion.scale),
        ("Kindling", lambda motion: motion.brightness),
        ("Parting", lambda motion: motion.gap),
    ],
)
def test_reversed_twins_run_opposite_ways_and_their_sounds_glide_with_them(name: str, reading) -> None:
    for sign, which in ((1, name), (-1, CLASS_BY_NAME[name].twin)):
        some = motions(which, 20)
        steps = np.concatenate([np.diff(reading(motion)) for motion in some])
        assert np.mean(sign * steps > 0) > 0.9
        assert all((sign * motion.strikes.glide > 0).all() for motion in some)


def test_groups_of_a_place_look_alike_but_for_the_form_of_what_moves() -> None:
    looks = [world._draw_group(3, index, group)[0] for index in (0, 5) for group in range(1, 16)]
    backdrops = {look.backdrop.tobytes() for look in looks}
    assert len(backdrops) == N_PLACES
    for backdrop in backdrops:
        here = [look for look in looks if look.backdrop.tobytes() == backdrop]
        assert len({(look.colour.tobytes(), look.noise, look.drift) for look in here}) == 1
        assert len({look.radius for look in here}) == len(here)
    voices = [world._draw_group(3, index, group)[1] for index in (0, 5) for group in range(1, 16)]
    assert len(set(voices)) == N_VOICES
    assert len({(look.backdrop.tobytes(), voice) for look, voice in zip(looks, voices, strict=True)}) > 8
    typical = [world._draw_group(3, 0, group)[0].shape for group in range(1, 100)].count(SHAPES[0])
    assert abs(typical / 99 - TYPICAL_SHARE) < 0.15
