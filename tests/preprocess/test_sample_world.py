"""The sample world: real files in UCF101's layout, and the properties that make it worth learning from."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import av
import numpy as np
import pytest

from preprocess.sample import world
from preprocess.sample.classes import CLASS_BY_NAME, CLASSES
from preprocess.sample.errors import SampleError
from preprocess.sample.events import build_motion
from preprocess.sample.layout import held_out_groups
from preprocess.sample.look import draw_look
from preprocess.sample.motion import CLIP_SECONDS, FPS, N_FRAMES, Strikes
from preprocess.sample.plan import ClipTask, Plan, is_silent
from preprocess.sample.render import render_frames
from preprocess.sample.sound import N_SAMPLES, SAMPLE_RATE_HZ, draw_voice, render_sound

SOME = ("BounceDying", "SwingChirp")
REPOSITORY = Path(__file__).resolve().parents[2]


def checksums(folder: Path) -> dict[str, str]:
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != world.LOCK_FILE]
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return world.generate(
        tmp_path_factory.mktemp("world") / "w", seed=3, n_groups=3, n_clips=1, classes=SOME, workers=1
    )


def motions(name: str, n: int = 150):
    return [build_motion(CLASS_BY_NAME[name], np.random.default_rng([7, number])) for number in range(n)]


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
    assert n_silent == json.loads((small / world.WORLD_FILE).read_text())["n_without_audio"]


def test_lists_have_the_official_syntax_and_hold_out_whole_groups(small: Path) -> None:
    lists = small / "ucfTrainTestlist"
    assert (lists / "classInd.txt").read_text() == "1 BounceDying\n2 SwingChirp\n"
    everything = {f"{path.parent.name}/{path.name}" for path in small.rglob("*.mp4")}
    for split in (1, 2, 3):
        test = (lists / f"testlist{split:02d}.txt").read_text().split("\n")[:-1]
        train = [line.split(" ") for line in (lists / f"trainlist{split:02d}.txt").read_text().split("\n")[:-1]]
        assert {name for name, _ in train} | set(test) == everything
        assert all(label == {"BounceDying": "1", "SwingChirp": "2"}[name.split("/")[0]] for name, label in train)
        assert {name.split("_")[2] for name in test} == {f"g{split:02d}"}
        assert not {name.split("_")[2] for name in test} & {name.split("_")[2] for name, _ in train}


def test_held_out_groups_are_those_of_ucf101() -> None:
    assert [list(held_out_groups(25, split)) for split in (1, 2, 3)] == [
        list(range(1, 8)),
        list(range(8, 15)),
        list(range(15, 22)),
    ]


def test_bytes_do_not_depend_on_workers_or_on_the_choice_of_classes(small: Path, tmp_path: Path) -> None:
    again = world.generate(tmp_path / "again", seed=3, n_groups=3, n_clips=1, classes=SOME[::-1], workers=2)
    assert checksums(again) == checksums(small)
    alone = world.generate(tmp_path / "alone", seed=3, n_groups=3, n_clips=1, classes=SOME[1:], workers=1)
    one = "SwingChirp/v_SwingChirp_g02_c01.mp4"
    assert checksums(alone)[one] == checksums(small)[one]


def test_another_seed_gives_another_world(small: Path, tmp_path: Path) -> None:
    other = world.generate(tmp_path / "other", seed=4, n_groups=3, n_clips=1, classes=SOME[:1], workers=1)
    shared = set(checksums(other)) & {name for name in checksums(small) if name.endswith(".mp4")}
    assert len(shared) == 3
    assert all(checksums(other)[name] != checksums(small)[name] for name in shared)


def test_second_call_returns_at_once_and_touches_nothing(small: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in small.rglob("*")}
    start = time.perf_counter()
    world.generate(small, seed=3, n_groups=3, n_clips=1, classes=SOME, workers=1)
    assert time.perf_counter() - start < 1.0
    assert {path: path.stat().st_mtime_ns for path in small.rglob("*")} == before


def test_another_world_in_the_folder_is_refused(small: Path) -> None:
    with pytest.raises(SampleError, match=r"seed 3, not 5"):
        world.generate(small, seed=5, n_groups=3, n_clips=1, classes=SOME, workers=1)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"classes": ["BounceDying", "Nonsense"]}, "Nonsense"),
        ({"classes": []}, "one or more"),
        ({"classes": ["Going", "Going"]}, "once"),
        ({"n_groups": 2}, "groups"),
        ({"n_clips": 0}, "clips"),
        ({"seed": -1}, "seed"),
    ],
)
def test_parameters_out_of_range_are_refused(tmp_path: Path, change: dict, words: str) -> None:
    with pytest.raises(SampleError, match=words):
        world.generate(tmp_path / "w", **{"seed": 0, **change})
    assert not (tmp_path / "w").exists()


def test_killed_and_started_again_gives_the_same_bytes(small: Path, tmp_path: Path) -> None:
    out = tmp_path / "killed"
    code = (
        "from pathlib import Path; from preprocess.sample import world; "
        f"world.generate(Path({str(out)!r}), seed=3, n_groups=3, n_clips=1, classes={SOME!r}, workers=1)"
    )
    process = subprocess.Popen([sys.executable, "-c", code], cwd=REPOSITORY, start_new_session=True)
    deadline = time.monotonic() + 60
    while not list(out.rglob("v_*.mp4")) and time.monotonic() < deadline:
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not (out / world.WORLD_FILE).exists()
    assert 0 < len(list(out.rglob("v_*.mp4"))) < 6
    with pytest.raises(SampleError, match="another world"):
        world.generate(out, seed=4, n_groups=3, n_clips=1, classes=SOME, workers=1)
    world.generate(out, seed=3, n_groups=3, n_clips=1, classes=SOME, workers=1)
    assert checksums(out) == checksums(small)


def test_two_writers_exclude_each_other(tmp_path: Path) -> None:
    def second(done: int, total: int) -> None:
        if done == 1:
            with pytest.raises(SampleError, match="another run"):
                world.generate(tmp_path, seed=3, n_groups=3, n_clips=1, classes=SOME[:1], workers=1)

    world.generate(tmp_path, seed=3, n_groups=3, n_clips=1, classes=SOME[:1], workers=1, progress=second)


def test_clips_without_sound_are_spread_evenly() -> None:
    silent = np.array([[[is_silent(i, g, c) for c in (1, 2)] for g in range(1, 26)] for i in range(len(CLASSES))])
    assert 0.10 <= silent.mean() <= 0.15
    assert set(silent.sum(axis=(1, 2))) <= {6, 7}
    for split in (1, 2, 3):
        groups = [group - 1 for group in held_out_groups(25, split)]
        assert silent[:, groups].sum(axis=(1, 2)).min() >= 1


def test_plan_holds_every_class_equally() -> None:
    plan = Plan(0, 25, 2, tuple(sorted(CLASS_BY_NAME)), "any")
    assert len({task.name for task in plan.tasks()}) == len(plan.tasks()) == 14 * 25 * 2


def test_every_class_has_one_twin_of_the_same_event() -> None:
    for entry in CLASSES:
        twin = CLASS_BY_NAME[entry.twin]
        assert (twin.twin, twin.kind, twin.difference) == (entry.name, entry.kind, entry.difference)
        assert twin.variant != entry.variant
    assert sum(entry.difference == "time" for entry in CLASSES) == 8


def distribution(name: str) -> dict[str, np.ndarray]:
    """Deciles of what a single frame or a single sound shows, over many clips."""
    every = motions(name)
    inside = [(motion.strikes.seconds >= 0) & (motion.strikes.seconds < CLIP_SECONDS) for motion in every]
    readings = {
        "x": [motion.x for motion in every],
        "y": [motion.y for motion in every],
        "scale": [motion.scale for motion in every],
        "trail_x": [np.abs(motion.trail_x[2] - motion.x) for motion in every],
        "trail_y": [np.abs(motion.trail_y[2] - motion.y) for motion in every],
        "strength": [motion.strikes.strength[keep] for motion, keep in zip(every, inside, strict=True)],
        "semitones": [motion.strikes.semitones[keep] for motion, keep in zip(every, inside, strict=True)],
    }
    return {key: np.quantile(np.concatenate(rows), np.arange(1, 10) / 10) for key, rows in readings.items()}


@pytest.mark.parametrize("name", [entry.name for entry in CLASSES if entry.difference == "time" and entry.variant == 0])
def test_reversed_twins_look_and_sound_alike_in_single_frames_and_sounds(name: str) -> None:
    own, twin = distribution(name), distribution(CLASS_BY_NAME[name].twin)
    tolerance = {
        "x": 0.04,
        "y": 0.04,
        "scale": 0.10,
        "trail_x": 0.02,
        "trail_y": 0.02,
        "strength": 0.06,
        "semitones": 1.0,
    }
    for key, allowed in tolerance.items():
        assert np.abs(own[key] - twin[key]).max() <= allowed, key


@pytest.mark.parametrize(
    ("name", "reading"),
    [
        ("SpiralIn", lambda motion: -np.hypot(motion.x - 2 / 3, motion.y - 0.5)),
        ("Coming", lambda motion: motion.scale),
        ("Rising", lambda motion: -motion.y),
    ],
)
def test_reversed_twins_run_opposite_ways(name: str, reading) -> None:
    for sign, which in ((1, name), (-1, CLASS_BY_NAME[name].twin)):
        steps = np.concatenate([np.diff(reading(motion)) for motion in motions(which, 20)])
        assert np.mean(sign * steps > 0) > 0.9


def peaks_of_bounces(motion) -> np.ndarray:
    inner = motion.y[1:-1]
    return -inner[(inner < motion.y[:-2]) & (inner <= motion.y[2:])]


def test_bounces_die_and_grow() -> None:
    for sign, name in ((-1, "BounceDying"), (1, "BounceGrowing")):
        steps = np.concatenate([np.diff(peaks_of_bounces(motion)) for motion in motions(name, 30)])
        assert np.mean(sign * steps > 0) > 0.6  # three in four but for the start of a new cycle


@pytest.mark.parametrize("name", ["BounceDying", "BounceGrowing", "TapEven", "TapGallop"])
def test_sound_starts_within_a_frame_of_the_contact(name: str) -> None:
    for motion in motions(name, 20):
        inside = (motion.strikes.seconds > 0.1) & (motion.strikes.seconds < CLIP_SECONDS - 0.1)
        for second in motion.strikes.seconds[inside]:
            near = np.abs(np.arange(N_FRAMES) / FPS - second) <= 1.01 / FPS
            around = np.abs(np.arange(N_FRAMES) / FPS - second) <= 0.1
            assert motion.y[near].max() == motion.y[around].max()
            assert motion.y[near].max() > motion.ground_y - 0.09


def onset_seconds(waveform: np.ndarray) -> float:
    envelope = np.abs(waveform).reshape(-1, 16).max(axis=1)
    return float(np.argmax(envelope > 0.25 * envelope.max())) * 16 / SAMPLE_RATE_HZ


@pytest.mark.parametrize("group", range(6))
def test_sounds_attack_at_once_and_decay(group: int) -> None:
    voice = draw_voice(np.random.default_rng([1, group]))
    quiet = type(voice)(**{**voice.__dict__, "other_per_second": 0.0, "noise_level": 1e-6})
    strike = Strikes(np.array([2.0]), np.array([1.0]), np.array([0.0]), np.array([0.0]))
    waveform = render_sound(strike, quiet, np.random.default_rng(0))
    assert waveform.shape == (N_SAMPLES,)
    assert abs(onset_seconds(waveform) - 2.0) < 0.01
    power = waveform.astype(np.float64) ** 2
    start = 2 * SAMPLE_RATE_HZ
    before, after = power[start - 4000 : start].sum(), power[start : start + 4000].sum()
    assert after > 1000 * before
    first, later = power[start : start + 2400].sum(), power[start + 4800 : start + 7200].sum()
    assert first > 4 * later


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
            forward.append(skew(render_sound(motion.strikes, voice, np.random.default_rng(index))))
    assert np.mean(np.array(forward) > 0.3) > 0.95  # played backwards, each has the opposite sign


@pytest.mark.parametrize("name", ["SpiralIn", "SpiralOut", "OrbitGlide", "SwingChirp"])
def test_the_trail_lies_behind_the_object(name: str) -> None:
    for motion in motions(name, 20):
        step = np.stack([np.gradient(motion.x), np.gradient(motion.y)])
        behind = np.stack([motion.trail_x[0] - motion.x, motion.trail_y[0] - motion.y])
        speed = np.hypot(*step)
        # Not where a pendulum turns, nor where a spiral begins anew.
        steady = (speed > np.median(speed) / 2) & (speed < 3 * np.median(speed))
        assert np.mean((step * behind).sum(axis=0)[steady] < 0) > 0.95


@pytest.mark.parametrize("name", ["Coming", "Going", "Rising", "Falling"])
def test_the_trail_of_a_sway_lies_behind_it_and_shows_no_height_or_size(name: str) -> None:
    for motion in motions(name, 20):
        step, behind = np.gradient(motion.x), motion.trail_x[0] - motion.x
        steady = np.abs(step) > np.median(np.abs(step))
        assert np.mean(step[steady] * behind[steady] < 0) > 0.95
        np.testing.assert_array_equal(motion.trail_y, np.tile(motion.y, (len(motion.trail_y), 1)))


def test_a_strike_lights_the_picture_at_once_and_fades() -> None:
    look = draw_look(np.random.default_rng(5))
    plain = type(look)(**{**look.__dict__, "noise": 0.0, "drops_per_second": 0.0})
    motion = build_motion(CLASS_BY_NAME["OrbitGlide"], np.random.default_rng(2))
    mute = type(motion)(**{**motion.__dict__, "strikes": Strikes(*(np.zeros(0) for _ in range(4)))})
    one = type(motion)(
        **{**motion.__dict__, "strikes": Strikes(*(np.array([value]) for value in (2.0, 1.0, 0.0, 0.0)))}
    )
    frames = [render_frames(each, plain, np.random.default_rng(3)).astype(np.int64) for each in (mute, one)]
    mark = np.abs(frames[1] - frames[0]).mean(axis=(1, 2, 3))
    assert mark[:50].max() == 0
    assert np.argmax(mark) - 50 <= 2
    assert mark[52] > 2 * mark[57] > 0
    assert mark[62:].max() < 0.25 * mark.max()


@pytest.mark.slow
def test_mean_pictures_and_mean_spectra_of_reversed_twins_are_alike() -> None:
    """A nearest class mean of mean frames or mean spectra must not tell twins apart beyond chance."""
    for first in [entry for entry in CLASSES if entry.difference == "time" and entry.variant == 0]:
        indices = [CLASSES.index(first), CLASSES.index(CLASS_BY_NAME[first.twin])]
        for what in (0, 1):
            rows = np.array(
                [
                    [summary(ClipTask(11, index, group, 1, silent=False), what) for group in range(1, 17)]
                    for index in indices
                ]
            )  # (2, 16, d)
            rows = rows - rows.mean(axis=0, keepdims=True)  # the group's own look or voice
            right = 0
            for left_out in range(16):
                means = np.delete(rows, left_out, axis=1).mean(axis=1)
                for side in (0, 1):
                    distance = np.linalg.norm(rows[side, left_out] - means, axis=1)
                    right += distance[side] < distance[1 - side]
            assert right <= 24, (first.name, what)  # of 32; chance 16, standard deviation 2.8


def summary(task: ClipTask, what: int) -> np.ndarray:
    frames, waveform = world.clip_arrays(task)
    if what == 0:
        return frames.mean(axis=0).reshape(12, 8, 16, 8, 3).mean(axis=(1, 3)).ravel()
    spectrum = np.abs(np.fft.rfft(waveform.reshape(-1, 1000) * np.hanning(1000), axis=1)) ** 2
    return np.log(spectrum.mean(axis=0) + 1e-6)


@pytest.mark.slow
def test_the_sound_in_the_file_is_in_time_with_the_picture(tmp_path: Path) -> None:
    """Through ffmpeg and back: the loudest rises of the decoded sound lie at the strikes, within a frame."""
    out = world.generate(tmp_path, seed=3, n_groups=3, n_clips=1, classes=["TapEven"], workers=1)
    for path in sorted(out.rglob("*.mp4")):
        with av.open(str(path)) as container:
            if not container.streams.audio:
                continue
            blocks = [(frame.time, frame.to_ndarray()[0]) for frame in container.decode(audio=0)]
        decoded = np.zeros(N_SAMPLES + 4096)
        for seconds, block in blocks:
            start = max(0, round(seconds * SAMPLE_RATE_HZ))
            decoded[start : start + len(block)] = block
        group = int(path.stem.split("_g")[1][:2])
        index = CLASSES.index(CLASS_BY_NAME["TapEven"])
        _, waveform = world.clip_arrays(ClipTask(3, index, group, 1, silent=False))
        spectrum = np.fft.rfft(decoded[:N_SAMPLES]) * np.conj(np.fft.rfft(waveform))
        lag = int(np.argmax(np.fft.irfft(spectrum, N_SAMPLES)))
        lag = lag - N_SAMPLES if lag > N_SAMPLES // 2 else lag
        assert abs(lag) / SAMPLE_RATE_HZ < 1 / FPS
