"""Windows of a query's footage: every frame once, in order, and some of the next window's."""

import numpy as np
import pytest

from evaluate.fingerprint.describe import footage
from evaluate.fingerprint.describe.extract import ExtractOptions, MediaFile, read_footage
from tests.evaluate.fingerprint.conftest import write_video


@pytest.mark.parametrize(("most_seconds", "overlap"), [(24.0, 12), (2.0, 4), (0.5, 0)])
def test_windows_hold_every_frame_once_and_some_of_the_next(shipped_encoder, here, tmp_path, most_seconds, overlap):
    path = write_video(tmp_path / "long.mp4", 5, 12.5)  # more than one segment
    options = ExtractOptions(0.5, executor=here)
    files = read_footage([MediaFile("q", path)], shipped_encoder, options)  # removes the footage when it is gone
    file = next(files)
    [whole] = file.windows(100.0, 0)
    windows = list(file.windows(most_seconds, overlap))
    assert len(whole) == file.n_frames == 100
    assert len(windows) == max(1, int(np.ceil(12.5 / most_seconds)))
    firsts = [each.first_frame for each in windows]
    assert [each.first_frame + len(each) for each in windows] == [min(end + overlap, 100) for end in (*firsts[1:], 100)]
    for each in windows:
        rows = slice(each.first_frame, each.first_frame + len(each))
        assert (each.frames == whole.frames[rows]).all()
        assert (each.logmel == whole.logmel[:, rows.start * 5 : rows.stop * 5]).all()
        assert (each.has_audio == whole.has_audio[rows]).all()


def test_the_headers_of_a_shard_are_read_once_however_many_segments_it_holds(
    shipped_encoder, here, tmp_path, monkeypatch
):
    path = write_video(tmp_path / "long.mp4", 5, 32.0)
    listed, read_samples = [], footage.read_samples
    monkeypatch.setattr(footage, "read_samples", lambda file, path: listed.append(path) or read_samples(file, path))
    files = read_footage([MediaFile("q", path)], shipped_encoder, ExtractOptions(0.5, executor=here))
    file = next(files)
    assert len(file.rows) > 2
    assert [len(each) for each in file.windows(2.0, 0)] == [16] * 16
    assert len(listed) == 1
