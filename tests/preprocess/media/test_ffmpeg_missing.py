"""An ffmpeg that is missing, is something else, or breaks while shards are made: named, with the remedy, and no hang."""

import pytest

from preprocess.errors import FfmpegMissingError
from preprocess.media.ffmpeg import ENVIRONMENT_VARIABLE, ffmpeg_executable, ffmpeg_version
from tests.processes import run


@pytest.mark.parametrize(
    ("path", "problem"), [("/bin/false", "does not run"), ("/bin/true", "is no ffmpeg"), ("/no/such", "no executable")]
)
def test_what_is_no_ffmpeg_is_named_with_the_remedy(path, problem, choose_ffmpeg):
    choose_ffmpeg(path)
    with pytest.raises(FfmpegMissingError, match=rf"{path}.* {problem}.*unset it"):
        ffmpeg_version()


@pytest.mark.slow
def test_an_ffmpeg_that_breaks_under_the_fork_server_is_named(clips, tmp_path):
    runs = tmp_path / "runs"
    broken = tmp_path / "ffmpeg"
    broken.write_text(f'#!/bin/sh\n[ -e "{runs}" ] && exit 1\ntouch "{runs}"\nexec "{ffmpeg_executable()}" "$@"\n')
    broken.chmod(0o755)
    words = ["--data", clips, "--out", tmp_path / "shards", "--preset", "sample", "--workers", "2"]
    ended = run("-m", "preprocess", "shards", "--dataset", "folder", *words, **{ENVIRONMENT_VARIABLE: str(broken)})
    assert ended.returncode == 2
    assert f"error: {broken} does not run" in ended.stderr
    assert "Traceback" not in ended.stderr
