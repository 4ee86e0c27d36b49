"""A source for ffmpeg: opened and checked as preprocessing opens it, and handed over as a file descriptor."""

import contextlib
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import ffmpeg

from preprocess.errors import MediaError
from preprocess.media.ffmpeg import ffmpeg_executable, run_ffmpeg
from preprocess.media.media_info import Limits, MediaInfo
from preprocess.media.probe import ALLOWED_FORMATS, open_source, probe_file

TIMEOUT_SECONDS = 300.0
_GLOBAL = ("-hide_banner", "-nostdin", "-nostats", "-loglevel", "repeat+error", "-y", "-filter_complex_threads", "1")


@dataclass(frozen=True)
class OpenMedia:
    """An open source and its container's facts."""

    file: BinaryIO
    info: MediaInfo

    def stream(self, index: int, **options: Any) -> Any:
        """Give ffmpeg-python's node of one stream; ffmpeg reads this file and opens nothing else."""
        media = ffmpeg.input(
            f"file:/dev/fd/{self.file.fileno()}",
            f=self.info.format_name.split(",")[0],
            format_whitelist=ALLOWED_FORMATS,
            protocol_whitelist="file",
            threads=1,
            **options,
        )
        return media[str(index)]


@contextlib.contextmanager
def open_media(path: Path) -> Iterator[OpenMedia]:
    """Open and probe a source.

    Raises:
        MediaError: it cannot be read, or is no plain media file.
    """
    limits = Limits()
    with open_source(path, limits) as file:
        yield OpenMedia(file, probe_file(file, path, limits))


def run_graph(output: Any, sources: Sequence[OpenMedia], path: Path) -> None:
    """Run ffmpeg on an output node of ffmpeg-python that reads these sources; errors name the path.

    Raises:
        MediaError: ffmpeg failed, or took longer than TIMEOUT_SECONDS.
    """
    arguments = ffmpeg.compile(output.global_args(*_GLOBAL), cmd=ffmpeg_executable())
    descriptors = [source.file.fileno() for source in sources]
    try:
        status, words = run_ffmpeg(arguments, pass_fds=descriptors, timeout_seconds=TIMEOUT_SECONDS)
    except subprocess.TimeoutExpired as error:
        raise MediaError(path, f"ffmpeg took more than {TIMEOUT_SECONDS:.0f} s") from error
    if status != 0:
        raise MediaError(path, f"ffmpeg failed: {words or status}")
