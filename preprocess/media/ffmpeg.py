"""Finds ffmpeg and runs it: no shell, no stdin, bounded in time, stderr kept and cleaned."""

import functools
import logging
import os
import re
import selectors
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from preprocess.errors import DiskFullError, FfmpegMissingError, MediaError, MediaLimitError
from preprocess.temporary_folder import temporary_folder
from store.atomic_files import DISK_FULL

logger = logging.getLogger(__name__)

ENVIRONMENT_VARIABLE = "AVTEMPO_FFMPEG"
_REMEDY = f"set {ENVIRONMENT_VARIABLE} to one that runs, or unset it to use the bundled one"
STDERR_READ_BYTES = 1 << 18
WORDS_KEPT = 1000
"""Characters of ffmpeg's messages that warnings and manifests keep."""
CAUSE_KEPT = 200
"""Characters of the first message, which errors quote."""
_DISK_FULL = tuple(os.strerror(number) for number in DISK_FULL)
_QUIET = ("-hide_banner", "-nostdin", "-nostats", "-loglevel", "repeat+level+warning")
_STAGES = (r"\[(in#|AVIOContext|file)", r"\[(?![av]ist#|[av]f#|out#|[av]ost#|Parsed_)", r"\[[av]ist#", r"\[", "")
"""Parts of ffmpeg along the flow of data: demuxer, codecs (_CODEC), what feeds these, filters and outputs, and none, which
sums up, such as "Conversion failed!"."""
_CODEC = 1
_LINE = re.compile(r"(?P<part>(?:\[[^]]* @ 0x[0-9a-f]+\] )*)(?:\[(?P<level>panic|fatal|error|warning)\] )?(?P<text>.*)")


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


def run_ffmpeg(
    path: Path, output: Any, *, pass_fds: Sequence[int], timeout_seconds: float, work: str, folder: Path | None = None
) -> str:
    """Run ffmpeg on an output node of ffmpeg-python that reads a source; return the beginning of its messages, as written.

    What a failed run said is logged in full: errors quote the `cause` alone.

    Args:
        path: of the source.
        output: the node.
        pass_fds: open files that ffmpeg inherits.
        timeout_seconds: after these it is killed.
        work: what for, such as "decoding its stills".
        folder: that it writes to; by default that of temporary files.

    Raises:
        MediaLimitError: it took too long.
        DiskFullError: there is no space left.
        MediaError: it failed.
        FfmpegMissingError: it could not be started.
    """
    import ffmpeg

    arguments = ffmpeg.compile(output.global_args(*_QUIET), cmd=ffmpeg_executable())
    try:
        process = subprocess.Popen(
            arguments,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            pass_fds=tuple(pass_fds),
        )
    except OSError as error:
        raise FfmpegMissingError(f"{arguments[0]} does not start: {error}; {_REMEDY}") from error
    try:
        stderr = _read_stderr(process, timeout_seconds).decode("utf-8", "replace")
        status = process.wait(timeout=timeout_seconds)
    except subprocess.TimeoutExpired as error:
        raise MediaLimitError(path, f"{work} took more than {timeout_seconds:.0f} s") from error
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        if process.stderr is not None:
            process.stderr.close()
    if status == 0:
        return stderr
    logger.info("ffmpeg left with status %d: %s", status, stderr)
    # In all that it said: `clean_words` sorts and cuts.
    if status == -signal.SIGXFSZ or any(
        words in stderr for words in _DISK_FULL
    ):  # the signal: over the limit of a file
        raise DiskFullError(folder or temporary_folder(), f"no space left while {work}; free some or set TMPDIR")
    if status < 0:
        raise MediaError(path, f"ffmpeg was killed by signal {-status}")
    raise MediaError(path, cause(clean_words(stderr, errors_first=True)) or f"ffmpeg left with status {status}")


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


def clean_words(words: bytes | str, *, errors_first: bool = False) -> str:
    """Join ffmpeg's messages with "; " to one line of printable text without repetitions and memory addresses.

    ffmpeg's demuxer, decoders and filters are threads, so the order of all messages varies, and a manifest must be the
    same in every run. The messages of one part keep their order, and the parts follow the data from the input on. A cause
    so comes before its consequences. `errors_first` puts warnings last.
    """
    text = words.decode("utf-8", "replace") if isinstance(words, bytes) else words
    text = re.sub(r"/dev/fd/\d+|pipe:\d+", "the file", text)
    parts: dict[tuple[bool, int, str], list[str]] = {}
    for line in (line.strip() for line in text.splitlines()):
        if line and (found := _LINE.fullmatch(line)):
            name = re.sub(r" @ 0x[0-9a-f]+", "", found["part"])
            is_late = errors_first and found["level"] not in ("panic", "fatal", "error")
            stage = next(number for number, pattern in enumerate(_STAGES) if re.match(pattern, name))
            # Codecs by address: the demuxer's parser and the decoder share a name, but not a thread.
            owner = found["part"] if stage == _CODEC else name.partition("]")[0]
            lines = parts.setdefault((is_late, stage, owner), [])
            lines.append(name + found["text"].replace("; ", ", "))
    ordered = sorted((is_late, stage, lines) for (is_late, stage, _), lines in parts.items())
    line = "; ".join(dict.fromkeys(line for *_, lines in ordered for line in lines))
    return _printable(line, WORDS_KEPT)


def cause(words: str) -> str:
    """First of ffmpeg's messages, shortened; "" if there are none."""
    return _printable(words.partition("; ")[0], CAUSE_KEPT)


def _printable(line: str, kept: int) -> str:
    """Cut a line, and write out control characters."""
    line = line if len(line) <= kept else line[:kept] + " ..."
    return "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in line)
