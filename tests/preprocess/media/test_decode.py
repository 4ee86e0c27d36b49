"""Streams, geometry, short clips, limits, and what decoding may cost."""

from pathlib import Path

import numpy as np
import psutil
import pytest

import preprocess.media.decode as media_module
from preprocess.errors import DiskFullError, MediaError, MediaLimitError
from preprocess.features.logmel import rms_dbfs
from preprocess.media.decode import decode
from preprocess.media.media_info import Limits
from preprocess.media.probe import probe
from preprocess.schema import ShardParams
from tests.preprocess.made_media import SMALL, counter_frames, read_counter, run_ffmpeg, tone, write_clip
from tests.processes import run


def test_sources_without_audio_or_without_video(tmp_path):
    clip = write_clip(tmp_path / "c.mp4", counter_frames(25), 25)
    decoded = decode(clip, SMALL)
    assert decoded.waveform is None
    assert not decoded.info.has_audio
    with pytest.raises(MediaError, match="no audio stream"):
        decode(clip, ShardParams(media="audio"))
    with pytest.raises(MediaError, match="no video stream"):
        decode(write_clip(tmp_path / "audio only.mp4", None, 25, tone(1.0)), SMALL)


def test_cover_art_is_no_video(tmp_path):
    cover = tmp_path / "cover.png"
    write_clip(cover, counter_frames(1), 25, video_codec="png")
    sound = write_clip(tmp_path / "sound.mp3", None, 25, tone(1.0), audio_codec="libmp3lame")
    album = tmp_path / "album.mp3"
    run_ffmpeg("-i", sound, "-i", cover, "-map", 0, "-map", 1, "-c", "copy", "-disposition:v", "attached_pic", album)
    assert not probe(album).has_video
    decoded = decode(album, ShardParams(media="audio"))
    assert (decoded.info.audio_codec, decoded.frames, decoded.n_frames) == ("mp3", None, 13)
    assert rms_dbfs(decoded.waveform[2000:14_000]) == pytest.approx(-20, abs=0.6)


