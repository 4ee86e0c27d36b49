"""What makes the sample world worth learning from: twins that only time distinguishes, and an arrow of time."""

from dataclasses import replace

import numpy as np
import pytest

from preprocess.synthetic.sample import world
from preprocess.synthetic.sample.audio import N_VOICES, draw_voice, render_audio
from preprocess.synthetic.sample.classes import CLASS_BY_NAME, CLASSES
from preprocess.synthetic.sample.events import build_motion
from preprocess.synthetic.sample.look import N_PLACES, SHAPES, TYPICAL_SHARE, draw_look
from preprocess.synthetic.sample.motion import CLIP_SECONDS, FPS, N_FRAMES, Strikes
from preprocess.synthetic.sample.render import render_frames

REVERSED = [(entry.name, entry.twin) for entry in CLASSES if entry.difference == "time" and entry.variant == 0]


def strikes_of_one(seconds: float, wear: float = 0.0) -> Strikes:
    return Strikes(*(np.array([value]) for value in (seconds, 1.0, 0.0, 0.0, wear)))


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


@pytest.mark.parametrize("name", ["TapEven", "TapGallop"])
def test_sound_starts_within_a_frame_of_the_contact(name: str) -> None:
    for motion in motions(name, 20):
        inside = (motion.strikes.seconds > 0.1) & (motion.strikes.seconds < CLIP_SECONDS - 0.1)
        for second in motion.strikes.seconds[inside]:
            near = np.abs(np.arange(N_FRAMES) / FPS - second) <= 1.01 / FPS
            around = np.abs(np.arange(N_FRAMES) / FPS - second) <= 0.1
            assert motion.y[near].max() == motion.y[around].max()
            assert motion.y[near].max() > motion.ground_y - 0.09


def test_reversed_playback_is_told_by_the_envelope() -> None:
    def skew(waveform: np.ndarray) -> float:
        """Third moment of the steps of the log envelope: sharp rises and slow falls make it positive."""
        level = np.log(np.sqrt(np.mean(waveform.reshape(-1, 160) ** 2, axis=1)) + 1e-5)
        step = np.diff(level)
        return float(np.mean((step - step.mean()) ** 3) / step.std() ** 3)

    forward = []
    for index in range(len(CLASSES)):
        for group in (1, 2, 3):
            voice = draw_voice(np.random.default_rng([0, group, 2]))
            motion = build_motion(CLASSES[index], np.random.default_rng([index, group]))
            forward.append(skew(render_audio(motion.strikes, voice, np.random.default_rng(index))))
    assert np.mean(np.array(forward) > 0.3) > 0.95  # played backwards, each has the opposite sign


@pytest.mark.parametrize("name", ["OrbitGlide", "SwingChirp"])
def test_the_trail_lies_behind_the_object(name: str) -> None:
    for motion in motions(name, 20):
        step = np.stack([np.gradient(motion.x), np.gradient(motion.y)])
        behind = np.stack([motion.trail_x[0] - motion.x, motion.trail_y[0] - motion.y])
        speed = np.hypot(*step)
        # Not where a pendulum turns.
        steady = (speed > np.median(speed) / 2) & (speed < 3 * np.median(speed))
        assert np.mean((step * behind).sum(axis=0)[steady] < 0) > 0.95


def test_a_dark_core_grows_in_the_object_and_its_sound_turns_from_tone_to_hiss() -> None:
    look = draw_look(np.random.default_rng(5), np.random.default_rng(6), "square")
    plain = replace(look, noise=0.0, drops_per_second=0.0)
    motion = build_motion(CLASS_BY_NAME["OrbitGlide"], np.random.default_rng(2))
    uncored = type(look)(**{**plain.__dict__, "core_colour": plain.colour})
    frames = [render_frames(motion, each, np.random.default_rng(3)).astype(np.int64) for each in (plain, uncored)]
    area = (np.abs(frames[0] - frames[1]).max(axis=3) > 20).sum(axis=(1, 2))
    assert area[0] == 0
    assert np.all(np.diff(area[::20]) > 0)

    voice = draw_voice(np.random.default_rng([1, 1]))
    quiet = replace(voice, other_per_second=0.0, noise_level=1e-6, room_level=0.0)

    def flatness(wear: float) -> float:
        """Geometric over arithmetic mean of the power spectrum: 1 for white noise, near 0 for a tone."""
        sound = render_audio(strikes_of_one(1.0, wear), quiet, np.random.default_rng(0))
        assert np.argmax(np.abs(sound) > 0.25 * np.abs(sound).max()) == pytest.approx(16_000, abs=160)  # at once
        sound = sound[16_000:17_600]
        power = np.abs(np.fft.rfft(sound * np.hanning(len(sound)))) ** 2 + 1e-12
        return float(np.exp(np.log(power).mean()) / power.mean())

    assert flatness(1.0) > 4 * flatness(0.5) > 8 * flatness(0.0)


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
