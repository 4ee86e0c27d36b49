"""Files of a run that cannot be written: errors that name them, and a run that goes on afterwards."""

import json
import resource
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.train.test_trainer import train
from train.errors import RunError
from train.files import write_whole
from train.runlog import Record, RunLog

FULL = Path("/dev/full")
needs_full = pytest.mark.skipif(not FULL.exists(), reason="a Linux device")


def record(step, **terms):
    return Record(step, 1.0, terms, {}, 0.0, 0.0, 0.0)


@contextmanager
def no_file_longer_than(n_bytes):
    """The system refuses bytes beyond, as it does on a full disk; no rights are needed for that."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@needs_full
def test_a_settings_file_on_a_full_disk_stops_the_run_before_it_trains(small_shards, tmp_path):
    (tmp_path / "config.yaml.partial").symlink_to(FULL)
    with pytest.raises(RunError, match=r"config\.yaml: cannot be written \(No space left.*free some disk space"):
        train(tmp_path, small_shards, "steps=1")
    assert not (tmp_path / "config.yaml").exists()
    assert not (tmp_path / "log.jsonl").exists()


@needs_full
def test_a_summary_on_a_full_disk_is_written_by_the_next_start(small_shards, tmp_path):
    (tmp_path / "training.json.partial").symlink_to(FULL)
    with pytest.raises(RunError, match=r"training\.json: cannot be written \(No space left"):
        train(tmp_path, small_shards, "steps=1")
    assert train(tmp_path, small_shards, "steps=1")
    assert json.loads((tmp_path / "training.json").read_text())["steps"] == 1


def test_a_log_on_a_full_disk_is_named_and_loses_only_its_last_line(tmp_path):
    log = RunLog(tmp_path, 10, 0)
    log.write(record(1))
    with no_file_longer_than(1 << 20), pytest.raises(RunError, match=r"log\.jsonl: cannot be written \(File too large"):
        log.write(record(2, **{f"term-{i}": 0.0 for i in range(100_000)}))
    assert (tmp_path / "log.jsonl").stat().st_size == 1 << 20
    log = RunLog(tmp_path, 10, 2)
    log.write(record(2))
    log.close()
    assert [json.loads(line)["step"] for line in (tmp_path / "log.jsonl").read_text().splitlines()] == [1, 2]


def test_a_folder_where_a_file_should_be_is_named(small_shards, tmp_path):
    (tmp_path / "run" / "log.jsonl").mkdir(parents=True)
    with pytest.raises(RunError, match=r"log\.jsonl: cannot be .*Is a directory"):
        train(tmp_path / "run", small_shards, "steps=1")
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match=r"file: cannot be written"):
        train(tmp_path / "file", small_shards, "steps=1")


@needs_full
def test_a_file_that_cannot_be_replaced_keeps_its_old_text(tmp_path):
    write_whole(tmp_path / "a.txt", "old")
    (tmp_path / "a.txt.partial").symlink_to(FULL)
    with pytest.raises(RunError, match=r"a\.txt"):
        write_whole(tmp_path / "a.txt", "new")
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]
    assert (tmp_path / "a.txt").read_text() == "old"
