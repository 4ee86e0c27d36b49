"""The collage: real files from a seed, resumable, with content that the camera and the voices promise."""

import errno
import fcntl
import json
import resource
import signal
from contextlib import AbstractContextManager
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from preprocess.errors import DiskFullError, RenderError, ShardError
from preprocess.synthetic import rendered_folder
from preprocess.synthetic.collage import archive
from preprocess.synthetic.collage.archive import GENERATOR_VERSION, VideoTask
from preprocess.synthetic.collage.audio import SAMPLE_RATE_HZ
from preprocess.synthetic.collage.shot import FPS, HEIGHT_PX, WIDTH_PX, CameraPath, take_frames
from preprocess.synthetic.sample import world
from store.atomic_files import Guard, folder_lock
from tests.preprocess.whole_run import bytes_of
from tests.processes import run, status_of_fork

SIZES = {"seed": 7, "n_videos": 3, "seconds": 1.0, "workers": 1}


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return archive.generate(tmp_path_factory.mktemp("collage") / "c", **SIZES)


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 999_999))
def test_the_same_seed_and_number_give_the_same_bytes_and_others_other_ones(seed: int, number: int) -> None:
    frames, waveform = archive.video_arrays(VideoTask(seed, number, 1.0))
    again = archive.video_arrays(VideoTask(seed, number, 1.0))
    assert (frames.tobytes(), waveform.tobytes()) == (again[0].tobytes(), again[1].tobytes())
    for other in (VideoTask(seed, number + 1, 1.0), VideoTask(seed + 1, number, 1.0)):
        differing = archive.video_arrays(other)
        assert not np.array_equal(frames, differing[0])
        assert not np.array_equal(waveform, differing[1])
    assert (frames.shape, frames.dtype) == ((12, HEIGHT_PX, WIDTH_PX, 3), np.uint8)
    assert (waveform.shape, waveform.dtype) == ((round(12 / FPS * SAMPLE_RATE_HZ),), np.float32)
    assert 0.1 < np.abs(waveform).max() <= 1


def test_files_decode_to_the_stated_length_with_both_streams(tmp_path: Path) -> None:
    out = archive.generate(tmp_path, seed=1, n_videos=1, seconds=2.4, workers=1)
    task = VideoTask(1, 1, 2.4)
    frames, waveform = archive.video_arrays(task)
    with av.open(str(out / "collage_000001.mp4")) as container:
        pictures = np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])
    with av.open(str(out / "collage_000001.mp4")) as container:
        blocks = [(frame.time, frame.to_ndarray()[0]) for frame in container.decode(audio=0)]
    assert pictures.shape == frames.shape == (30, HEIGHT_PX, WIDTH_PX, 3)
    assert np.abs(pictures.astype(float) - frames).mean() < 16
    heard = np.zeros(len(waveform) + 4096)
    for seconds, block in blocks:
        start = max(0, round(seconds * SAMPLE_RATE_HZ))
        heard[start : start + len(block)] = block
    assert len(waveform) == 2.4 * SAMPLE_RATE_HZ <= max(seconds for seconds, _ in blocks) * SAMPLE_RATE_HZ + 1024
    assert np.corrcoef(heard[: len(waveform)], waveform)[0, 1] > 0.7


def test_a_half_made_folder_goes_on_and_another_collage_is_refused(small: Path, tmp_path: Path) -> None:
    out = tmp_path / "killed"
    code = (
        "import os, signal; from pathlib import Path; from preprocess.synthetic.collage import archive; "
        f"archive.generate(Path({str(out)!r}), **{SIZES!r}, "
        "progress=lambda done, total: os.kill(os.getpid(), signal.SIGKILL) if done == 2 else None)"
    )
    assert run("-c", code).returncode == -signal.SIGKILL
    there = {path: path.stat().st_mtime_ns for path in out.glob("*.mp4")}
    assert len(there) == 2
    assert not (out / archive.COLLAGE_FILE).exists()
    with pytest.raises(RenderError, match=r"seed 7, not 8"):
        archive.generate(out, **{**SIZES, "seed": 8})
    reports: list[tuple[int, int]] = []
    archive.generate(out, **SIZES, progress=lambda done, total: reports.append((done, total)))
    assert reports == [(2, 3), (3, 3)]
    assert {path: path.stat().st_mtime_ns for path in there} == there
    whole = {path: path.stat().st_mtime_ns for path in out.iterdir()}
    archive.generate(out, **SIZES)
    assert {path: path.stat().st_mtime_ns for path in out.iterdir()} == whole
    assert bytes_of(out) == bytes_of(small)
    with pytest.raises(RenderError, match=r"seconds 1\.0, not 2\.0"):
        archive.generate(out, **{**SIZES, "seconds": 2.0})
    assert sorted(bytes_of(small)) == ["collage.json", *(f"collage_{number:06d}.mp4" for number in (1, 2, 3))]
    assert json.loads((small / archive.COLLAGE_FILE).read_text())["seed"] == 7


def test_a_folder_of_other_files_is_refused_and_a_colon_in_its_name_is_no_protocol(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "holiday.mp4").touch()
    for out in (tmp_path, small):
        before = bytes_of(out)
        with pytest.raises(RenderError, match="holds other files; choose another folder"):
            world.generate(out, seed=7, n_groups=3, n_clips=1, classes=["Rising"], workers=1)
        assert bytes_of(out) == before
    monkeypatch.chdir(tmp_path)
    assert bytes_of(archive.generate(Path("a:b"), **SIZES)) == bytes_of(small)


