"""The command line as users and service managers treat it: exit statuses, Ctrl-C, kill, two at once, dying decoders."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from preprocess.__main__ import main
from preprocess.media.ffmpeg import ffmpeg_executable
from preprocess.shards.manifest import read_dataset, read_sources
from tests.preprocess.whole_run import PARAMS, build_folder, bytes_of
from tests.processes import run, start, wait_for

SETTINGS = [
    text
    for name in ("short_side_px", "segment_seconds", "sources_per_shard", "n_mels")
    for text in ("--set", f"{name}={getattr(PARAMS, name)}")
]


def _words(clips: Path, out: Path, *options: str) -> list[str]:
    return ["shards", "--dataset", "folder", "--data", str(clips), "--out", str(out), *options]


def _run(clips: Path, out: Path, *options: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    return run("-m", "preprocess", *_words(clips, out, "--workers", "2", *SETTINGS, *options), **environment)


def _is_group_gone(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return True
    return False


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--data", "nowhere"], "nowhere"),
        (["--set", "fps"], "write NAME=VALUE"),
        (["--set", "frames=3"], "NAME one of media, fps"),
        (["--set", "n_mels=many"], "n_mels is a whole number"),
        (["--set", "fps=7"], "whole number of log-mel columns a frame"),
        (["--classes", "Juggling"], "has no source of class Juggling; there are no labels at all"),
        (["--preset", "audio"], "folder is video, the preset for audio"),
        (["--out", "s3://bucket/shards"], "shards are built in a folder of this machine, `push` copies them to a URL"),
        (["--executor", "ray"], "Ray is not installed: pip install"),
    ],
)
def test_errors_are_one_clear_message_and_status_2(clips, tmp_path, arguments, words, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    assert main(_words(clips, tmp_path / "out", *arguments)) == 2
    error = " ".join(capsys.readouterr().err.split())
    assert error.startswith("error: ")
    assert words in error
    assert not (tmp_path / "out" / "dataset.json").exists()


def test_a_folder_for_temporary_files_with_a_path_too_long_for_sockets_is_named(clips, tmp_path):
    long = tmp_path / ("x" * 100)
    long.mkdir()
    ended = _run(clips, tmp_path / "out", TMPDIR=str(long))
    assert ended.returncode == 2
    error = ended.stderr.replace("\n", "")
    assert str(long) in error
    assert "set TMPDIR to a short path" in error


def test_verify_tells_its_outcome_by_its_status(clips, tmp_path, capsys):
    out = tmp_path / "[red]shards"
    build_folder(clips, out)
    (out / "notes.txt").touch()
    assert main(["verify", str(out)]) == 1
    assert "[red]shards/notes.txt: belongs to no finished shard" in capsys.readouterr().out
    assert main(["verify", str(tmp_path / "none")]) == 2
    assert "none: is not a folder" in capsys.readouterr().err


def test_the_status_follows_max_failed_and_what_a_run_kept_does_not_count_shards_without_an_archive(
    data, tmp_path, capsys
):
    (data / "d.mkv").write_bytes(b"")  # with c.mp4 the whole of shard 1
    build_folder(data, tmp_path / "shards")
    words = _words(data, tmp_path / "shards", "--workers", "1", *SETTINGS, "--retry-failed", "--max-failed")
    assert [main([*words, allowed]) for allowed in ("1", "2")] == [1, 0]
    said = capsys.readouterr().out
    for text in ("in 2 shards (2 were there before)", "failed sources: 2", "Invalid data", "empty file"):
        assert said.count(text) == 2


def test_a_command_that_starts_over_when_it_was_stopped_says_so(monkeypatch, capsys):
    monkeypatch.setattr("preprocess.doctor.check", lambda folder: os.kill(os.getpid(), signal.SIGTERM))
    assert main(["doctor"]) == 143
    assert "stopped; the same command starts over" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_stopped_by_a_signal_it_leaves_cleanly_and_loses_nothing(clips, reference, tmp_path, number, status):
    """The signal goes to the whole group, as from a terminal or a service manager: ffmpeg must not act on it."""
    out, slow = tmp_path / "shards", tmp_path / "ffmpeg"
    slow.write_text(f'#!/bin/sh\nsleep 2\nexec "{ffmpeg_executable()}" "$@"\n')  # else it may end before the signal
    slow.chmod(0o755)
    process = start("-m", "preprocess", *_words(clips, out, "--workers", "2", *SETTINGS), AVTEMPO_FFMPEG=str(slow))
    wait_for(lambda: any(out.glob("*.parquet")), 120)
    os.killpg(process.pid, number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == status, err
    assert "stopped; the same command continues where it was" in err
    assert "Traceback" not in err
    wait_for(lambda: _is_group_gone(process.pid), 10)
    left = bytes_of(out)
    assert not [name for name in left if name.startswith(".")]
    assert left.items() <= bytes_of(reference).items()
    done = _run(clips, out, "--max-failed", "1")
    assert done.returncode == 0
    assert "4 of 5 sources -> 7 segments" in done.stdout
    assert "sources 5/5, " in done.stderr
    assert bytes_of(out) == bytes_of(reference), "whatever the number of processes"
    assert main(["verify", str(out), "--workers", "2"]) == 0


@pytest.mark.slow
def test_a_source_that_kills_its_process_is_left_out_and_the_run_goes_on(data, tmp_path):
    """A stand-in for a crash in a codec: an ffmpeg that kills the process that started it."""
    (data / "d.mkv").rename(data / "d deadly.mkv")
    fake = tmp_path / "ffmpeg"
    fake.write_text(
        "#!/bin/sh\n"
        'for fd in /proc/$$/fd/*; do case "$(readlink $fd)" in *deadly.mkv) kill -9 $PPID; sleep 1;; esac; done\n'
        f'exec "{ffmpeg_executable()}" "$@"\n'
    )
    fake.chmod(0o755)
    done = _run(data, tmp_path / "shards", "--max-failed", "2", AVTEMPO_FFMPEG=str(fake))
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("the process that read d deadly.mkv ended: signal SIGKILL") == 2
    sources = read_sources(tmp_path / "shards").set_index("source")
    assert sources.loc["d deadly.mkv", "reason"] == "the process that read it ended twice: signal SIGKILL"
    assert (sources["status"] == "failed").sum() == 2
    assert read_dataset(tmp_path / "shards").n_segments == 5
    assert main(["verify", str(tmp_path / "shards")]) == 0
