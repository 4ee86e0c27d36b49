"""Errors of the first stage; each names a path or URL and, where there is one, the remedy."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from store.atomic_files import DISK_FULL
from store.errors import AvtempoError


class PreprocessError(AvtempoError):
    """Base of all errors that this package raises on purpose; the command line catches no other."""


class PathError(PreprocessError):
    """An error about one file or folder: `path` is at fault, `reason` says in a line what is wrong and what to do."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(path, reason)  # both in args: the error survives a trip between processes
        self.path, self.reason = path, reason

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


class CatalogueError(PathError):
    """The folder, the split lists or the csv do not fit the data set."""


class MediaError(PathError):
    """One source cannot be used; the run continues without it. `reason` quotes ffmpeg where ffmpeg failed."""


class MediaRefusedError(MediaError):
    """The source is not plain media but a playlist, a script or a device; nothing that it names was opened."""


class MediaLimitError(MediaError):
    """The source exceeds one of the limits of `preprocess.media.media_info.Limits`."""


class DiskFullError(PathError):
    """No space for shards, clips or temporary frames. The run stops, because every later source would fail too."""


class FfmpegMissingError(PreprocessError):
    """No ffmpeg executable runs: set AVTEMPO_FFMPEG or install the bundled one (`imageio-ffmpeg`)."""


class ClusterError(PreprocessError):
    """The cluster is missing or gone. Finished work is kept, and the same command continues."""


class EnvironmentDiffersError(PreprocessError):
    """A machine of the cluster has other releases than the one that started the run: its shards would differ."""


class RemoteError(PreprocessError):
    """RemoteError(url, reason): a URL cannot be read or written, or holds something else than expected."""

    def __str__(self) -> str:
        return ": ".join(self.args)


class StripError(PreprocessError):
    """Frames cannot be put into a film strip, or read back from it."""


class ShardError(PathError):
    """A shard set is damaged, in use, or has other parameters; or a file of this stage cannot be written."""


class RenderError(PreprocessError):
    """Videos cannot be rendered as requested; the message names the folder or parameter, and the remedy."""


def first_line(error: BaseException) -> str:
    """Give the first line of an error's message that is not blank; the name of its type if there is none."""
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)


@contextlib.contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn an OSError about a file or a folder into an error with a remedy; a guard of `store.atomic_files`.

    Raises:
        DiskFullError: no space, quota or file size left.
        ShardError: another run is at work there, or the system refuses for another reason.
    """
    try:
        yield
    except BlockingIOError as error:
        reason = f"{error.strerror}: wait for it, end it, or choose another output folder"
        raise ShardError(path, reason) from error
    except OSError as error:
        if error.errno in DISK_FULL:
            reason = (
                f"cannot be written, {(error.strerror or 'disk full').lower()}. Finished work is kept: make room "
                "and run the same command again, it continues where it stopped"
            )
            raise DiskFullError(path, reason) from error
        raise ShardError(path, f"cannot be read or written: {error.strerror or error}") from error
