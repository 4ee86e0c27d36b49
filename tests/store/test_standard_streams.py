"""Output of commands into a pipe whose reader has left, as in `... | head -1`, and of names that are not UTF-8."""

import os
import subprocess
import sys

import pytest

from tests.processes import run

LATIN_1 = os.fsdecode(b"caf\xe9.yaml")


def run_without_reader(*words):
    """Run a command whose reader has left before its first line; returns its exit status and standard error."""
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer):
        said = subprocess.run([sys.executable, "-m", *words], stdout=writer, stderr=subprocess.PIPE, check=False)
    return said.returncode, said.stderr.decode()


@pytest.mark.parametrize(
    ("words", "status"),
    [(("train", "config"), 0), (("preprocess", "doctor"), 0), (("store", "verify", "nowhere.h5"), 1)],
    ids=lambda words: words[0] if isinstance(words, tuple) else "",
)
def test_the_exit_status_is_that_of_the_command(words, status):
    found, errors = run_without_reader(*words)
    assert found == status
    assert "Traceback" not in errors and "BrokenPipe" not in errors


@pytest.mark.parametrize("words", [("store", "--help"), ("preprocess", "doctor")], ids=lambda words: words[0])
def test_a_full_disk_behind_standard_output_is_an_error_of_one_line(words):
    with open("/dev/full", "w") as full:  # noqa: PTH123 - a device
        said = subprocess.run([sys.executable, "-m", *words], stdout=full, stderr=subprocess.PIPE, check=False)
    assert said.returncode == 2
    assert said.stderr.decode().splitlines() == [
        "error: standard output cannot be written: No space left on device; write it elsewhere"
    ]


@pytest.mark.parametrize(
    "words",
    [
        ("store", "info", LATIN_1),
        ("preprocess", "verify", LATIN_1),
        ("train", "config", "--preset", LATIN_1),
        ("evaluate", "match", "a.mp4", "--index", LATIN_1, "--out", "a.json"),
    ],
    ids=lambda words: words[0],
)
def test_bytes_of_a_path_that_are_not_utf8_are_written_as_their_numbers(words, tmp_path):
    (tmp_path / LATIN_1).write_text("no: settings")
    done = run("-m", *words, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith(r"error: caf\xe9.yaml")
