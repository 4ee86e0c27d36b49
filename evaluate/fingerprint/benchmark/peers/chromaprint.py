"""Chromaprint, the acoustic fingerprint of AcoustID, through ffmpeg's own muxer for it.

The ffmpeg that this project brings is built with the chromaprint library, so there is nothing to install; another one
($AVTEMPO_FFMPEG) may lack it. A fingerprint is a number of 32 bits eight times a second.
"""

import functools
import subprocess
import tempfile
from pathlib import Path

import ffmpeg
import numpy as np

from evaluate.fingerprint.benchmark.method import MethodMissingError
from evaluate.fingerprint.benchmark.peers.peer import Aligned, Peer, best_diagonal
from preprocess.errors import MediaError
from preprocess.media.ffmpeg import ffmpeg_executable, run_ffmpeg
from preprocess.media.media_info import Limits
from preprocess.media.probe import ALLOWED_FORMATS, open_source, probe_file

HOP_SECONDS = 1365 / 11_025
"""A third of a frame of 4096 samples at its working rate."""
REACH_SECONDS = 2.6
"""Sound that one number depends on: the frames of its longest filter."""
BITS = 32


class Chromaprint(Peer[np.ndarray]):
    """Descriptions are (n,) uint32."""

    name = "chromaprint"
    modality = "audio"

    def __init__(self) -> None:
        super().__init__()
        if not _has_muxer():
            raise MethodMissingError(
                f"{ffmpeg_executable()} is built without chromaprint; unset AVTEMPO_FFMPEG to use the bundled one"
            )

    def describe(self, path: Path) -> np.ndarray | None:
        """Fingerprint the sound; None without any, or with less than one fingerprint needs."""
        limits = Limits()
        with open_source(path, limits) as source, tempfile.TemporaryFile() as target:
            info = probe_file(source, path, limits)
            if not info.has_audio:
                return None
            media = ffmpeg.input(
                f"file:/dev/fd/{source.fileno()}", f=info.format_name.split(",")[0],
                format_whitelist=ALLOWED_FORMATS, protocol_whitelist="file",
            )  # fmt: skip
            output = media[str(info.audio_stream)].output(
                f"pipe:{target.fileno()}", format="chromaprint", fp_format="raw"
            )
            arguments = ffmpeg.compile(
                output.global_args("-hide_banner", "-nostdin", "-nostats", "-loglevel", "error"),
                cmd=ffmpeg_executable(),
            )
            timeout = limits.timeout_seconds + limits.timeout_factor * (info.duration_seconds or 0.0)
            status, words = run_ffmpeg(arguments, pass_fds=[source.fileno(), target.fileno()], timeout_seconds=timeout)
            if status != 0:
                raise MediaError(path, words or f"ffmpeg left with status {status}")
            target.seek(0)
            fingerprint = np.frombuffer(target.read(), "<u4")
        return fingerprint if len(fingerprint) else None

    def n_bytes(self, described: np.ndarray) -> int:
        """Four bytes a number."""
        return described.nbytes

    def compare(self, query: np.ndarray, reference: np.ndarray) -> Aligned | None:
        """Share of equal bits at the best offset."""
        different = np.bitwise_count(query[:, None] ^ reference[None, :])
        return best_diagonal(1 - different / BITS, HOP_SECONDS, REACH_SECONDS)


@functools.cache
def _has_muxer() -> bool:
    arguments = [ffmpeg_executable(), "-hide_banner", "-muxers"]
    listed = subprocess.run(arguments, capture_output=True, text=True, timeout=60, check=False)
    return " chromaprint " in listed.stdout
