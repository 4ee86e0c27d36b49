"""A few seconds of a source's audio as a small MP3 for a browser."""

import subprocess
import tempfile
from pathlib import Path

from preprocess.errors import MediaError, MediaLimitError
from preprocess.media.ffmpeg import cause, run_ffmpeg
from preprocess.media.media_info import USUAL_LIMITS, Limits
from preprocess.media.mono import mix_filters
from preprocess.media.probe import media_input, open_source, probe_file
from preprocess.temporary_folder import temporary_folder

SAMPLE_RATE_HZ = 16_000
BITS_PER_SECOND = 24_000
MAX_SECONDS = 4.0
TIMEOUT_SECONDS = 20.0
PRIMING_BYTES = 4_000
"""More than the bit rate needs: the frame in which MP3 begins and the rounding to whole frames."""
MAX_BYTES = int(MAX_SECONDS * BITS_PER_SECOND / 8) + PRIMING_BYTES


def sound_excerpt(path: Path, start_seconds: float, length_seconds: float, limits: Limits = USUAL_LIMITS) -> bytes:
    """Cut mono audio of at most MAX_SECONDS out of a source, as MP3; the source is opened as hostile input.

    Raises:
        MediaError: the source has no audio, has none at this time, or cannot be decoded; the subclasses say more.
        DiskFullError: no temporary file can be written.
    """
    with open_source(path, limits) as source, tempfile.TemporaryFile(dir=temporary_folder()) as out:
        info = probe_file(source, path, limits)
        if not info.has_audio:
            raise MediaError(path, "no audio stream that can be decoded")
        seconds = min(length_seconds, MAX_SECONDS)
        media = media_input(source, info, ss=f"{start_seconds:.3f}", t=f"{seconds:.3f}")
        mixing = [*mix_filters(info), "anull"]
        stream = media[str(info.audio_stream)].output(
            f"pipe:{out.fileno()}", format="mp3", af=",".join(mixing), ac=1, ar=SAMPLE_RATE_HZ,
            audio_bitrate=BITS_PER_SECOND, write_xing=0, id3v2_version=0, map_metadata=-1, fs=MAX_BYTES,
        )  # fmt: skip
        try:
            status, words = run_ffmpeg(
                stream, pass_fds=[source.fileno(), out.fileno()], timeout_seconds=TIMEOUT_SECONDS
            )
        except subprocess.TimeoutExpired as error:
            raise MediaLimitError(path, f"cutting its audio took more than {TIMEOUT_SECONDS:.0f} s") from error
        out.seek(0)
        mp3 = out.read()
    if status != 0 or not mp3:
        raise MediaError(path, cause(words) or f"no audio from {start_seconds:.1f} s on")
    return mp3
