"""A folder whose new files are matched, and indexed too if it lies in the archive.

Each file has one line in a JSON-lines file, which is also the record of what was taken: after a restart, files without a
line of this size and time of change are taken. A file is matched before it is indexed, so it is not found in itself.
"""

import asyncio
import json
import logging
import os
import time
from pathlib import Path

from anyio import to_thread

from evaluate.fingerprint.match.answers import records
from evaluate.server.problems import RefusedError
from evaluate.server.state.parts import Parts
from evaluate.server.state.run_process import update_index
from evaluate.server.state.webhook import post
from preprocess.catalogues.scan import EXTENSIONS
from preprocess.errors import DiskFullError
from preprocess.sources import escaped_name
from store.errors import AvtempoError

_log = logging.getLogger(__name__)
WATCHED_FILE = "watched.jsonl"
LOOK_EVERY_SECONDS = 0.5
WAITING_SHARE = 10.0
"""A look lists all, because file systems of other machines tell of no changes; the pause is so many times as long."""
AGAIN_SECONDS = 60.0

Taken = tuple[str, int, int]
"""Name below the folder, size and time of change."""


class Watch:
    """Watches a folder until its task is cancelled.

    Args:
        folder: that is watched, with all below it.
        parts: of the server.
    """

    def __init__(self, folder: Path, parts: Parts) -> None:
        self._folder, self._parts, self._settings = folder.resolve(), parts, parts.opened.settings
        self._out = self._settings.watch_out or self._settings.index_folder / WATCHED_FILE
        self._seen = dict[Path, tuple[Taken, float]]()  # a file as it was, and since when
        self._must_index = False

    async def run(self) -> None:
        """Take what comes in; without space, or without a folder that can be read and written, try again later."""
        taken = await to_thread.run_sync(_lines_of, self._out)
        while True:
            started = time.monotonic()
            try:
                settled = await to_thread.run_sync(self._settled, taken)
                pause_seconds = max(LOOK_EVERY_SECONDS, WAITING_SHARE * (time.monotonic() - started))
                if not self._parts.opened.read_only_reason():
                    for path, each in settled:
                        await self._take(path, each)
                        taken.add(each)
                    self._start_index()
            except (OSError, DiskFullError) as error:
                _log.error("%s is looked at again in %.0f s: %s", self._folder, AGAIN_SECONDS, error)
                pause_seconds = AGAIN_SECONDS
            await asyncio.sleep(pause_seconds)

    async def _take(self, path: Path, each: Taken) -> None:
        line = json.dumps(await self._matched(path, each), ensure_ascii=False).encode() + b"\n"
        if self._settings.webhook:
            await post(self._settings.webhook, line)
        await to_thread.run_sync(_append, self._out, line)
        self._must_index = self._must_index or self._own_name(self._folder) is not None

    def _settled(self, taken: set[Taken]) -> list[tuple[Path, Taken]]:
        """List the new files that have not changed for a while."""
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
            seen, since = before.get(path, (each, now))
            self._seen[path] = each, since if seen == each else now
            if status.st_size and now - self._seen[path][1] >= self._settings.settle_seconds:
                settled.append((path, each))
        return settled

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
            answer = await to_thread.run_sync(queries.answer, name, path.resolve(), limiter=queries.limiter)
        except DiskFullError:
            raise
        except AvtempoError as error:
            _log.warning("%s: %s", name, error)
            return {**line, "reason": escaped_name(str(error)), "matches": []}
        own = self._own_name(path)
        found = [each for each in records([answer]) if own is None or each["reference"] != own]
        return {**line, "reason": answer.reason, "matches": found}

    def _own_name(self, path: Path) -> str | None:
        """Return the name that a file has or will have in the index; None if it lies outside the archive."""
        try:
            return escaped_name(path.relative_to(self._parts.opened.archive_folder.resolve()).as_posix())
        except (RefusedError, ValueError):
            return None

    def _start_index(self) -> None:
        opened, runs = self._parts.opened, self._parts.runs
        if not self._must_index or runs.is_running():
            return
        self._must_index = False
        try:
            runs.start("index", update_index, index_folder=self._settings.index_folder, folder=opened.archive_folder)
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
