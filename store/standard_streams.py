r"""Standard output and error of a command: what nobody reads any more, as after `head`, is dropped.

A byte of a path that is not UTF-8 is written as `\xNN`, as catalogues and stores name it.
"""

import codecs
import io
import os
import sys
from typing import Any

ESCAPING = "escape_bytes"
"""Error handler of codecs: for text that may hold bytes of a path, as Python reads them."""


class _Pipe(io.FileIO):
    """A descriptor that turns into the null device when its reader is gone; later children inherit that too."""

    def write(self, data: Any) -> int:
        """Write; nothing is lost but what nobody reads."""
        try:
            return super().write(data) or 0
        except BrokenPipeError:
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, self.fileno())
            os.close(null)
            return len(data)


def _escaped(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    numbers = [ord(char) for char in error.object[error.start : error.end]]
    return "".join(f"\\x{n - 0xDC00:02x}" if n >> 8 == 0xDC else f"\\u{n:04x}" for n in numbers), error.end


codecs.register_error(ESCAPING, _escaped)


def guard_standard_streams() -> None:
    """Let standard output and error take every text and outlive their readers; the first thing that a command does."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if isinstance(stream, io.TextIOWrapper):  # not where the caller has closed it
            stream.reconfigure(errors=ESCAPING)
        if type(stream) is io.TextIOWrapper:  # not what a test or a notebook has put there
            stream.flush()
            pipe = io.BufferedWriter(_Pipe(stream.fileno(), "w", closefd=False))
            line_buffering = name == "stderr" or stream.isatty()
            setattr(sys, name, io.TextIOWrapper(pipe, stream.encoding, ESCAPING, None, line_buffering=line_buffering))
