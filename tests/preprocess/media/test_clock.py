"""Frames and audio on one clock, tested by content: counters burnt into the frames, flashes and beeps."""

from fractions import Fraction

import numpy as np
import pytest

from preprocess.features.logmel import rms_dbfs
from preprocess.media.decode import decode
from preprocess.media.media_info import Limits
from preprocess.schema import ShardParams
from tests.preprocess.made_media import RATE_HZ, counter_frames, read_counter, run_ffmpeg, tone, write_clip


def params_at(fps: float) -> ShardParams:
    return ShardParams(fps=fps, short_side_px=64, hop_length=500 if fps == 16 else 320, win_length=640)


def expected_numbers(times: list[Fraction], n_frames: int, fps: float) -> list[int]:
    """The frame on screen just before the middle of each interval: the slow, obvious version of the clock."""
    moments = [(i + Fraction(1, 2)) / Fraction(fps) for i in range(n_frames)]
    return [max((number for number, time in enumerate(times) if time < moment), default=0) for moment in moments]


@pytest.mark.parametrize("fps", [12.5, 16.0, 25.0])
@pytest.mark.parametrize(
    ("suffix", "codec", "rate"),
    [("mp4", "libx264", 25), ("avi", "mpeg4", 25), ("mkv", "ffv1", 25), ("mp4", "libx264", 5)],
)
def test_frame_counter_shows_the_right_frames_at_the_right_seconds(fps, suffix, codec, rate, tmp_path):
    output = ("-q:v", 2) if codec == "mpeg4" else ()
    clip = write_clip(tmp_path / f"counter.{suffix}", counter_frames(4 * rate), rate, video_codec=codec, output=output)
    decoded = decode(clip, params_at(fps))
    assert decoded.n_frames == round(4 * fps)
    numbers = [read_counter(frame) for frame in decoded.frames]
    assert numbers == expected_numbers([Fraction(k, rate) for k in range(4 * rate)], decoded.n_frames, fps)


@pytest.mark.parametrize(("fps", "most_off"), [(24, 1), (10, 0)])
def test_a_coarse_decoding_leaves_out_frames_that_no_other_needs(fps, most_off, tmp_path):
    clip = write_clip(tmp_path / "counter.mp4", counter_frames(96), fps, video_codec="libx264", output=("-bf", 2))
    exact, coarse = (
        decode(clip, ShardParams(fps=8.0, short_side_px=64, hop_length=400, win_length=640), Limits(is_coarse=each))
        for each in (False, True)
    )
    assert coarse.n_frames == exact.n_frames
    off = [abs(read_counter(a) - read_counter(b)) for a, b in zip(exact.frames, coarse.frames, strict=True)]
    assert max(off) == most_off


def test_variable_frame_rate_keeps_the_clock(tmp_path):
    constant = write_clip(tmp_path / "constant.mp4", counter_frames(100), 25)
    variable = tmp_path / "variable.mp4"
    kept = [k for k in range(100) if k < 30 or k % 7 == 0 or k == 99]
    select = "+".join(f"eq(n,{k})" for k in kept)
    run_ffmpeg("-i", constant, "-vf", f"select='{select}'", "-fps_mode", "vfr", "-c:v", "libx264", "-crf", 12, variable)
    decoded = decode(variable, params_at(12.5))
    times = [Fraction(k, 25) for k in kept]
    expected = [kept[shown] for shown in expected_numbers(times, decoded.n_frames, 12.5)]
    assert decoded.n_frames == 50
    assert [read_counter(frame) for frame in decoded.frames] == expected


