"""The index as the server holds it: read into memory once, and anew after it grew."""

import hashlib
import logging
import os
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from evaluate.archive.verdicts import Verdicts
from evaluate.errors import FingerprintError
from evaluate.fingerprint.answer.matcher import Matcher
from evaluate.fingerprint.api import Index
from evaluate.fingerprint.index.archive import ARCHIVE_FILE, PARTS_FOLDER, IndexedSource
from evaluate.fingerprint.index.library_file import LIBRARY_FILE, LIBRARY_FOLDER
from evaluate.server.problems import NotFoundError, RefusedError
from evaluate.server.settings import ServerSettings
from store.atomic_files import folder_lock, is_folder_locked
from store.errors import AvtempoError, BusyError, WriteError

_log = logging.getLogger(__name__)
GONE_SECONDS = 30.0
"""How long the answer holds which files are gone: an archive has many, perhaps on a slow disk."""


def id_of(*names: str) -> str:
    """Return the id of a source, or of a pair of them."""
    return hashlib.sha256("\n".join(names).encode()).hexdigest()[:16]


@dataclass(frozen=True, eq=False)
class Snapshot:
    """An index at one time, with encoder and library in memory; an index that was changed has another version.

    `sources` are by name, unreadable ones included. `matcher` is None while the index holds nothing.
    """

    index: Index
    sources: dict[str, IndexedSource]
    matcher: Matcher | None
    version: tuple[int, ...]

    @cached_property
    def names(self) -> dict[str, str]:
        """Id -> name."""
        return {id_of(name): name for name in self.sources}

    @property
    def threshold(self) -> float | None:
        """Least score of a match; None while the index holds nothing."""
        return self.matcher.threshold if self.matcher else None

    @cached_property
    def folders(self) -> tuple[Path, ...]:
        """The archive's folder; several if the sources were moved and are not indexed again yet."""
        return tuple({Path(source.root) for source in self.sources.values()})

    def sources_of(self, names: Sequence[str]) -> list[IndexedSource]:
        """Return sources by name; NotFoundError if there is no such source."""
        for name in names:
            if name not in self.sources:
                raise NotFoundError(f"the index has no source {name!r}; list them anew")
        return [self.sources[name] for name in names]


class OpenedIndex:
    """The current snapshot, the folders that may be read, and the right to start runs.

    An index that is damaged, or made with another encoder, raises AvtempoError, whose message names the remedy.
    """

    def __init__(self, settings: ServerSettings) -> None:
        self.settings, self.verdicts = settings, Verdicts(settings.index_folder)
        self._reading, self._writing, self._held = threading.Lock(), threading.Lock(), ExitStack()
        self._is_writer, self._gone = False, (0.0, frozenset[str]())
        self._tried = self._version()
        self.now = self._read(self._tried)

    def refresh(self, *, at_once: bool = False) -> None:
        """Read the index anew if it was changed and nobody is still writing, or `at_once`.

        An index that cannot be read now leaves the former one.
        """
        with self._reading:
            version = self._version()
            if not at_once and (version == self._tried or is_folder_locked(self.settings.index_folder)):
                return
            self._tried = version  # also if it cannot be read: it is not tried again before it changes
            try:
                self.now = self._read(version)
            except AvtempoError as error:
                _log.warning("the index cannot be read anew, the former state is kept: %s", error)
            self._gone = 0.0, frozenset()

    def read_only_reason(self) -> str:
        """Return why this server starts no runs; "" if it may. The right is taken when it is free."""
        with self._writing:
            if self._is_writer:
                return ""
            try:
                folder = self.settings.index_folder / "server"  # who holds its lock may start runs
                folder.mkdir(parents=True, exist_ok=True)
                self._held.enter_context(folder_lock(folder))
            except BusyError as error:
                return f"another server of this index runs ({error.problem}); start runs there"
            except (WriteError, OSError) as error:
                return f"the folder of the index cannot be written ({error})"
            self._is_writer = True
            return ""

    def close(self) -> None:
        """Give the right to start runs back."""
        with self._writing:
            self._held.close()
            self._is_writer = False

    @property
    def archive_folders(self) -> tuple[Path, ...]:
        """The folder that runs index first; none while there is neither an index nor a folder to index."""
        given = (self.settings.archive_folder,) if self.settings.archive_folder else ()
        return (*given, *self.now.folders)

    @property
    def archive_folder(self) -> Path:
        """The folder that runs index; RefusedError if there is none."""
        if not self.archive_folders:
            raise RefusedError("the index holds nothing yet; name the archive's folder: --archive FOLDER", 409)
        return self.archive_folders[0]

    def permitted(self, path: Path) -> Path:
        """Return the path without links; RefusedError if it leads out of what may be read, NotFoundError if it is gone."""
        folders = filter(None, (*self.archive_folders, *self.settings.allowed_folders, self.settings.watch_folder))
        missing = NotFoundError("no such file or folder; index the archive again, or mount its disk")
        try:
            real = path.resolve()
            if not any(real.is_relative_to(each.resolve()) for each in folders):  # nor is told what is there outside
                words = "outside the archive's folder, or a link that leads out; --allow FOLDER permits one"
                raise RefusedError(words, 403)
            if real.exists():
                return real
        except (OSError, ValueError, RuntimeError) as error:  # a loop of links; a name with a null byte, or too long
            raise missing from error
        raise missing

    def given_path(self, text: str) -> Path:
        """Return the permitted path that a request names: a source's name, absolute, or below the archive's folder."""
        source = self.now.sources.get(text)
        path = Path(source.path if source else text)
        return self.permitted(path if path.is_absolute() else self.archive_folder / path)

    def gone(self) -> frozenset[str]:
        """Return the names of sources whose files are no longer there."""
        at, names = self._gone
        if time.monotonic() - at > GONE_SECONDS:
            # Path.exists would raise where a folder is closed or a disk fails.
            paths = {name: source.path for name, source in self.now.sources.items()}
            names = frozenset(name for name, path in paths.items() if not os.path.exists(path))  # noqa: PTH110
            self._gone = time.monotonic(), names
        return names

    def _version(self) -> tuple[int, ...]:
        """Tell two states of the index on disk apart: each writing of a list or of the library renames a file there."""
        library, times = f"{LIBRARY_FOLDER}/{LIBRARY_FILE}", list[int]()
        for name in (ARCHIVE_FILE, PARTS_FOLDER, library, f"still/{library}"):
            try:
                times.append((self.settings.index_folder / name).stat().st_mtime_ns)
            except OSError:
                times.append(0)
        return tuple(times)

    def _read(self, version: tuple[int, ...]) -> Snapshot:
        index = Index.open(self.settings.index_folder)
        if not version[0]:
            return Snapshot(index, {}, None, version)
        sources = index.archive.sources()
        try:
            index.encoder()
            matcher = index.matcher()
        except FingerprintError:
            if any(not source.reason for source in sources.values()):
                raise
            matcher = None
        return Snapshot(index, sources, matcher, version)
