"""Copies of what browsers do not play, made once by ffmpeg and kept in a temporary folder up to a limit."""

import asyncio
import hashlib
import threading
from pathlib import Path

from anyio import CapacityLimiter, to_thread

from evaluate.server.problems import TooManyError
from evaluate.server.state.kept_folder import KeptFolder
from preprocess.media.ffmpeg import kill_running
from preprocess.media.media_info import Limits
from preprocess.media.playable import Playback, Plays, playback, write_playable

AT_ONCE = 2
"""ffmpegs that make copies."""
MOST_WAITING = 8
PATIENCE_SECONDS = 25.0
"""How long a request waits for a copy; it is made to its end, and a later request finds it."""
MOST_KNOWN = 10_000
AS_PERMITTED = Limits(follows_links=False)
"""A path was permitted without links; one that was put there since would lead elsewhere."""


class Copies:
    """The copies of a server.

    Args:
        most_bytes: limit on all of them; those that were not asked for the longest time go first.

    Attributes:
        folder: of the copies.
        limiter: of the threads that read media for stills, waveforms and properties.
    """

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self.folder = KeptFolder("copies")
        self._making = dict[Path, asyncio.Task[None]]()
        self._known = dict[tuple[Path, int, int], Playback]()
        self._lock, self._encoders = threading.Lock(), CapacityLimiter(AT_ONCE)
        self.limiter = CapacityLimiter(AT_ONCE)

    def close(self) -> None:
        """Stop what is made, and remove all copies: an ffmpeg that goes on would outlive the server."""
        for task in self._making.values():
            task.cancel()
        kill_running()
        self.folder.close()

    def playback(self, path: Path) -> Playback:
        """Say how a browser plays a file; a file is probed once."""
        try:
            status = path.stat()
        except OSError as error:
            return Playback("none", None, "", error.strerror or "cannot be read")
        key = path, status.st_size, status.st_mtime_ns
        if key not in self._known:
            found = playback(path, AS_PERMITTED)
            with self._lock:
                while len(self._known) >= MOST_KNOWN:
                    del self._known[next(iter(self._known))]
                self._known[key] = found
        return self._known[key]

    def is_ready(self, path: Path, start_seconds: int = 0) -> bool:
        """Whether a copy is there."""
        return self._target(path, start_seconds).is_file()

    async def playable(self, path: Path, plays: Plays, start_seconds: int = 0) -> Path:
        """Return a copy that browsers play.

        Raises:
            TooManyError: it is not ready yet, or too many are being made.
            MediaError: the file cannot be decoded.
        """
        target = self._target(path, start_seconds)
        if target.is_file():
            target.touch()
            return target
        if target not in self._making:
            if len(self._making) >= AT_ONCE + MOST_WAITING:
                raise TooManyError("too many copies to play are being made; try again in some seconds")
            task = asyncio.create_task(self._make(path, target, plays, start_seconds))
            self._making[target] = task
            task.add_done_callback(lambda done: (self._making.pop(target, None), done.cancelled() or done.exception()))
        making = self._making[target]
        done, _ = await asyncio.wait([making], timeout=PATIENCE_SECONDS)
        if not done:
            raise TooManyError("the copy to play is still being made; try again in some seconds")
        making.result()
        return target

    async def _make(self, path: Path, target: Path, plays: Plays, start_seconds: int) -> None:
        partial = target.with_suffix(".part")
        try:
            arguments = path, partial, plays, float(start_seconds), AS_PERMITTED
            await to_thread.run_sync(write_playable, *arguments, limiter=self._encoders)
            partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)
        self._make_room(target)

    def _make_room(self, newest: Path) -> None:
        sizes = {each: each.stat() for each in self.folder.path.glob("*.mp4")}
        n_bytes = sum(status.st_size for status in sizes.values())
        for each in sorted(sizes, key=lambda one: sizes[one].st_mtime_ns):
            if n_bytes <= self._most_bytes:
                return
            if each != newest:
                each.unlink(missing_ok=True)
                n_bytes -= sizes[each].st_size

    def _target(self, path: Path, start_seconds: int) -> Path:
        status = path.stat()
        key = f"{path}\n{status.st_size}\n{status.st_mtime_ns}\n{start_seconds}"
        return Path(self.folder.path, hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()[:32] + ".mp4")
