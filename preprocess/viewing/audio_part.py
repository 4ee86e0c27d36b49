"""A part of a source's audio: as a small MP3 for a browser, or as the outline of its waveform."""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from preprocess.errors import MediaError
from preprocess.media.ffmpeg import run_ffmpeg
from preprocess.media.media_info import USUAL_LIMITS, Limits
from preprocess.media.mono import mix_filters
from preprocess.media.probe import media_input, open_source, probe_file
from preprocess.temporary_folder import temporary_folder

EXCERPT_RATE_HZ = 16_000
EXCERPT_BITS_PER_SECOND = 24_000
MAX_EXCERPT_SECONDS = 4.0
PRIMING_BYTES = 4_000
"""More than the bit rate needs: the frame in which MP3 begins and the rounding to whole frames."""
MAX_EXCERPT_BYTES = int(MAX_EXCERPT_SECONDS * EXCERPT_BITS_PER_SECOND / 8) + PRIMING_BYTES
OUTLINE_RATE_HZ = 8_000
MAX_OUTLINE_SECONDS = 3600.0
TIMEOUT_SECONDS = 60.0


def audio_excerpt(path: Path, start_seconds: float, length_seconds: float) -> bytes:
    """Cut mono audio of at most MAX_EXCERPT_SECONDS out of a source, as MP3; the source is opened as hostile input.

    Raises:
        MediaError: the source has no audio, has none at this time, or cannot be decoded; the subclasses say more.
        DiskFullError: no temporary file can be written.
    """
    part = start_seconds, min(length_seconds, MAX_EXCERPT_SECONDS)
    mp3 = _audio(
        path, part, USUAL_LIMITS, format="mp3", ar=EXCERPT_RATE_HZ, audio_bitrate=EXCERPT_BITS_PER_SECOND,
        write_xing=0, id3v2_version=0, map_metadata=-1, fs=MAX_EXCERPT_BYTES,
    )  # fmt: skip
    if not mp3:
        raise MediaError(path, f"no audio from {start_seconds:.1f} s on")
    return mp3


def peaks(path: Path, start_seconds: float, end_seconds: float, n: int, limits: Limits = USUAL_LIMITS) -> np.ndarray:
    """Return the largest absolute sample of each of `n` equal parts, float32 (n,) in [0, 1].

    It is 0 beyond the end, and beyond MAX_OUTLINE_SECONDS.

    Raises:
        MediaError: the source has no audio, or cannot be decoded; the subclasses say more.
        DiskFullError: no temporary file can be written.
    """
    seconds = min(end_seconds - start_seconds, MAX_OUTLINE_SECONDS)
    audio = _audio(path, (start_seconds, seconds), limits, format="s16le", ar=OUTLINE_RATE_HZ)
    samples = np.frombuffer(audio, "<i2")
    loud = np.zeros(max(1, round(seconds * OUTLINE_RATE_HZ)), np.float32)
    kept = samples[: len(loud)]
    loud[: len(kept)] = np.abs(kept.astype(np.float32)) / 32768
    n_heard = max(1, round(n * seconds / (end_seconds - start_seconds)))
    found = np.array([part.max(initial=0.0) for part in np.array_split(loud, n_heard)], np.float32)
    return np.pad(found, (0, n - n_heard))


def _audio(path: Path, part: tuple[float, float], limits: Limits, **coding: Any) -> bytes:
    """Mix the audio of a part, (start, length) in seconds, to one channel, and code it; gaps become silence."""
    with open_source(path, limits) as source, tempfile.TemporaryFile(dir=temporary_folder()) as out:
        info = probe_file(source, path, limits)
        if not info.has_audio:
            raise MediaError(path, "no audio stream that can be decoded")
        media = media_input(source, info, ss=f"{part[0]:.3f}")
        filters = ",".join([*mix_filters(info), "aresample=async=1:first_pts=0"])
        coded = media[str(info.audio_stream)].output(
            f"pipe:{out.fileno()}", af=filters, ac=1, t=f"{part[1]:.3f}", **coding
        )
        descriptors = [source.fileno(), out.fileno()]
        run_ffmpeg(path, coded, pass_fds=descriptors, timeout_seconds=TIMEOUT_SECONDS, work="decoding its audio")
        out.seek(0)
        return out.read()
