"""Videos and shard sets behind URLs: the same shards, nothing half, and what goes wrong is named."""

import os
import resource
import signal
import subprocess
import sys
import tempfile
from dataclasses import replace
from types import ModuleType

import fsspec
import pytest

from preprocess.__main__ import main
from preprocess.build.pipeline import build
from preprocess.catalogues.open_catalogue import open_catalogue
from preprocess.errors import DiskFullError, RemoteError, ShardError
from preprocess.media.media_info import USUAL_LIMITS, Limits
from preprocess.remote import fetch_set, local_file, push_set
from preprocess.shards.manifest import read_dataset, read_sources
from preprocess.verify.shard_set import verify
from tests.preprocess.whole_run import PARAMS, build_folder, bytes_of
from tests.processes import status_of_fork

URL = "memory://bucket"


@pytest.fixture
def bucket():
    """An empty file system in memory."""
    store = fsspec.filesystem("memory")
    yield store
    store.rm("/bucket", recursive=True)


def test_videos_behind_a_url_make_the_shards_that_local_ones_make(bucket, clips, reference, tmp_path):
    bucket.put(str(clips), "/bucket/videos", recursive=True)
    bucket.pipe_file("/bucket/videos/.hidden/x.mp4", b"no source")
    build_folder(f"{URL}/videos", tmp_path / "shards")
    assert bytes_of(tmp_path / "shards") == bytes_of(reference)
    build_folder(f"{URL}/videos", tmp_path / "shards")  # nothing left, sizes are compared
    bucket.pipe_file("/bucket/videos/d.mkv", b"another file")
    with pytest.raises(ShardError, match=r"d.mkv had \d+ bytes, now has 12"):
        build_folder(f"{URL}/videos", tmp_path / "shards")


def test_what_cannot_be_fetched_or_is_too_large_fails_with_its_reason(bucket, clips, tmp_path):
    for name in ("a.mp4", "b.mp4", "c.mp4"):
        bucket.put_file(str(clips / "e.mp4"), f"/bucket/videos/{name}")
    bucket.pipe_file("/bucket/videos/large.mp4", bytes(100_000))
    catalogue = open_catalogue("folder", f"{URL}/videos")
    bucket.rm("/bucket/videos/a.mp4")
    bucket.pipe_file("/bucket/videos/b.mp4", b"cut")
    build(catalogue, tmp_path, PARAMS, limits=Limits(max_file_bytes=50_000))
    sources = read_sources(tmp_path)
    assert sources["status"].tolist() == ["failed", "failed", "ok", "failed"]
    assert "cannot be fetched: memory://" in sources["reason"][0]
    assert "3 bytes came" in sources["reason"][1]
    assert sources["reason"][3] == "more than 50000 bytes, the limit"


@pytest.mark.parametrize("n_bytes", [5_000, 100_000])
def test_a_full_folder_for_temporary_files_stops_the_run_instead_of_failing_the_source(n_bytes, bucket, monkeypatch):
    bucket.pipe_file("/bucket/videos/a.mp4", bytes(n_bytes))  # less, or more, than Python holds back before it writes
    (source,) = open_catalogue("folder", f"{URL}/videos").sources

    def find_no_space():
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        with pytest.raises(DiskFullError, match="make room"), local_file(source, USUAL_LIMITS):
            pytest.fail("there is a copy")

    assert status_of_fork(find_no_space) == 0
    monkeypatch.delenv("TMPDIR", raising=False)
    monkeypatch.setattr(tempfile, "tempdir", "/removed/meanwhile")
    with (
        pytest.raises(ShardError, match="/removed/meanwhile: cannot be read or written"),
        local_file(source, USUAL_LIMITS),
    ):
        pytest.fail("there is a copy")


