"""How far a run's folder is: complete, begun, or something else than was planned."""

import json
from dataclasses import replace
from pathlib import Path

from evaluate.ablation.plan import PlannedRun
from train.config.load import load_config
from train.config.schema import Config
from train.errors import ConfigError
from train.run.checkpoint import LAST_NAME
from train.run.run_log import LOG_NAME

_TAIL_BYTES = 8192


def is_complete(run: PlannedRun, fingerprint: str) -> bool:
    """Whether the folder holds this very run, trained to its end on shards of this fingerprint.

    Where it holds anything else, the trainer is asked, which goes on with it or says what differs.
    """
    training, settings = run.folder / "training.json", run.folder / "config.yaml"
    if not training.exists() or not settings.exists():
        return False
    summary = json.loads(training.read_text(encoding="utf-8"))
    try:
        there = load_config(settings)
    except ConfigError:
        return False
    same = _what_counts(there) == _what_counts(run.config)
    return same and summary["steps"] == run.config.steps and summary["shards_fingerprint"] == fingerprint


def _what_counts(config: Config) -> Config:
    data = replace(config.data, shards="", num_threads=1)
    return replace(config, name="", log_every=1, checkpoint_every=1, data=data)


def other_schedule(run: PlannedRun) -> str:
    """Say that the folder holds a run of other length; "" where it does not.

    The trainer would stretch its schedule, and the run would be like none of the others.
    """
    settings = run.folder / "config.yaml"
    if not (run.folder / "checkpoints" / LAST_NAME).exists() or not settings.exists():
        return ""
    try:
        there = load_config(settings).steps
    except ConfigError:
        return ""
    if there == run.config.steps:
        return ""
    return f"{run.folder} holds a run of {there} steps, not {run.config.steps}: choose other --runs, or remove it"


def last_step(folder: Path) -> int:
    """Return the last step that a run has logged; 0 without any."""
    log = folder / LOG_NAME
    if not log.exists():
        return 0
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - _TAIL_BYTES))
        lines = file.read().splitlines()
    for line in reversed(lines):
        try:
            return int(json.loads(line)["step"])
        except json.JSONDecodeError:  # half written, or the cut at the front
            continue
    return 0
