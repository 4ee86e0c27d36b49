"""A part of an archive's video, read again to be compared with a query picture by picture.

A crash of a decoder ends a process of its own, as for queries (picture.py).
"""

import contextlib
import logging
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple, Never

import ffmpeg
import numpy as np

from preprocess.errors import DiskFullError, MediaError
from preprocess.executors.processes import Executor
from preprocess.media.decode_command import frame_size_px
from preprocess.media.ffmpeg import run_on
from preprocess.media.frame_filters import deinterlaced, filter_text, fitted
from preprocess.media.media_info import USUAL_LIMITS, Limits
from preprocess.media.probe import media_input, open_source, probe_file
from preprocess.schema import ShardParams
from preprocess.temporary_folder import temporary_folder

logger = logging.getLogger(__name__)

TIMEOUT_SECONDS = 60.0
SIDE_PX = 64
WITHOUT_INDEX = frozenset({"mpegts", "mpeg"})
"""Containers in which a seek lands between key frames; decoding begins EARLIER_SECONDS before."""
EARLIER_SECONDS = 12.0


class Part(NamedTuple):
    """Which part of a file: its start and length in seconds, and frames a second."""

    path: Path
    start_seconds: float
    seconds: float
    fps: float
    limits: Limits


@dataclass(frozen=True)
class Parts:
    """Reads parts of an archive's videos.

    Attributes:
        paths: of the videos, by name.
        executor: where they are decoded.
        limits: on a file.
    """

    paths: Mapping[str, Path]
    executor: Executor
    limits: Limits = USUAL_LIMITS

    def __call__(self, name: str, start_seconds: float, seconds: float, fps: float) -> np.ndarray | None:
        """Read a part as `read_part` does; None if the file is gone or cannot be read."""
        path = self.paths.get(name)
        if path is None:
            return None
        asked = Part(path, start_seconds, seconds, fps, self.limits)
        try:
            (frames,) = self.executor.run(_read, [asked], lambda _: None, _crashed)
        except (MediaError, DiskFullError, OSError) as error:
            logger.info("no closer look at %s: %s", name, error)
            return None
        return frames


def read_part(part: Part) -> np.ndarray:
    """Decode the brightness of a part of a video; the file is opened as hostile input.

    Returns:
        (T, SIDE_PX, SIDE_PX) uint8, the middle squares of frames; each is what is on screen in the middle of its time. Where
        the file ends, less comes back.

    Raises:
        MediaError: the file has no video, or cannot be decoded; the subclasses say more.
        DiskFullError: no temporary file can be written.
    """
    with contextlib.ExitStack() as stack:
        source = stack.enter_context(open_source(part.path, part.limits))
        info = probe_file(source, part.path, part.limits)
        if not (info.has_video and info.width_px and info.height_px):
            raise MediaError(part.path, "no video stream that can be decoded")
        width, height = frame_size_px(info, ShardParams(short_side_px=SIDE_PX))
        is_early = info.format_name.split(",")[0] in WITHOUT_INDEX
        skipped = min(part.start_seconds, EARLIER_SECONDS) if is_early else 0.0
        rate = str(Fraction(part.fps).limit_denominator(1000))
        filters = [
            *deinterlaced(info), filter_text("fps", fps=rate, start_time=f"{skipped:.3f}"), *fitted(info, width, height)
        ]  # fmt: skip
        written = stack.enter_context(tempfile.TemporaryFile(dir=temporary_folder()))
        media = media_input(
            source, info, max_pixels=part.limits.max_pixels, skip_loop_filter="all",
            ss=f"{part.start_seconds - skipped:.3f}",
        )  # fmt: skip
        shown = media[str(info.video_stream)].output(
            f"pipe:{written.fileno()}", format="rawvideo", vf=",".join(filters), fps_mode="passthrough", threads=1,
            **{"frames:v": max(1, round(part.seconds * part.fps))},
        )  # fmt: skip
        limited = ffmpeg.merge_outputs(shown).global_args("-filter_threads", "1", "-max_error_rate", "1")
        descriptors = [source.fileno(), written.fileno()]
        run_on(part.path, limited, pass_fds=descriptors, timeout_seconds=TIMEOUT_SECONDS, work="decoding a part of it")
        written.seek(0)
        planes = np.frombuffer(written.read(), np.uint8)
    frame_bytes = height * 3 // 2 * width
    frames = planes[: len(planes) // frame_bytes * frame_bytes].reshape(-1, height * 3 // 2, width)[:, :height]
    top, left = (height - SIDE_PX) // 2, (width - SIDE_PX) // 2
    return frames[:, top : top + SIDE_PX, left : left + SIDE_PX].copy()


def _read(part: Part, report: Callable[[np.ndarray], None]) -> np.ndarray:
    del report
    return read_part(part)


def _crashed(part: Part, last: np.ndarray | None, how: str) -> Never:
    del last
    raise MediaError(part.path, f"the process that read it ended: {how}")
