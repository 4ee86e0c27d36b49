"""Checkpoints: written whole or not at all, read without pickled code; whether a run may continue; the encoders in them."""

import hashlib
import pickle
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import torch
from pydantic import ConfigDict
from torch import Tensor

from preprocess.schema import ShardParams
from store.atomic_files import atomic_file
from train.config.load import check
from train.config.schema import Config, RunConfig
from train.errors import CheckpointError, RunError, writing
from train.model.encoders import Encoders, build_encoders

LAST_NAME = "last.pt"
_FREE_SETTINGS = {
    "name", "steps", "log_every", "checkpoint_every", "heldout.split", "heldout.every", "heldout.n_batches", "data.shards",
    "data.num_threads",
}  # fmt: skip
"""The settings that a resumed run may change: none decides what a step computes (steps stretches the schedule)."""


@dataclass(frozen=True)
class TrainingState:
    """The state that every training saves after `step` steps.

    Attributes:
        step: steps done.
        seconds: time trained so far.
        config: the run's configuration, plain values.
        shard_params: parameters of the shards that it trains on, plain values.
        shards_fingerprint: of those shards.
        world_size: number of ranks.
        model, optimizer: state dicts.
        loaders: one loader state per rank.
    """

    __pydantic_config__ = ConfigDict(arbitrary_types_allowed=True, extra="forbid")

    FORMAT: ClassVar[tuple[str, int]]
    """Name and version of the format, both written to the file."""

    step: int
    seconds: float
    config: dict[str, Any]
    shard_params: dict[str, Any]
    shards_fingerprint: str
    world_size: int
    model: dict[str, Tensor]
    optimizer: dict[str, Any]
    loaders: list[Any]


@dataclass(frozen=True)
class Checkpoint(TrainingState):
    """The whole state of a pretraining run.

    Attributes:
        bank: state dict.
    """

    FORMAT: ClassVar[tuple[str, int]] = ("avtempo-checkpoint", 4)

    bank: dict[str, Tensor]


State = TypeVar("State", bound=TrainingState)

_DAMAGE = (
    RuntimeError, OSError, ValueError, KeyError, TypeError, AttributeError, IndexError, EOFError, AssertionError,
    OverflowError, MemoryError, pickle.UnpicklingError, zipfile.BadZipFile,
)  # fmt: skip
"""The errors of torch's restricted unpickler on damaged bytes; it runs no code of the file."""


@dataclass(frozen=True)
class LoadedEncoders:
    """Encoders in eval mode, and where they come from."""

    encoders: Encoders
    config: Config
    shard_params: ShardParams
    sha256: str
    step: int


