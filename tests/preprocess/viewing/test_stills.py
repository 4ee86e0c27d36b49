"""Stills: the frames on screen at the seconds asked for, from sources that are opened as hostile input."""

import numpy as np
import pytest

from preprocess.errors import MediaError, MediaRefusedError
from preprocess.media.media_info import Limits
from preprocess.media.planes import to_rgb
from preprocess.viewing import stills as module
from preprocess.viewing.stills import stills
from tests.preprocess.made_media import SMALL, counter_frames, read_counter, tone, write_clip


@pytest.mark.parametrize("start", [0, 5])
@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_the_frames_on_screen(suffix, start, tmp_path):
    output = ("-g", 30, "-output_ts_offset", start)
    clip = write_clip(tmp_path / f"c.{suffix}", counter_frames(100), 25, tone(6.0), output=output)
    frames = stills(clip, [0.0, 0.1, 1.19, 1.21, 3.99, 5.5], SMALL)  # the last picture is held to the end
    numbers = [read_counter(to_rgb(frame[None])[0]) for frame in frames]
    late = np.array([0, 2, 29, 30, 99, 99]) - numbers
    assert np.all((late >= 0) & (late <= 2))  # a container may start with up to 64 ms of priming


def test_sources_that_are_refused(tmp_path, ordinary_clip, monkeypatch):
    playlist = tmp_path / "list.mp4"
    playlist.write_text(f"ffconcat version 1.0\nfile '{ordinary_clip}'\n")
    with pytest.raises(MediaRefusedError):
        stills(playlist, [0.0], SMALL)
    with pytest.raises(MediaError, match="the limit is"):
        stills(ordinary_clip, [0.0], SMALL, Limits(max_pixels=10_000))
    with pytest.raises(MediaError, match="no video stream"):
        stills(write_clip(tmp_path / "sound.m4a", sound=tone(1.0)), [0.0], SMALL)
    monkeypatch.setattr(module, "TIMEOUT_SECONDS", 1e-4)
    with pytest.raises(MediaError, match="took more than"):
        stills(ordinary_clip, [0.0], SMALL)
