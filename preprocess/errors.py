"""What can go wrong while videos become shards; every error names a path and, where there is one, the remedy."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from store.atomic_files import DISK_FULL
from store.errors import AvtempoError


class PreprocessError(AvtempoError):
    """Base of all errors that this package raises on purpose; the command line catches this one only."""


class PathError(PreprocessError):
    """An error about one file or folder: `path` is at fault, `reason` says in one line what is wrong and what to do."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason

    def __reduce__(self) -> tuple[type, tuple[Path, str]]:
        """Survive the way back from a worker process."""
        return type(self), (self.path, self.reason)


class CatalogueError(PathError):
    """The data set's folder, split lists or csv are not what the catalogue needs."""


class MediaError(PathError):
    """One source cannot be used; the run goes on without it. `reason` holds ffmpeg's own words where it spoke."""


class MediaRefusedError(MediaError):
    """The source is not plain media (a playlist, a script, no regular file): nothing that it names was opened."""


class MediaLimitError(MediaError):
    """The source is over one of the limits of `preprocess.media.media_info.Limits`."""


class DiskFullError(PathError):
    """No space left for shards, clips or temporary frames: the run stops, for every later source would fail as well."""


class FfmpegMissingError(PreprocessError):
    """No ffmpeg executable that runs: set AVTEMPO_FFMPEG or install the bundled one (`imageio-ffmpeg`)."""


class ClusterError(PreprocessError):
    """There is no cluster to run on, or it is gone; what is finished is kept, the same command goes on."""


class EnvironmentDiffersError(PreprocessError):
    """A machine of the cluster has other releases of what decides the bytes of a shard than the one that started."""


class RemoteError(PreprocessError):
    """A URL that cannot be read or written; the message names it."""

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(f"{url}: {reason}")
        self.url = url
        self.reason = reason

    def __reduce__(self) -> tuple[type, tuple[str, str]]:
        """Survive the way back from a worker process."""
        return type(self), (self.url, self.reason)


class StripError(PreprocessError):
    """Frames cannot be put into, or read back from, a film strip."""


class ShardError(PathError):
    """A shard set on disk is damaged, in use, or made with other parameters; or a file of this stage cannot be written."""


class RenderError(PreprocessError):
    """Videos cannot be rendered as asked; the message names the folder or parameter at fault and the remedy."""


@contextlib.contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn what the system says about a file or a folder into an error with a remedy; a guard of `store.atomic_files`.

    Raises:
        DiskFullError: no space, quota or file size left.
        ShardError: another run is at work there, or anything else that the system refuses.

    """
    try:
        yield
    except BlockingIOError as error:
        reason = f"{error.strerror}: wait for it, end it, or choose another output folder"
        raise ShardError(path, reason) from error
    except OSError as error:
        if error.errno in DISK_FULL:
            reason = (
                f"cannot be written, {(error.strerror or 'disk full').lower()}. What is finished is kept: make room "
                "and run the same command again, it goes on where it stopped"
            )
            raise DiskFullError(path, reason) from error
        raise ShardError(path, f"cannot be read or written: {error.strerror or error}") from error
