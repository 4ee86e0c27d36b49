"""Whole runs: same bytes however they are cut up, killed or spread; refusals; failures; retries."""

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from preprocess.catalogue import open_catalogue
from preprocess.errors import DiskFullError, ShardError
from preprocess.executors import SerialExecutor
from preprocess.manifest import read_dataset, read_segments, read_sources
from preprocess.pipeline import build
from preprocess.progress import LogProgress, Tally
from preprocess.schema import SEGMENTS_PER_SOURCE_LIMIT, ShardParams
from preprocess.strip import decode_strip
from preprocess.task import ShardProgress
from preprocess.verify import verify

REPOSITORY = Path(__file__).parents[2]
PARAMS = ShardParams(short_side_px=32, segment_seconds=0.8, sources_per_shard=2, n_mels=32)


@pytest.fixture(scope="module")
def clips(tmp_path_factory, write_clip, counter_frames, tone) -> Path:
    """Five sources in three shards of two: sound, no sound, one that is no video, two segments, one segment."""
    folder = tmp_path_factory.mktemp("clips")
    work = tmp_path_factory.mktemp("raw")
    made = {
        "a sound.mp4": write_clip(work / "a.mp4", counter_frames(25, 48, 64), 25, tone(1.0)),
        "b/mute.mp4": write_clip(work / "b.mp4", counter_frames(25, 48, 64), 25),
        "d.mkv": write_clip(work / "d.mkv", counter_frames(40, 48, 64), 25, tone(1.6, 440)),
        "e.mp4": write_clip(work / "e.mp4", counter_frames(10, 64, 48), 25, tone(0.4, 3000)),
    }
    for name, path in made.items():
        (folder / name).parent.mkdir(exist_ok=True)
        path.rename(folder / name)
    (folder / "c.mp4").write_text("no video")
    return folder


def _build(clips: Path, out: Path, params: ShardParams = PARAMS, **options):
    return build(open_catalogue("folder", clips), out, params, executor=SerialExecutor(), **options)


