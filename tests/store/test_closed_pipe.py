"""Output into a pipe whose reader has left, as in `python -m evaluate match ... | head -1`, costs the command nothing."""

import os
import subprocess
import sys

import pytest


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
