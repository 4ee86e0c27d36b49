"""The records of a run, read for its model card."""

import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evaluate.results.results import RESULTS_NAME, Result, read_results
from preprocess.errors import ShardError
from preprocess.shards.manifest import DATASET_FILE, DatasetInfo, read_dataset
from train.errors import CheckpointError, ExportError
from train.run.checkpoint import Checkpoint, LoadedEncoders
from train.run.run_log import LOG_NAME

logger = logging.getLogger("evaluate")

_TRAINING_KEYS = {"steps", "encoder_sha256", "segments", "device", "torch"}


@dataclass(frozen=True)
class RunRecords:
    """The records of a run, as far as they exist and belong to its last checkpoint.

    Attributes:
        seconds: time trained until the checkpoint.
        world_size: number of ranks.
        training: training.json; None while the run is not complete.
        last: last record of log.jsonl up to the checkpoint, if any.
        results: results.json, empty without one.
        dataset: of the shard set; None if the shards are missing, or others are in their place.
    """

    seconds: float
    world_size: int
    training: dict[str, Any] | None
    last: dict[str, Any] | None
    results: tuple[Result, ...]
    dataset: DatasetInfo | None


def read_records(run: Path, checkpoint: Checkpoint, loaded: LoadedEncoders) -> RunRecords:
    """Read all records of a run.

    Args:
        run: directory of the run.
        checkpoint: its last.
        loaded: the encoders in that.

    Raises:
        CheckpointError: training.json names other weights after as many steps.
        ExportError: training.json or log.jsonl is damaged.
        ResultsError: results.json is damaged.
    """
    return RunRecords(
        seconds=checkpoint.seconds,
        world_size=checkpoint.world_size,
        training=_training(run / "training.json", loaded),
        last=_last_logged(run / LOG_NAME, checkpoint.step),
        results=read_results(run / RESULTS_NAME),
        dataset=_dataset(Path(loaded.config.data.shards), checkpoint.shards_fingerprint),
    )


def _training(path: Path, loaded: LoadedEncoders) -> dict[str, Any] | None:
    if not path.is_file():
        return None
    try:
        values = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise ExportError(f"{path}: is not JSON ({error}); move it away, or repair it") from error
    if not isinstance(values, dict) or not set(values) >= _TRAINING_KEYS:
        raise ExportError(f"{path}: does not say how the training went; train again to write it anew")
    if values["steps"] != loaded.step:  # the run was lengthened and is not complete yet
        return None
    if values["encoder_sha256"] != loaded.sha256:
        raise CheckpointError(
            f"{path}: names other weights than the run's checkpoint; do these files belong to one run?"
        )
    return values


def _last_logged(path: Path, step: int) -> dict[str, Any] | None:
    last = None
    for line in path.read_text("utf-8", "replace").splitlines() if path.is_file() else ():
        try:
            record = json.loads(line)
        except json.JSONDecodeError:  # the last line of a killed run may be half a line
            continue
        if not isinstance(record, dict) or not {"step", "loss", "metrics"} <= set(record):
            raise ExportError(f"{path}: holds a line that is not a record of a step: {line[:60]!r}")
        if record["step"] <= step:
            last = record
    return last


def _dataset(folder: Path, fingerprint: str) -> DatasetInfo | None:
    if not (folder / DATASET_FILE).is_file():
        return None
    try:
        found = read_dataset(folder)
    except ShardError as error:
        logger.warning("the model card cannot name the data: %s", error)
        return None
    return found if found.fingerprint == fingerprint else None
