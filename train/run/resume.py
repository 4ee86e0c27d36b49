"""Whether a run may continue from a checkpoint: only if it would compute what it computed before."""

from preprocess.shards.manifest import DatasetInfo
from train.config.load import check
from train.config.schema import RunConfig
from train.errors import RunError
from train.run.checkpoint import TrainingState

_FREE_SETTINGS = {
    "name", "steps", "log_every", "checkpoint_every", "heldout.split", "heldout.every", "heldout.n_batches", "data.shards",
    "data.num_threads",
}  # fmt: skip
"""The settings that a resumed run may change: none decides what a step computes (steps stretches the schedule)."""


def refuse_another_run(
    saved: TrainingState, config: RunConfig, dataset: DatasetInfo, world_size: int, here: str, remedy: str
) -> None:
    """Compare a checkpoint with the run that would continue from it.

    Args:
        saved: the checkpoint.
        config, dataset, world_size: settings, shards and number of ranks of the run.
        here: its directory.
        remedy: what to do where they differ.

    Raises:
        RunError: the settings that decide what a step computes, the shards or the number of ranks differ.
    """
    # `check` adds the defaults of settings that older releases lack.
    before, now = check(type(config), saved.config, here).flat(), config.flat()
    changed = [
        f"{key}: {before[key]} in the run, {value} now" for key, value in now.items()
        if key not in _FREE_SETTINGS and before[key] != value
    ]  # fmt: skip
    if changed:
        raise RunError(f"{here} holds a run with other settings ({'; '.join(changed)}): {remedy}")
    if saved.shards_fingerprint != dataset.fingerprint:
        raise RunError(f"{here} was trained on other shards than {config.data.shards}: {remedy}")
    if saved.world_size != world_size:
        raise RunError(f"{here} was trained on {saved.world_size} ranks, not {world_size}: start as many, or {remedy}")
