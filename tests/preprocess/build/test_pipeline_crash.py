"""Whole runs that are killed, find no space or lose a file: no damaged file looks whole, and the final bytes are the same."""

import errno
import fcntl
import os
import resource
import shutil
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from preprocess.build.shard_task import ShardProgress
from preprocess.errors import DiskFullError, ShardError
from preprocess.executors.processes import SerialExecutor
from preprocess.verify.shard_set import verify
from tests.preprocess.whole_run import PARAMS, build_folder, bytes_of
from tests.processes import ROOT, run, status_of_fork


@pytest.mark.parametrize("name", ["shard-000001.tar", "shard-000000.idx", "shard-000002.parquet", "manifest.parquet"])
def test_what_is_missing_is_made_again(clips, shards, reference, name):
    (shards / name).unlink()
    (shards / "dataset.json").unlink()
    build_folder(clips, shards)
    assert bytes_of(shards) == bytes_of(reference)


def test_killed_at_every_flush_and_rename_it_ends_with_the_same_bytes(clips, reference, tmp_path):
    """Each round dies one such step further on than the one before; what it has left is what the next finds."""
    out = tmp_path / "shards"
    steps = 0
    for rounds in range(40):
        status = status_of_fork(lambda: (_die_after_steps(1 + rounds), build_folder(clips, out)))  # noqa: B023 - at once
        if status == 0:
            break
        assert status == -signal.SIGKILL
        steps += 1
        if (out / "dataset.json").exists():
            assert bytes_of(out)["dataset.json"] == bytes_of(reference)["dataset.json"]
    assert status == 0
    assert steps > 5
    assert bytes_of(out) == bytes_of(reference)


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


def test_without_locks_the_files_of_another_run_stay(clips, reference, tmp_path, monkeypatch):
    def refuse(descriptor, operation):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    theirs = tmp_path / "shards" / ".shard-000000.tar.~host.7.tmp"
    theirs.parent.mkdir()
    theirs.touch()
    build_folder(clips, theirs.parent)
    theirs.unlink()
    assert bytes_of(theirs.parent) == bytes_of(reference)


@pytest.mark.parametrize("limit", [120_000, 200_000])
def test_full_disk_leaves_no_shard_that_looks_whole(clips, tmp_path, limit):
    """RLIMIT_FSIZE fails writes of the archive like a full disk; what ffmpeg writes for one source stays below it."""
    data, out = tmp_path / "data", tmp_path / "shards"
    data.mkdir()
    for number in range(20):
        shutil.copy(clips / "a sound.mp4", data / f"{number:02d}.mp4")
    params = replace(PARAMS, sources_per_shard=18, jpeg_quality=100)

    def find_no_space():
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        with pytest.raises(DiskFullError, match="Finished work is kept: make room"):
            build_folder(data, out, params)

    assert status_of_fork(find_no_space) == 0
    assert list(out.iterdir()) == []
    build_folder(data, out, params)
    assert (out / "shard-000000.tar").stat().st_size > limit
    assert verify(out) == []


class DyingExecutor(SerialExecutor):
    """As if the process of every shard were killed, after its last source, so many times."""

    def __init__(self, n_deaths: int) -> None:
        self.n_deaths = n_deaths

    def run(self, work, tasks, report, on_death):
        for task in tasks:
            for _ in range(self.n_deaths):
                again = on_death(task, ShardProgress(task.shard), "signal SIGKILL")
                assert again == task
            yield work(task, report)


def test_a_process_killed_while_it_finishes_a_shard_costs_nothing_unless_all_are(clips, reference, tmp_path):
    with pytest.raises(ShardError, match=r"shard-000000 .*SIGKILL.*fewer --workers"):
        build_folder(clips, tmp_path / "shards", executor=DyingExecutor(3))
    build_folder(clips, tmp_path / "shards", executor=DyingExecutor(2))
    assert bytes_of(tmp_path / "shards") == bytes_of(reference)


@pytest.mark.slow
def test_a_fork_server_that_ends_is_named(tmp_path):
    (tmp_path / "breaks.py").write_text("raise RuntimeError('cannot be loaded here')")
    (tmp_path / "run.py").write_text(
        "from preprocess.errors import PreprocessError\n"
        "from preprocess.executors.processes import ProcessExecutor\n"
        "from preprocess.build.shard_task import build_shard\n"
        "try:\n    list(ProcessExecutor(1, ('breaks',)).run(build_shard, [0], print, print))\n"
        "except PreprocessError as error:\n    print(f'named: {error}')\n"
    )
    ended = run("run.py", cwd=tmp_path, PYTHONPATH=f"{ROOT}:{tmp_path}")
    assert "named: the server that starts processes ended" in ended.stdout, ended.stderr
    assert "cannot be loaded here" in ended.stderr


@pytest.mark.slow
def test_a_script_that_processes_would_run_anew_is_told_so(tmp_path):
    (tmp_path / "run.py").write_text(
        "from preprocess.executors.processes import ProcessExecutor\n"
        "list(ProcessExecutor(1).run(print, [0], print, print))\n"
    )
    ended = run("run.py", cwd=tmp_path, PYTHONPATH=str(ROOT))
    assert "a process could not begin, its message is above; a script keeps" in ended.stderr


def test_a_source_is_not_damaged_that_fails_while_everything_is_told_to_end(clips, reference, tmp_path):
    def build_while_a_signal_waits():
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
        os.kill(os.getpid(), signal.SIGINT)
        build_folder(clips, tmp_path / "shards")

    assert status_of_fork(build_while_a_signal_waits) == 1
    left = {name: data for name, data in bytes_of(tmp_path / "shards").items() if name.startswith("shard")}
    assert left.items() <= bytes_of(reference).items()
    assert {Path(name).stem for name in left} == {"shard-000000"}  # the next one has a source that cannot be read
