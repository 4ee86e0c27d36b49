r"""Standard output and error of a command: what nobody reads any more, as after `head`, is dropped.

A full disk behind standard output ends the command with an error. A byte of a path that is not UTF-8 is written as `\xNN`,
as catalogues and stores name it.
"""

import codecs
import contextlib
import io
import os
import sys
from typing import Any

ESCAPING = "escape_bytes"
"""Error handler of codecs: for text that may hold bytes of a path, as Python reads them."""
_STDOUT, _STDERR = 1, 2


class _Output(io.FileIO):
    """A descriptor that turns into the null device when it cannot be written; later children inherit that too."""

    def write(self, data: Any) -> int:
        """Write; nothing is lost but what nobody reads.

        Raises:
            SystemExit: the disk behind standard output is full or refuses: the command ends with status 2.
        """
        try:
            return super().write(data) or 0
        except OSError as error:
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, self.fileno())  # also for what is still in the buffers
            os.close(null)
            if self.fileno() == _STDOUT and not isinstance(error, BrokenPipeError):
                said = f"error: standard output cannot be written: {error.strerror}; write it elsewhere\n"
                with contextlib.suppress(OSError):
                    os.write(_STDERR, said.encode())
                raise SystemExit(2) from error
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
            output = io.BufferedWriter(_Output(stream.fileno(), "w", closefd=False))
            # Line by line: an error that shows at the exit of the interpreter has no handler.
            setattr(sys, name, io.TextIOWrapper(output, stream.encoding, ESCAPING, None, line_buffering=True))
