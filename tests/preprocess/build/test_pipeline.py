"""Whole runs: same bytes however often; what failed is named, and tried again on request; what differs is refused."""

import json
import shutil
import tarfile
from dataclasses import replace

import fsspec
import numpy as np
import pyarrow.parquet as pq
import pytest

from preprocess.build.build_shards import build_shards, open_data
from preprocess.build.pipeline import build
from preprocess.build.shard_task import ShardTask, build_shard
from preprocess.catalogues.open_catalogue import open_catalogue
from preprocess.errors import EnvironmentDiffersError, PreprocessError, ShardError, disk_errors
from preprocess.features.strip import decode_strip
from preprocess.media.media_info import USUAL_LIMITS
from preprocess.schema import SEGMENTS_PER_SOURCE_LIMIT
from preprocess.shards.manifest import read_dataset, read_part, read_segments, read_sources
from preprocess.verify.shard_set import verify
from store.atomic_files import folder_lock
from tests.preprocess.made_media import counter_frames, read_counter, write_clip, write_esc50
from tests.preprocess.whole_run import PARAMS, build_folder, bytes_of
from tests.processes import run


def test_a_run_leaves_shards_that_are_whole_and_say_what_they_hold(reference):
    assert verify(reference) == []
    info = read_dataset(reference)
    assert (info.dataset, info.n_sources, info.n_failed, info.params) == ("folder", 5, 1, PARAMS)
    assert [shard.name for shard in info.shards] == [f"shard-00000{n}.tar" for n in range(3)]
    assert info.ffmpeg_version and set(info.packages) >= {"torch", "simplejpeg"}
    segments, sources = read_segments(reference), read_sources(reference)
    assert list(sources["source"]) == ["a sound.mp4", "b/mute.mp4", "c.mp4", "d.mkv", "e.mp4"]
    assert list(sources["status"]) == ["ok", "ok", "failed", "ok", "ok"]
    assert "Invalid data" in sources["reason"][2]
    assert list(segments["source_index"]) == [0, 0, 1, 1, 3, 3, 4]
    assert list(segments["segment_id"]) == [
        i * SEGMENTS_PER_SOURCE_LIMIT + n for i, n in ((0, 0), (0, 1), (1, 0), (1, 1), (3, 0), (3, 1), (4, 0))
    ]
    assert list(segments["has_audio"]) == [True, True, False, False, True, True, True]
    for column in ("segment_id", "source_index", "n_frames", "label"):
        assert segments[column].dtype == np.int64
    assert segments["end_seconds"].dtype == np.float64
    assert set(segments["splits"]) == {"{}"}
    assert "key" not in sources
    assert info.n_segments == len(segments) == sum(shard.n_segments for shard in info.shards)


def test_what_the_tables_say_of_a_segment_is_in_its_archive(reference):
    """The burnt-in number shows that start_seconds is right, and the members agree with the row."""
    for row in read_segments(reference).to_dict("records"):
        with tarfile.open(reference / row["shard"]) as archive:
            read = {m: archive.extractfile(f"{row['key']}.{m}").read() for m in ("frames.jpg", "json", "logmel.npy")}
        frames = decode_strip(read["frames.jpg"], row["n_frames"])
        assert frames.shape == (row["n_frames"], row["height_px"], row["width_px"], 3)
        seconds = row["start_seconds"] + (np.arange(row["n_frames"]) + 0.5) / PARAMS.fps
        if row["width_px"] > row["height_px"]:  # eight bars do not survive the narrow pictures
            assert [read_counter(frame) for frame in frames] == [int(s * 25 - 1e-6) for s in seconds]
        words = json.loads(read["json"])
        assert (words["source"], words["start_seconds"]) == (row["source"], row["start_seconds"])


def test_failed_sources_are_tried_again_on_request_only(data, shards, reference, tmp_path):
    mark = (shards / "dataset.json").stat().st_mtime_ns
    assert build_folder(data, shards).n_shards_built == 0
    assert (shards / "dataset.json").stat().st_mtime_ns == mark, "for make, a newer mark is of other shards"
    assert build_folder(data, shards, retry_failed=True).n_failed == 1  # fails again: the shard stays
    assert bytes_of(shards) == bytes_of(reference)
    shutil.copy(data / "e.mp4", data / "c.mp4")
    assert build_folder(data, shards).n_failed == 1
    summary = build_folder(data, shards, retry_failed=True)
    assert (summary.n_failed, summary.n_shards_built) == (0, 1)
    assert summary.fingerprint != read_dataset(reference).fingerprint
    build_folder(data, tmp_path / "afresh")
    assert bytes_of(shards) == bytes_of(tmp_path / "afresh")


def test_a_shard_of_which_nothing_can_be_read_has_a_mark_but_no_archive(data, clips, tmp_path):
    (data / "d.mkv").write_bytes(b"")  # with c.mp4 the whole of shard 1
    summary = build_folder(data, tmp_path / "shards", max_failed=2)
    assert (summary.n_failed, summary.n_shards, summary.too_many_failed) == (2, 2, False)
    assert {f.reason for f in summary.failures} == {"Invalid data found when processing input", "empty file"}
    assert not (tmp_path / "shards" / "shard-000001.tar").exists()
    assert verify(tmp_path / "shards") == []
    shutil.copy(clips / "d.mkv", data / "d.mkv")
    build_folder(data, tmp_path / "shards", retry_failed=True)
    assert (tmp_path / "shards" / "shard-000001.tar").exists()
    assert verify(tmp_path / "shards") == []