def save_checkpoint(checkpoint: TrainingState, path: Path) -> None:
    """Write a checkpoint whole or not at all.

    Raises:
        RunError: the system refuses.
        CheckpointError: torch could not write it.
    """
    with writing(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
    name, version = checkpoint.FORMAT
    values = {"format": name, "format_version": version, **checkpoint.__dict__}
    try:
        with atomic_file(path, writing) as file:
            torch.save(values, file)
    except RuntimeError as error:  # torch reports a full disk with it
        raise CheckpointError(
            f"{path}: could not be written ({error}); free some disk space and start again"
        ) from error


def read_state(kind: type[State], path: Path, device: torch.device | str = "cpu") -> State:
    """Read a checkpoint of one kind; only tensors and plain values are unpickled.

    Raises:
        CheckpointError: missing, damaged, or of another format.
    """
    if not path.is_file():
        raise CheckpointError(f"{path}: no checkpoint there; train first (python -m train pretrain)")
    try:
        if not zipfile.is_zipfile(path):  # else torch tries its old format, a bare pickle
            raise ValueError("no zip archive")
        values = torch.load(path, map_location=device, weights_only=True)
    except _DAMAGE as error:
        raise CheckpointError(f"{path}: damaged or not a checkpoint ({type(error).__name__}: {error})") from error
    name, readable = kind.FORMAT
    if not isinstance(values, dict) or str(values.pop("format", None)) != name:
        raise CheckpointError(f"{path}: not a checkpoint of the kind {name}")
    version = values.pop("format_version", None)
    if not isinstance(version, int) or version != readable:  # a tensor has no single truth
        raise CheckpointError(f"{path}: checkpoint format {version}; this release reads {readable}")
    return check(kind, values, f"{path}: damaged", CheckpointError)


def read_checkpoint(path: Path, device: torch.device | str = "cpu") -> Checkpoint:
    """Read a pretraining run's checkpoint; see `read_state`."""
    return read_state(Checkpoint, path, device)


def refuse_another_run(
    saved: TrainingState, config: RunConfig, shards_fingerprint: str, world_size: int, here: str, remedy: str
) -> None:
    """Compare a checkpoint with the run that would continue from it.

    Args:
        saved: the checkpoint.
        config, shards_fingerprint, world_size: settings, shards and number of ranks of the run.
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
    if saved.shards_fingerprint != shards_fingerprint:
        raise RunError(f"{here} was trained on other shards than {config.data.shards}: {remedy}")
    if saved.world_size != world_size:
        raise RunError(f"{here} was trained on {saved.world_size} ranks, not {world_size}: start as many, or {remedy}")


def load_encoders(path: Path, device: torch.device | str = "cpu") -> LoadedEncoders:
    """Load the encoders of a checkpoint, in eval mode, on the device.

    Raises:
        CheckpointError: as `read_checkpoint`, or the weights do not fit the configuration in the file.
        ConfigError: the file holds settings that this release does not know.
    """
    saved = read_checkpoint(path)
    prefix = "encoders."
    weights = {name.removeprefix(prefix): value for name, value in saved.model.items() if name.startswith(prefix)}
    return filled_encoders(saved.config, weights, saved.shard_params, saved.step, path, device)


def untrained_encoders(path: Path, device: torch.device | str = "cpu") -> LoadedEncoders:
    """Give the same architecture with the random weights that the run of this checkpoint started from."""
    saved = read_checkpoint(path)
    config = check(Config, saved.config, str(path))
    torch.manual_seed(config.seed)
    weights = build_encoders(config.model).state_dict()
    return filled_encoders(saved.config, weights, saved.shard_params, 0, path, device)


def filled_encoders(
    config: dict[str, Any], weights: dict[str, Tensor], shard_params: dict[str, Any], step: int, path: Path,
    device: torch.device | str,
) -> LoadedEncoders:  # fmt: skip
    """Build encoders around weights that were read from a file.

    Args:
        config: the run's configuration, plain values.
        weights: of the encoders, by name.
        shard_params: parameters of the shards that they were trained on, plain values.
        step: steps trained.
        path: of the file.
        device: to put them on.

    Raises:
        CheckpointError: the weights do not fit the configuration.
        ConfigError: a setting or parameter is unknown, of a wrong type or out of range.
    """
    checked, params = check(Config, config, str(path)), check(ShardParams, shard_params, str(path))
    try:
        with torch.device("meta"):  # no memory and no random numbers for weights that are replaced
            encoders = build_encoders(checked.model)
        # A run with channels last saves its weights in that layout. In one layout, every reader computes the same bits.
        plain = {name: weight.clone(memory_format=torch.contiguous_format) for name, weight in weights.items()}
        encoders.load_state_dict(plain, assign=True)
    except (RuntimeError, AttributeError, TypeError, ValueError) as error:
        said = " ".join(str(error).split())  # torch's message has many lines
        raise CheckpointError(f"{path}: weights do not fit their own configuration ({said})") from error
    return LoadedEncoders(encoders.to(device).eval(), checked, params, encoders_sha256(encoders), step)


def encoders_sha256(encoders: Encoders) -> str:
    """Checksum the weights: names, shapes and bytes, in whatever file they lie."""
    digest = hashlib.sha256()
    for name, tensor in sorted(encoders.state_dict().items()):
        value = tensor.detach().cpu().contiguous()
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
        digest.update(value.numpy().tobytes())
    return digest.hexdigest()
