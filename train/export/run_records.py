"""What a run has written down about itself, read for its model card: nothing is measured or guessed here."""

import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass as checked

from preprocess.errors import ShardError
from preprocess.shards.manifest import DATASET_FILE, DatasetInfo, read_dataset
from train.errors import CheckpointError, ExportError
from train.run.checkpoint import Checkpoint, LoadedEncoders

logger = logging.getLogger("train")

_Word = Annotated[str, Field(min_length=1)]
_TRAINING_KEYS = {"steps", "encoder_sha256", "segments", "device", "torch"}


@checked(frozen=True, config=ConfigDict(extra="forbid", strict=True))
class ResultRecord:
    """One record of results.json: `value` is a fraction, `split` null for the mean over splits, `n` what was asked.

    `low` and `high` are its interval, where it has one.
    """

    test: _Word
    task: _Word
    split: int | None
    modality: Literal["video", "audio", "joint", "audio-to-video", "video-to-audio"]
    model: _Word
    metric: _Word
    value: Annotated[float, Field(allow_inf_nan=False)]
    n: Annotated[int, Field(ge=0)]
    low: Annotated[float, Field(allow_inf_nan=False)] | None = None
    high: Annotated[float, Field(allow_inf_nan=False)] | None = None


@dataclass(frozen=True)
class RunRecords:
    """The records of a run, as far as they are there and belong to its last checkpoint.

    Attributes:
        seconds: time trained until the checkpoint.
        world_size: ranks.
        training: training.json; None while the run is not complete.
        last: last line of log.jsonl up to the checkpoint; None if there is none.
        results: results.json, empty if there is none.
        dataset: of the shard set; None if the shards are gone or others stand in their place.
    """

    seconds: float
    world_size: int
    training: dict[str, Any] | None
    last: dict[str, Any] | None
    results: tuple[ResultRecord, ...]
    dataset: DatasetInfo | None


def read_records(run: Path, checkpoint: Checkpoint, loaded: LoadedEncoders) -> RunRecords:
    """Read them all.

    Raises:
        CheckpointError: training.json tells of other weights after as many steps.
        ExportError: a record is damaged.
    """
    return RunRecords(
        seconds=checkpoint.seconds,
        world_size=checkpoint.world_size,
        training=_training(run / "training.json", loaded),
        last=_last_logged(run / "log.jsonl", checkpoint.step),
        results=read_result_records(run / "results.json"),
        dataset=_dataset(Path(loaded.config.data.shards), checkpoint.shards_fingerprint),
    )


def read_result_records(path: Path) -> tuple[ResultRecord, ...]:
    """The records of results.json, without its header; empty if there is no such file.

    Raises:
        ExportError: the file is no list of such records.
    """
    if not path.is_file():
        return ()
    records = _json(path, path.read_bytes())
    if isinstance(records, list) and records and isinstance(records[0], dict) and set(records[0]) == {"header"}:
        records = records[1:]
    try:
        # As JSON: pydantic is strict about types there, and still makes records of objects.
        return tuple(TypeAdapter(list[ResultRecord]).validate_json(json.dumps(records)))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "file"
        raise ExportError(
            f"{path}: no list of results ({place}: {first['msg']}); move it away, or repair it"
        ) from error


def _training(path: Path, loaded: LoadedEncoders) -> dict[str, Any] | None:
    if not path.is_file():
        return None
    values = _json(path, path.read_bytes())
    if not isinstance(values, dict) or not set(values) >= _TRAINING_KEYS:
        raise ExportError(f"{path}: does not say how the training went; train again to write it anew")
    if values["steps"] != loaded.step:  # the run was lengthened since, and is not complete again
        return None
    if values["encoder_sha256"] != loaded.sha256:
        raise CheckpointError(f"{path}: tells of other weights than the run's checkpoint; are these files of one run?")
    return values


def _last_logged(path: Path, step: int) -> dict[str, Any] | None:
    last = None
    for line in path.read_text("utf-8", "replace").splitlines() if path.is_file() else ():
        try:
            record = json.loads(line)
        except json.JSONDecodeError:  # the last line of a killed run may be half a line
            continue
        if not isinstance(record, dict) or not {"step", "loss", "metrics"} <= set(record):
            raise ExportError(f"{path}: holds a line that is no record of a step: {line[:60]!r}")
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


def _json(path: Path, data: bytes) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ExportError(f"{path}: is not JSON ({error}); move it away, or repair it") from error