def test_none_readable_is_an_error_that_keeps_the_reasons_and_many_kinds_are_shown_as_few(tmp_path, clips, monkeypatch):
    data, out = tmp_path / "data", tmp_path / "shards"
    data.mkdir()
    for number in range(3):
        (data / f"empty{number}.mp4").write_bytes(b"")
        (data / f"text{number}.mp4").write_text("x")
    with pytest.raises(ShardError, match=r"none of the 6 sources could be read. The first, empty0.mp4: empty file"):
        build_folder(data, out)
    assert (out / "manifest.parquet").exists()
    assert not (out / "dataset.json").exists()
    shutil.copy(clips / "e.mp4", data / "ok.mp4")
    summary = build_folder(data, tmp_path / "with one")
    assert [failure.n_sources for failure in summary.failures] == [3, 3]
    monkeypatch.setattr("preprocess.build.pipeline.MAX_REASONS", 1)
    summary = build_folder(data, tmp_path / "with one")
    assert [(f.n_sources, f.example != "") for f in summary.failures] == [(3, True), (3, False)]


def test_one_call_names_an_unknown_preset_reads_from_a_url_and_tries_failed_sources_again(clips, tmp_path):
    with pytest.raises(PreprocessError, match="no preset is called 'small'; there are default, "):
        build_shards(clips, tmp_path / "shards", preset="small")
    bucket = fsspec.filesystem("memory")
    bucket.put(str(clips), "/calls", recursive=True)
    assert build_shards("memory://calls", tmp_path / "shards", preset="sample").n_failed == 1
    bucket.put_file(str(clips / "e.mp4"), "/calls/c.mp4")
    assert build_shards("memory://calls", tmp_path / "shards", preset="sample", retry_failed=True).n_failed == 0
    bucket.rm("/calls", recursive=True)


def test_a_class_whose_name_has_a_comma_is_kept_by_its_name(clips, tmp_path):
    csv = tmp_path / "list.csv"
    csv.write_text('path,label\na sound.mp4,"dog, loud"\nd.mkv,rain\ne.mp4,wind\n')
    for names, kept in ((["dog, loud"], {"dog, loud"}), (["rain,wind", "dog, loud"], {"rain", "wind", "dog, loud"})):
        catalogue, _ = open_data("folder", clips, None, csv, names, "", ())
        assert {source.label_name for source in catalogue.sources} == kept


def test_audio_data_sets_have_no_frames(tmp_path):
    write_esc50(tmp_path / "data", ["dog"], 3, 1.0)
    catalogue = open_catalogue("esc50", tmp_path / "data")
    with pytest.raises(ShardError, match="esc50 is audio, the preset for video"):
        build(catalogue, tmp_path / "shards", PARAMS)
    summary = build(catalogue, tmp_path / "shards", replace(PARAMS, media="audio"))
    assert verify(tmp_path / "shards") == []
    with tarfile.open(tmp_path / "shards" / "shard-000000.tar") as archive:
        assert not any(name.endswith(".jpg") for name in archive.getnames())
    segments = read_segments(tmp_path / "shards")
    assert summary.n_segments == len(segments) == 6
    assert [json.loads(s)["fold"] for s in segments["splits"]] == ["1", "1", "2", "2", "3", "3"]


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


def test_a_machine_with_other_releases_builds_no_shard(reference, tmp_path):
    recipe = read_part(reference / "shard-000000.parquet").recipe
    recipe = replace(recipe, packages=recipe.packages | {"numpy": "1.0"})
    with pytest.raises(EnvironmentDiffersError, match=r"has numpy \d\S+ instead of 1\.0: install the same environment"):
        build_shard(ShardTask(0, (), tmp_path, recipe, USUAL_LIMITS), print)
    assert not list(tmp_path.iterdir())


def test_a_run_beside_another_is_refused(clips, tmp_path):
    words = r"another process is writing here \(process"
    with folder_lock(tmp_path, disk_errors), pytest.raises(ShardError, match=words):
        build_folder(clips, tmp_path)


@pytest.mark.slow
def test_memory_does_not_grow_with_the_number_of_sources(tmp_path):
    clip = write_clip(tmp_path / "clip.mp4", counter_frames(5, 48, 64), 25)
    peaks = []
    for n_sources in (40, 400):
        data = tmp_path / f"data{n_sources}"
        data.mkdir()
        for number in range(n_sources):
            (data / f"{number:04d}.mp4").hardlink_to(clip)
        code = (
            "import preprocess, resource, sys\n"
            "preprocess.build_shards(sys.argv[1], sys.argv[2], short_side_px=32, sources_per_shard=8)\n"
            "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)\n"
        )
        peaks.append(int(run("-c", code, data, tmp_path / f"out{n_sources}").stdout))
    assert peaks[1] - peaks[0] < 20_000  # KiB; decoded frames of all 400 would be 92 MB, their shards' rows more
