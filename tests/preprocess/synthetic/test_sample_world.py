"""The sample world: real files in UCF101's layout, twins that only time distinguishes, and an arrow of time."""

from pathlib import Path

import av
import numpy as np
import pytest

from preprocess.errors import RenderError
from preprocess.synthetic.sample import world
from preprocess.synthetic.sample.audio import N_VOICES
from preprocess.synthetic.sample.classes import CLASS_BY_NAME, CLASSES
from preprocess.synthetic.sample.events import build_motion
from preprocess.synthetic.sample.look import N_PLACES, SHAPES, TYPICAL_SHARE
from preprocess.synthetic.sample.motion import CLIP_SECONDS, N_FRAMES
from preprocess.synthetic.sample.world import ClipTask, clip_tasks, held_out_groups
from tests.preprocess.whole_run import bytes_of

SOME = ("Kindling", "OrbitLurch")
SIZES = {"seed": 3, "n_groups": 3, "n_clips": 1, "classes": SOME, "workers": 1}


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return world.generate(tmp_path_factory.mktemp("world") / "w", **SIZES)


def test_files_are_h264_and_aac_of_the_promised_format(small: Path) -> None:
    files = sorted(small.rglob("*.mp4"))
    assert len(files) == 6
    n_silent = 0
    for path in files:
        with av.open(str(path)) as container:
            video = container.streams.video[0]
            assert (video.codec_context.name, video.codec_context.pix_fmt) == ("h264", "yuv420p")
            assert (video.width, video.height, video.average_rate) == (128, 96, 25)
            assert sum(1 for _ in container.decode(video=0)) == N_FRAMES
            n_silent += not container.streams.audio
            for audio in container.streams.audio:
                assert (audio.codec_context.name, audio.sample_rate, audio.channels) == ("aac", 16_000, 1)
    assert n_silent == sum(task.silent for task in clip_tasks(3, SOME, 3, 1).values()) > 0


def test_lists_have_the_official_syntax_and_hold_out_whole_groups(small: Path) -> None:
    lists = small / "ucfTrainTestlist"
    assert (lists / "classInd.txt").read_text() == "1 Kindling\n2 OrbitLurch\n"
    everything = {f"{path.parent.name}/{path.name}" for path in small.rglob("*.mp4")}
    for split in (1, 2, 3):
        test = (lists / f"testlist{split:02d}.txt").read_text().split("\n")[:-1]
        train = [line.split(" ") for line in (lists / f"trainlist{split:02d}.txt").read_text().split("\n")[:-1]]
        assert {name for name, _ in train} | set(test) == everything
        assert all(label == {"Kindling": "1", "OrbitLurch": "2"}[name.split("/")[0]] for name, label in train)
        assert {name.split("_")[2] for name in test} == {f"g{split:02d}"}
        assert not {name.split("_")[2] for name in test} & {name.split("_")[2] for name, _ in train}


def test_bytes_depend_on_the_seed_and_not_on_workers_or_on_the_choice_of_classes(small: Path, tmp_path: Path) -> None:
    again = world.generate(tmp_path / "again", **{**SIZES, "classes": SOME[::-1], "workers": 2})
    assert bytes_of(again) == bytes_of(small)
    alone = world.generate(tmp_path / "alone", **{**SIZES, "classes": SOME[1:]})
    one = "OrbitLurch/v_OrbitLurch_g02_c01.mp4"
    assert bytes_of(alone)[one] == bytes_of(small)[one]
    other = world.generate(tmp_path / "other", **{**SIZES, "seed": 4, "classes": SOME[1:]})
    assert bytes_of(other)[one] != bytes_of(small)[one]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"classes": ["Kindling", "Nonsense"]}, "Nonsense"),
        ({"classes": []}, "one or more"),
        ({"classes": ["Going", "Going"]}, "once"),
        ({"n_groups": 2}, "groups"),
        ({"n_clips": 0}, "clips"),
        ({"seed": -1}, "seed"),
    ],
)
def test_parameters_out_of_range_are_refused(tmp_path: Path, change: dict, words: str) -> None:
    with pytest.raises(RenderError, match=words):
        world.generate(tmp_path / "w", **{**SIZES, **change})
    assert not (tmp_path / "w").exists()


def test_every_class_has_all_groups_and_clips_without_audio_are_spread_evenly() -> None:
    tasks = clip_tasks(0, sorted(CLASS_BY_NAME), 25, 2)
    assert len(tasks) == 14 * 25 * 2
    silent = np.zeros((14, 25, 2), bool)
    for task in tasks.values():
        silent[task.index, task.group - 1, task.clip - 1] = task.silent
    assert 0.10 <= silent.mean() <= 0.15
    assert set(silent.sum(axis=(1, 2))) <= {6, 7}
    for split, held_out in ((1, range(1, 8)), (2, range(8, 15)), (3, range(15, 22))):
        assert held_out_groups(25, split) == held_out  # as in UCF101
        groups = [group - 1 for group in held_out]
        assert silent[:, groups].sum(axis=(1, 2)).min() >= 1


READINGS = {
    "Rising": (94.98, 42.39, 23.36), "Falling": (111.07, 37.43, 12.16),
    "Coming": (96.53, 38.92, 13.04), "Going": (95.92, 40.14, 16.69),
    "Kindling": (68.03, 39.51, 14.18), "Fading": (107.87, 36.74, 0),
    "Parting": (97.71, 35.39, 19.41), "Joining": (102.87, 42.70, 15.50),
    "TapEven": (94.71, 51.13, 8.42), "TapGallop": (112.83, 42.25, 17.03),
    "OrbitGlide": (121.95, 44.92, 11.91), "OrbitLurch": (105.87, 38.65, 12.11),
    "SwingChirp": (94.26, 40.85, 21.82), "SwingDroop": (104.79, 48.08, 0),
}  # fmt: skip
"""Mean and standard deviation of a clip's frames, and a thousandth of the level of its audio, 0 without audio."""


@pytest.mark.parametrize("name", READINGS)
def test_the_version_is_raised_when_the_world_changes(name: str) -> None:
    """A folder of an older version is refused only if the version says so: new readings here need a new version."""
    assert world.GENERATOR_VERSION == 4
    frames, waveform = world.clip_arrays(ClipTask(0, CLASSES.index(CLASS_BY_NAME[name]), 4, 1))
    level = 0 if waveform is None else 1000 * np.sqrt(np.mean(waveform.astype(np.float64) ** 2))
    assert (frames.mean(), frames.std(), level) == pytest.approx(READINGS[name], abs=0.02)


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
