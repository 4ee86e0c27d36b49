import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from preprocess.media.ffmpeg import ENVIRONMENT_VARIABLE, ffmpeg_executable, ffmpeg_version
from tests.preprocess.made_media import counter_frames, tone, write_clip
from tests.preprocess.whole_run import build_folder


@pytest.fixture(scope="session")
def ordinary_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds, 50 counted frames, a 1 kHz tone; moov at the end of the file."""
    return write_clip(tmp_path_factory.mktemp("clip") / "clip.mp4", counter_frames(50), 25, tone(2.0))


@pytest.fixture(scope="session")
def clips(tmp_path_factory) -> Path:
    """Five sources in three shards of two: audio, no audio, one that is not a video, two segments, one segment."""
    folder = tmp_path_factory.mktemp("clips")
    work = tmp_path_factory.mktemp("raw")
    made = {
        "a sound.mp4": write_clip(work / "a.mp4", counter_frames(25, 48, 64), 25, tone(1.0)),
        "b/mute.mp4": write_clip(work / "b.mp4", counter_frames(25, 48, 64), 25),
        "d.mkv": write_clip(work / "d.mkv", counter_frames(40, 48, 64), 25, tone(1.6, 440)),
        "e.mp4": write_clip(work / "e.mp4", counter_frames(10, 64, 48), 25, tone(0.4, 3000)),
    }
    for name, path in made.items():
        (folder / name).parent.mkdir(exist_ok=True)
        path.rename(folder / name)
    (folder / "c.mp4").write_text("no video")
    return folder


@pytest.fixture(scope="session")
def reference(clips, tmp_path_factory) -> Path:
    """Their shards. Two sources in shard 0, the second without audio; one that failed and one in shard 1; one in shard 2."""
    out = tmp_path_factory.mktemp("reference") / "shards"
    build_folder(clips, out)
    return out


@pytest.fixture
def data(clips, tmp_path) -> Path:
    """A copy of the clips, to change."""
    return shutil.copytree(clips, tmp_path / "data")


@pytest.fixture
def shards(reference, tmp_path) -> Path:
    """A copy of the reference, to change."""
    return shutil.copytree(reference, tmp_path / "shards")


@pytest.fixture
def choose_ffmpeg(monkeypatch) -> Iterator[Callable[[str], None]]:
    """Choose another ffmpeg until the test ends."""

    def forget() -> None:
        ffmpeg_executable.cache_clear()
        ffmpeg_version.cache_clear()

    def choose(path: str) -> None:
        monkeypatch.setenv(ENVIRONMENT_VARIABLE, path)
        forget()

    yield choose
    forget()
