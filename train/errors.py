"""The errors of training; each message names the place and the remedy."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from store.atomic_files import DISK_FULL
from store.errors import AvtempoError


class TrainError(AvtempoError):
    """Base of this package's errors."""


class ConfigError(TrainError):
    """A setting that is unknown, of a wrong type or out of range."""


class CheckpointError(TrainError):
    """A checkpoint that is missing, damaged or of another format, or that cannot be written."""


class RunError(TrainError):
    """A run that cannot start, resume or continue."""


class LoaderError(TrainError):
    """Shards that cannot be loaded as the settings say."""


class ShardSetError(LoaderError):
    """A shard, its index or its part of the manifest is missing, damaged or does not fit the others.

    Args:
        path: of the file or folder.
        reason: what is wrong and what to do about it.
    """

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(path, reason)  # both in args: the error survives a trip between processes
        self.path, self.reason = path, reason

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


class TooFewSegmentsError(LoaderError):
    """The shards, or the split chosen from them, cannot fill one batch on every rank."""


class LabelError(LoaderError):
    """Shards, or a part of them, without the labels or the splits that fine-tuning needs."""


class LoaderStateError(LoaderError):
    """A saved loader state that belongs to another data set, split, batch size, seed or rank, or is damaged."""


class ExportError(TrainError):
    """An export that cannot be written to its folder, or whose ONNX files do not compute what torch does."""


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn the system's errors about a file of a run into one with a remedy: a guard of `store.atomic_files`.

    Raises:
        RunError: another process trains there, the disk is full, or the system refuses.
    """
    try:
        yield
    except BlockingIOError as error:
        raise RunError(f"{path}: {error.strerror}; wait for it or choose another --run") from error
    except OSError as error:
        remedy = "free some disk space" if error.errno in DISK_FULL else "make it writable, or choose another --run"
        raise RunError(
            f"{path}: cannot be written ({error.strerror or error}); {remedy} and start again: the run continues from "
            "its last checkpoint"
        ) from error


@contextmanager
def exporting(path: Path) -> Iterator[None]:
    """Turn the system's errors about an export into one of ours: a guard of `store.atomic_files`.

    Raises:
        ExportError: another process exports there, the disk is full, or the system refuses.
    """
    try:
        yield
    except OSError as error:
        raise ExportError(
            f"{path}: cannot be written ({error.strerror or error}); nothing there has changed"
        ) from error