def test_a_full_disk_is_named_and_leaves_no_video(tmp_path: Path) -> None:
    def find_no_space() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))  # less than a second of audio
        with pytest.raises(DiskFullError, match="cannot be written, file too large"):
            archive.generate(tmp_path, **SIZES)

    assert status_of_fork(find_no_space) == 0
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == [".plan.json"]


def test_bytes_do_not_depend_on_workers_or_on_how_many_videos(small: Path, tmp_path: Path) -> None:
    fewer = archive.generate(tmp_path / "fewer", **{**SIZES, "n_videos": 2, "workers": 2})
    videos = {name: content for name, content in bytes_of(fewer).items() if name.endswith(".mp4")}
    assert len(videos) == 2
    assert videos.items() <= bytes_of(small).items()


def test_two_writers_exclude_each_other(tmp_path: Path) -> None:
    def second(done: int, total: int) -> None:
        with pytest.raises(ShardError, match="another process"):
            archive.generate(tmp_path, **{**SIZES, "n_videos": 1})

    archive.generate(tmp_path, **{**SIZES, "n_videos": 1}, progress=second)


def test_a_run_that_comes_second_to_the_lock_looks_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def lock(folder: Path, guard: Guard) -> AbstractContextManager[bool]:
        monkeypatch.undo()
        archive.generate(tmp_path, **{**SIZES, "n_videos": 1})  # another run, from its beginning to its end
        return folder_lock(folder, guard)

    monkeypatch.setattr(rendered_folder, "folder_lock", lock)
    with pytest.raises(RenderError, match=r"seed 7, not 8"):
        archive.generate(tmp_path, **{**SIZES, "n_videos": 1, "seed": 8})
    assert json.loads((tmp_path / archive.COLLAGE_FILE).read_text())["seed"] == 7


def test_without_locks_the_files_of_another_run_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(descriptor: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    (theirs := tmp_path / ".collage.json.~host.7.tmp").touch()
    archive.generate(tmp_path, **{**SIZES, "n_videos": 1})
    assert theirs.exists()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"seed": -1}, "seed"),
        ({"n_videos": 0}, "videos"),
        ({"seconds": 0.5}, "seconds"),
        ({"seconds": float("nan")}, "seconds"),
    ],
)
def test_parameters_out_of_range_are_refused(tmp_path: Path, change: dict, words: str) -> None:
    with pytest.raises(RenderError, match=words):
        archive.generate(tmp_path / "c", **{**SIZES, **change})
    assert not (tmp_path / "c").exists()


@settings(max_examples=20, deadline=None)
@given(st.floats(0.3, 1), st.floats(-1, 1), st.floats(-1, 1), st.floats(-1, 1))
def test_the_camera_sees_what_a_slow_one_sees(zoom: float, x: float, y: float, angle: float) -> None:
    """On a canvas whose colours are linear in place: every pixel within it is where its angle, zoom and centre say."""
    reach = 1 - 0.8 * zoom
    x, y = x * reach, y * reach
    down, across = np.mgrid[0:240, 0:320]
    canvas = Image.fromarray(np.stack([across * 0.75, down, 0 * down + 90], axis=2).round().astype(np.uint8))
    path = CameraPath(*(np.array([value]) for value in (zoom, x, y, angle)))
    (picture,) = take_frames(canvas, path)
    seen = np.asarray(picture).astype(float)
    assert (np.abs(seen[..., 2] - 90) <= 1).all(), "no pixel lies outside of the mirrored canvas"
    for row, column in ((0, 0), (10, 100), (48, 64), (95, 0), (95, 127)):
        u, v = 2 * (column + 0.5) / 128 - 1, 2 * (row + 0.5) / 96 - 1
        at_x = ((np.cos(angle) * u - np.sin(angle) * v) * zoom + x + 1) / 2 * 320 - 0.5
        at_y = ((np.sin(angle) * u + np.cos(angle) * v) * zoom + y + 1) / 2 * 240 - 0.5
        if 2 < at_x < 317 and 2 < at_y < 237:
            assert seen[row, column, :2] == pytest.approx([at_x * 0.75, at_y], abs=2)


def test_the_version_is_raised_when_the_videos_change() -> None:
    """A folder of an older version is refused only if the version says so: new readings here need a new version."""
    frames, waveform = archive.video_arrays(VideoTask(1, 1, 2.4))
    readings = (frames.mean(), frames.std(), 1000 * np.sqrt(np.mean(waveform.astype(np.float64) ** 2)))
    assert GENERATOR_VERSION == 1
    assert readings == pytest.approx((119.89, 59.29, 46.01), abs=0.05)


def test_the_command_renders_and_says_how_far_it_is(tmp_path: Path) -> None:
    command = ["-m", "preprocess", "collage", "--out", tmp_path / "c"]
    done = run(*command, "--videos", 1, "--seconds", 1, "--workers", 1, COLUMNS="200")
    assert done.returncode == 0
    assert "videos 1/1" in done.stderr
    assert "left" in done.stderr
    assert "1 generated videos, 1 s of video and audio" in done.stdout
