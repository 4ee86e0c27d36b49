"""Python in a process of its own, for imports, exit statuses, memory and kills."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def start(*words: object, cwd: Path = ROOT, **environment: str) -> "subprocess.Popen[str]":
    """Start Python with these words, in a session of its own, whose output is read through pipes."""
    return subprocess.Popen(
        [sys.executable, *map(str, words)], cwd=cwd, env=os.environ | {"PYTHONPATH": str(ROOT)} | environment,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip


def run(*words: object, cwd: Path = ROOT, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run Python with these words to its end, whatever that is."""
    process = start(*words, cwd=cwd, **environment)
    out, err = process.communicate(timeout=600)
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)