def flash_and_beep(n_frames: int, flash_frames: range) -> tuple[np.ndarray, np.ndarray]:
    """Dark frames at 25/s with a bright flash, and a beep during exactly that time."""
    frames = np.full((n_frames, 96, 160, 3), 16, np.uint8)
    frames[flash_frames.start : flash_frames.stop] = 235
    sound = np.zeros(n_frames * RATE_HZ // 25, np.float32)
    span = slice(flash_frames.start * RATE_HZ // 25, flash_frames.stop * RATE_HZ // 25)
    sound[span] = 0.5 * np.sin(np.arange(span.stop - span.start) * 2 * np.pi * 1000 / RATE_HZ)
    return frames, sound


def moments(decoded, params: ShardParams) -> tuple[int, float]:
    """The frames at which the flash and the beep begin."""
    flash = int(np.argmax(decoded.frames[:, ::8, ::8].mean(axis=(1, 2, 3)) > 120))
    return flash, int(np.argmax(np.abs(decoded.waveform) > 0.1)) / params.samples_per_frame


CONTAINERS = {
    "mp4, B-frames, AAC priming": ("mp4", "aac", ("-preset", "medium", "-bf", 3)),
    "mp4 that starts at 7.3 s": ("mp4", "aac", ("-output_ts_offset", 7.3)),
    "mpegts, starts at 1.4 s": ("ts", "aac", ()),
    "mpegts that starts at 5 s": ("ts", "mp2", ("-output_ts_offset", 5)),
    "mpegts whose clock wraps in mid-file": ("ts", "mp2", ("-output_ts_offset", 2**33 / 90_000 - 1.4 - 1)),
    "mkv, Opus pre-skip": ("mkv", "libopus", ()),
    "avi, MP3": ("avi", "libmp3lame", ()),
    "mov, PCM": ("mov", "pcm_s16le", ()),
}


@pytest.mark.parametrize("fps", [12.5, 16.0])
@pytest.mark.parametrize("container", CONTAINERS)
def test_flash_and_beep_stay_together(container, fps, tmp_path):
    suffix, audio_codec, output = CONTAINERS[container]
    frames, sound = flash_and_beep(75, range(40, 45))
    rates = ("-ar", 48_000) if audio_codec in {"libopus", "libmp3lame", "mp2"} else ()
    clip = write_clip(tmp_path / f"c.{suffix}", frames, 25, sound, audio_codec=audio_codec, output=(*output, *rates))
    params = params_at(fps)
    decoded = decode(clip, params)
    flash, beep = moments(decoded, params)
    assert abs(flash - 1.6 * fps) <= 1.5  # a container may start with up to 64 ms of priming
    assert abs(beep - flash) <= 1
    assert len(decoded.waveform) == decoded.n_frames * params.samples_per_frame


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
@pytest.mark.parametrize("late", ["sound", "picture"])
def test_streams_that_start_apart_are_aligned(late, suffix, tmp_path):
    frames, sound = flash_and_beep(75, range(40, 45))
    picture = write_clip(tmp_path / "picture.mp4", frames if late == "sound" else frames[15:], 25)
    track = write_clip(tmp_path / "sound.mka", None, 25, sound[int(0.6 * RATE_HZ) :] if late == "sound" else sound)
    inputs = [["-i", picture], ["-i", track]]
    inputs[late == "sound"] = ["-itsoffset", 0.6, *inputs[late == "sound"]]
    clip = run_ffmpeg(*inputs[0], *inputs[1], "-map", "0:v", "-map", "1:a", "-c", "copy", tmp_path / f"clip.{suffix}")
    decoded = decode(clip, params_at(12.5))
    assert moments(decoded, params_at(12.5)) == pytest.approx((20, 20), abs=1)
    if late == "picture":
        assert decoded.n_frames in {37, 38}
        np.testing.assert_allclose(decoded.frames[0].astype(int), decoded.frames[8].astype(int), atol=8)


def test_long_stereo_that_begins_seconds_late_is_decoded(tmp_path):
    """With the mix and the first channel as two outputs, ffmpeg 9.0 waits forever for a file like this one."""
    picture = ("-f", "lavfi", "-i", "testsrc2=size=160x120:rate=25:d=3")
    noise = ("-itsoffset", 5, "-f", "lavfi", "-i", "anoisesrc=d=23:r=48000")
    clip = run_ffmpeg(*picture, *noise, "-ac", 2, "-c:v", "mpeg4", "-c:a", "aac", tmp_path / "clip.mkv")
    decoded = decode(clip, params_at(12.5), Limits(timeout_seconds=20, timeout_factor=0))
    begins = np.flatnonzero(np.abs(decoded.waveform) > 0.01)[0] / params_at(12.5).sample_rate_hz
    assert begins == pytest.approx(5, abs=0.1)
    assert decoded.n_frames / 12.5 == pytest.approx(28, abs=0.2)


def test_cut_without_reencoding_leaves_an_edit_list_that_is_obeyed(tmp_path):
    frames, sound = flash_and_beep(100, range(60, 65))
    whole = write_clip(tmp_path / "whole.mp4", frames, 25, sound, output=("-g", 250))
    cut = run_ffmpeg("-ss", 1.0, "-i", whole, "-c", "copy", tmp_path / "cut.mp4")
    flash, beep = moments(decode(cut, params_at(12.5)), params_at(12.5))
    assert abs(flash - 17.5) <= 1
    assert abs(beep - flash) <= 1


def test_gap_in_the_sound_becomes_silence(tmp_path):
    frames, sound = flash_and_beep(75, range(60, 65))
    whole = write_clip(tmp_path / "whole.mkv", frames, 25, sound, audio_codec="pcm_s16le")
    coding = ("-c:v", "copy", "-c:a", "pcm_s16le")
    gap = run_ffmpeg("-i", whole, "-af", "aselect='not(between(t,0.5,1.5))'", *coding, tmp_path / "gap.mkv")
    assert moments(decode(gap, params_at(12.5)), params_at(12.5)) == pytest.approx((30, 30), abs=1)


@pytest.mark.parametrize(("sound_seconds", "n_frames", "last_dbfs"), [(1.0, 25, -120), (2.4, 25, -20), (3.0, 38, -20)])
def test_audio_is_padded_or_cut_to_the_frames_unless_it_is_much_longer(sound_seconds, n_frames, last_dbfs, tmp_path):
    clip = write_clip(tmp_path / "c.mkv", counter_frames(50), 25, tone(sound_seconds), audio_codec="pcm_f32le")
    decoded = decode(clip, params_at(12.5))
    assert decoded.waveform.shape == (n_frames * 1280,)
    assert rms_dbfs(decoded.waveform[-RATE_HZ // 2 : -1000]) == pytest.approx(last_dbfs, abs=0.1)
    assert rms_dbfs(decoded.waveform[: RATE_HZ // 2]) == pytest.approx(-20, abs=0.1)
    assert [read_counter(frame) for frame in decoded.frames[24:]] == [48] + [49] * (n_frames - 25)


SLIDES = {
    "one image": [0.0],
    "slides": [0.0, 2.0, 4.0],
    "a recording of changes": [0.0, 1.0, 4.2, 5.08],
    "an image in the last half frame": [0.0, 5.0],
}


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts", "mov"])
@pytest.mark.parametrize("slides", SLIDES)
def test_the_last_image_is_held_while_the_audio_goes_on(slides, suffix, tmp_path):
    seconds = SLIDES[slides]
    whole = write_clip(tmp_path / "whole.mkv", counter_frames(len(seconds)), 1, tone(8.0), audio_codec="flac")
    times = "+".join(f"eq(N\\,{number})*{second}" for number, second in enumerate(seconds))
    coding = ("-c:v", "libx264", "-bf", 0, "-crf", 12, "-c:a", "aac", "-fps_mode", "passthrough")
    clip = run_ffmpeg("-i", whole, "-vf", f"setpts=({times})/TB", *coding, tmp_path / f"clip.{suffix}")
    decoded = decode(clip, params_at(12.5))
    assert decoded.n_frames in {100, 101}
    numbers = [read_counter(frame) for frame in decoded.frames]
    expected = expected_numbers([Fraction(second).limit_denominator(100) for second in seconds], 100, 12.5)
    assert sum(found != wanted for found, wanted in zip(numbers, expected, strict=False)) <= len(seconds)
    assert numbers[-1] == len(seconds) - 1
    assert rms_dbfs(decoded.waveform[-RATE_HZ : -RATE_HZ // 4]) == pytest.approx(-20, abs=0.5)
