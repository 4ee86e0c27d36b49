"""What can go wrong in training; each message names the place and the remedy."""

from pathlib import Path

from store.errors import AvtempoError


class TrainError(AvtempoError):
    """Base of this package's errors."""


class ConfigError(TrainError):
    """A setting that is unknown, of a wrong type or out of range."""


class CheckpointError(TrainError):
    """A checkpoint that is missing, damaged or of another format, or that cannot be written."""


class RunError(TrainError):
    """A run that cannot start, resume or go on."""


class LoaderError(TrainError):
    """Shards that cannot be loaded as asked."""


class ShardSetError(LoaderError):
    """A shard, its index or its part of the manifest is missing, damaged or does not fit the others.

    Args:
        path: File or folder at fault.
        reason: What is wrong and what to do about it.
    """

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason

    def __reduce__(self) -> tuple[type, tuple[Path, str]]:
        """Survive the way back from a worker process."""
        return type(self), (self.path, self.reason)


class TooFewSegmentsError(LoaderError):
    """The shards, or the split chosen from them, cannot fill one batch on every rank."""


class LabelError(LoaderError):
    """Shards, or the part of them to be learnt, that lack the labels or the splits that fine-tuning needs."""


class LoaderStateError(LoaderError):
    """A saved loader state that belongs to another data set, split, batch size, seed or rank, or is damaged."""


class ExportError(TrainError):
    """An export that cannot be written where it was asked for, or whose ONNX files do not compute what torch does."""