@pytest.mark.parametrize("turn", [0, 90, 180, 270])
def test_rotation_is_applied_once(turn, tmp_path):
    frames = np.zeros((10, 96, 160, 3), np.uint8)
    frames[:, :48, :80] = 235  # bright top left quarter
    plain = write_clip(tmp_path / "plain.mp4", frames, 25)
    turned = run_ffmpeg("-display_rotation", -turn, "-i", plain, "-c", "copy", tmp_path / "turned.mp4")
    decoded = decode(turned, SMALL)
    assert decoded.info.rotation_degrees == turn
    bright = decoded.frames[2, :, :, 1] > 127
    assert bright.shape == ((112, 64) if turn in {90, 270} else (64, 106))
    height, width = bright.shape
    quarters = bright[height // 4 :: height // 2, width // 4 :: width // 2]  # their middles
    assert np.array_equal(quarters, np.rot90([[True, False], [False, False]], -turn // 90))  # clockwise


@pytest.mark.parametrize(
    ("height", "width", "pixels"), [(97, 161, "yuv444p"), (96, 160, "yuv420p10le"), (3, 5, "yuv444p")]
)
def test_odd_sizes_and_ten_bits(height, width, pixels, tmp_path):
    frames = np.full((10, height, width, 3), (200, 60, 30), np.uint8)
    clip = write_clip(tmp_path / "c.mp4", frames, 25, output=("-pix_fmt", pixels))
    decoded = decode(clip, SMALL)
    assert decoded.frames.shape[:2] == (5, 64)
    np.testing.assert_allclose(decoded.frames.mean(axis=(0, 1, 2)), (200, 60, 30), atol=6)


@pytest.mark.parametrize(("n_frames", "fps", "expected"), [(1, 25, 1), (1, 60, 1), (3, 30, 2), (2, 25, 1)])
def test_very_short_clips(n_frames, fps, expected, tmp_path):
    decoded = decode(write_clip(tmp_path / "c.mp4", counter_frames(n_frames), fps), SMALL)
    assert decoded.n_frames == expected
    assert read_counter(decoded.frames[0]) == (1 if n_frames == 3 else 0)


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        (Limits(max_duration_seconds=1.0), "the limit is 1 s"),
        (Limits(max_pixels=10_000), "pixels|picture size|Invalid"),
        (Limits(max_file_bytes=1000), "bytes, the limit"),
    ],
)
def test_limits(limits, words, ordinary_clip):
    with pytest.raises(MediaError, match=words) as caught:
        decode(ordinary_clip, SMALL, limits)
    if limits.max_pixels > 10_000:
        assert isinstance(caught.value, MediaLimitError)


def test_timeout_leaves_no_process(ordinary_clip):
    before = psutil.Process().children()
    with pytest.raises(MediaLimitError, match="took more than"):
        decode(ordinary_clip, SMALL, Limits(timeout_seconds=1e-4, timeout_factor=0.0))
    assert psutil.Process().children() == before


def test_a_full_disk_is_told_among_many_messages_of_a_damaged_file(ordinary_clip, tmp_path, choose_ffmpeg):
    talks = tmp_path / "ffmpeg"
    bad = "\n".join(f"[h264 @ 0x1] [error] macroblock {number} is damaged" for number in range(100))
    talks.write_text(f"#!/bin/sh\ncat >&2 <<END\n{bad}\n[out#0 @ 0x2] [error] No space left on device\nEND\nexit 228\n")
    talks.chmod(0o755)
    choose_ffmpeg(str(talks))
    with pytest.raises(DiskFullError, match="no space left while decoding"):
        decode(ordinary_clip, SMALL)


def test_a_disk_that_is_full_small_or_closed_is_no_fault_of_the_source(ordinary_clip, tmp_path, monkeypatch):
    with monkeypatch.context() as full, Path("/dev/full").open("wb", buffering=0) as device:
        full.setattr(media_module, "_spool", lambda _stack: device)
        with pytest.raises(DiskFullError, match="no space left while decoding; free some or set TMPDIR"):
            decode(ordinary_clip, SMALL)
    with monkeypatch.context() as small:
        small.setattr("preprocess.media.decode_command.SPACE_SHARE", 1e-12)
        words = r"has space for 0 s of decoded frames.*clip\.mp4 needs more.*set TMPDIR"
        with pytest.raises(DiskFullError, match=words):
            decode(ordinary_clip, SMALL)
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.setenv("TMPDIR", str(tmp_path / "none"))
    with pytest.raises(DiskFullError, match="none: TMPDIR cannot be written, or is full"):
        decode(ordinary_clip, SMALL)


def test_wild_timestamps_do_not_fill_the_disk(tmp_path):
    plain = write_clip(tmp_path / "plain.mp4", counter_frames(3), 25)
    wild = tmp_path / "wild.mkv"
    run_ffmpeg("-i", plain, "-c", "copy", "-bsf:v", "setts=ts=if(gte(N\\,2)\\,40000000\\,TS)", "-live", 1, wild)
    assert probe(wild).duration_seconds is None
    with pytest.raises(MediaLimitError, match="goes on for more than 20 s"):
        decode(wild, SMALL, Limits(max_duration_seconds=20))


def test_memory_does_not_grow_with_the_source(tmp_path):
    program = (
        "import resource, sys; from pathlib import Path; from preprocess.media.decode import decode;"
        "from preprocess.schema import ShardParams;"
        "d = decode(Path(sys.argv[1]), ShardParams(short_side_px=64));"
        "print(d.n_frames, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,"
        " resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024)"
    )
    answers = []
    for n_frames in (10, 250):
        clip = write_clip(tmp_path / f"{n_frames}.mp4", counter_frames(n_frames), 1)
        answers.append([int(word) for word in run("-c", program, clip).stdout.split()])
    assert [answer[0] for answer in answers] == [125, 3125]
    assert answers[1][1] - answers[0][1] < 40  # MiB; the longer source's frames are 64 MB
    assert answers[1][2] - answers[0][2] < 40
