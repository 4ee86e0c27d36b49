"""Headers that lie, frames that are damaged, files that lack an index or hold more than video and audio, files that grow."""

import av
import numpy as np
import pytest

from preprocess.errors import MediaError, MediaLimitError
from preprocess.media.decode import decode
from preprocess.media.media_info import Limits
from preprocess.media.probe import open_source, probe
from tests.preprocess.made_media import SMALL, counter_frames, read_counter, run_ffmpeg, tone, write_clip


def test_a_stray_subtitle_does_not_make_a_source_long(tmp_path, ordinary_clip):
    words, clip = tmp_path / "words.srt", tmp_path / "c.mkv"
    words.write_text("1\n13:15:00,000 --> 13:15:01,000\nthe end\n")
    run_ffmpeg("-i", ordinary_clip, "-i", words, "-map", 0, "-map", 1, "-c", "copy", "-c:s", "srt", clip)
    assert probe(clip).duration_seconds > 13 * 3600
    decoded = decode(clip, SMALL)
    assert decoded.n_frames == 25
    assert "decoded 2.0 s of 4770" in decoded.warnings
    with pytest.raises(MediaLimitError, match="the limit is 1 s"):
        decode(clip, SMALL, Limits(max_duration_seconds=1.0))


def test_recordings_put_together_are_as_long_as_all_of_them(tmp_path):
    part = write_clip(tmp_path / "part.ts", counter_frames(175, 48, 64), 5, tone(35.0), audio_codec="mp2")
    whole = tmp_path / "whole.ts"
    whole.write_bytes(part.read_bytes() * 3)
    assert probe(whole).duration_seconds < 36
    decoded = decode(whole, SMALL)
    assert decoded.n_frames == pytest.approx(3 * 35 * 12.5, abs=15)


@pytest.mark.parametrize(("damaged", "least_readable"), [("gt(n\\,9)", 5), ("lt(n\\,31)", 5)])
def test_damaged_frames_cost_no_others(damaged, least_readable, tmp_path):
    options = ("-q:v", 9, "-g", 10)
    whole = write_clip(tmp_path / "whole.ogv", counter_frames(50), 25, video_codec="libtheora", output=options)
    clip = run_ffmpeg("-i", whole, "-c", "copy", "-bsf:v", f"noise=amount={damaged}", tmp_path / "c.ogv")
    decoded = decode(clip, SMALL)
    assert decoded.warnings
    readable = [read_counter(frame) == 2 * number for number, frame in enumerate(decoded.frames)]
    assert sum(readable) >= least_readable


def test_nothing_but_damaged_frames_is_one_plain_line(tmp_path):
    whole = write_clip(tmp_path / "whole.mkv", counter_frames(50), 25, tone(2.0))
    clip = run_ffmpeg("-i", whole, "-c", "copy", "-bsf:v", "noise=amount=1", tmp_path / "c.mkv")
    with pytest.raises(MediaError) as caught:
        decode(clip, SMALL)
    assert len(str(caught.value)) < len(str(clip)) + 150


def test_an_avi_without_its_index(tmp_path):
    codecs = {"video_codec": "mpeg4", "audio_codec": "pcm_s16le"}
    clip = write_clip(tmp_path / "c.avi", counter_frames(50), 25, tone(2.0), **codecs)
    data = clip.read_bytes()
    clip.write_bytes(data[: data.rindex(b"idx1")])
    decoded = decode(clip, SMALL)
    assert [read_counter(frame) for frame in decoded.frames] == list(range(0, 50, 2))
    assert np.abs(decoded.waveform[-1000:]).max() > 0.05


def test_timecode_and_data_tracks_are_passed_over(tmp_path, ordinary_clip):
    clip = tmp_path / "c.mov"
    chapters = tmp_path / "chapters.txt"
    chapters.write_text(";FFMETADATA1\n[CHAPTER]\nTIMEBASE=1/1\nSTART=0\nEND=1\ntitle=one\n")
    run_ffmpeg("-i", ordinary_clip, "-i", chapters, "-map_chapters", 1, "-c", "copy", "-timecode", "01:00:00:00", clip)
    with av.open(str(clip)) as container:
        assert [stream.type for stream in container.streams].count("data") == 2
    decoded = decode(clip, SMALL)
    assert decoded.n_frames == 25
    assert decoded.info.has_audio and not decoded.warnings


def test_a_file_that_grows_while_it_is_read_is_named(tmp_path, ordinary_clip):
    clip = tmp_path / "c.mp4"
    clip.write_bytes(ordinary_clip.read_bytes())
    with pytest.raises(MediaError, match="was changed while it was read"), open_source(clip, Limits()):
        clip.write_bytes(clip.read_bytes() + b"more")
