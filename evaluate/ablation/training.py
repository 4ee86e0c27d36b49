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


def train_runs(
    plan: Plan,
    *,
    progress: Callable[[int, int, str], None] = lambda *_: None,
    finished: Callable[[PlannedRun, Failure | None], None] = lambda _run, _failure: None,
) -> tuple[Failure, ...]:
    """Train the runs that are not complete; return those that failed.

    Args:
        plan: the runs.
        progress: told the steps done, of how many, and which runs are at work, several times a second.
        finished: told of every run that was trained, or could not be.

    Raises:
        KeyboardInterrupt: a signal stopped the trainings; they have saved and ended.
    """
    waiting = deque(run for run in plan.runs if not is_complete(run, plan.fingerprint))
    steps = dict.fromkeys((run.name for run in plan.runs), plan.steps) | {r.name: last_step(r.folder) for r in waiting}
    children, failures = list[_Child](), list[Failure]()

    def end(run: PlannedRun, failure: Failure | None) -> None:
        steps[run.name] = plan.steps
        failures.extend([failure] if failure else [])
        finished(run, failure)

    with StopFlag() as stop:
        try:
            while (waiting or children) and not stop.raised:
                while waiting and len(children) < plan.jobs:
                    run = waiting.popleft()
                    if reason := other_schedule(run) or _occupied(run):
                        end(run, Failure(run, reason))
                    else:
                        children.append(_Child(run, plan))
                time.sleep(_POLL_SECONDS)
                for child in [child for child in children if child.process.poll() is not None]:
                    children.remove(child)
                    end(child.run, child.failure())
                steps |= {child.run.name: last_step(child.run.folder) for child in children}
                at_work = ", ".join(f"{child.run.name} at step {steps[child.run.name]}" for child in children)
                n_done = len(plan.runs) - len(waiting) - len(children)
                note = f"{n_done} of {len(plan.runs)} runs done; {at_work or 'none at work'}"
                progress(sum(steps.values()), len(steps) * plan.steps, note)
        finally:
            _stop([child.process for child in children])
    if stop.raised:
        raise KeyboardInterrupt
    return tuple(failures)


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
