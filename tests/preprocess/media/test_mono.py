"""Channels mixed to one: as loud as one of them, whatever the channels and their places are."""

import numpy as np
import pytest

from preprocess.features.logmel import rms_dbfs
from preprocess.media.decode import decode
from preprocess.media.mono import keep_one_channel
from preprocess.viewing.audio_part import audio_excerpt
from tests.preprocess.made_media import RATE_HZ, SMALL, counter_frames, run_ffmpeg, tone, write_clip

INVERSE = [1.0, -1.0]


def clip_of(path, *stretches, seconds=2.0, codec="pcm_s16le", output=()):
    """Video and a tone; each stretch of it has these gains, one a channel."""
    part = tone(seconds)
    sound = np.concatenate([part[:, None] * np.array(gains, np.float32) for gains in stretches])
    frames = counter_frames(round(12.5 * len(sound) / RATE_HZ), 48, 64)
    return write_clip(path, frames, 12.5, sound, audio_codec=codec, output=output)


@pytest.mark.parametrize(("suffix", "codec"), [("mov", "pcm_s16le"), ("mp4", "aac"), ("mkv", "libvorbis")])
def test_channels_that_cancel_leave_the_level_of_one(suffix, codec, tmp_path):
    decoded = decode(clip_of(tmp_path / f"c.{suffix}", INVERSE, codec=codec), SMALL)
    assert rms_dbfs(decoded.waveform[2000:-2000]) == pytest.approx(-20, abs=0.5)
    assert "the audio's channels cancel in the mix" in decoded.warnings


def test_only_the_stretch_that_cancels_is_replaced(tmp_path):
    decoded = decode(clip_of(tmp_path / "c.mov", [1, 1], INVERSE, [1, 0], seconds=10), SMALL)
    levels = [rms_dbfs(part[2000:-2000]) for part in np.array_split(decoded.waveform, 3)]
    assert levels == pytest.approx([-20, -20, -26], abs=0.1)
    assert decoded.warnings.startswith("for 10 s the audio's channels cancel")


@pytest.mark.parametrize("gains", [[1, 1], [1, 0], [0, 1], [1, -0.5], [1, 0, 0, 0, 0, 0], [0.5, -0.5, 1, 0, 0, 0]])
def test_other_mixes_stay_as_ffmpeg_makes_them(gains, tmp_path):
    clip = clip_of(tmp_path / "c.mov", gains)
    mixed = tmp_path / "mixed.raw"
    mixing = f"aresample={RATE_HZ}:async=1:first_pts=0:min_hard_comp=0.04:rematrix_maxval=1"
    run_ffmpeg("-i", clip, "-af", f"{mixing},aformat=sample_fmts=flt:channel_layouts=mono", "-f", "f32le", mixed)
    decoded = decode(clip, SMALL)
    assert np.array_equal(decoded.waveform, np.fromfile(mixed, np.float32))
    assert not decoded.warnings


@pytest.mark.parametrize(("gains", "expected_dbfs"), [([1.0] * 9, -20), ([1.0, *[0.0] * 8], -20 - 20 * np.log10(9))])
def test_the_mean_of_channels_without_places(gains, expected_dbfs, tmp_path):
    clip = clip_of(tmp_path / "c.mov", gains)
    decoded = decode(clip, SMALL)
    assert decoded.n_frames == 25
    assert rms_dbfs(decoded.waveform[2000:-2000]) == pytest.approx(expected_dbfs, abs=0.5)
    assert audio_excerpt(clip, 0.5, 1.0)


def test_an_ambisonic_source_gives_its_audio_from_all_directions(tmp_path):
    raw, clip = tmp_path / "four.raw", tmp_path / "c.mkv"
    raw.write_bytes((tone(2.0)[:, None] * np.array([1, -1, -1, -1], np.float32)).astype("<f4").tobytes())
    pcm = ("-f", "f32le", "-ar", RATE_HZ, "-ch_layout", "ambisonic 1", "-i", raw)
    run_ffmpeg("-f", "lavfi", "-i", "testsrc=d=2", *pcm, "-c:a", "libopus", "-mapping_family", 2, clip)
    decoded = decode(clip, SMALL)
    assert decoded.n_frames == 25
    assert rms_dbfs(decoded.waveform[2000:-2000]) == pytest.approx(-20, abs=0.5)


@pytest.mark.parametrize("n_samples", [0, 1, 79, 250, 1003])
def test_one_channel_is_kept_as_in_a_slow_version(n_samples, tmp_path):
    """Blocks of about 10 s, 100 samples here; the channels cancel in some of them."""
    random = np.random.default_rng(n_samples)
    pairs = random.normal(size=(n_samples, 2)).astype(np.float32)
    pairs[100:190, 0] = pairs[700:, 0] = 0
    kept, n_replaced = [], 0
    n_blocks = max(1, round(n_samples / 100))
    for block in range(n_blocks):
        part = pairs[block * n_samples // n_blocks : (block + 1) * n_samples // n_blocks]
        is_cancelled = (part[:, 0] ** 2).sum() < 0.1 / 4 * (part[:, 1] ** 2).sum()
        kept += part[:, int(is_cancelled)].tolist()
        n_replaced += is_cancelled * len(part)
    path = tmp_path / "samples"
    path.write_bytes(pairs.tobytes() + b"half")
    with path.open("r+b") as file:
        assert keep_one_channel(file, 2, 10) == n_replaced / 10
    assert np.fromfile(path, np.float32)[:n_samples].tolist() == kept
