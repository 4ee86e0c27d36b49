"""Files of a run that cannot be written: errors that name them, and a run that continues afterwards."""

import errno
import json

import pytest

from tests.processes import no_file_longer_than
from tests.train.small_runs import records, train
from train.errors import RunError
from train.run.run_log import Record, RunLog


def record(step, **terms):
    return Record(step, 1.0, terms, {}, 0.0, 0.0, 0.0)


def test_a_settings_file_on_a_full_disk_stops_the_run_before_it_trains(small_shards, tmp_path):
    words = r"config\.yaml: cannot be written \(File too large.*free some disk space"
    with no_file_longer_than(64), pytest.raises(RunError, match=words):
        train(tmp_path, small_shards, "steps=1")
    assert not (tmp_path / "config.yaml").exists()
    assert not (tmp_path / "log.jsonl").exists()


def test_a_summary_that_cannot_be_written_is_written_by_the_next_start(small_shards, tmp_path, monkeypatch):
    def full(path, text, guard):
        with guard(path):
            if path.name == "training.json":
                raise OSError(errno.ENOSPC, "No space left on device")
            path.write_text(text)

    monkeypatch.setattr("train.run.loop.write_text", full)
    with pytest.raises(RunError, match=r"training\.json: cannot be written"):
        train(tmp_path, small_shards, "steps=1")
    monkeypatch.undo()
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
    assert list(records(tmp_path)) == [1, 2]


@pytest.mark.parametrize(
    ("blocked", "words"),
    [
        (lambda run: (run / "log.jsonl").mkdir(parents=True), r"log\.jsonl: cannot be .*Is a directory"),
        (lambda run: run.write_text(""), "run: cannot be written"),
        (lambda run: (run.mkdir(), (run / "checkpoints").write_text("")), "checkpoints: cannot be written"),
        (lambda run: (run.mkdir(), (run / "log.jsonl").symlink_to(run.parent / "precious")), r"log\.jsonl: is a link"),
    ],
)
def test_a_folder_a_file_or_a_link_where_the_run_writes_another_is_named(small_shards, tmp_path, blocked, words):
    """A run's folder may come from elsewhere, with links in it; what they lead to stays as it is."""
    (tmp_path / "precious").write_text("precious")
    blocked(tmp_path / "run")
    with pytest.raises(RunError, match=words):
        train(tmp_path / "run", small_shards, "steps=1")
    assert (tmp_path / "precious").read_text() == "precious"
