"""A folder whose new files are matched, and indexed too if it lies in the archive.

Each file has one line in a JSON-lines file, which is also the record of what was taken: after a restart, files without a
line of this size and time of change are taken. A file is matched before it is indexed, so it is not found in itself.
"""

import asyncio
import json
import logging
import os
import time
from dataclasses import dataclass
from pathlib import Path

from anyio import to_thread
from watchfiles import awatch

from evaluate.fingerprint.match.answers import records
from evaluate.server.problems import RefusedError
from evaluate.server.state.parts import Parts
from evaluate.server.state.run_process import RunTask
from evaluate.server.state.webhook import post
from preprocess.catalogues.scan import EXTENSIONS
from preprocess.executors.options import n_processors
from preprocess.sources import escaped_name
from store.errors import AvtempoError

_log = logging.getLogger(__name__)
WATCHED_FILE = "watched.jsonl"
LOOK_EVERY_SECONDS = 0.5

Taken = tuple[str, int, int]
"""Name below the folder, size and time of change."""


@dataclass(frozen=True)
class _Seen:
    """A file as it was, and since when."""

    taken: Taken
    since: float


class Watch:
    """Watches a folder until its task is cancelled.

    Args:
        folder: that is watched, with all below it.
        parts: of the server.
    """

    def __init__(self, folder: Path, parts: Parts) -> None:
        self._folder, self._parts, self._settings = folder.resolve(), parts, parts.opened.settings
        self._out = self._settings.watch_out or self._settings.index_folder / WATCHED_FILE
        self._seen = dict[Path, _Seen]()
        self._must_index = False

    async def run(self) -> None:
        """Take what comes in."""
        taken = await to_thread.run_sync(_lines_of, self._out)
        while True:
            try:
                await self._take(taken)
            except* RuntimeError as errors:  # such as a change of a file whose name is no UTF-8
                _log.warning("%s is watched anew: %s", self._folder, errors.exceptions[0])
                await asyncio.sleep(LOOK_EVERY_SECONDS)

    async def _take(self, taken: set[Taken]) -> None:
        is_due = True
        async for changes in awatch(
            self._folder, yield_on_timeout=True, rust_timeout=int(1000 * LOOK_EVERY_SECONDS), step=100, debounce=400
        ):
            if changes or is_due:
                is_due = await self._take_settled(taken)
            if self._must_index:
                self._start_index()

    async def _take_settled(self, taken: set[Taken]) -> bool:
        """Match the files that have stopped growing; return whether others may stop later."""
        if self._parts.opened.read_only_reason():
            return True
        settled, n_growing = await to_thread.run_sync(self._look, taken)
        for path, each in settled:
            line = json.dumps(await self._matched(path, each), ensure_ascii=False).encode() + b"\n"
            if self._settings.webhook:
                await post(self._settings.webhook, line)
            await to_thread.run_sync(_append, self._out, line)
            taken.add(each)
            self._must_index = self._must_index or self._is_in_archive()
        return n_growing > 0

    def _look(self, taken: set[Taken]) -> tuple[list[tuple[Path, Taken]], int]:
        """List the files that have not changed for a while, and count the others."""
        before, self._seen = self._seen, {}
        settled, now = list[tuple[Path, Taken]](), time.monotonic()
        for path in self._media_files():
            try:
                status = path.stat()
            except OSError:  # it has gone again
                continue
            each = escaped_name(path.relative_to(self._folder).as_posix()), status.st_size, status.st_mtime_ns
            if each in taken:
                continue
            seen = before.get(path)
            self._seen[path] = seen if seen and seen.taken == each else _Seen(each, now)
            if status.st_size and now - self._seen[path].since >= self._settings.settle_seconds:
                settled.append((path, each))
        return settled, len(self._seen) - len(settled)

    def _media_files(self) -> list[Path]:
        """List media by name that lie in the folder itself, not behind a link that leads out of it."""
        known = EXTENSIONS["video"] | EXTENSIONS["audio"]
        found = list[Path]()
        for folder, folders, names in os.walk(self._folder):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            paths = [Path(folder, name) for name in sorted(names) if not name.startswith(".")]
            found += [each for each in paths if each.suffix.lower() in known and each.is_file()]
        return [each for each in found if each.resolve().is_relative_to(self._folder)]

    async def _matched(self, path: Path, each: Taken) -> dict[str, object]:
        name, size_bytes, modified_ns = each
        line: dict[str, object] = {"file": name, "size_bytes": size_bytes, "modified_ns": modified_ns}
        queries = self._parts.queries
        try:
            answer = await to_thread.run_sync(queries.answer, name, path, limiter=queries.limiter)
        except AvtempoError as error:
            _log.warning("%s: %s", name, error)
            return {**line, "reason": escaped_name(str(error)), "matches": []}
        own = self._own_name(path)
        found = [each for each in records([answer]) if own is None or each["reference"] != own]
        return {**line, "reason": answer.reason, "matches": found}

    def _is_in_archive(self) -> bool:
        return self._own_name(self._folder) is not None

    def _own_name(self, path: Path) -> str | None:
        """Return the name that a file has or will have in the index; None if it lies outside the archive."""
        try:
            return escaped_name(path.relative_to(self._parts.opened.archive_folder.resolve()).as_posix())
        except (RefusedError, ValueError):
            return None

    def _start_index(self) -> None:
        opened, runs = self._parts.opened, self._parts.runs
        if runs.is_running():
            return
        self._must_index = False
        try:
            runs.start(RunTask("index", self._settings.index_folder, opened.archive_folder, workers=n_processors()))
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
