"""What a run refuses to go on with: other parameters, sources, ffmpeg, or another run beside it."""

import errno
import fcntl
import shutil
from dataclasses import replace

import pytest

from preprocess.errors import ShardError
from store.atomic_files import folder_lock
from tests.preprocess.whole_run import PARAMS, build_folder, bytes_of


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"fps": 25.0}, r"fps was 12\.5, now is 25\.0"),
        ({"jpeg_quality": 80}, "jpeg_quality was 90, now is 80"),
        ({"sources_per_shard": 3}, "sources_per_shard was 2, now is 3"),
    ],
)
def test_other_parameters_are_refused_and_nothing_is_touched(clips, reference, tmp_path, change, word):
    out = shutil.copytree(reference, tmp_path / "shards")
    with pytest.raises(ShardError, match=rf"(?s){word}.*[Cc]hoose another --out"):
        build_folder(clips, out, replace(PARAMS, **change))
    assert bytes_of(out) == bytes_of(reference)


def test_other_sources_are_refused_by_name(clips, reference, tmp_path):
    out, data = shutil.copytree(reference, tmp_path / "shards"), shutil.copytree(clips, tmp_path / "data")
    shutil.copy(data / "e.mp4", data / "bb.mp4")
    with pytest.raises(ShardError, match=r"(?s)number of sources was 5, now is 6.*source 2 was c.mp4, now is bb.mp4"):
        build_folder(data, out)
    (data / "bb.mp4").unlink()
    (data / "e.mp4").rename(data / "f.mp4")
    with pytest.raises(ShardError, match=r"(?s)names, labels or splits.*source 4 was e.mp4, now is f.mp4"):
        build_folder(data, out)


def test_a_source_that_has_changed_is_refused_with_the_way_out(clips, reference, tmp_path):
    out, data = shutil.copytree(reference, tmp_path / "shards"), shutil.copytree(clips, tmp_path / "data")
    shutil.copy(data / "a sound.mp4", data / "d.mkv")
    with pytest.raises(
        ShardError, match=r"(?s)shard-000001.parquet.*d.mkv had \d+ bytes, now has \d+.*Delete this file"
    ):
        build_folder(data, out)
    (out / "shard-000001.parquet").unlink()
    assert build_folder(data, out).n_shards_built == 1


def test_another_ffmpeg_is_refused(clips, reference, tmp_path, monkeypatch):
    out = shutil.copytree(reference, tmp_path / "shards")
    monkeypatch.setattr("preprocess.build.pipeline.ffmpeg_version", lambda: "4.2.1")
    with pytest.raises(ShardError, match=r"ffmpeg was \S+, now is 4.2.1"):
        build_folder(clips, out)


def test_a_run_beside_another_is_refused(clips, tmp_path):
    (tmp_path / "shards").mkdir()
    with folder_lock(tmp_path / "shards"), pytest.raises(ShardError, match="another process is writing here"):
        build_folder(clips, tmp_path / "shards")


def test_on_a_file_system_without_locks_shards_are_built_with_a_warning(
    clips, reference, tmp_path, monkeypatch, caplog
):
    def refuse(descriptor, operation):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    build_folder(clips, tmp_path / "shards")
    assert "has no locks" in caplog.text
    assert bytes_of(tmp_path / "shards") == bytes_of(reference)
