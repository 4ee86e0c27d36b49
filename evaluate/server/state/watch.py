"""A folder whose new files are matched, and indexed too if it lies in the archive.

Each file has one line in a JSON-lines file, which is also the record of what was taken: after a restart, files without a
line of this size and time of change are taken. A file is matched before it is indexed, so it is not found in itself. One
that changes before its line is written is still being written: it is taken when it stands still again.
"""

import asyncio
import json
import logging
import os
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from anyio import to_thread

from evaluate.fingerprint.answer.answers import records
from evaluate.server.problems import CrashedError, NotFoundError, RefusedError
from evaluate.server.state.opened_index import OpenedIndex
from evaluate.server.state.queries import Queries
from evaluate.server.state.runs import Runs, update_index
from preprocess.catalogues.scan import EXTENSIONS
from preprocess.errors import MediaError
from preprocess.sources import escaped_name
from store.errors import AvtempoError

_log = logging.getLogger(__name__)
LOOK_EVERY_SECONDS = 0.5
WAITING_SHARE = 10.0
"""A look lists all, because file systems of other machines tell of no changes; the pause is so many times as long."""
AGAIN_SECONDS = 60.0
LAST_SHOWN = 10

Taken = tuple[str, int, int]
"""Name below the folder, size and time of change."""


@dataclass(frozen=True)
class WatchedFile:
    """A file that came in.

    Attributes:
        name: below the folder.
        query: its id; "" if the matching failed.
        references: that were decided, the best first.
        problem: why it could not be matched; "" if it was.
    """

    name: str
    query: str
    references: tuple[str, ...]
    problem: str


@dataclass(frozen=True)
class Watched:
    """What came in since the server was started.

    Attributes:
        n_waiting: files that still change, or wait for their turn.
        n_matched, n_found: files that were compared with the archive; of these, those of which a source was decided.
        n_failed: files that could not be read.
        problem: why nothing is taken now; "" if all goes on.
        last: the last few, newest first.
    """

    folder: str
    n_waiting: int = 0
    n_matched: int = 0
    n_found: int = 0
    n_failed: int = 0
    problem: str = ""
    last: tuple[WatchedFile, ...] = ()


