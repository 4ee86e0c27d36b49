import os
import re
import signal

import numpy as np
import pytest
import torch

from evaluate.fingerprint.describe.clip_stream import Track
from evaluate.fingerprint.describe.descriptors import Unreadable
from evaluate.fingerprint.describe.extract import ExtractOptions, MediaFile, describe_files
from preprocess.executors.processes import ProcessExecutor
from tests.evaluate.fingerprint.conftest import write_video
from tests.preprocess.made_media import run_ffmpeg


def described(encoder, here, *paths):
    options = ExtractOptions(0.25, num_threads=1, executor=here)
    return {each.source: each for each in describe_files([MediaFile(p.name, p) for p in paths], encoder, options)}


def test_clips_run_over_the_borders_of_segments(encoder):
    """Segments of 10, 3 and 20 frames give what one of 33 frames gives."""
    params = encoder.shard_params
    frames = torch.randint(0, 255, (33, 32, 32, 3), dtype=torch.uint8)
    logmel = torch.randn(params.n_mels, 33 * params.columns_per_frame)
    whole, pieces = Track("a", encoder, params, 4), Track("a", encoder, params, 4)
    whole.add(frames, logmel, has_audio=True)
    for first, last in ((0, 10), (10, 13), (13, 33)):
        columns = slice(first * params.columns_per_frame, last * params.columns_per_frame)
        pieces.add(frames[first:last], logmel[:, columns], has_audio=True)
    one, other = whole.finish(), pieces.finish()
    assert one.start_seconds.tolist() == [0.25 * n for n in range(7)]
    assert other.start_seconds.tolist() == one.start_seconds.tolist()
    np.testing.assert_allclose(other.video, one.video, atol=1e-4)
    np.testing.assert_allclose(other.audio, one.audio, atol=1e-4)


def test_black_silent_short_and_corrupt_files(encoder, here, tmp_path):
    corrupt = tmp_path / "corrupt.mp4"
    corrupt.write_bytes(b"\0" * 5000)
    found = described(
        encoder, here, corrupt,
        write_video(tmp_path / "black.mp4", 2, 2.0, is_black=True),
        write_video(tmp_path / "silent.mp4", 3, 2.0, audio=False),
        write_video(tmp_path / "short.mp4", 4, 0.25),
    )  # fmt: skip
    assert isinstance(found["corrupt.mp4"], Unreadable)
    assert found["corrupt.mp4"].reason
    assert not found["black.mp4"].has_video.any() and found["black.mp4"].has_audio.all()
    assert not found["silent.mp4"].has_audio.any() and found["silent.mp4"].has_video.all()
    assert not found["silent.mp4"].audio.any()
    assert len(found["short.mp4"]) == 1
    assert found["short.mp4"].end_seconds[0] == pytest.approx(0.25, abs=0.1)


def test_a_file_that_can_be_read_in_part_is_named_with_the_seconds_that_were_read(encoder, here, tmp_path, caplog):
    write_video(tmp_path / "good.mp4", 5, 4.0)
    run_ffmpeg("-i", tmp_path / "good.mp4", "-c", "copy", "-movflags", "+faststart", tmp_path / "whole.mp4")
    cut = tmp_path / "cut.mp4"
    cut.write_bytes((tmp_path / "whole.mp4").read_bytes()[: cut.with_stem("whole").stat().st_size * 6 // 10])
    found = described(encoder, here, cut, tmp_path / "good.mp4")
    (message,) = caplog.messages
    assert re.match(r"cut\.mp4: \d\.\d of 4\.\d s were read, with a warning: .*Packet corrupt", message)
    seconds = float(message.split(" ")[1])
    assert seconds < 3
    assert seconds == pytest.approx(found["cut.mp4"].end_seconds[-1], abs=0.3)


class Crashing(ProcessExecutor):
    """Its first process dies as a decoder's crash ends it, when it is about to probe the first file."""

    crashed = False

    def messages(self, running):
        for child, kind, message in super().messages(running):
            if message == () and not self.crashed:
                self.crashed = True
                os.kill(child.process.pid, signal.SIGSEGV)
            yield child, kind, message


def test_a_crash_of_a_probe_costs_no_file_and_descriptors_are_unit_rows_at_the_hop(encoder, tmp_path):
    executor = Crashing(1)
    found = described(encoder, executor, *(write_video(tmp_path / f"{name}.mp4", 1, 2.0) for name in "ab"))
    assert executor.crashed
    for each in (found["a.mp4"], found["b.mp4"]):
        np.testing.assert_allclose(each.start_seconds, 0.25 * np.arange(7))
        for vectors in (each.video, each.audio):
            np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
