"""Train the runs of a plan, each by `python -m train pretrain` in a process of its own, some at a time.

Complete runs are left alone, stopped runs continue. A failed run is reported with the trainer's own message, and the
others continue. On a signal, the children get SIGTERM, save and end. If this process is killed, their pipe from it
closes, and they save and end too.
"""

import json
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from evaluate.ablation.plan import Options, Plan, PlannedRun
from store.atomic_files import folder_lock
from train.config.load import load_config
from train.config.schema import Config
from train.errors import ConfigError, RunError, writing
from train.run.checkpoint import LAST_NAME
from train.run.run_log import read_log
from train.run.signals import StopFlag

OUTPUT_NAME = "pretrain.txt"
"""The trainer's output, in the run's folder."""
_STOPPED = 3
"""The trainer's exit status after a signal."""
_POLL_SECONDS = 0.25
_ORPHAN_SECONDS = 60.0
"""Time for the training of a killed ablation to save and end."""


def train_runs(plan: Plan, progress: Callable[[int, int, str], None], say: Callable[[str], None]) -> dict[str, str]:
    """Train the runs that are not complete; return the names of those that failed, and why.

    `progress` is told steps done, steps in all, and the runs at work; `say`, of every run that was trained or failed.
    KeyboardInterrupt if a signal stopped the trainings, after they have saved and ended.
    """
    waiting = deque(run for run in plan.runs if not is_complete(run, plan.shards.fingerprint))
    steps = dict.fromkeys((run.name for run in plan.runs), plan.steps) | {r.name: last_step(r.folder) for r in waiting}
    children, failures = list[tuple[PlannedRun, subprocess.Popen[bytes]]](), dict[str, str]()

    def end(run: PlannedRun, failure: str) -> None:
        steps[run.name] = plan.steps
        failures.update({run.name: failure} if failure else {})
        say(f"{run.name}: failed: {failure}" if failure else f"{run.name}: trained")

    with StopFlag() as stop:
        try:
            while (waiting or children) and not stop.raised:
                while waiting and len(children) < plan.options.jobs:
                    run = waiting.popleft()
                    reason = _obstacle(run, stop)
                    if stop.raised:
                        break
                    if reason:
                        end(run, reason)
                    else:
                        children.append((run, _start(run, plan.options)))
                time.sleep(_POLL_SECONDS)
                for run, process in children:
                    if process.poll() is not None:
                        end(run, _failure(run, process.returncode))
                children = [(run, process) for run, process in children if process.returncode is None]
                steps |= {run.name: last_step(run.folder) for run, _ in children}
                at_work = ", ".join(f"{run.name} at step {steps[run.name]}" for run, _ in children)
                note = f"{len(plan.runs) - len(waiting) - len(children)} of {len(plan.runs)} runs done; {at_work}"
                progress(sum(steps.values()), len(steps) * plan.steps, note)
        finally:
            _stop([process for _, process in children])
    if stop.raised:
        raise KeyboardInterrupt
    return failures


def _start(run: PlannedRun, options: Options) -> subprocess.Popen[bytes]:
    with (run.folder / OUTPUT_NAME).open("wb") as output:
        # In a process group of its own a child does not get Ctrl-C too, only the signal from this process.
        return subprocess.Popen(
            command(run, options), stdin=subprocess.PIPE, stdout=output, stderr=subprocess.STDOUT, process_group=0
        )  # the pipe stays empty; it closes when this process ends


def _failure(run: PlannedRun, status: int) -> str:
    """Return why a training that has ended failed, or ""."""
    if status == 0:
        return ""
    if status == _STOPPED:
        return "stopped by a signal and saved; the same command continues from there"
    path = run.folder / OUTPUT_NAME
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    said = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    said = said or [line.strip() for line in lines if line.strip()] or ["no word"]
    return f"{said[-1]} (exit status {status}; {path})"


def command(run: PlannedRun, chosen: Options) -> list[str]:
    """Return the command that trains a run."""
    words = [
        sys.executable, "-m", "train", "pretrain", "--preset", chosen.preset, "--objective", run.objective,
        "--run", str(run.folder), "--shards", str(chosen.shards), "--device", chosen.device, "--stop-with-stdin",
    ]  # fmt: skip
    settings = [*chosen.overrides, f"seed={run.seed}"]
    if chosen.jobs > 1:
        words += ["--threads", "1"]
        settings.append("data.num_threads=1")
    for setting in settings:
        words += ["--set", setting]
    return words


def _stop(children: Sequence[subprocess.Popen[bytes]]) -> None:
    """End children by SIGTERM, on which they save; a second signal to this process kills them."""
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


def is_complete(run: PlannedRun, fingerprint: str) -> bool:
    """Whether the folder holds this run, trained to its end on shards of this fingerprint.

    Otherwise the trainer decides whether it continues the run or reports a difference.
    """
    summary, there = run.folder / "training.json", _settings(run.folder)
    if there is None or not summary.exists() or _what_counts(there) != _what_counts(run.config):
        return False
    trained = json.loads(summary.read_text(encoding="utf-8"))
    return (trained["steps"], trained["shards_fingerprint"]) == (run.config.steps, fingerprint)


def _settings(folder: Path) -> Config | None:
    """Read the settings of the run in a folder; None without a run of this version."""
    try:
        return load_config(folder / "config.yaml")
    except ConfigError:
        return None


def _what_counts(config: Config) -> Config:
    data = replace(config.data, shards="", num_threads=1)
    return replace(config, name="", log_every=1, checkpoint_every=1, data=data)


def _obstacle(run: PlannedRun, stop: StopFlag) -> str:
    """Return why the run cannot be trained in its folder, or "".

    A run of another length is refused: the trainer would stretch its schedule, which then differs from the other runs.
    If another process trains there, perhaps left by a killed ablation, it gets some time to save and end. A signal
    ends the wait.
    """
    there = _settings(run.folder)
    if there and there.steps != run.config.steps and (run.folder / "checkpoints" / LAST_NAME).exists():
        return f"{run.folder} holds a run of {there.steps} steps, not {run.config.steps}: choose other --runs, or remove it"
    run.folder.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + _ORPHAN_SECONDS
    while True:
        try:
            with folder_lock(run.folder, writing, patience_seconds=_POLL_SECONDS):
                return ""
        except RunError as error:
            is_busy = isinstance(error.__cause__, BlockingIOError)
            if not is_busy or stop.raised or time.monotonic() >= deadline:
                return str(error)


def last_step(folder: Path) -> int:
    """Return the last step that a run has logged; 0 without any."""
    records = read_log(folder)
    return int(records[-1]["step"]) if records else 0
