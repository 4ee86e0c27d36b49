"""Excerpts of audio: cut where asked, small, and hostile sources refused."""

import subprocess

import numpy as np
import pytest

from preprocess.errors import MediaError, MediaRefusedError
from preprocess.media.ffmpeg import ffmpeg_executable
from preprocess.viewing.audio_part import EXCERPT_RATE_HZ, MAX_EXCERPT_SECONDS, audio_excerpt
from tests.preprocess.made_media import counter_frames, run_ffmpeg, tone, write_clip


@pytest.fixture(scope="module")
def tones(tmp_path_factory):
    """Eight seconds of stereo: a tone that goes up by 300 Hz every second."""
    mono = np.concatenate([tone(1.0, 300 * number) for number in range(1, 9)])
    path = tmp_path_factory.mktemp("audio") / "tones.wav"
    return write_clip(path, sound=np.stack([mono, mono], axis=1), audio_codec="pcm_s16le")


def decoded(sound):
    command = [ffmpeg_executable(), "-v", "error", "-f", "mp3", "-i", "-", "-f", "f32le", "-ac", "1", "-"]
    return np.frombuffer(subprocess.run(command, input=sound, capture_output=True, check=True).stdout, np.float32)


def test_the_seconds_asked_for_and_no_more_than_the_limit(tones):
    samples = decoded(audio_excerpt(tones, 5.0, 1.0))
    assert len(samples) / EXCERPT_RATE_HZ == pytest.approx(1.0, abs=0.2)
    spectrum = np.abs(np.fft.rfft(samples[2000:-2000]))
    assert np.argmax(spectrum) * EXCERPT_RATE_HZ / (len(samples) - 4000) == pytest.approx(1800, abs=10)
    sound = audio_excerpt(tones, 0.0, 100.0)
    assert len(sound) < 16_500
    assert len(decoded(sound)) / EXCERPT_RATE_HZ == pytest.approx(MAX_EXCERPT_SECONDS, abs=0.2)


def test_an_excerpt_begins_where_asked_also_where_the_audio_starts_late(tmp_path):
    sound = write_clip(tmp_path / "sound.wav", sound=tone(2.0), audio_codec="pcm_s16le")
    picture = write_clip(tmp_path / "picture.mp4", counter_frames(75))
    late = run_ffmpeg(
        "-i", picture, "-itsoffset", 1.0, "-i", sound, "-c:v", "copy", "-c:a", "aac", tmp_path / "late.mkv"
    )
    loud = np.abs(decoded(audio_excerpt(late, 0.5, 2.0))) > 0.02
    assert np.argmax(loud) / EXCERPT_RATE_HZ == pytest.approx(0.5, abs=0.1)


def test_no_audio_at_those_seconds_none_at_all_and_playlists_are_refused(tones, tmp_path):
    playlist = tmp_path / "list.mp4"
    playlist.write_text("#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n")
    silent = write_clip(tmp_path / "silent.mp4", counter_frames(5))
    for path, start, error, words in (
        (tones, 60.0, MediaError, "tones"),  # beyond its end
        (silent, 0.0, MediaError, "no audio"),
        (playlist, 0.0, MediaRefusedError, "list"),
    ):
        with pytest.raises(error, match=words):
            audio_excerpt(path, start, 1.0)
