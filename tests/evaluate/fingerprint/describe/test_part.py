"""A part of a video, read again: the same pictures as the whole, at the same seconds, and nothing that is unsafe."""

import numpy as np
import pytest

from evaluate.fingerprint.describe.part import Part, Parts, read_brightness, read_logmel
from preprocess.errors import MediaError
from preprocess.executors.processes import ProcessExecutor, SerialExecutor
from preprocess.features.logmel import log_mel
from preprocess.media.decode import decode
from preprocess.schema import ShardParams
from tests.preprocess.made_media import counter_frames, run_ffmpeg, write_clip

CODING = {
    "v.ts": ("-c:v", "libx264", "-g", 250), "v.avi": ("-c:v", "mpeg4", "-bf", 2, "-q:v", 2, "-g", 100),
    "v.flv": ("-c:v", "libx264", "-bf", 2, "-g", 100), "v.m2v": ("-c:v", "mpeg2video", "-q:v", 2, "-g", 50),
}  # fmt: skip
"""Containers without an index, or with one that misleads."""


@pytest.mark.parametrize(
    ("name", "start", "fps"),
    [("v.mp4", 0.0, 8.0), ("v.mp4", 1.5, 16.0), ("v.mp4", 3.2, 8.0 / 0.7), ("v.ts", 9.0, 8.0), ("v.avi", 0.0, 8.0),
     ("v.avi", 0.08, 8.0), ("v.avi", 1.0, 8.0), ("v.flv", 0.0, 8.0), ("v.flv", 2.0, 8.0), ("v.m2v", 5.0, 8.0)],
)  # fmt: skip
def test_a_part_holds_the_brightness_of_the_middle_squares(name, start, fps, tmp_path):
    """Beyond the end less comes back."""
    mp4, path = write_clip(tmp_path / "v.mp4", counter_frames(300), 25), tmp_path / name
    if name in CODING:
        run_ffmpeg("-i", mp4, *CODING[name], path)
    part = read_brightness(Part(path, start, 1.0), fps).astype(int)
    whole = decode(path, ShardParams(fps=25.0, short_side_px=64)).planes[:, :64].astype(int)
    left = (whole.shape[2] - 64) // 2
    at = ((start + (np.arange(len(part)) + 0.5) / fps) * 25).astype(int)  # on screen in the middle of each frame's time
    apart = np.abs(part - whole[at, :, left : left + 64]).mean((1, 2))
    assert part.shape[1:] == (64, 64) and len(part) == pytest.approx(fps, abs=1)
    assert (apart < 2).mean() >= 0.9  # where a frame changes at that very moment, either is right
    assert len(read_brightness(Part(path, 11.5, 2.0), fps)) == pytest.approx(fps / 2, abs=1)
    assert len(read_brightness(Part(path, 19.0, 2.0), fps)) == 0


@pytest.mark.parametrize("late", ["video", "audio"])
@pytest.mark.parametrize("start", [0.0, 4.0, 14.5])
def test_a_part_of_an_mpeg_stream_is_on_the_clock_of_both_its_tracks(start, late, tmp_path):
    """One of them begins two seconds after the other."""
    video, fine = write_clip(tmp_path / "v.mp4", counter_frames(450), 25), ShardParams(hop_length=80)
    rng = np.random.default_rng(0)
    loud = np.repeat(rng.uniform(0, 0.3, 180), 1600) * rng.normal(size=288_000) * 0.3
    audio, path = (
        write_clip(tmp_path / "a.wav", sound=loud.astype(np.float32), audio_codec="pcm_s16le"),
        tmp_path / "v.ts",
    )
    offsets = [("-itsoffset", 2.0 * (late == each)) for each in ("video", "audio")]
    coding = ("-map", "0:v", "-map", "1:a", "-c:v", "libx264", "-g", 50, "-c:a", "mp2")
    run_ffmpeg(*offsets[0], "-i", video, *offsets[1], "-i", audio, *coding, path)
    whole = decode(path, ShardParams(fps=25.0, short_side_px=64))
    part = read_brightness(Part(path, start + 0.01, 1.0), 25.0).astype(int)
    planes, first = whole.planes[:, :64].astype(int), round(25 * start)
    left = (planes.shape[2] - 64) // 2
    shifts = [range(first + 2 + shift, first + len(part) - 2 + shift) for shift in (-1, 0, 1)]
    assert min(np.abs(part[2:-2] - planes[at, :, left : left + 64]).mean() for at in shifts) < 4
    heard, all_heard = (
        each.astype(float) for each in (read_logmel(Part(path, start, 2.0), fine), log_mel(whole.waveform, fine))
    )
    at = range(max(0, round(200 * start) - 8), round(200 * start) + 9)
    apart = [np.abs(heard - all_heard[:, first : first + heard.shape[1]])[:, 10:-10].mean() for first in at]
    assert abs(at[int(np.argmin(apart))] - 200 * start) <= 2


@pytest.mark.parametrize("name", ["v.mp4", "v.m4a", "v.ts"])
def test_a_part_holds_the_log_mel_of_its_seconds(name, tmp_path):
    rng = np.random.default_rng(0)
    loud = np.repeat(rng.uniform(0, 0.3, 200), 1600) * rng.normal(size=320_000) * 0.3  # 20 s, another level each 0.1 s
    write_clip(tmp_path / name, counter_frames(500) if name != "v.m4a" else None, 25, loud.astype(np.float32))
    fine = ShardParams(hop_length=80)
    media = "audio" if name == "v.m4a" else "video"
    whole = log_mel(decode(tmp_path / name, ShardParams(media=media)).waveform, fine).astype(float)
    part = read_logmel(Part(tmp_path / name, 14.2, 2.0), fine).astype(float)
    assert part.shape == (80, 400)
    apart = [np.abs(part - whole[:, first : first + 400])[:, 10:-10].mean() for first in range(2840 - 8, 2840 + 9)]
    assert abs(int(np.argmin(apart)) - 8) <= 1 and min(apart) < 0.3
    assert read_logmel(Part(tmp_path / name, 19.5, 2.0), fine).shape[1] == pytest.approx(100, abs=25)
    assert read_logmel(Part(tmp_path / name, 30.0, 2.0), fine).shape[1] == 0


def test_files_that_are_gone_damaged_or_no_media_have_no_parts(tmp_path):
    (tmp_path / "text.mp4").write_text("#EXTM3U\n/etc/passwd\n")
    with pytest.raises(MediaError):
        read_brightness(Part(tmp_path / "text.mp4", 0.0, 1.0), 8.0)
    names = ("text.mp4", "gone.mp4")
    for executor in (SerialExecutor(), ProcessExecutor(1, ())):
        parts = Parts({name: tmp_path / name for name in names}.get, executor)
        for name in (*names, "unknown.mp4"):
            assert parts.brightness(name, 0.0, 1.0, 8.0) is None
            assert parts.logmel(name, 0.0, 1.0, ShardParams()) is None
