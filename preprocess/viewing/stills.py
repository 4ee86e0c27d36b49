"""Single frames of a source, for pages that show where something lies in it."""

import contextlib
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import ffmpeg
import numpy as np

from preprocess.errors import MediaError
from preprocess.media.decode_command import frame_size_px
from preprocess.media.ffmpeg import run_ffmpeg
from preprocess.media.frame_filters import deinterlaced, fitted
from preprocess.media.media_info import USUAL_LIMITS, Limits
from preprocess.media.probe import media_input, open_source, probe_file
from preprocess.schema import ShardParams
from preprocess.temporary_folder import temporary_folder

TIMEOUT_SECONDS = 60.0


def stills(
    path: Path, seconds: Sequence[float], params: ShardParams, limits: Limits = USUAL_LIMITS
) -> list[np.ndarray | None]:
    """Decode the frames on screen at these seconds; the source is opened as hostile input.

    Returns:
        Frames (H * 3 / 2, W) uint8 of `params`, laid out as in preprocess/media/planes.py; None where there is none.

    Raises:
        MediaError: the source has no video, or cannot be decoded; the subclasses say more.
        DiskFullError: no temporary file can be written.
    """
    with contextlib.ExitStack() as stack:
        source = stack.enter_context(open_source(path, limits))
        info = probe_file(source, path, limits)
        if not (info.has_video and info.width_px and info.height_px):
            raise MediaError(path, "no video stream that can be decoded")
        width, height = frame_size_px(info, params)
        # From the key frame before; the last image before the moment counts, also if it is the last one of all.
        moment = ["tpad=stop=-1:stop_mode=clone", "fps=1000:start_time=0"]
        filters = ",".join([*deinterlaced(info), *moment, *fitted(info, width, height)])
        coding = {"format": "rawvideo", "vf": filters, "fps_mode": "passthrough", "frames:v": 1}
        files, outputs = [], []
        for second in seconds:
            file = stack.enter_context(tempfile.TemporaryFile(dir=temporary_folder()))
            media = media_input(source, info, max_pixels=limits.max_pixels, ss=f"{second:.3f}", noaccurate_seek=None)
            files.append(file)
            outputs.append(media[str(info.video_stream)].output(f"pipe:{file.fileno()}", **coding))
        merged = ffmpeg.merge_outputs(*outputs).global_args("-filter_threads", "1")
        descriptors = [source.fileno(), *(file.fileno() for file in files)]
        run_ffmpeg(path, merged, pass_fds=descriptors, timeout_seconds=TIMEOUT_SECONDS, work="decoding its stills")
        shape = height * 3 // 2, width
        found = [np.frombuffer(_content(file), np.uint8) for file in files]
        return [frame[: shape[0] * width].reshape(shape) if len(frame) else None for frame in found]


def _content(file: BinaryIO) -> bytes:
    file.seek(0)
    return file.read()
