"""Queries: uploads in a temporary folder, and the answers to them. Both end with the server, or earlier."""

import asyncio
import secrets
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

import anyio
from anyio import CapacityLimiter, to_thread
from starlette.requests import ClientDisconnect

from evaluate.archive.contents import content_of, size_of
from evaluate.fingerprint.describe.extract import MediaFile
from evaluate.fingerprint.describe.image import IMAGE_SUFFIXES
from evaluate.fingerprint.match.matches import Answer
from evaluate.server.problems import NotFoundError, RefusedError
from evaluate.server.state.copies import AS_PERMITTED
from evaluate.server.state.opened_index import OpenedIndex
from evaluate.server.state.processes import Processes
from preprocess.catalogues.scan import EXTENSIONS
from preprocess.errors import DiskFullError
from preprocess.sources import escaped_name

MOST_QUERIES = 200
LONGEST_NAME = 200


@dataclass(frozen=True, eq=False)
class Query:
    """A clip or image that was matched at a time in UTC.

    Attributes:
        path: of the upload, which is removed with the query, or of the file that the user named.
        content: of the file, which verdicts are on.
        moved: candidates that got no closer look, as their files had moved or changed since they were indexed.
    """

    id: str
    name: str
    path: Path
    is_upload: bool
    content: str
    made_at: datetime
    answer: Answer
    moved: tuple[str, ...]


def is_image(path: Path) -> bool:
    """Whether a file is a still, which is never decided."""
    return path.suffix.lower() in IMAGE_SUFFIXES


class Queries:
    """The queries of a server; matching takes one thread, which `limiter` gives, and a bounded number waits for it."""

    def __init__(self, folder: Path, opened: OpenedIndex, processes: Processes) -> None:
        self.folder, self._opened, self._settings, self._processes = folder, opened, opened.settings, processes
        self._kept, self._waiting_bytes = dict[str, Query](), dict[Path, int]()
        self._lock, self._n_open = threading.Lock(), 0
        self.limiter = CapacityLimiter(1)  # encoder and search use all cores

    def newest_first(self) -> list[Query]:
        """Return all queries."""
        return list(self._kept.values())[::-1]

    def get(self, identity: str) -> Query:
        """Return a query; NotFoundError if there is none."""
        query = self._kept.get(identity)
        if query is None:
            raise NotFoundError(f"there is no query {identity}; it was removed, or the server was started anew")
        return query

    def remove(self, identity: str) -> Query:
        """Forget a query, and remove its upload."""
        query = self.get(identity)
        self._kept.pop(identity, None)
        if query.is_upload:
            query.path.unlink(missing_ok=True)
        return query

    async def match_upload(self, name: str, body: AsyncIterator[bytes], top: int | None) -> Query:
        """Store a body in a temporary file, and match it.

        It raises RefusedError for what is too large or too slow, while too many wait, or if the index is empty; and
        DiskFullError if there is no space.
        """
        name = escaped_name(PurePosixPath(name.replace("\\", "/")).name[-LONGEST_NAME:]) or "clip"
        suffix = PurePosixPath(name).suffix.lower()
        known = EXTENSIONS["video"] | EXTENSIONS["audio"] | IMAGE_SUFFIXES
        path = Path(self.folder, secrets.token_hex(8) + (suffix if suffix in known else ""))
        with self._turn():
            try:
                async with asyncio.timeout(self._settings.upload_seconds):
                    await self._store(path, body)
                return await to_thread.run_sync(self.match, name, path, top, limiter=self.limiter)
            except TimeoutError as error:
                words = f"the upload took more than {self._settings.upload_seconds:.0f} s"
                raise RefusedError(words, 408) from error
            finally:
                self._waiting_bytes.pop(path, None)
                if path.stem not in self._kept:
                    path.unlink(missing_ok=True)

    async def match_path(self, path: Path, top: int | None) -> Query:
        """Match a permitted file; RefusedError if it is none, too many wait, or the index is empty."""
        if not await to_thread.run_sync(path.is_file):
            raise NotFoundError("no such file; give the path of a video, an audio file or an image")
        with self._turn():
            return await to_thread.run_sync(self.match, escaped_name(path.name), path, top, limiter=self.limiter)

    def match(self, name: str, path: Path, top: int | None = None) -> Query:
        """Match a permitted file in this thread, which must hold `limiter`; it is decoded in a process.

        It raises FingerprintError if the index holds nothing, and NotFoundError if the file was replaced.
        """
        answers = self._opened.now.index.match_files(
            [MediaFile(name, path)], executor=self._processes, limits=AS_PERMITTED, top=top
        )
        answer, is_upload = next(answers), path.parent == self.folder
        try:
            content = content_of(path, follows_links=False)
        except OSError as error:
            raise NotFoundError(f"the file has gone or was replaced ({error.strerror}); match it again") from error
        identity = path.stem if is_upload else secrets.token_hex(8)
        moved = self._opened.now.index.moved(answer)
        query = Query(identity, name, path, is_upload, content, datetime.now(UTC), answer, moved)
        with self._lock:
            self._waiting_bytes.pop(path, None)
            self._kept[identity] = query
            self._make_room()
        return query

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Count those who match or wait to; refuse one too many."""
        if self._opened.now.matcher is None:
            raise RefusedError("the index holds no source that could be read; index the archive first", 409)
        if self._n_open > self._settings.n_waiting:
            raise RefusedError(f"{self._n_open} matches wait already; try again in some seconds", 503)
        self._n_open += 1
        try:
            yield
        finally:
            self._n_open -= 1

    async def _store(self, path: Path, body: AsyncIterator[bytes]) -> None:
        n_bytes = 0
        try:
            async with await anyio.open_file(path, "xb") as file:
                async for part in body:
                    n_bytes += len(part)
                    if n_bytes > self._settings.upload_bytes:
                        most = f"{self._settings.upload_bytes >> 20} MB"
                        raise RefusedError(f"the upload has more than {most}; give a part of it, or --upload-mb", 413)
                    with self._lock:
                        if sum(self._waiting_bytes.values()) + len(part) > max(self._settings.uploads_bytes, n_bytes):
                            raise RefusedError("the uploads that wait fill the space; try again in some seconds", 503)
                        self._waiting_bytes[path] = n_bytes
                        self._make_room()
                    await file.write(part)
        except ClientDisconnect as error:
            raise RefusedError("the upload ended early; send it again") from error
        except OSError as error:
            raise DiskFullError(path.parent, f"no space for the upload ({error.strerror}); set TMPDIR") from error
        if not n_bytes:
            raise RefusedError("the upload is empty; send the bytes of a video, an audio file or an image")

    def _make_room(self) -> None:
        """Forget the oldest queries beyond the limits; uploads that wait count too."""
        while len(self._kept) > 1:
            n_bytes = sum(size_of(each.content) for each in self.newest_first() if each.is_upload)
            n_bytes += sum(self._waiting_bytes.values())
            if len(self._kept) <= MOST_QUERIES and n_bytes <= self._settings.uploads_bytes:
                return
            with suppress(NotFoundError, IndexError):  # another request removes them too
                self.remove(self.newest_first()[-1].id)
