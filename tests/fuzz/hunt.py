"""Goes through cases of a target in a process of its own, which is watched: what crashes it or hangs is found too."""

import json
import os
import selectors
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.fuzz.child import CANARY
from tests.fuzz.targets import find_target

ROOT = Path(__file__).parents[2]
CASE_SECONDS = 60.0
"""A case that takes longer hangs."""
START_SECONDS = 180.0
"""For a process to load its modules, on a machine that has other work."""


@dataclass(frozen=True)
class Finding:
    """A case that broke a rule; `python -m tests.fuzz --only TARGET --seed S --first N --cases 1` shows it again."""

    target: str
    seed: int
    number: int
    what: str

    def __str__(self) -> str:
        """One line with the command that shows it again."""
        again = f"--only {self.target} --seed {self.seed} --first {self.number} --cases 1"
        return f"{self.target} {self.number}: {self.what}   (python -m tests.fuzz {again})"


@dataclass
class Hunt:
    """What a hunt has seen so far.

    Attributes:
        outcomes: how many cases ended how.
        findings: the cases that broke a rule.
        n_cases: all of them.
    """

    outcomes: Counter[str] = field(default_factory=Counter)
    findings: list[Finding] = field(default_factory=list)
    n_cases: int = 0


def hunt(
    name: str, folder: Path, seed: int, first: int, n_cases: int, *, seconds: float = float("inf"),
    show: Callable[[Hunt], None] = lambda _: None,
) -> Hunt:  # fmt: skip
    """Go through the cases [first, first + n_cases) of a target, or as far as the seconds reach.

    Args:
        name: of the target.
        folder: where specimen, work and output lie; each target makes its own below it.
        seed: of all cases.
        first: number of the first case.
        n_cases: how many.
        seconds: after which no case is begun.
        show: told after every case.

    """
    target = find_target(name)
    specimen, scratch = folder / f"{target.name}-specimen", folder / target.name
    if not specimen.exists():
        specimen.mkdir(parents=True)
        target.make(specimen)
    shutil.rmtree(scratch, ignore_errors=True)
    for each in ("tmp", "home"):
        (scratch / each).mkdir(parents=True)
    (scratch / CANARY).write_text("alive")
    seen, number, until = Hunt(), first, time.monotonic() + seconds
    while number < first + n_cases and time.monotonic() < until:
        number = _watch(name, scratch, seed, (number, first + n_cases), until, seen, show)
    return seen


def _watch(
    name: str, scratch: Path, seed: int, span: tuple[int, int], until: float, seen: Hunt, show: Callable[[Hunt], None]
) -> int:
    """Run a process until it is through, ends or hangs; return the number of the next case."""
    command = [sys.executable, "-m", "tests.fuzz.child", name, str(scratch), str(seed), str(span[0]), str(span[1])]
    environment = os.environ | {
        "TMPDIR": str(scratch / "tmp"), "HOME": str(scratch / "home"), "OMP_NUM_THREADS": "1",
        "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1",
    }  # fmt: skip
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, bufsize=0,
        start_new_session=True,
    )  # fmt: skip
    begun, ended = span[0] - 1, span[0] - 1
    try:
        for line in _lines(process, START_SECONDS, CASE_SECONDS):
            said = json.loads(line)
            if "begin" in said:
                begun = said["begin"]
                continue
            ended = said["end"]
            _note(seen, name, seed, ended, said["said"])
            show(seen)
            if time.monotonic() > until:
                break
    finally:
        status = _end(process)
    if begun > ended:  # a case was begun and did not end
        what = "hangs" if status == -signal.SIGKILL else f"crash, status {status}"
        _note(seen, name, seed, begun, f"FOUND: {what}")
        show(seen)
        return begun + 1
    if ended < span[0]:
        log = scratch.with_name(f"{scratch.name}.log")
        words = log.read_text("utf-8", "replace")[-1500:] if log.exists() else ""
        raise RuntimeError(f"the process that fuzzes {name} ended without a case, status {status}\n{words}")
    return ended + 1


def _note(seen: Hunt, name: str, seed: int, number: int, said: str) -> None:
    seen.n_cases += 1
    if said.startswith("FOUND: "):
        seen.findings.append(Finding(name, seed, number, said.removeprefix("FOUND: ")))
        seen.outcomes["found"] += 1
    else:
        seen.outcomes[said] += 1


def _lines(process: "subprocess.Popen[bytes]", first_seconds: float, seconds: float):
    """Yield lines until the process ends, or none comes for too long."""
    assert process.stdout is not None
    held, patience = b"", first_seconds
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while selector.select(patience):
            piece = os.read(process.stdout.fileno(), 1 << 16)
            if not piece:
                return
            *lines, held = (held + piece).split(b"\n")
            yield from lines
            patience = seconds


def _end(process: "subprocess.Popen[bytes]") -> int:
    """Wait a moment for the end, then kill it and all that it has started."""
    try:
        status = process.wait(0.5)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        status = process.wait()
    if process.stdout is not None:
        process.stdout.close()
    return status
