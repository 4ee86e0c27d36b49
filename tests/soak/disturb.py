"""Runs a command to its end while its processes are killed, starting it again as often as that takes."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tests.soak.processes import session_members

POLL_SECONDS = 0.02
VICTIM_SECONDS = 20.0
"""How long to wait for a victim of the kind that is due."""
GRACE_SECONDS = 60.0
"""Within which nothing of a killed run may be left."""

Victims = Callable[[int], dict[str, list[int]]]
"""Given the first process: whom to kill, by kind."""
Blow = tuple[str, signal.Signals]


class SoakError(Exception):
    """A command ended as no kill explains, left processes behind, or did not go on."""


@dataclass(frozen=True)
class Job:
    """A command that can be killed and started again.

    Attributes:
        command: what is run.
        folder: where it is run.
        done: how far it is, in units of its own.
        total: those units when it is finished.
        victims: whom to kill.
        blows: kinds of victim and signals, taken in turns.
        ended_by_signal: exit statuses with which it ends in order when the first process is signalled.
        log: what it says goes here.
        environment: more environment variables.
    """

    command: Sequence[str]
    folder: Path
    done: Callable[[], int]
    total: int
    victims: Victims
    blows: Sequence[Blow]
    ended_by_signal: frozenset[int]
    log: Path
    environment: dict[str, str]


@dataclass(frozen=True)
class Disturbance:
    """What was done to a job: kills by kind and signal, and how often it was started."""

    kills: dict[str, int]
    n_starts: int


def disturb(job: Job, n_kills: int, rng: np.random.Generator, show: Callable[[str], None]) -> Disturbance:
    """Run a job to its end; kills fall at random places of it, each kind of blow about as often as any other.

    Raises:
        SoakError: it failed by itself, did not end in order, or left processes behind.

    """
    places = sorted(rng.choice(max(job.total - 1, 1), n_kills, replace=job.total <= n_kills).tolist())
    blows = [job.blows[number % len(job.blows)] for number in rng.permutation(n_kills)]
    kills: dict[str, int] = {}
    process, n_starts = _start(job), 1
    for place, (kind, number) in zip(places, blows, strict=True):
        victim = _await_victim(job, process, place, kind, rng)
        if victim is None:  # it was finished before: nothing is left to disturb
            break
        with contextlib.suppress(ProcessLookupError):
            os.kill(victim, number)
        name = f"{kind}, {number.name}"
        kills[name] = kills.get(name, 0) + 1
        show(f"killed: {name}, at {job.done()} of {job.total}")
        if victim == process.pid:
            _ended(job, process.wait(), number)
            _await_silence(process.pid)
            process, n_starts = _start(job), n_starts + 1
    while process.poll() is None:
        time.sleep(POLL_SECONDS)
    _ended(job, process.returncode, None)
    _await_silence(process.pid)
    return Disturbance(kills, n_starts)


def _start(job: Job) -> "subprocess.Popen[bytes]":
    with job.log.open("ab") as log:
        return subprocess.Popen(
            list(job.command), cwd=job.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            env=os.environ | job.environment, start_new_session=True,
        )  # fmt: skip


def _await_victim(
    job: Job, process: "subprocess.Popen[bytes]", place: int, kind: str, rng: np.random.Generator
) -> int | None:
    """Wait until the job is there, a little longer, and for somebody of that kind; None if the job ended first."""
    while job.done() < place:
        if process.poll() is not None:
            return None
        time.sleep(POLL_SECONDS)
    time.sleep(rng.uniform(0, 0.5))
    deadline = time.monotonic() + VICTIM_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        if found := job.victims(process.pid).get(kind):
            return int(rng.choice(found))
        time.sleep(POLL_SECONDS / 10)  # some kinds live for milliseconds only
    return None if process.poll() is not None else process.pid


def _ended(job: Job, status: int, number: signal.Signals | None) -> None:
    expected = {0} if number is None else {0, -number, *job.ended_by_signal}
    if status not in expected:
        words = job.log.read_text("utf-8", "replace")[-2000:]
        raise SoakError(f"{' '.join(job.command)} ended with status {status}, expected {sorted(expected)}:\n{words}")


def _await_silence(session: int) -> None:
    """Whatever a killed process had started must end by itself, and soon."""
    deadline = time.monotonic() + GRACE_SECONDS
    while left := session_members(session):
        if time.monotonic() > deadline:
            raise SoakError(f"still running {GRACE_SECONDS:.0f} s after the first process ended: {left}")
        time.sleep(POLL_SECONDS)
