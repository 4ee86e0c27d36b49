"""Output into a pipe whose reader has left, as `head` does: the command goes on, and the rest of the text is dropped."""

import io
import os
import sys
from typing import Any


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


def outlive_readers() -> None:
    """Let standard output and error of a command outlive their readers; call it once, before anything is printed."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # closed by the caller
            continue
        stream.flush()
        pipe = io.BufferedWriter(_Pipe(stream.fileno(), "w", closefd=False))
        line_buffering = name == "stderr" or stream.isatty()
        setattr(sys, name, io.TextIOWrapper(pipe, stream.encoding, stream.errors, None, line_buffering=line_buffering))
