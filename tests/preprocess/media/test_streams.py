"""Files of several streams: the main one is used, wherever it stands."""

import numpy as np
import pytest

from preprocess.media.decode import decode
from preprocess.media.probe import probe
from tests.preprocess.made_media import SMALL, counter_frames, read_counter, run_ffmpeg, tone, write_clip


def write_streams(path, folder, kinds, *options):
    """Streams in this order: counted videos by their height, a "still", tones by their frequency; with dispositions."""
    inputs, maps = [], []
    for number, kind in enumerate(kinds):
        name = folder / f"{number}.mkv"
        if kind == "still":
            write_clip(name, counter_frames(1, 480, 640), 25, video_codec="mjpeg", output=("-pix_fmt", "yuvj420p"))
        elif kind < 300:
            write_clip(name, counter_frames(50, kind, kind * 5 // 3), 25)
        else:
            sound = tone(2.0, kind)
            write_clip(name, sound=np.stack([sound] * (2 if kind >= 2000 else 1), 1), audio_codec="aac")
        inputs += ["-i", name]
        maps += ["-map", number]
    run_ffmpeg(*inputs, *maps, "-c", "copy", *options, path)
    return path


@pytest.mark.parametrize("suffix", ["mkv", "mp4"])
@pytest.mark.parametrize(
    ("kinds", "dispositions", "expected"),
    [
        ([96, 192], [0, "default"], 1),
        ([192, 96], [0, "default"], 1),
        ([96, 192], ["default", "default"], 1),
        (["still", 96], ["default", 0], 1),
        ([96, "still"], [0, 0], 0),
        ([192, 96], ["default+visual_impaired", 0], 1),
    ],
)
def test_the_main_video_is_used(suffix, kinds, dispositions, expected, tmp_path):
    options = [item for i, each in enumerate(dispositions) for item in (f"-disposition:{i}", each)]
    clip = write_streams(tmp_path / f"clip.{suffix}", tmp_path, kinds, *options)
    decoded = decode(clip, SMALL)
    assert decoded.info.video_stream == expected
    assert decoded.n_frames == 25
    assert read_counter(decoded.frames[20]) == 40


@pytest.mark.parametrize(
    ("kinds", "dispositions", "expected_hz"),
    [
        ([500, 1000], [0, "default"], 1000),
        ([500, 2000], [0, 0], 2000),  # stereo
        ([2000, 500], ["default+comment", 0], 500),
        ([2000, 500], ["visual_impaired", 0], 500),
        ([500, 1000], ["default", "default"], 500),
    ],
)
def test_the_main_audio_is_used(kinds, dispositions, expected_hz, tmp_path):
    options = [item for i, each in enumerate(dispositions) for item in (f"-disposition:a:{i}", each)]
    clip = write_streams(tmp_path / "clip.mkv", tmp_path, [96, *kinds], "-default_mode", "passthrough", *options)
    waveform = decode(clip, SMALL).waveform[4000:20_000]
    assert np.argmax(np.abs(np.fft.rfft(waveform))) == pytest.approx(expected_hz, abs=2)


def test_the_audio_is_of_the_videos_programme(tmp_path):
    programmes = ("-program", "st=0:st=1", "-program", "st=2:st=3", "-c:a", "mp2", "-ar", 48_000)
    clip = write_streams(tmp_path / "clip.ts", tmp_path, [96, 2000, 192, 500], *programmes)
    info = probe(clip)
    assert (info.video_stream, info.audio_stream) == (2, 3)
