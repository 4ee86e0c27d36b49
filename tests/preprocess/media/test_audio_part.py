"""Excerpts of audio: cut where asked, small, and hostile sources refused."""

import subprocess

import numpy as np
import pytest

from preprocess.errors import MediaError, MediaRefusedError
from preprocess.media.audio_part import EXCERPT_RATE_HZ, MAX_EXCERPT_SECONDS, sound_excerpt
from preprocess.media.ffmpeg import ffmpeg_executable
from tests.preprocess.made_media import counter_frames, tone, write_clip


@pytest.fixture(scope="module")
def tones(tmp_path_factory):
    """Eight seconds of stereo: a tone that goes up by 300 Hz every second."""
    mono = np.concatenate([tone(1.0, 300 * number) for number in range(1, 9)])
    path = tmp_path_factory.mktemp("sound") / "tones.wav"
    return write_clip(path, sound=np.stack([mono, mono], axis=1), audio_codec="pcm_s16le")


def decoded(sound):
    command = [ffmpeg_executable(), "-v", "error", "-f", "mp3", "-i", "-", "-f", "f32le", "-ac", "1", "-"]
    return np.frombuffer(subprocess.run(command, input=sound, capture_output=True, check=True).stdout, np.float32)


def loudest_hz(samples):
    return np.argmax(np.abs(np.fft.rfft(samples))) * EXCERPT_RATE_HZ / len(samples)


def test_the_seconds_asked_for(tones):
    samples = decoded(sound_excerpt(tones, 5.0, 1.0))
    assert len(samples) / EXCERPT_RATE_HZ == pytest.approx(1.0, abs=0.2)
    assert loudest_hz(samples[2000:-2000]) == pytest.approx(1800, abs=10)


def test_no_more_than_the_limit(tones):
    sound = sound_excerpt(tones, 0.0, 100.0)
    assert len(sound) < 16_500
    assert len(decoded(sound)) / EXCERPT_RATE_HZ == pytest.approx(MAX_EXCERPT_SECONDS, abs=0.2)


def test_beyond_the_end_is_an_error_that_names_the_file(tones):
    with pytest.raises(MediaError, match="tones"):
        sound_excerpt(tones, 60.0, 2.0)


def test_playlists_are_refused(tmp_path):
    path = tmp_path / "list.mp4"
    path.write_text("#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n")
    with pytest.raises(MediaRefusedError):
        sound_excerpt(path, 0.0, 1.0)


def test_videos_without_audio_have_none(tmp_path):
    path = write_clip(tmp_path / "silent.mp4", counter_frames(5))
    with pytest.raises(MediaError, match="no audio"):
        sound_excerpt(path, 0.0, 1.0)
