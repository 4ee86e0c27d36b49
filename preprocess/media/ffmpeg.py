"""Finds ffmpeg and runs it: no shell, no stdin, bounded in time, stderr kept and cleaned."""

import functools
import os
import re
import selectors
import subprocess
import time
from collections.abc import Sequence

from preprocess.errors import FfmpegMissingError

ENVIRONMENT_VARIABLE = "AVTEMPO_FFMPEG"
_REMEDY = f"set {ENVIRONMENT_VARIABLE} to one that runs, or unset it to use the bundled one"
STDERR_READ_BYTES = 1 << 18
WORDS_KEPT = 1000
"""Characters of ffmpeg's messages that errors, warnings and manifests keep."""

_CONSEQUENCES = (
    "Consider increasing", "Could not find codec", "Could not open encoder", "Decode error rate", "Error opening input",
    "Error reinitializing", "Error sending", "Failed to configure", "No filtered frames", "Nothing was written",
    "Output file is empty", "Task finished", "Terminating thread",
)  # fmt: skip
"""Of ffmpeg's messages, those that follow from another."""


@functools.cache
def ffmpeg_executable() -> str:
    """Path of the ffmpeg to use: $AVTEMPO_FFMPEG, else the one in the package imageio-ffmpeg.

    Raises:
        FfmpegMissingError: there is none.
    """
    import imageio_ffmpeg

    chosen = os.environ.get(ENVIRONMENT_VARIABLE)
    if chosen:
        if not os.access(chosen, os.X_OK):
            raise FfmpegMissingError(f"{ENVIRONMENT_VARIABLE}={chosen} is no executable; unset it or correct it")
        return chosen
    try:
        return str(imageio_ffmpeg.get_ffmpeg_exe())
    except RuntimeError as error:
        raise FfmpegMissingError(f"no ffmpeg ({error}); set {ENVIRONMENT_VARIABLE} to one") from error


@functools.cache
def ffmpeg_version() -> str:
    """Version string of the ffmpeg in use, such as "n9.0.2-17-g2a571b6068".

    Raises:
        FfmpegMissingError: it does not run, or is no ffmpeg.
    """
    executable = ffmpeg_executable()
    try:
        answer = subprocess.run([executable, "-version"], capture_output=True, text=True, timeout=60, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        raise FfmpegMissingError(f"{executable} does not run: {error}; {_REMEDY}") from error
    found = re.match(r"ffmpeg version (\S+)", answer.stdout)
    if not found:
        raise FfmpegMissingError(f"{executable} is no ffmpeg: it does not say its version; {_REMEDY}")
    return found.group(1)


def run_ffmpeg(arguments: Sequence[str], *, pass_fds: Sequence[int], timeout_seconds: float) -> tuple[int, str]:
    """Run ffmpeg, which inherits open file descriptors; return its exit status and its messages on one line.

    Raises:
        subprocess.TimeoutExpired: it took too long and was killed.
        FfmpegMissingError: it could not be started.
    """
    try:
        process = subprocess.Popen(
            list(arguments),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            pass_fds=tuple(pass_fds),
        )
    except OSError as error:
        raise FfmpegMissingError(f"{arguments[0]} does not start: {error}; {_REMEDY}") from error
    try:
        words = _read_stderr(process, timeout_seconds)
        return process.wait(timeout=timeout_seconds), clean_words(words, ordered=True)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        if process.stderr is not None:
            process.stderr.close()


def _read_stderr(process: "subprocess.Popen[bytes]", timeout_seconds: float) -> bytes:
    """Read stderr until it closes, keeping its beginning: damaged media can make ffmpeg write gigabytes."""
    assert process.stderr is not None  # noqa: S101 - it was asked for as a pipe
    words = bytearray()
    deadline = time.monotonic() + timeout_seconds
    with selectors.DefaultSelector() as selector:
        selector.register(process.stderr, selectors.EVENT_READ)
        while True:
            remaining = deadline - time.monotonic()
            if remaining <= 0 or not selector.select(remaining):
                raise subprocess.TimeoutExpired(process.args, timeout_seconds)
            piece = os.read(process.stderr.fileno(), 1 << 16)
            if not piece:
                return bytes(words)
            words += piece[: STDERR_READ_BYTES - len(words)]


def clean_words(words: bytes | str, *, ordered: bool = False) -> str:
    """Join ffmpeg's messages to one line of printable text without repetitions and memory addresses.

    `ordered` sorts them. ffmpeg's demuxer, decoders and filters are threads, so the order of their messages varies, and
    a manifest must be the same in every run.
    """
    text = words.decode("utf-8", "replace") if isinstance(words, bytes) else words
    text = re.sub(r" @ 0x[0-9a-f]+", "", text)
    text = re.sub(r"/dev/fd/\d+|pipe:\d+", "the file", text)
    lines = list(dict.fromkeys(line.strip() for line in text.splitlines() if line.strip()))
    line = "; ".join(sorted(lines) if ordered else lines)
    if len(line) > WORDS_KEPT:
        line = line[:WORDS_KEPT] + " ..."
    return "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in line)


def is_out_of_space(words: str) -> bool:
    """Whether ffmpeg failed because the disk is full."""
    return "No space left on device" in words or "Disk quota exceeded" in words


def first_cause(words: str) -> str:
    """Choose one of the messages that `clean_words` joined: a line for a person, who need not read what follows from it."""
    messages = words.split("; ")
    return next((each for each in messages if not any(part in each for part in _CONSEQUENCES)), messages[0])
