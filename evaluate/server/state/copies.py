"""Copies of what browsers do not play, made once by ffmpeg and kept in a temporary folder up to a limit."""

import asyncio
import hashlib
from functools import lru_cache
from pathlib import Path

from anyio import CapacityLimiter, to_thread

from evaluate.archive.keep import MediaFacts, media_facts
from evaluate.fingerprint.index.archive import IndexedSource
from evaluate.server.problems import CrashedError, RefusedError
from evaluate.server.state.processes import Processes
from preprocess.errors import MediaError
from preprocess.media.media_info import Limits
from preprocess.viewing.playable import Playback, Plays, playback, write_playable

AT_ONCE = 2
"""ffmpegs that make copies."""
MOST_WAITING = 8
PATIENCE_SECONDS = 25.0
"""How long a request waits for a copy; it is made to its end, and a later request finds it."""
MOST_KNOWN = 10_000
AS_PERMITTED = Limits(follows_links=False)
"""A path was permitted without links; one that was put there since would lead elsewhere."""


class Copies:
    """The copies of a server, and what is known of its files.

    Beyond the limit on the bytes of all, the copies that were not asked for the longest time are removed.
    """

    def __init__(self, folder: Path, most_bytes: int, processes: Processes) -> None:
        self.folder, self._most_bytes, self._processes = folder, most_bytes, processes
        self._making = dict[Path, asyncio.Task[None]]()
        self._known = lru_cache(MOST_KNOWN)(self._probed)
        self._encoders = CapacityLimiter(AT_ONCE)

    def probed(self, path: Path) -> tuple[Playback, MediaFacts | None]:
        """Say how a browser plays a permitted file, and its facts; a file that can be read is probed once."""
        try:
            status = path.stat()
            return self._known(path, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
        except OSError as error:
            reason = error.strerror or "cannot be read"
        except MediaError as error:
            reason = error.reason
        except CrashedError as error:
            reason = str(error)
        return Playback("none", None, "", reason), None

    async def playable(self, path: Path, plays: Plays, start_seconds: int = 0) -> Path:
        """Return a copy that browsers play; RefusedError if it is not ready yet, MediaError if it cannot be decoded."""
        target = self._target(path, start_seconds)
        if target.is_file():
            target.touch()
            return target
        making = self._making.get(target)
        if making is None:
            if len(self._making) >= AT_ONCE + MOST_WAITING:
                raise RefusedError("too many copies to play are being made; try again in some seconds", 503)
            making = self._making[target] = asyncio.create_task(self._make(path, target, plays, start_seconds))
            making.add_done_callback(lambda end: (self._making.pop(target, None), end.cancelled() or end.exception()))
        done, _ = await asyncio.wait([making], timeout=PATIENCE_SECONDS)
        if not done:
            raise RefusedError("the copy to play is still being made; try again in some seconds", 503)
        making.result()
        return target

    def _probed(self, path: Path, *_: object) -> tuple[Playback, MediaFacts | None]:
        found = self._processes.call(_probed, path)
        if found[0].info is None:  # an error is not kept: the file, its disk or the memory may be mended
            raise MediaError(path, found[0].reason)
        return found

    async def _make(self, path: Path, target: Path, plays: Plays, start_seconds: int) -> None:
        partial = target.with_suffix(".part")
        try:
            arguments = path, partial, plays, float(start_seconds), AS_PERMITTED
            await to_thread.run_sync(self._processes.call, write_playable, *arguments, limiter=self._encoders)
            partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)
        self._make_room(target)

    def _make_room(self, newest: Path) -> None:
        sizes = {each: each.stat() for each in self.folder.glob("*.mp4")}
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
        return Path(self.folder, hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()[:32] + ".mp4")


def _probed(path: Path) -> tuple[Playback, MediaFacts | None]:
    return playback(path, AS_PERMITTED), media_facts(IndexedSource(path.name, str(path), 0, 0), AS_PERMITTED)
