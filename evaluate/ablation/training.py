"""Train the runs of a plan, each by `python -m train pretrain` in a process of its own, some at a time.

A run that is complete is left alone, one that was stopped goes on. One that fails is remembered with the trainer's own
words, and the others go on. A signal stops the children with SIGTERM, on which they save; so do they when this process
is killed outright, for a pipe from it ends then.
"""

import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from evaluate.ablation.plan import Plan, PlannedRun
from evaluate.ablation.run_state import is_complete, last_step, other_schedule
from store.atomic_files import folder_lock
from train.errors import RunError, writing
from train.run.signals import StopFlag

OUTPUT_NAME = "pretrain.txt"
"""What the trainer said, in the run's folder."""
_STOPPED = 3
"""The trainer's exit status after a signal."""
_POLL_SECONDS = 0.25
_ORPHAN_SECONDS = 60.0
"""How long the training of a killed ablation may take to save and end."""


@dataclass(frozen=True)
class Failure:
    """A run that has no numbers, and why."""

    run: PlannedRun
    reason: str


@dataclass(frozen=True)
class TrainingState:
    """How far the trainings are.

    Attributes:
        done: runs that need no more training, failed ones included.
        total: runs of the plan.
        running: names of those in work, and the last step each has logged.
        steps_done, steps_total: of all runs together.
        seconds_left: at the rate so far; None before there is one.
    """

    done: int
    total: int
    running: tuple[tuple[str, int], ...]
    steps_done: int
    steps_total: int
    seconds_left: float | None


def train_runs(
    plan: Plan,
    *,
    progress: Callable[[TrainingState], None] = lambda _: None,
    finished: Callable[[PlannedRun, Failure | None], None] = lambda _run, _failure: None,
) -> tuple[Failure, ...]:
    """Train what is not complete; return the runs that failed.

    Args:
        plan: the runs.
        progress: told several times a second.
        finished: told of every run that was trained, or could not be.

    Raises:
        KeyboardInterrupt: a signal asked to stop; the children have saved and ended.
    """
    return _Scheduler(plan, progress, finished).work()


class _Scheduler:
    def __init__(
        self,
        plan: Plan,
        progress: Callable[[TrainingState], None],
        finished: Callable[[PlannedRun, Failure | None], None],
    ) -> None:
        self.plan, self.progress, self.finished = plan, progress, finished
        self.waiting = deque(run for run in plan.runs if not is_complete(run, plan.fingerprint))
        self.children: list[_Child] = []
        self.failures: list[Failure] = []
        self.before = dict.fromkeys((run.name for run in plan.runs), plan.steps)
        self.before.update({run.name: last_step(run.folder) for run in self.waiting})
        self.reached = dict(self.before)
        self.started = time.monotonic()

    def work(self) -> tuple[Failure, ...]:
        with StopFlag() as stop:
            try:
                while (self.waiting or self.children) and not stop.raised:
                    while self.waiting and len(self.children) < self.plan.jobs:
                        self._start(self.waiting.popleft())
                    time.sleep(_POLL_SECONDS)
                    for child in [child for child in self.children if child.process.poll() is not None]:
                        self.children.remove(child)
                        self._end(child.run, child.failure())
                    self.progress(self.state())
            finally:
                _stop([child.process for child in self.children])
            if stop.raised:
                raise KeyboardInterrupt
        return tuple(self.failures)

    def _start(self, run: PlannedRun) -> None:
        reason = other_schedule(run) or _occupied(run)
        if reason:
            self._end(run, Failure(run, reason))
        else:
            self.children.append(_Child(run, self.plan))

    def _end(self, run: PlannedRun, failure: Failure | None) -> None:
        self.reached[run.name] = self.plan.steps
        if failure:
            self.failures.append(failure)
            self.before[run.name] = self.plan.steps  # nothing is left to do, and no speed is known from it
        self.finished(run, failure)

    def state(self) -> TrainingState:
        running = tuple((child.run.name, last_step(child.run.folder)) for child in self.children)
        self.reached.update(running)
        reached = sum(self.reached.values())
        made, total = reached - sum(self.before.values()), len(self.reached) * self.plan.steps
        passed = time.monotonic() - self.started
        return TrainingState(
            done=len(self.reached) - len(self.waiting) - len(running),
            total=len(self.reached),
            running=running,
            steps_done=reached,
            steps_total=total,
            seconds_left=(total - reached) * passed / made if made > 0 else None,
        )


class _Child:
    """A training in a process of its own."""

    def __init__(self, run: PlannedRun, plan: Plan) -> None:
        self.run = run
        self.output = run.folder / OUTPUT_NAME
        with self.output.open("wb") as output:
            # Of another process group: Ctrl-C in a terminal reaches us alone, and a child gets one signal, not two.
            self.process = subprocess.Popen(
                command(run, plan), stdin=subprocess.PIPE, stdout=output, stderr=subprocess.STDOUT, process_group=0
            )  # nothing is written to the pipe: it ends when we do

    def failure(self) -> Failure | None:
        status = self.process.returncode
        if status == 0:
            return None
        if status == _STOPPED:
            return Failure(self.run, "stopped by a signal and saved; the same command goes on from there")
        lines = self.output.read_text(encoding="utf-8", errors="replace").splitlines()
        said = [line.partition("error: ")[2] for line in lines if line.startswith("error: ")]
        said = said or [line.strip() for line in lines if line.strip()]
        return Failure(self.run, f"{said[-1] if said else 'no word'} (exit status {status}; {self.output})")


def _occupied(run: PlannedRun) -> str:
    """Why nobody may train in the run's folder, or ""; waits for the training of a killed ablation to end."""
    run.folder.mkdir(parents=True, exist_ok=True)
    try:
        with folder_lock(run.folder, writing, patience_seconds=_ORPHAN_SECONDS):
            return ""
    except RunError as error:
        return str(error)


def command(run: PlannedRun, plan: Plan) -> list[str]:
    """Give the command that trains a run."""
    words = [
        sys.executable, "-m", "train", "pretrain", "--preset", plan.preset, "--objective", run.objective,
        "--run", str(run.folder), "--shards", str(plan.shards), "--device", plan.device, "--stop-with-stdin",
    ]  # fmt: skip
    settings = [*plan.overrides, f"seed={run.seed}"]
    if plan.jobs > 1:
        words += ["--threads", "1"]
        settings.append("data.num_threads=1")
    for setting in settings:
        words += ["--set", setting]
    return words


def _stop(children: Sequence[subprocess.Popen[bytes]]) -> None:
    """End children by SIGTERM, on which they save; a second signal to us ends them without."""
    for child in children:
        child.terminate()
    try:
        for child in children:
            child.wait()
    except KeyboardInterrupt:
        for child in children:
            child.kill()
            child.wait()
        raise