class Watch:
    """Watches a folder, with all below it, until its task is cancelled; `watched` is another object after each change."""

    def __init__(self, folder: Path, opened: OpenedIndex, queries: Queries, runs: Runs) -> None:
        self._folder, self._opened, self._queries, self._runs = folder.resolve(), opened, queries, runs
        self._settle_seconds, self._out = opened.settings.settle_seconds, opened.settings.watched_lines
        self._seen = dict[Path, tuple[Taken, float]]()  # a file as it was, and since when
        self._must_index = False
        self.watched = Watched(escaped_name(str(folder)))

    async def run(self) -> None:
        """Take what comes in; without space, an index, or a folder that can be read and written, try again later."""
        taken: set[Taken] | None = None
        while True:
            started = time.monotonic()
            try:
                taken = await to_thread.run_sync(_lines_of, self._out) if taken is None else taken
                settled = await to_thread.run_sync(self._settled, taken)
                pause_seconds = max(LOOK_EVERY_SECONDS, WAITING_SHARE * (time.monotonic() - started))
                self._tell(n_waiting=len(self._seen), problem=self._opened.read_only_reason())
                if not self.watched.problem:
                    for path, each in settled:
                        if await self._take(path, each):
                            taken.add(each)
                    self._start_index()
            except (OSError, AvtempoError) as error:
                _log.error("%s is looked at again in %.0f s: %s", self._folder, AGAIN_SECONDS, error)
                self._tell(problem=escaped_name(str(error)))
                pause_seconds = AGAIN_SECONDS
                if self._opened.now.matcher is None:  # an archive's first files are indexed before they can be matched
                    self._must_index = self._own_name(self._folder) is not None
                    self._start_index()
            await asyncio.sleep(pause_seconds)

    async def _take(self, path: Path, each: Taken) -> bool:
        """Match a file, and tell of it; return whether it was still as it was seen."""
        found = await to_thread.run_sync(self._matched, path, each, limiter=self._queries.limiter)
        if found is None:
            return False
        told, line = found
        await to_thread.run_sync(_append, self._out, line)
        now = self.watched
        for old in now.last[LAST_SHOWN - 1 :]:
            self._forget(old.query)
        self._tell(
            n_waiting=now.n_waiting - 1, last=(told, *now.last[: LAST_SHOWN - 1]), n_matched=now.n_matched + (not told.problem),
            n_found=now.n_found + bool(told.references), n_failed=now.n_failed + bool(told.problem),
        )  # fmt: skip
        self._must_index = self._must_index or self._own_name(self._folder) is not None
        return True

    def _tell(self, **changes: Any) -> None:
        told = replace(self.watched, **changes)
        if told != self.watched:
            self.watched = told

    def _settled(self, taken: set[Taken]) -> list[tuple[Path, Taken]]:
        """List the new files that have not changed for a while."""
        before, self._seen = self._seen, {}
        settled, now = list[tuple[Path, Taken]](), time.monotonic()
        for path in self._media_files():
            each = self._state_of(path)
            if each is None or each in taken:
                continue
            seen, since = before.get(path, (each, now))
            self._seen[path] = each, since if seen == each else now
            if each[1] and now - self._seen[path][1] >= self._settle_seconds:
                settled.append((path, each))
        return settled

    def _state_of(self, path: Path) -> Taken | None:
        """Return what tells a change of a file; None if it has gone again."""
        try:
            status = path.stat()
        except OSError:
            return None
        return escaped_name(path.relative_to(self._folder).as_posix()), status.st_size, status.st_mtime_ns

    def _media_files(self) -> list[Path]:
        """List media by name that lie in the folder itself, not behind a link that leads out of it."""
        os.scandir(self._folder).close()  # which raises if the folder itself cannot be read, as `walk` does not
        known, found = EXTENSIONS["video"] | EXTENSIONS["audio"], list[Path]()
        for folder, folders, names in os.walk(self._folder):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            for path in (Path(folder, name) for name in sorted(names) if not name.startswith(".")):
                with suppress(OSError):  # a folder may list names of files that it keeps shut
                    if path.suffix.lower() in known and path.is_file() and path.resolve().is_relative_to(self._folder):
                        found.append(path)
        return found

    def _matched(self, path: Path, each: Taken) -> tuple[WatchedFile, bytes] | None:
        """Return what is told of a file, and its line; None if it changed meanwhile: then it is still being written."""
        if self._state_of(path) != each:
            return None
        query, own, found, reason = "", self._own_name(path), list[dict[str, Any]](), ""
        try:
            matched = self._queries.match(each[0], path.resolve())
            query, problem, reason = matched.id, matched.answer.unreadable, matched.answer.reason
            found = [match for match in records([matched.answer]) if own is None or match["reference"] != own]
        except (MediaError, CrashedError, NotFoundError) as error:  # others may pass, and do not count as an answer
            reason = problem = escaped_name(str(error))
            _log.warning("%s: %s", each[0], error)
        if self._state_of(path) != each:
            self._forget(query)
            return None
        references = tuple(dict.fromkeys(match["reference"] for match in found if match["decision"]))
        name, size_bytes, modified_ns = each
        told = {"file": name, "size_bytes": size_bytes, "modified_ns": modified_ns, "reason": reason, "matches": found}
        line = json.dumps(told, ensure_ascii=False).encode() + b"\n"
        return WatchedFile(name, query, references, problem), line

    def _forget(self, query: str) -> None:
        with suppress(NotFoundError):
            self._queries.remove(query)

    def _own_name(self, path: Path) -> str | None:
        """Return the name that a file has or will have in the index; None if it lies outside the archive."""
        try:
            return escaped_name(path.relative_to(self._opened.archive_folder.resolve()).as_posix())
        except (RefusedError, ValueError):
            return None

    def _start_index(self) -> None:
        if self._must_index and not self._runs.is_running():
            try:
                self._runs.start("index", update_index, folder=self._opened.archive_folder)
                self._must_index = False
            except RefusedError as error:
                _log.warning("what came in is not indexed: %s", error)


def _lines_of(path: Path) -> set[Taken]:
    """Read which files have a line; a line that a kill cut off does not count."""
    taken = set[Taken]()
    if path.is_file():
        for line in path.read_bytes().splitlines():
            try:
                told = json.loads(line)
                taken.add((str(told["file"]), int(told["size_bytes"]), int(told["modified_ns"])))
            except (ValueError, KeyError, TypeError):
                _log.warning("%s: a line cannot be read: its file is matched again", path)
    return taken


def _append(path: Path, line: bytes) -> None:
    """Add a line and flush it to disk; after a cut one, on a line of its own."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab+") as file:
        if file.tell():
            file.seek(-1, os.SEEK_END)
            line = line if file.read(1) == b"\n" else b"\n" + line
        file.write(line)
        file.flush()
        os.fsync(file.fileno())
