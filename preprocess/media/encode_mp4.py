"""A clip to an mp4 file: one ffmpeg process, pictures on its standard input, sound from a temporary wav file."""

import subprocess
import tempfile
import wave
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from preprocess.errors import RenderError
from preprocess.media.decode import ffmpeg_executable

_ENCODE_SECONDS = 120
_VIDEO_OPTIONS = ("-c:v", "libx264", "-preset", "ultrafast", "-crf", "20", "-pix_fmt", "yuv420p")
_AUDIO_OPTIONS = ("-c:a", "aac", "-b:a", "48k")
_SAME_BYTES = ("-map_metadata", "-1", "-fflags", "+bitexact", "-flags:v", "+bitexact", "-flags:a", "+bitexact")


def _write_wav(path: Path, waveform: NDArray[np.float32], sample_rate_hz: int) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(sample_rate_hz)
        file.writeframes(np.round(waveform * 32767).astype("<i2").tobytes())


def write_clip(
    target: Path,
    frames: NDArray[np.uint8],
    waveform: NDArray[np.float32] | None,
    partial_folder: Path,
    *,
    fps: float,
    sample_rate_hz: int,
    keyframe_every: int,
) -> None:
    """Encode to a temporary file in `partial_folder`, then rename it to `target`.

    Args:
        target: the mp4 to be; on the same file system as `partial_folder`.
        frames: (T, H, W, 3) RGB.
        waveform: (N,) in [-1, 1], or None for a file without an audio track.
        partial_folder: where unfinished files may lie.
        fps: frames per second.
        sample_rate_hz: of the waveform.
        keyframe_every: frames from one intra picture to the next; 1 where nothing may be predicted from the past.

    Raises:
        RenderError: ffmpeg failed; carries its last words.

    """
    height, width = frames.shape[1:3]
    with tempfile.TemporaryDirectory(dir=partial_folder) as name:
        wav, video = Path(name) / "sound.wav", Path(name) / "clip.mp4"
        sound_input: tuple[str, ...] = ()
        maps: tuple[str, ...] = ("-map", "0:v")
        if waveform is not None:
            _write_wav(wav, waveform, sample_rate_hz)
            sound_input = ("-i", str(wav))
            maps = (*maps, "-map", "1:a", *_AUDIO_OPTIONS)
        command = [
            ffmpeg_executable(), "-nostdin", "-loglevel", "error", "-threads", "1", "-filter_threads", "1",
            "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", str(fps), "-i", "pipe:0",
            *sound_input, *maps, "-threads", "1", *_VIDEO_OPTIONS, "-g", str(keyframe_every), *_SAME_BYTES, "-y", str(video),
        ]  # fmt: skip
        try:
            subprocess.run(command, input=frames.tobytes(), capture_output=True, check=True, timeout=_ENCODE_SECONDS)
        except subprocess.CalledProcessError as error:
            words = error.stderr.decode("utf-8", "replace").strip()[-500:]
            raise RenderError(f"ffmpeg could not write {target}: {words}") from error
        except subprocess.TimeoutExpired as error:
            raise RenderError(f"ffmpeg took more than {_ENCODE_SECONDS} s for {target}") from error
        video.replace(target)