def test_the_copy_of_a_killed_process_goes_with_the_next_one(bucket, clips, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    bucket.put_file(str(clips / "e.mp4"), "/bucket/videos/e.mp4")
    (source,) = open_catalogue("folder", f"{URL}/videos").sources

    def be_killed():
        with local_file(source, USUAL_LIMITS):
            os.kill(os.getpid(), signal.SIGKILL)

    assert status_of_fork(be_killed) == -signal.SIGKILL
    (left,) = tmp_path.iterdir()
    with local_file(source, USUAL_LIMITS) as path:
        assert not left.exists() and path.read_bytes() == (clips / "e.mp4").read_bytes()
    assert not list(tmp_path.iterdir())


def test_errors_of_a_client_name_the_url_and_the_remedy(bucket, clips, tmp_path, monkeypatch, capsys):
    botocore = ModuleType("botocore.exceptions")  # s3fs is not installed; its client's errors derive from Exception
    botocore.BotoCoreError = type("NoCredentialsError", (Exception,), {})
    botocore.ClientError = type("ClientError", (Exception,), {})
    monkeypatch.setitem(sys.modules, "botocore.exceptions", botocore)
    bucket.put(str(clips), "/bucket/videos", recursive=True)
    catalogue = open_catalogue("folder", f"{URL}/videos")

    def refuse(*_, **__):
        raise botocore.BotoCoreError("Unable to locate credentials")

    monkeypatch.setattr(type(bucket), "find", refuse)
    monkeypatch.setattr(type(bucket), "_open", refuse)
    assert main(["shards", "--out", f"{tmp_path}/out", "--dataset", "folder", "--data", f"{URL}/videos"]) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert f"{URL}/videos: NoCredentialsError: Unable to locate credentials; check the URL, your credentials" in said
    with pytest.raises(ShardError, match=r"none of the \d sources could be read.*Unable to locate credentials"):
        build(catalogue, tmp_path / "out", PARAMS)


def test_fetching_goes_on_where_it_was_and_marks_the_set_last(bucket, reference, tmp_path):
    push_set(reference, f"{URL}/set")

    def stop(done, total):
        assert total == 11
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch_set(f"{URL}/set", tmp_path / "cache", stop)
    assert not (tmp_path / "cache" / "dataset.json").exists()
    (tmp_path / "cache" / ".shard-000001.tar.~host.7.tmp").touch()  # as a kill leaves it
    before = (tmp_path / "cache" / "shard-000000.tar").stat().st_mtime_ns
    assert len(fetch_set(f"{URL}/set", tmp_path / "cache").shards) == 3
    assert (tmp_path / "cache" / "shard-000000.tar").stat().st_mtime_ns == before
    assert bytes_of(tmp_path / "cache") == bytes_of(reference)


def test_any_set_is_fetched_the_mark_and_the_further_shards_of_another_one_go_and_nobody_fetches_beside_another(
    bucket, clips, reference, tmp_path
):
    push_set(reference, f"{URL}/set")
    build_folder(clips, tmp_path / "other", replace(PARAMS, sources_per_shard=1))  # five shards, one without an archive
    push_set(tmp_path / "other", f"{URL}/other")
    fetch_set(f"{URL}/other", tmp_path / "cache")
    assert bytes_of(tmp_path / "cache") == bytes_of(tmp_path / "other")

    def stop(done, total):
        with pytest.raises(ShardError, match="another process is writing here"):
            fetch_set(f"{URL}/set", tmp_path / "cache")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch_set(f"{URL}/set", tmp_path / "cache", stop)
    with pytest.raises(ShardError, match="is not finished"):
        read_dataset(tmp_path / "cache")
    with pytest.raises(ShardError, match=r"shard-000000\.tar/cache: cannot be read or written"):
        fetch_set(f"{URL}/set", tmp_path / "cache" / "shard-000000.tar" / "cache")
    fetch_set(f"{URL}/set", tmp_path / "cache")
    assert bytes_of(tmp_path / "cache") == bytes_of(reference)


@pytest.mark.parametrize(
    "name", ["shard-000001.tar", "shard-000001.idx", "shard-000001.parquet", "manifest.parquet", "dataset.json"]
)
def test_damage_on_the_way_is_found_and_nothing_is_left(name, bucket, reference, tmp_path):
    push_set(reference, f"{URL}/set")
    whole = bucket.cat_file(f"/bucket/set/{name}")
    damaged = whole.replace(b'"n_missing": 0', b'"n_missing": 9')
    bucket.pipe_file(f"/bucket/set/{name}", damaged if damaged != whole else whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(RemoteError, match=f"{name}: does not match the description of its set"):
        fetch_set(f"{URL}/set", tmp_path / "cache")
    assert not (tmp_path / "cache" / name).exists()
    bucket.rm_file(f"/bucket/set/{name}")
    push_set(reference, f"{URL}/set")
    fetch_set(f"{URL}/set", tmp_path / "cache")
    assert bytes_of(tmp_path / "cache") == bytes_of(reference)


def test_the_checksums_are_those_of_sha256sum_and_a_stopped_push_of_another_state_leaves_nothing(
    bucket, reference, tmp_path
):
    index = (reference / "shard-000000.idx").read_bytes()
    bucket.pipe_file("/bucket/set/shard-000000.idx", index[::-1])  # as long as the file of this state
    push_set(reference, f"{URL}/set")
    bucket.get("/bucket/set", str(tmp_path / "copy"), recursive=True)
    subprocess.run(["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=tmp_path / "copy", check=True)
    assert verify(tmp_path / "copy") == []
    listed = {line.split()[1] for line in (tmp_path / "copy" / "SHA256SUMS").read_text().splitlines()}
    assert listed == {path.name for path in reference.iterdir()}


def test_a_set_cannot_name_files_outside_of_its_folder_and_another_set_is_not_overwritten(bucket, reference, tmp_path):
    push_set(reference, f"{URL}/set")
    named = bucket.cat_file("/bucket/set/dataset.json").replace(b"shard-000001.tar", b"../../elsewhere.tar")
    bucket.pipe_file("/bucket/set/dataset.json", named)
    bucket.copy("/bucket/set/shard-000001.tar", "/elsewhere.tar")
    with pytest.raises(ShardError, match=r"outside of its folder: '../../elsewhere.tar'"):
        fetch_set(f"{URL}/set", tmp_path / "deep" / "cache")
    bucket.rm("/elsewhere.tar")
    assert not list(tmp_path.rglob("*.tar"))
    with pytest.raises(RemoteError, match="holds another shard set"):
        push_set(reference, f"{URL}/set")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("shards --out out --dataset folder --data memory://empty", "memory://empty: no video files below it"),
        ("shards --out out --dataset ucf101 --data memory://ucf", "only --dataset folder reads from a URL"),
        ("shards --out out --dataset folder --data nowhere://x", "Protocol not known: nowhere"),
        ("fetch out memory://none", "memory://none: holds no finished shard set that `push` has copied there"),
    ],
)
def test_commands_name_the_url_that_does_not_serve(arguments, words, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(arguments.split()) == 2
    assert words in " ".join(capsys.readouterr().err.split())
