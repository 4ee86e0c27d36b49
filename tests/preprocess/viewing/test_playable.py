import dataclasses

import numpy as np
import pytest

from preprocess.errors import MediaError, MediaLimitError
from preprocess.media.decode import decode
from preprocess.media.media_info import Limits
from preprocess.media.planes import to_rgb
from preprocess.viewing.audio_part import peaks
from preprocess.viewing.playable import EXCERPT_SECONDS, playback, write_playable
from tests.preprocess.made_media import SMALL, counter_frames, read_counter, run_ffmpeg, tone, write_clip

SHAPE = dataclasses.replace(SMALL, fps=5.0, sample_rate_hz=8000)


def made(path, codec, pixels, sound_codec, *more):
    """Three seconds that count to 15, with a tone."""
    sound = tone(3.0) if sound_codec else None
    output = ("-pix_fmt", pixels, *more)
    return write_clip(path, counter_frames(15), 5, sound, video_codec=codec, audio_codec=sound_codec, output=output)


@pytest.mark.parametrize(
    ("name", "coding", "plays"),
    [
        ("a.mp4", ("libx264", "yuv420p", "aac"), "direct"), ("b.mp4", ("libx264", "yuv444p", "aac"), "transcoded"),
        ("c.mp4", ("libx264", "yuv420p10le", "aac"), "transcoded"), ("d.mp4", ("mpeg4", "yuv420p", "aac"), "transcoded"),
        ("e.mov", ("libx264", "yuv420p", ""), "direct"), ("f.webm", ("libvpx", "yuv420p", "libopus"), "direct"),
        ("g.mkv", ("libx264", "yuv420p", "aac"), "remuxed"), ("h.mkv", ("libvpx", "yuv420p", "aac"), "transcoded"),
        ("i.ts", ("libx264", "yuv420p", "aac"), "remuxed"), ("j.ts", ("mpeg2video", "yuv420p", "mp2", "-r", "25"), "transcoded"),
        ("k.avi", ("libx264", "yuv420p", "mp3"), "transcoded"), ("l.mp4", ("libx264", "yuv420p", "ac3"), "transcoded"),
        ("m.flv", ("libx264", "yuv420p", "aac"), "remuxed"),
    ],
)  # fmt: skip
def test_what_browsers_do_not_play_becomes_mp4_with_the_same_frame_at_each_second(tmp_path, name, coding, plays):
    source = made(tmp_path / name, *coding)
    assert playback(source).plays == plays
    if plays != "direct":
        copy = tmp_path / "copy.mp4"
        write_playable(source, copy, plays)
        found = playback(copy)
        assert (found.plays, found.media_type, found.info.pixel_format) == ("direct", "video/mp4", "yuv420p")
        before, after = decode(source, SHAPE), decode(copy, SHAPE)
        shown = [[read_counter(frame) for frame in to_rgb(each.planes)] for each in (before, after)]
        assert shown[0][:14] == shown[1][:14]
        assert np.corrcoef(before.waveform[:20_000], after.waveform[:20_000])[0, 1] > 0.9 if coding[2] else True


@pytest.mark.parametrize(
    ("name", "codec", "media_type"),
    [("a.wav", "pcm_s16le", "audio/wav"), ("a.mp3", "mp3", "audio/mpeg"), ("a.flac", "flac", "audio/flac"),
     ("a.m4a", "aac", "audio/mp4"), ("a.ogg", "libvorbis", "audio/ogg"), ("a.ac3", "ac3", ""), ("a.wma", "wmav2", "")],
)  # fmt: skip
def test_audio_alone(tmp_path, name, codec, media_type):
    source = write_clip(tmp_path / name, sound=tone(3.0), audio_codec=codec)
    found = playback(source)
    assert (found.plays, found.media_type) == (("direct", media_type) if media_type else ("transcoded", "audio/mp4"))
    if not media_type:
        write_playable(source, tmp_path / "copy.mp4", found.plays)
        assert playback(tmp_path / "copy.mp4").media_type == "audio/mp4"


def test_a_browser_gets_the_streams_that_are_described(tmp_path):
    """The second audio stream is the default one; a browser would play the first."""
    source = made(tmp_path / "one.mp4", "libx264", "yuv420p", "aac")
    maps = ("-map", "0:v", "-map", "0:a", "-map", "0:a", "-disposition:a:0", "0", "-disposition:a:1", "default")
    two = run_ffmpeg("-i", source, *maps, "-c", "copy", tmp_path / "two.mp4")
    assert playback(two).plays == "remuxed"
    write_playable(two, tmp_path / "copy.mp4", "remuxed")
    assert playback(tmp_path / "copy.mp4").plays == "direct"


def test_a_long_source_is_transcoded_in_parts_from_a_second_on(tmp_path):
    coding = {"video_codec": "mpeg4", "output": ("-q:v", "1")}
    source = write_clip(tmp_path / "long.avi", counter_frames(670, 16, 32), 1, **coding)
    assert playback(source).is_in_parts
    write_playable(source, tmp_path / "copy.mp4", "transcoded", 60.0)
    copy = playback(tmp_path / "copy.mp4")
    assert copy.info.duration_seconds == pytest.approx(EXCERPT_SECONDS, abs=1.5)
    first = to_rgb(decode(tmp_path / "copy.mp4", dataclasses.replace(SMALL, fps=1.0)).planes[:3])
    assert [read_counter(frame) for frame in first] == [60, 61, 62]


@pytest.mark.parametrize("content", [b"", b"no media" * 100, b"#EXTM3U\nfile:///etc/passwd\n"])
def test_hostile_and_broken_files_are_not_played(tmp_path, content):
    path = tmp_path / "a.mp4"
    path.write_bytes(content)
    assert (playback(path).plays, bool(playback(path).reason)) == ("none", True)
    for work in (lambda: write_playable(path, tmp_path / "copy.mp4", "transcoded"), lambda: peaks(path, 0, 1, 4)):
        with pytest.raises(MediaError):
            work()
    assert playback(tmp_path / "missing.mp4").plays == "none"


def test_limits_hold(tmp_path):
    source = made(tmp_path / "a.avi", "mpeg4", "yuv420p", "mp3")
    for limits in (Limits(max_duration_seconds=1), Limits(max_pixels=100), Limits(max_file_bytes=100)):
        assert playback(source, limits).plays == "none"
        with pytest.raises(MediaLimitError):
            write_playable(source, tmp_path / "copy.mp4", "transcoded", limits=limits)


def test_peaks_are_the_loudest_samples_of_equal_parts(tmp_path, monkeypatch):
    sound = np.concatenate([tone(1.0, 440, amplitude) for amplitude in (0.1, 0.5, 0.0, 0.8)])
    source = write_clip(tmp_path / "a.wav", sound=sound, audio_codec="pcm_s16le")
    np.testing.assert_allclose(peaks(source, 0, 4, 4), [0.1, 0.5, 0.0, 0.8], atol=0.03)
    np.testing.assert_allclose(peaks(source, 1.1, 1.9, 2), [0.5, 0.5], atol=0.03)
    np.testing.assert_allclose(peaks(source, 3.1, 7.1, 4)[2:], 0, atol=1e-6)  # beyond the end
    silent = write_clip(tmp_path / "b.mp4", counter_frames(5), 5)
    with pytest.raises(MediaError, match="no audio"):
        peaks(silent, 0, 1, 4)
    monkeypatch.setattr("preprocess.viewing.audio_part.MAX_OUTLINE_SECONDS", 2.0)
    np.testing.assert_allclose(peaks(source, 0, 4, 4), [0.1, 0.5, 0.0, 0.0], atol=0.03)