@pytest.fixture(scope="module")
def reference(clips, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("reference") / "shards"
    _build(clips, out)
    return out


def _bytes(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_a_run_leaves_shards_that_are_whole_and_say_what_they_hold(clips, reference):
    assert verify(reference, executor=SerialExecutor()) == []
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
    assert segments["segment_id"].dtype == np.int64 and segments["n_frames"].dtype == np.int64
    assert info.n_segments == len(segments) == sum(shard.n_segments for shard in info.shards)


def test_what_the_tables_say_of_a_segment_is_in_its_archive(reference, read_counter):
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


def test_no_file_holds_a_time_or_a_place(clips, reference, tmp_path):
    moved = shutil.copytree(clips, tmp_path / "elsewhere")
    for path in moved.rglob("*"):
        os.utime(path, (1, 1))
    _build(moved, tmp_path / "deep" / "shards")
    assert _bytes(tmp_path / "deep" / "shards") == _bytes(reference)


def test_a_second_run_has_nothing_to_do(clips, reference, tmp_path):
    out = shutil.copytree(reference, tmp_path / "shards")
    before = {path.name: path.stat().st_mtime_ns for path in out.glob("*.tar")}
    summary = _build(clips, out)
    assert summary.n_shards_built == 0
    assert {path.name: path.stat().st_mtime_ns for path in out.glob("*.tar")} == before
    assert _bytes(out) == _bytes(reference)


@pytest.mark.parametrize("name", ["shard-000001.tar", "shard-000000.idx", "shard-000002.parquet", "manifest.parquet"])
def test_what_is_missing_is_made_again(clips, reference, tmp_path, name):
    out = shutil.copytree(reference, tmp_path / "shards")
    (out / name).unlink()
    (out / "dataset.json").unlink()
    _build(clips, out)
    assert _bytes(out) == _bytes(reference)


def test_killed_at_every_flush_and_rename_it_ends_with_the_same_bytes(clips, reference, tmp_path, monkeypatch):
    """Each round dies one such step further on than the one before; what it has left is what the next finds."""
    out = tmp_path / "shards"
    steps = 0
    for rounds in range(40):
        child = os.fork()
        if child == 0:
            signal.alarm(60)
            _die_after_steps(1 + rounds)
            _build(clips, out)
            os._exit(0)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if status == 0:
            break
        assert status == -signal.SIGKILL
        steps += 1
        if (out / "dataset.json").exists():
            assert _bytes(out)["dataset.json"] == _bytes(reference)["dataset.json"]
    assert status == 0
    assert steps > 5
    assert _bytes(out) == _bytes(reference)


def _die_after_steps(n_steps: int) -> None:
    """Kill this process at the n-th call that makes files last or gives them their names."""
    left = [n_steps]

    def counted(original):
        def call(*arguments):
            left[0] -= 1
            if left[0] < 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return original(*arguments)

        return call

    os.fsync = counted(os.fsync)
    Path.replace = counted(Path.replace)


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
        _build(clips, out, replace(PARAMS, **change))
    assert _bytes(out) == _bytes(reference)


def test_other_sources_are_refused_by_name(clips, reference, tmp_path):
    out, data = shutil.copytree(reference, tmp_path / "shards"), shutil.copytree(clips, tmp_path / "data")
    shutil.copy(data / "e.mp4", data / "bb.mp4")
    with pytest.raises(ShardError, match=r"(?s)number of sources was 5, now is 6.*source 2 was c.mp4, now is bb.mp4"):
        _build(data, out)
    (data / "bb.mp4").unlink()
    (data / "e.mp4").rename(data / "f.mp4")
    with pytest.raises(ShardError, match=r"(?s)names, labels or splits.*source 4 was e.mp4, now is f.mp4"):
        _build(data, out)


def test_a_source_that_has_changed_is_refused_with_the_way_out(clips, reference, tmp_path):
    out, data = shutil.copytree(reference, tmp_path / "shards"), shutil.copytree(clips, tmp_path / "data")
    shutil.copy(data / "a sound.mp4", data / "d.mkv")
    with pytest.raises(
        ShardError, match=r"(?s)shard-000001.parquet.*d.mkv had \d+ bytes, now has \d+.*Delete this file"
    ):
        _build(data, out)
    (out / "shard-000001.parquet").unlink()
    assert _build(data, out).n_shards_built == 1


def test_another_ffmpeg_is_refused(clips, reference, tmp_path, monkeypatch):
    out = shutil.copytree(reference, tmp_path / "shards")
    monkeypatch.setattr("preprocess.pipeline.ffmpeg_version", lambda: "4.2.1")
    with pytest.raises(ShardError, match=r"ffmpeg was \S+, now is 4.2.1"):
        _build(clips, out)


def test_a_run_beside_another_is_refused(clips, tmp_path):
    from preprocess.atomic import locked

    (tmp_path / "shards").mkdir()
    with locked(tmp_path / "shards"), pytest.raises(ShardError, match="another run is at work here"):
        _build(clips, tmp_path / "shards")


def test_failed_sources_are_tried_again_on_request_only(clips, reference, tmp_path):
    out, data = shutil.copytree(reference, tmp_path / "shards"), shutil.copytree(clips, tmp_path / "data")
    assert _build(data, out, retry_failed=True).n_failed == 1  # fails again: the shard stays
    assert _bytes(out) == _bytes(reference)
    shutil.copy(data / "e.mp4", data / "c.mp4")
    assert _build(data, out).n_failed == 1
    summary = _build(data, out, retry_failed=True)
    assert (summary.n_failed, summary.n_shards_built) == (0, 1)
    assert summary.fingerprint != read_dataset(reference).fingerprint
    _build(data, tmp_path / "afresh")
    assert _bytes(out) == _bytes(tmp_path / "afresh")


def test_a_shard_of_which_nothing_can_be_read_has_a_mark_but_no_archive(clips, tmp_path):
    data = shutil.copytree(clips, tmp_path / "data")
    (data / "d.mkv").write_bytes(b"")  # with c.mp4 the whole of shard 1
    summary = _build(data, tmp_path / "shards", max_failed=2)
    assert (summary.n_failed, summary.n_shards, summary.too_many_failed) == (2, 2, False)
    assert {f.reason for f in summary.failures} == {"Invalid data found when processing input", "empty file"}
    assert not (tmp_path / "shards" / "shard-000001.tar").exists()
    assert verify(tmp_path / "shards", executor=SerialExecutor()) == []
    shutil.copy(clips / "d.mkv", data / "d.mkv")
    (data / "d.mkv").write_bytes((clips / "d.mkv").read_bytes())
    _build(data, tmp_path / "shards", retry_failed=True)
    assert verify(tmp_path / "shards", executor=SerialExecutor()) == []


def test_none_readable_is_an_error_that_keeps_the_reasons(tmp_path):
    (tmp_path / "data").mkdir()
    for name in ("a.mp4", "b.mp4"):
        (tmp_path / "data" / name).write_text("no video")
    with pytest.raises(ShardError, match=r"none of the 2 sources could be read. The first, a.mp4: Invalid data"):
        _build(tmp_path / "data", tmp_path / "shards")
    assert (tmp_path / "shards" / "manifest.parquet").exists()
    assert not (tmp_path / "shards" / "dataset.json").exists()


def test_many_kinds_of_failure_are_shown_as_few(tmp_path, clips):
    from preprocess import pipeline

    data = tmp_path / "data"
    data.mkdir()
    shutil.copy(clips / "e.mp4", data / "ok.mp4")
    for number in range(3):
        (data / f"empty{number}.mp4").write_bytes(b"")
        (data / f"text{number}.mp4").write_text("x")
    summary = _build(data, tmp_path / "shards")
    assert [failure.n_sources for failure in summary.failures] == [3, 3]
    pipeline_max, pipeline.MAX_REASONS = pipeline.MAX_REASONS, 1
    try:
        summary = _build(data, tmp_path / "shards")
    finally:
        pipeline.MAX_REASONS = pipeline_max
    assert [(f.n_sources, f.example != "") for f in summary.failures] == [(3, True), (3, False)]


@pytest.mark.parametrize("limit", [120_000, 200_000])
def test_full_disk_leaves_no_shard_that_looks_whole(clips, tmp_path, limit):
    """RLIMIT_FSIZE fails writes of the archive like a full disk; what ffmpeg writes for one source stays below it."""
    data, out = tmp_path / "data", tmp_path / "shards"
    data.mkdir()
    for number in range(20):
        shutil.copy(clips / "a sound.mp4", data / f"{number:02d}.mp4")
    params = replace(PARAMS, sources_per_shard=18, jpeg_quality=100)
    child = os.fork()
    if child == 0:
        signal.alarm(60)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        status = 1
        try:
            _build(data, out, params)
        except DiskFullError:
            status = 3
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 3
    assert list(out.iterdir()) == []
    _build(data, out, params)
    assert (out / "shard-000000.tar").stat().st_size > limit
    assert verify(out, executor=SerialExecutor()) == []


def test_a_full_file_system_is_reported_and_survived(clips, reference, tmp_path):
    out = tmp_path / "small"
    out.mkdir()
    size = sum(path.stat().st_size for path in reference.iterdir())
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size // 2}", "tmpfs", str(out)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("mounting is not permitted here")
    try:
        with pytest.raises(DiskFullError, match=r"no space left on device. What is finished is kept"):
            _build(clips, out)
        assert not list(out.glob(".*"))
        for part in out.glob("*.parquet"):
            assert _bytes(reference)[part.name] == part.read_bytes()
        subprocess.run(["mount", "-o", f"remount,size={4 * size + 100_000}", str(out)], check=True)
        _build(clips, out)
        assert _bytes(out) == _bytes(reference)
    finally:
        subprocess.run(["umount", str(out)], check=True)


def test_tally_replaces_earlier_reports_of_a_shard():
    tally = Tally(n_total=20, n_done_before=4, n_failed_before=1)
    tally.add(ShardProgress(0, n_done=2, n_failed=1, n_segments=4, media_seconds=20.0))
    tally.add(ShardProgress(0, n_done=1, n_failed=0, n_segments=2, media_seconds=10.0))  # started again
    tally.add(ShardProgress(1, n_done=5, n_segments=5, media_seconds=50.0))
    tally.add(ShardProgress(0, n_done=5, n_failed=0, n_segments=10, media_seconds=50.0, is_finished=True))
    snapshot = tally.snapshot()
    assert (snapshot.n_done, snapshot.n_failed) == (14, 1)
    assert snapshot.seconds_left is not None
    assert snapshot.clips_per_second > 0


def test_log_progress_writes_a_line(caplog):
    tally = Tally(n_total=2, n_done_before=0, n_failed_before=0)
    with caplog.at_level("INFO"), LogProgress(every_seconds=60) as progress:
        progress.show(tally.snapshot())
        tally.add(ShardProgress(0, n_done=2, is_finished=True))
        progress.show(tally.snapshot())
    assert [record.message.split(",")[0] for record in caplog.records] == ["2/2 sources"]


def test_audio_data_sets_have_no_frames(tmp_path, write_clip, tone):
    data = tmp_path / "data"
    (data / "audio").mkdir(parents=True)
    (data / "meta").mkdir()
    lines = ["filename,fold,target,category,esc10,src_file,take"]
    for number in range(3):
        write_clip(data / "audio" / f"{number}.wav", sound=tone(1.0, 300 * (number + 1)), audio_codec="pcm_s16le")
        lines.append(f"{number}.wav,{number + 1},{number},class{number},False,{number},A")
    (data / "meta" / "esc50.csv").write_text("\n".join(lines) + "\n")
    catalogue = open_catalogue("esc50", data)
    with pytest.raises(ShardError, match="esc50 is audio, the preset for video"):
        build(catalogue, tmp_path / "shards", PARAMS, executor=SerialExecutor())
    summary = build(catalogue, tmp_path / "shards", replace(PARAMS, media="audio"), executor=SerialExecutor())
    assert verify(tmp_path / "shards", executor=SerialExecutor()) == []
    with tarfile.open(tmp_path / "shards" / "shard-000000.tar") as archive:
        assert not any(name.endswith(".jpg") for name in archive.getnames())
    segments = read_segments(tmp_path / "shards")
    assert summary.n_segments == len(segments) == 6
    assert [json.loads(s)["fold"] for s in segments["splits"]] == ["1", "1", "2", "2", "3", "3"]


@pytest.mark.slow
def test_memory_does_not_grow_with_the_number_of_sources(tmp_path, write_clip, counter_frames):
    clip = write_clip(tmp_path / "clip.mp4", counter_frames(5, 48, 64), 25)
    peaks = []
    for n_sources in (40, 400):
        data = tmp_path / f"data{n_sources}"
        data.mkdir()
        for number in range(n_sources):
            (data / f"{number:04d}.mp4").hardlink_to(clip)
        code = (
            "import resource, sys; from pathlib import Path; from preprocess.catalogue import open_catalogue\n"
            "from preprocess.executors import SerialExecutor; from preprocess.pipeline import build\n"
            "from preprocess.schema import ShardParams\n"
            "params = ShardParams(short_side_px=32, sources_per_shard=8)\n"
            "build(open_catalogue('folder', Path(sys.argv[1])), Path(sys.argv[2]), params, executor=SerialExecutor())\n"
            "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)\n"
        )
        command = [sys.executable, "-c", code, str(data), str(tmp_path / f"out{n_sources}")]
        peaks.append(int(subprocess.run(command, cwd=REPOSITORY, capture_output=True, check=True).stdout))
    assert peaks[1] - peaks[0] < 20_000  # KiB; decoded frames of all 400 would be 92 MB, their shards' rows more
