"""What a run must have in common with its checkpoint to go on from it."""

from pathlib import Path
from typing import Any

from train.config.overrides import check
from train.config.schema import RunConfig
from train.errors import RunError
from train.run.checkpoint import TrainingState

_SETTINGS_FREE_TO_CHANGE = (
    "name", "steps", "log_every", "checkpoint_every", "heldout.split", "heldout.every", "heldout.n_batches",
)  # fmt: skip
"""What a resumed run may set anew: none of it changes what a step computes (steps stretches the schedule)."""


def refuse_another_run(
    saved: TrainingState, config: RunConfig, fingerprint: str, world_size: int, run_dir: Path, remedy: str
) -> None:
    """Compare a checkpoint with what is asked now.

    Args:
        saved: the checkpoint found in run_dir.
        config: settings of this start.
        fingerprint: of this start's shards.
        world_size: ranks of this start; each goes on with a loader state of its own.
        run_dir: directory of the run.
        remedy: what to do where they differ.

    Raises:
        RunError: settings that decide what a step computes, the shards or the number of ranks differ.
    """
    before = check(type(config), saved.config, str(run_dir)).as_dict()  # with what older releases did not know of
    changed = _differences(before, config.as_dict())
    if changed:
        raise RunError(f"{run_dir} holds a run with other settings ({'; '.join(changed)}): {remedy}")
    if saved.shards_fingerprint != fingerprint:
        raise RunError(f"{run_dir} was trained on other shards than {config.data.shards}: {remedy}")
    if saved.world_size != world_size:
        raise RunError(
            f"{run_dir} was trained on {saved.world_size} ranks, not {world_size}: start as many, or {remedy}"
        )


def _differences(saved: dict[str, Any], wanted: dict[str, Any]) -> list[str]:
    """`key: saved != wanted` for every setting that a resumed run may not change."""

    def flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key, value in values.items():
            result |= flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
        return result

    before, after = flat(saved), flat(wanted)
    return [
        f"{key}: {before.get(key)} there, {after[key]} asked" for key in after
        if before.get(key) != after[key] and key not in (*_SETTINGS_FREE_TO_CHANGE, "data.shards", "data.num_threads")
    ]  # fmt: skip
