"""A part of an archive's video, read again to be compared with a query picture by picture."""

import contextlib
import logging
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from preprocess.errors import MediaError
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


@dataclass(frozen=True)
class Parts:
    """Reads parts of an archive's videos.

    Attributes:
        paths: of the videos, by name.
        limits: on a file.
    """

    paths: Mapping[str, Path]
    limits: Limits = USUAL_LIMITS

    def __call__(self, name: str, start_seconds: float, seconds: float, fps: float) -> Tensor | None:
        """Read a part as `read_part` does; None if the file is gone or cannot be read."""
        try:
            return read_part(self.paths[name], start_seconds, seconds, fps, SIDE_PX, self.limits)
        except MediaError as error:
            logger.info("no closer look at %s: %s", name, error.reason)
            return None


def read_part(
    path: Path, start_seconds: float, seconds: float, fps: float, side_px: int, limits: Limits = USUAL_LIMITS
) -> Tensor:
    """Decode the brightness of a part of a video; the file is opened as hostile input.

    Args:
        path: of the file.
        start_seconds: from its start, at least 0.
        seconds: length of the part; less comes back where the file ends.
        fps: frames a second.
        side_px: side of the middle squares of the frames, a multiple of 8.
        limits: on the file.

    Returns:
        (T, side_px, side_px) uint8; a frame is what is on screen in the middle of its time.

    Raises:
        MediaError: the file has no video, or cannot be decoded; the subclasses say more.
        DiskFullError: no temporary file can be written.
    """
    with contextlib.ExitStack() as stack:
        source = stack.enter_context(open_source(path, limits))
        info = probe_file(source, path, limits)
        if not (info.has_video and info.width_px and info.height_px):
            raise MediaError(path, "no video stream that can be decoded")
        width, height = frame_size_px(info, ShardParams(short_side_px=side_px))
        rate = str(Fraction(fps).limit_denominator(1000))
        filters = [*deinterlaced(info), filter_text("fps", fps=rate, start_time=0), *fitted(info, width, height)]
        written = stack.enter_context(tempfile.TemporaryFile(dir=temporary_folder()))
        media = media_input(
            source, info, max_pixels=limits.max_pixels, skip_loop_filter="all", ss=f"{start_seconds:.3f}"
        )
        shown = media[str(info.video_stream)].output(
            f"pipe:{written.fileno()}", format="rawvideo", vf=",".join(filters), t=f"{seconds:.3f}"
        )
        descriptors = [source.fileno(), written.fileno()]
        run_on(path, shown, pass_fds=descriptors, timeout_seconds=TIMEOUT_SECONDS, work="decoding a part of it")
        written.seek(0)
        planes = np.frombuffer(written.read(), np.uint8)
    frame_bytes = height * 3 // 2 * width
    frames = planes[: len(planes) // frame_bytes * frame_bytes].reshape(-1, height * 3 // 2, width)[:, :height]
    side = min(width, height)
    top, left = (height - side) // 2, (width - side) // 2
    return torch.from_numpy(frames[:, top : top + side, left : left + side].copy())
