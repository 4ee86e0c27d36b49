"""How loud a source is over time, for a drawing of its waveform."""

import subprocess
import tempfile
from pathlib import Path

import numpy as np

from preprocess.errors import MediaError, MediaLimitError
from preprocess.media.ffmpeg import cause, run_ffmpeg
from preprocess.media.media_info import USUAL_LIMITS, Limits
from preprocess.media.mono import mix_filters
from preprocess.media.probe import media_input, open_source, probe_file
from preprocess.temporary_folder import temporary_folder

SAMPLE_RATE_HZ = 8_000
MAX_SECONDS = 3600.0
TIMEOUT_SECONDS = 60.0


def peaks(path: Path, start_seconds: float, end_seconds: float, n: int, limits: Limits = USUAL_LIMITS) -> np.ndarray:
    """Return the largest absolute sample of each of `n` equal parts, float32 (n,) in [0, 1]; 0 beyond the end.

    Raises:
        MediaError: the source has no audio, or cannot be decoded; the subclasses say more.
        DiskFullError: no temporary file can be written.
    """
    seconds = min(end_seconds - start_seconds, MAX_SECONDS)
    with open_source(path, limits) as source, tempfile.TemporaryFile(dir=temporary_folder()) as out:
        info = probe_file(source, path, limits)
        if not info.has_audio:
            raise MediaError(path, "no audio stream that can be decoded")
        media = media_input(source, info, ss=f"{start_seconds:.3f}")
        filters = [*mix_filters(info), "aresample=async=1:first_pts=0"]
        stream = media[str(info.audio_stream)].output(
            f"pipe:{out.fileno()}", format="s16le", af=",".join(filters), ac=1, ar=SAMPLE_RATE_HZ, t=f"{seconds:.3f}"
        )
        try:
            status, words = run_ffmpeg(
                stream, pass_fds=[source.fileno(), out.fileno()], timeout_seconds=TIMEOUT_SECONDS
            )
        except subprocess.TimeoutExpired as error:
            raise MediaLimitError(path, f"decoding its audio took more than {TIMEOUT_SECONDS:.0f} s") from error
        if status != 0:
            raise MediaError(path, cause(words) or f"ffmpeg left with status {status}")
        out.seek(0)
        samples = np.frombuffer(out.read(), "<i2")
    loud = np.zeros(max(1, round(seconds * SAMPLE_RATE_HZ)), np.float32)
    kept = samples[: len(loud)]
    loud[: len(kept)] = np.abs(kept.astype(np.float32)) / 32768
    return np.array([part.max(initial=0.0) for part in np.array_split(loud, n)], np.float32)
