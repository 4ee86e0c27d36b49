"""Checkpoints: written whole or not at all, read without pickled code."""

import hashlib
import pickle
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import torch
from torch import Tensor

from preprocess.schema import ShardParams
from store.atomic_files import atomic_file
from train.config.load import config_from_dict
from train.config.overrides import check
from train.config.schema import Config
from train.errors import CheckpointError, writing
from train.model.encoders import Encoders, build_encoders

FORMAT_NAME = "avtempo-checkpoint"
FORMAT_VERSION = 4
LAST_NAME = "last.pt"


@dataclass(frozen=True)
class TrainingState:
    """What every training saves after `step` steps.

    Attributes:
        step: steps done.
        seconds: time trained so far.
        config: the run's configuration, plain values.
        shard_params: parameters of the shards it trains on, plain values.
        shards_fingerprint: of those shards.
        world_size: ranks; the loader states belong to them.
        model, optimizer: state dicts.
        loaders: one loader state a rank.
    """

    FORMAT: ClassVar[tuple[str, int]]
    """Name and version, as they stand in the file."""

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

    FORMAT: ClassVar[tuple[str, int]] = (FORMAT_NAME, FORMAT_VERSION)

    bank: dict[str, Tensor]


_TYPES: dict[str, Any] = {
    "step": int, "seconds": int | float, "config": dict, "shard_params": dict, "shards_fingerprint": str, "world_size": int,
    "model": dict, "optimizer": dict, "loaders": list,
}  # fmt: skip
_DAMAGE = (
    RuntimeError, OSError, ValueError, KeyError, TypeError, AttributeError, IndexError, EOFError, AssertionError,
    OverflowError, MemoryError, pickle.UnpicklingError, zipfile.BadZipFile,
)  # fmt: skip
"""What torch's restricted unpickler raises at one damaged byte or another; it runs nothing of ours."""

State = TypeVar("State", bound=TrainingState)


@dataclass(frozen=True)
class LoadedEncoders:
    """Encoders in eval mode, and what they are."""

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
    except RuntimeError as error:  # so torch reports a full disk
        raise CheckpointError(
            f"{path}: could not be written ({error}); free some disk space and start again"
        ) from error


def read_checkpoint(path: Path, device: torch.device | str = "cpu") -> Checkpoint:
    """Read a pretraining run's checkpoint; see `read_state`."""
    return read_state(Checkpoint, path, device)


def read_state(kind: type[State], path: Path, device: torch.device | str = "cpu") -> State:
    """Read a checkpoint of one kind; only tensors and plain values are unpickled.

    Raises:
        CheckpointError: missing, damaged, or of another format.
    """
    if not path.is_file():
        raise CheckpointError(f"{path}: no checkpoint there; train first (python -m train pretrain)")
    try:
        values = _unpickled(path, device)
    except _DAMAGE as error:
        raise CheckpointError(f"{path}: damaged or not a checkpoint ({type(error).__name__}: {error})") from error
    name, readable = kind.FORMAT
    if not isinstance(values, dict) or values.pop("format", None) != name:
        raise CheckpointError(f"{path}: not a checkpoint of the kind {name}")
    version = values.pop("format_version", None)
    if version != readable:
        raise CheckpointError(f"{path}: checkpoint format {version}; this release reads {readable}")
    try:
        state = kind(**values)
    except TypeError as error:
        raise CheckpointError(f"{path}: incomplete ({error})") from error
    for name, expected in _TYPES.items():
        if not isinstance(getattr(state, name), expected):
            raise CheckpointError(f"{path}: damaged ({name} is {type(getattr(state, name)).__name__})")
    return state


def _unpickled(path: Path, device: torch.device | str) -> Any:
    if not zipfile.is_zipfile(path):  # torch would try its old format, a bare pickle, on anything else
        raise ValueError("no zip archive")
    return torch.load(path, map_location=device, weights_only=True)


def encoders_sha256(encoders: Encoders) -> str:
    """Checksum of the weights: names, shapes and bytes, whatever file they lie in."""
    digest = hashlib.sha256()
    for name, tensor in sorted(encoders.state_dict().items()):
        value = tensor.detach().cpu().contiguous()
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
        digest.update(value.numpy().tobytes())
    return digest.hexdigest()


def load_encoders(path: Path, device: torch.device | str = "cpu") -> LoadedEncoders:
    """The encoders of a checkpoint, in eval mode, on the device.

    Raises:
        CheckpointError: as `read_checkpoint`, or weights that do not fit the configuration in the file.
        ConfigError: that holds settings which this release does not know.
    """
    checkpoint = read_checkpoint(path)
    config = config_from_dict(checkpoint.config, str(path))
    prefix = "encoders."
    weights = {k.removeprefix(prefix): v for k, v in checkpoint.model.items() if str(k).startswith(prefix)}
    encoders = filled_encoders(config, weights, path)
    params = params_from_dict(checkpoint.shard_params, str(path))
    sha256 = encoders_sha256(encoders)
    return LoadedEncoders(encoders.to(device).eval(), config, params, sha256, checkpoint.step)


def filled_encoders(config: Config, weights: dict[str, Tensor], path: Path) -> Encoders:
    """Build the encoders of a configuration around their weights.

    Raises:
        CheckpointError: the weights, read from `path`, are not theirs.
    """
    try:
        with torch.device("meta"):  # neither memory nor random numbers are spent on weights that are replaced
            encoders = build_encoders(config.model)
        # A run with channels last saves them so; in one layout encoders compute the same, to the last bit, whoever loads them.
        plain = {name: weight.clone(memory_format=torch.contiguous_format) for name, weight in weights.items()}
        encoders.load_state_dict(plain, assign=True)
    except (RuntimeError, AttributeError, TypeError, ValueError) as error:
        said = " ".join(str(error).split())  # torch's message has many lines
        raise CheckpointError(f"{path}: weights do not fit their own configuration ({said})") from error
    return encoders


def params_from_dict(values: dict[str, Any], origin: str) -> ShardParams:
    """Check plain values and build the parameters of the shards that were trained on.

    Raises:
        ConfigError: an unknown name, a wrong type or a value out of range.
    """
    return check(ShardParams, values, origin)


def untrained_encoders(path: Path, device: torch.device | str = "cpu") -> LoadedEncoders:
    """The same architecture with the random weights that the run of this checkpoint started from."""
    checkpoint = read_checkpoint(path)
    config = config_from_dict(checkpoint.config, str(path))
    torch.manual_seed(config.seed)
    encoders = build_encoders(config.model)
    params = params_from_dict(checkpoint.shard_params, str(path))
    return LoadedEncoders(encoders.to(device).eval(), config, params, encoders_sha256(encoders), 0)
