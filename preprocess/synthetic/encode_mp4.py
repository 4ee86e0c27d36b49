"""Encodes a clip to an mp4 file with one ffmpeg process: frames on its standard input, audio in a temporary file."""

import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from preprocess.errors import RenderError
from preprocess.media.ffmpeg import ffmpeg_executable

_ENCODE_SECONDS = 120
_VIDEO_OPTIONS = ("-c:v", "libx264", "-preset", "ultrafast", "-crf", "20", "-pix_fmt", "yuv420p")
_AUDIO_OPTIONS = ("-c:a", "aac", "-b:a", "48k")
_SAME_BYTES = ("-map_metadata", "-1", "-fflags", "+bitexact", "-flags:v", "+bitexact", "-flags:a", "+bitexact")


@dataclass(frozen=True)
class Coding:
    """Rates of a clip, and frames from one key frame to the next; 1 makes every frame a key frame."""

    fps: float
    sample_rate_hz: int
    keyframe_every: int


def write_clip(
    target: Path,
    frames: NDArray[np.uint8],
    waveform: NDArray[np.float32] | None,
    partial_folder: Path,
    coding: Coding,
) -> None:
    """Encode to a temporary file in `partial_folder`, then rename it to `target`.

    Args:
        target: the mp4 to write; on the same file system as `partial_folder`.
        frames: (T, H, W, 3) RGB.
        waveform: (N,) in [-1, 1], or None for a file without an audio track.
        partial_folder: where unfinished files may lie.
        coding: rates and key frames.

    Raises:
        RenderError: ffmpeg failed; quotes the end of its messages.
    """
    height, width = frames.shape[1:3]
    with tempfile.TemporaryDirectory(dir=partial_folder) as name:
        samples, video = Path(name) / "samples", Path(name) / "clip.mp4"
        audio_input, audio_output = [], []
        if waveform is not None:
            samples.write_bytes(np.round(waveform * 32767).astype("<i2").tobytes())
            audio_input = ["-f", "s16le", "-ar", str(coding.sample_rate_hz), "-ac", "1", "-i", str(samples)]
            audio_output = ["-map", "1:a", *_AUDIO_OPTIONS]
        command = [
            ffmpeg_executable(), "-nostdin", "-loglevel", "error", "-threads", "1", "-filter_threads", "1",
            "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", str(coding.fps), "-i", "pipe:0",
            *audio_input, "-map", "0:v", *audio_output, "-threads", "1", *_VIDEO_OPTIONS, "-g", str(coding.keyframe_every),
            *_SAME_BYTES, "-y", str(video),
        ]  # fmt: skip
        try:
            subprocess.run(command, input=frames.tobytes(), capture_output=True, check=True, timeout=_ENCODE_SECONDS)
        except subprocess.CalledProcessError as error:
            words = error.stderr.decode("utf-8", "replace").strip()[-500:]
            raise RenderError(f"ffmpeg could not write {target}: {words}") from error
        except subprocess.TimeoutExpired as error:
            raise RenderError(f"ffmpeg took more than {_ENCODE_SECONDS} s for {target}") from error
        video.replace(target)
