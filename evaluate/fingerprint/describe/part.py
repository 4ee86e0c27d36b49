"""A part of an archive's file, read again to be compared with a query frame by frame and band by band.

A crash of a decoder ends a process of its own, as for queries (image.py).
"""

import contextlib
import logging
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple, Never, TypeVar

import ffmpeg
import numpy as np

from evaluate.fingerprint.describe.seek import seek_options, skipped_seconds, streams_of_clock
from preprocess.errors import DiskFullError, MediaError
from preprocess.executors.processes import Executor, Work
from preprocess.features.logmel import log_mel
from preprocess.media.decode_command import HARD_COMPENSATION_SECONDS, frame_size_px
from preprocess.media.ffmpeg import run_ffmpeg
from preprocess.media.frame_filters import deinterlaced, filter_text, fitted
from preprocess.media.media_info import USUAL_LIMITS, Limits, MediaInfo
from preprocess.media.mono import mix_filters
from preprocess.media.probe import media_input, open_source, probe_file
from preprocess.schema import ShardParams
from preprocess.temporary_folder import temporary_folder

T = TypeVar("T")

logger = logging.getLogger(__name__)

TIMEOUT_SECONDS = 60.0
SIDE_PX = 64


class Part(NamedTuple):
    """Which part of a file: its start and length in seconds."""

    path: Path
    start_seconds: float
    seconds: float
    limits: Limits = USUAL_LIMITS


@dataclass(frozen=True)
class Parts:
    """Reads parts of an archive's files.

    Attributes:
        path_of: gives the file of a source; None if it is gone, or is no longer the one that was indexed.
        executor: where files are decoded.
        limits: on a file.
    """

    path_of: Callable[[str], Path | None]
    executor: Executor
    limits: Limits = USUAL_LIMITS

    def brightness(self, name: str, start_seconds: float, seconds: float, fps: float) -> np.ndarray | None:
        """Read a part's frames as `read_brightness` does; None if they cannot be read."""
        return self._read(_brightness, name, start_seconds, seconds, fps)

    def logmel(self, name: str, start_seconds: float, seconds: float, params: ShardParams) -> np.ndarray | None:
        """Read a part's audio as `read_logmel` does; None if it cannot be read."""
        return self._read(_logmel, name, start_seconds, seconds, params)

    def _read(
        self, read: Work[tuple[Part, T], np.ndarray], name: str, start_seconds: float, seconds: float, how: T
    ) -> np.ndarray | None:
        try:
            path = self.path_of(name)
            if path is None:
                return None
            asked = Part(path, start_seconds, seconds, self.limits), how
            (values,) = self.executor.run(read, [asked], lambda _: None, _crashed)
        except (MediaError, DiskFullError, OSError) as error:
            logger.info("no closer look at %s: %s", name, error)
            return None
        return values


def read_brightness(part: Part, fps: float) -> np.ndarray:
    """Decode the brightness of a part of a video; the file is opened as hostile input.

    Returns:
        (T, SIDE_PX, SIDE_PX) uint8, the middle squares of frames; each is what is on screen in the middle of its time. Where
        the file ends, less comes back.

    Raises:
        MediaError: the file has no video, or cannot be decoded; the subclasses say more.
        DiskFullError: no temporary file can be written.
    """
    with _opened(part) as (info, skipped, decode):
        if not (info.has_video and info.width_px and info.height_px):
            raise MediaError(part.path, "no video stream that can be decoded")
        width, height = frame_size_px(info, ShardParams(short_side_px=SIDE_PX))
        rate = str(Fraction(fps).limit_denominator(1000))
        filters = [
            *deinterlaced(info), filter_text("fps", fps=rate, start_time=f"{skipped:.3f}"), *fitted(info, width, height)
        ]  # fmt: skip
        planes = np.frombuffer(decode(
            info.video_stream, format="rawvideo", vf=",".join(filters), fps_mode="passthrough",
            **{"frames:v": max(1, round(part.seconds * fps))},
        ), np.uint8)  # fmt: skip
    frame_bytes = height * 3 // 2 * width
    frames = planes[: len(planes) // frame_bytes * frame_bytes].reshape(-1, height * 3 // 2, width)[:, :height]
    top, left = (height - SIDE_PX) // 2, (width - SIDE_PX) // 2
    return frames[:, top : top + SIDE_PX, left : left + SIDE_PX].copy()


def read_logmel(part: Part, params: ShardParams) -> np.ndarray:
    """Decode the log-mel of a part of a file's audio; the file is opened as hostile input.

    Returns:
        (n_mels, T) float16, of `params`, of all channels mixed. Where the file ends, less comes back.

    Raises:
        MediaError: the file has no audio, or cannot be decoded; the subclasses say more.
        DiskFullError: no temporary file can be written.
    """
    with _opened(part) as (info, skipped, decode):
        if not info.has_audio:
            raise MediaError(part.path, "no audio stream that can be decoded")
        keeping = {"async": 1, "first_pts": 0, "min_hard_comp": HARD_COMPENSATION_SECONDS, "rematrix_maxval": 1}
        filters = [*mix_filters(info), filter_text("aresample", **keeping)]
        samples = np.frombuffer(decode(
            info.audio_stream, format="f32le", af=",".join(filters), ac=1, ar=params.sample_rate_hz,
            t=f"{skipped + part.seconds:.3f}",
        ), "<f4")  # fmt: skip
    return log_mel(samples[round(skipped * params.sample_rate_hz) :].copy(), params)


@contextlib.contextmanager
def _opened(part: Part) -> Iterator[tuple[MediaInfo, float, Callable[..., bytes]]]:
    """Give what a file holds, how many seconds before the part decoding begins, and what decodes one of its streams."""
    with open_source(part.path, part.limits) as source, tempfile.TemporaryFile(dir=temporary_folder()) as written:
        info = probe_file(source, part.path, part.limits)
        skipped = skipped_seconds(info, part.start_seconds)

        def decode(stream: int, **options: Any) -> bytes:
            media = media_input(
                source, info, max_pixels=part.limits.max_pixels, skip_loop_filter="all",
                **seek_options(part.start_seconds - skipped),
            )  # fmt: skip
            decoded = media[str(stream)].output(f"pipe:{written.fileno()}", threads=1, **options)
            beside = [media[str(each)].output("-", format="null", c="copy") for each in streams_of_clock(info, stream)]
            limited = ffmpeg.merge_outputs(decoded, *beside).global_args("-filter_threads", "1", "-max_error_rate", "1")
            descriptors = [source.fileno(), written.fileno()]
            run_ffmpeg(
                part.path, limited, pass_fds=descriptors, timeout_seconds=TIMEOUT_SECONDS, work="decoding a part of it"
            )
            written.seek(0)
            return written.read()

        yield info, skipped, decode


def _brightness(asked: tuple[Part, float], report: Callable[[np.ndarray], None]) -> np.ndarray:
    del report
    return read_brightness(*asked)


def _logmel(asked: tuple[Part, ShardParams], report: Callable[[np.ndarray], None]) -> np.ndarray:
    del report
    return read_logmel(*asked)


def _crashed(asked: tuple[Part, object], last: np.ndarray | None, how: str) -> Never:
    del last
    raise MediaError(asked[0].path, f"the process that read it ended: {how}")
