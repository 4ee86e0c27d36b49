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

from preprocess.errors import RenderError, ShardError
from preprocess.synthetic.sample import world
from preprocess.synthetic.sample.audio import N_SAMPLES, SAMPLE_RATE_HZ
from preprocess.synthetic.sample.classes import CLASS_BY_NAME, CLASSES
from preprocess.synthetic.sample.layout import held_out_groups
from preprocess.synthetic.sample.motion import FPS, N_FRAMES
from preprocess.synthetic.sample.plan import GENERATOR_VERSION, ClipTask, Plan, is_silent

SOME = ("Kindling", "SwingChirp")
REPOSITORY = Path(__file__).resolve().parents[3]


def checksums(folder: Path) -> dict[str, str]:
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return world.generate(
        tmp_path_factory.mktemp("world") / "w", seed=3, n_groups=3, n_clips=1, classes=SOME, workers=1
    )


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
    assert (lists / "classInd.txt").read_text() == "1 Kindling\n2 SwingChirp\n"
    everything = {f"{path.parent.name}/{path.name}" for path in small.rglob("*.mp4")}
    for split in (1, 2, 3):
        test = (lists / f"testlist{split:02d}.txt").read_text().split("\n")[:-1]
        train = [line.split(" ") for line in (lists / f"trainlist{split:02d}.txt").read_text().split("\n")[:-1]]
        assert {name for name, _ in train} | set(test) == everything
        assert all(label == {"Kindling": "1", "SwingChirp": "2"}[name.split("/")[0]] for name, label in train)
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
    with pytest.raises(RenderError, match=r"seed 3, not 5"):
        world.generate(small, seed=5, n_groups=3, n_clips=1, classes=SOME, workers=1)


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
        world.generate(tmp_path / "w", **{"seed": 0, **change})
    assert not (tmp_path / "w").exists()


def test_killed_and_started_again_gives_the_same_bytes(small: Path, tmp_path: Path) -> None:
    out = tmp_path / "killed"
    code = (
        "from pathlib import Path; from preprocess.synthetic.sample import world; "
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
    with pytest.raises(RenderError, match="another world"):
        world.generate(out, seed=4, n_groups=3, n_clips=1, classes=SOME, workers=1)
    world.generate(out, seed=3, n_groups=3, n_clips=1, classes=SOME, workers=1)
    assert checksums(out) == checksums(small)


def test_two_writers_exclude_each_other(tmp_path: Path) -> None:
    def second(done: int, total: int) -> None:
        if done == 1:
            with pytest.raises(ShardError, match="another process"):
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


def test_the_version_is_raised_when_the_world_changes() -> None:
    """A folder of an older version is refused only if the version says so: new readings here need a new version."""
    readings = {}
    for name in ("Kindling", "Going", "SwingChirp"):
        frames, waveform = world.clip_arrays(ClipTask(0, CLASSES.index(CLASS_BY_NAME[name]), 4, 1, silent=False))
        readings[name] = (frames.mean(), frames.std(), 1000 * np.sqrt(np.mean(waveform.astype(np.float64) ** 2)))
    assert GENERATOR_VERSION == 4
    expected = {
        "Kindling": (68.03, 39.51, 14.18),
        "Going": (95.92, 40.14, 16.69),
        "SwingChirp": (94.26, 40.85, 21.82),
    }
    for name, values in expected.items():
        assert readings[name] == pytest.approx(values, abs=0.02), name


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
