"""Sources whose video or audio becomes another in mid-stream: the clock goes on, or the audio is left out."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from preprocess.errors import MediaError
from preprocess.media.decode import decode
from tests.preprocess.made_media import RATE_HZ, SMALL, counter_frames, read_counter, run_ffmpeg, tone, write_clip

FPS = 25


@pytest.fixture
def write_parts(tmp_path):
    """Second after second of one transport stream, each coded with other options; one counter, one tone throughout."""

    def write(*options: tuple) -> Path:
        frames, path = counter_frames(FPS * len(options)), tmp_path / "parts.ts"
        parts = []
        for second, option in enumerate(options):
            part = frames[FPS * second :][:FPS]
            whole = write_clip(tmp_path / f"{second}.mkv", part, FPS, tone(1.0), audio_codec="flac")
            parts.append(tmp_path / f"{second}.ts")
            coding = ("-c:v", "libx264", "-crf", 12, "-bf", 0, "-c:a", "mp2", "-b:a", "128k", "-muxdelay", 0)
            run_ffmpeg("-i", whole, *coding, *option, "-output_ts_offset", second, parts[-1])
        path.write_bytes(b"".join(part.read_bytes() for part in parts))
        return path

    return write


@pytest.mark.parametrize(
    "other", [("-s", "320x192"), ("-pix_fmt", "yuv444p"), ("-vf", "scale=out_range=pc", "-color_range", "pc")]
)
def test_a_picture_that_changes_keeps_its_time(other, write_parts):
    decoded = decode(write_parts((), other, (), other), SMALL)
    assert abs(decoded.n_frames - 50) <= 1
    numbers = np.array([read_counter(frame) for frame in decoded.frames])
    moments = (np.arange(len(numbers)) + 0.5) / SMALL.fps
    late = moments * FPS - numbers  # in frames; one is on screen for its own time, and one is lost at a change
    assert late.min() >= -2.1
    assert late.max() <= 3.1
    assert np.median(late) < 2
    sound = np.abs(decoded.waveform[: 4 * RATE_HZ - 4000]).reshape(-1, 800).max(1)  # pieces of 50 ms
    assert (sound[2:] > 0.05).mean() > 0.95  # not begun anew with the picture


@pytest.mark.parametrize("other", [("-ac", 2), ("-ar", 48_000)])
def test_audio_that_changes_costs_the_audio_alone_and_the_remedy_is_named(other, write_parts):
    path, reason = write_parts((), other), r"its audio changes rate or channels in mid-stream; make it uniform first"
    decoded = decode(path, SMALL)
    assert abs(decoded.n_frames - 25) <= 1
    assert decoded.waveform is None and not decoded.info.has_audio
    assert re.match(f"its audio cannot be decoded: {reason}", decoded.warnings)
    with pytest.raises(MediaError, match=reason):
        decode(path, replace(SMALL, media="audio"))


def test_it_is_noticed_among_many_messages_of_a_damaged_file(write_parts):
    damaged = ("-c:a", "aac", "-bsf:a", "noise=amount=10")
    decoded = decode(write_parts(damaged, damaged, ("-c:a", "aac", "-ac", 2)), SMALL)
    assert "its audio changes rate or channels in mid-stream" in decoded.warnings
