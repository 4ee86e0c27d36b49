"""What a run refuses to continue with: other parameters, sources or releases, or another run beside it."""

import shutil
from dataclasses import replace

import pyarrow.parquet as pq
import pytest

from preprocess.errors import EnvironmentDiffersError, ShardError, disk_errors
from preprocess.executors.processes import SerialExecutor
from store.atomic_files import folder_lock
from tests.preprocess.whole_run import PARAMS, build_folder, bytes_of


def test_other_parameters_and_programs_are_refused_and_nothing_is_touched(clips, shards, reference, monkeypatch):
    monkeypatch.setattr("preprocess.build.pipeline.ffmpeg_version", lambda: "4.2.1")
    words = r"(?s)ffmpeg was \S+, now is 4.2.1\n.*fps was 12\.5, now is 25\.0\n.*[Cc]hoose another --out"
    with pytest.raises(ShardError, match=words):
        build_folder(clips, shards, replace(PARAMS, fps=25.0))
    assert bytes_of(shards) == bytes_of(reference)


def test_other_sources_are_refused_by_name(data, shards):
    shutil.copy(data / "e.mp4", data / "bb.mp4")
    with pytest.raises(ShardError, match=r"(?s)number of sources was 5, now is 6.*source 2 was c.mp4, now is bb.mp4"):
        build_folder(data, shards)
    (data / "bb.mp4").unlink()
    (data / "e.mp4").rename(data / "f.mp4")
    with pytest.raises(ShardError, match=r"(?s)names, labels or splits.*source 4 was e.mp4, now is f.mp4"):
        build_folder(data, shards)


def test_a_source_that_has_changed_is_refused_with_the_way_out(data, shards):
    shutil.copy(data / "a sound.mp4", data / "d.mkv")
    words = r"(?s)shard-000001.parquet.*d.mkv had \d+ bytes, now has \d+.*Delete this file"
    with pytest.raises(ShardError, match=words):
        build_folder(data, shards)
    (shards / "shard-000001.parquet").unlink()
    assert build_folder(data, shards).n_shards_built == 1


def test_the_mark_of_another_shard_is_refused(clips, shards):
    marks = pq.read_table(shards / "shard-000000.parquet"), pq.read_schema(shards / "shard-000001.parquet")
    pq.write_table(marks[0].replace_schema_metadata(marks[1].metadata), shards / "shard-000001.parquet")
    with pytest.raises(ShardError, match="does not list the sources of its shard: delete this file"):
        build_folder(clips, shards)


class OtherMachine(SerialExecutor):
    """An executor whose tasks come from a machine with another numpy."""

    def run(self, work, tasks, report, on_death):
        def changed(task):
            packages = task.recipe.packages | {"numpy": "1.0"}
            return replace(task, recipe=replace(task.recipe, packages=packages))

        return super().run(work, map(changed, tasks), report, on_death)


def test_a_machine_with_other_releases_builds_no_shard(clips, tmp_path):
    with pytest.raises(EnvironmentDiffersError, match=r"has numpy \d\S+ instead of 1\.0: install the same environment"):
        build_folder(clips, tmp_path / "shards", executor=OtherMachine())
    assert not list((tmp_path / "shards").glob("shard-*"))


def test_a_run_beside_another_is_refused(clips, tmp_path):
    (tmp_path / "shards").mkdir()
    with (
        folder_lock(tmp_path / "shards", disk_errors),
        pytest.raises(ShardError, match=r"another process is writing here \(process"),
    ):
        build_folder(clips, tmp_path / "shards")
