"""Verdicts of a person, in SQLite beside the index: a log to which rows are only added; the latest of a subject counts.

So two writers lose nothing, and a verdict is taken back by another one. Verdicts name contents (contents.py), so they
hold after files were renamed, moved or indexed anew. SQLite's write-ahead log keeps the file whole when a writer is
killed.
"""

import json
import math
import os
import re
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import TypeAdapter, ValidationError

from evaluate.archive.contents import content_of, size_of
from evaluate.errors import VerdictError
from preprocess.sources import escaped_name
from store.atomic_files import file_lock, replacing, temporary_path
from store.errors import WriteError

if TYPE_CHECKING:  # it imports torch
    from evaluate.fingerprint.index.archive import IndexedSource

VERDICTS_FILE = "verdicts.sqlite"
Kind = Literal["same", "different", "keep", "ignore"]
_CONTENT = re.compile(r"[0-9]{1,19}-[0-9a-f]{32}")
N_PLACES: dict[str, tuple[int, float]] = {"same": (2, 2), "different": (2, 2), "keep": (1, 1), "ignore": (1, math.inf)}
PATIENCE_SECONDS = 60.0
_TABLES = """
PRAGMA journal_mode = WAL;
CREATE TABLE verdicts (record TEXT NOT NULL UNIQUE);
CREATE TABLE contents (name TEXT, size_bytes INTEGER, modified_ns INTEGER, content TEXT NOT NULL,
                       PRIMARY KEY (name, size_bytes, modified_ns));
"""


@dataclass(frozen=True)
class Place:
    """A source by the content of its file, or half-open seconds of it, which are ignored.

    The name is that of the source when the verdict was made, for the reader.
    """

    content: str
    name: str
    start_seconds: float | None = None
    end_seconds: float | None = None


@dataclass(frozen=True)
class Verdict:
    """A decision of a person: two sources are the same, or different; one is to be kept; a segment is to be ignored.

    `made_at` is a time in UTC, ISO 8601. Once it is withdrawn, the subject has no verdict any more. ValueError if the places
    do not fit the kind, or a content or a time is none.
    """

    kind: Kind
    places: tuple[Place, ...]
    made_at: str
    note: str = ""
    is_withdrawn: bool = False

    def __post_init__(self) -> None:
        least, most = N_PLACES[self.kind]
        if not least <= len(self.places) <= most:
            raise ValueError(f"{self.kind}: {len(self.places)} places")
        for place in self.places:
            start, end = place.start_seconds, place.end_seconds
            if self.kind != "ignore" and (start, end) != (None, None):
                raise ValueError(f"{self.kind}: a place with seconds")
            if self.kind == "ignore" and (start is None or end is None or not 0 <= start < end < math.inf):
                raise ValueError(f"ignore: a place needs 0 <= start < end, not {start} and {end}")
            if not _CONTENT.fullmatch(place.content):
                raise ValueError(f"no content: {place.content!r}")
        time = datetime.fromisoformat(self.made_at)
        # Verdicts are sorted by these words, so all are written alike; and no time is later than the last year.
        if time.isoformat() != self.made_at or time.utcoffset() != timedelta(0) or time.year == datetime.max.year:
            raise ValueError(f"made at {self.made_at}, which is no time like 2026-11-30T12:00:00+00:00")

    @property
    def subject(self) -> tuple[object, ...]:
        """What the verdict is about; a later verdict on the same subject replaces it."""
        if self.kind == "ignore":
            return ("segment", *sorted((each.content, each.start_seconds, each.end_seconds) for each in self.places))
        return ("source" if self.kind == "keep" else "pair", *sorted(each.content for each in self.places))


_VERDICT = TypeAdapter(Verdict)


class Verdicts:
    """The verdicts beside an index; every call opens the file anew, so threads and processes may share it.

    The file is made by the first verdict. Methods raise VerdictError if it, a source, or what should be imported cannot be
    read, or if places do not fit; WriteError if the disk is full.
    """

    def __init__(self, index_folder: Path) -> None:
        self.path = index_folder / VERDICTS_FILE

    def add(self, kind: Kind, places: Sequence[Place], *, note: str = "", withdraw: bool = False) -> Verdict:
        """Record a verdict on places from `places_of`; with `withdraw` the earlier one on this subject is taken back."""
        return self.record([self.made(kind, places, note=note, withdraw=withdraw)])[0]

    def made(self, kind: Kind, places: Sequence[Place], *, note: str = "", withdraw: bool = False) -> Verdict:
        """Return the verdict that `add` would record; VerdictError if the places do not fit."""
        try:
            return Verdict(kind, tuple(places), datetime.now(UTC).isoformat(), escaped_name(note), withdraw)
        except ValueError as error:
            raise VerdictError(self.path, f"no verdict: {error}", "give two sources, one source, or seconds") from error

    def record(self, verdicts: Sequence[Verdict]) -> list[Verdict]:
        """Record verdicts that were just made, all or none, as later than all others; return them.

        Imported ones may be of a machine whose clock is ahead.
        """
        latest = [each for each in self._values("SELECT max(json_extract(record, '$.made_at')) FROM verdicts") if each]
        after = [(datetime.fromisoformat(each) + timedelta(microseconds=1)).isoformat() for each in latest]
        recorded = [replace(each, made_at=max(each.made_at, *after)) if after else each for each in verdicts]
        self.write(recorded)
        return recorded

    def write(self, verdicts: Sequence[Verdict]) -> int:
        """Record verdicts, all or none; return how many were new."""
        rows = [(_line(each),) for each in verdicts]
        with self._connection() as connection, connection:
            return connection.executemany("INSERT OR IGNORE INTO verdicts VALUES (?)", rows).rowcount

    def current(self) -> tuple[Verdict, ...]:
        """Return the latest verdict of every subject that has one, in order of time."""
        latest = {each.subject: each for each in self.log()}
        return tuple(each for each in latest.values() if not each.is_withdrawn)

    def log(self) -> list[Verdict]:
        """Return every verdict ever made, in order of time."""
        records = self._values("SELECT record FROM verdicts ORDER BY rowid")
        return sorted((_read(record, self.path) for record in records), key=lambda each: each.made_at)

    def count(self) -> int:
        """Return the number of verdicts ever made."""
        return sum(self._values("SELECT count(*) FROM verdicts"))

    def _values(self, query: str) -> list[Any]:
        if not self.path.exists():
            return []
        with self._connection() as connection:
            return [value for (value,) in connection.execute(query)]

    def export(self, path: Path) -> int:
        """Write the log as JSON lines; return their number."""
        log = self.log()
        with replacing(path) as temporary:
            temporary.write_text("".join(f"{_line(each)}\n" for each in log), encoding="utf-8")
        return len(log)

    def take_in(self, path: Path, content: bytes | None = None) -> int:
        """Add the verdicts of an exported file, or of its content that was read, all or none; return how many were new."""
        try:
            lines = (path.read_bytes() if content is None else content).decode().split("\n")
        except (OSError, UnicodeDecodeError) as error:
            raise VerdictError(path, f"cannot be read ({error})", "give a file from `verdicts export`") from error
        return self.write([_read(line, path, number) for number, line in enumerate(lines, 1) if line.strip()])

    def places_of(self, sources: "Mapping[str, IndexedSource]", names: Iterable[str]) -> dict[str, Place]:
        """Return the place of whole sources by name; a content is read once per name, size and time of change."""
        places, remedy = {}, "give a name as `duplicates` prints it"
        with self._connection() as connection:
            for name in names:
                if name not in sources:
                    raise VerdictError(self.path, f"the index has no source {name!r}", remedy)
                content = _content(connection, sources[name])
                if content is None:
                    problem = "cannot be read, or was changed since it was indexed"
                    raise VerdictError(Path(sources[name].path), problem, "index the folder again")
                places[name] = Place(content, name)
        return places

    def names_of(self, sources: "Mapping[str, IndexedSource]", contents: Iterable[str]) -> dict[str, list[str]]:
        """Return the sources that have each content; only files of such a size are read."""
        found: dict[str, list[str]] = {content: [] for content in contents}
        sizes = {size_of(content) for content in found}
        if likely := [source for source in sources.values() if source.size_bytes in sizes]:
            with self._connection() as connection:
                for source in likely:
                    if (content := _content(connection, source)) in found:
                        found[content].append(source.name)
        return {content: names for content, names in found.items() if names}

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        try:
            if not self.path.exists():
                self._make()
            with closing(self._connect()) as connection:
                connection.execute("PRAGMA synchronous = FULL")
                yield connection
        except (sqlite3.Error, OSError) as error:
            if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL:
                full = "cannot be written: the disk is full"
                raise WriteError(self.path, full, "free space, then try again") from error
            remedy = "free space, or move the file away and import an exported one"
            raise VerdictError(self.path, f"cannot be used ({error})", remedy) from error

    def _connect(self) -> sqlite3.Connection:
        """Open the file; for reading where nothing can be written, since SQLite writes beside it even to read."""
        if os.access(self.path.parent, os.W_OK):
            return sqlite3.connect(self.path, timeout=PATIENCE_SECONDS)
        has_log = self.path.with_name(f"{self.path.name}-wal").exists()  # of a writer that was killed
        return sqlite3.connect(f"{self.path.absolute().as_uri()}?{'mode=ro' if has_log else 'immutable=1'}", uri=True)

    def _make(self) -> None:
        """Make an empty file under another name, and rename it, unless another process or thread was first."""
        with file_lock(self.path, PATIENCE_SECONDS):
            if self.path.exists():
                return
            temporary = temporary_path(self.path)
            temporary.unlink(missing_ok=True)
            try:
                with closing(sqlite3.connect(temporary)) as connection:
                    connection.executescript(_TABLES)
                temporary.rename(self.path)
            finally:
                temporary.unlink(missing_ok=True)


def _content(connection: sqlite3.Connection, source: "IndexedSource") -> str | None:
    """Return the content of a source, as it was if its file is away or was changed; None if it was not read before."""
    key = (source.name, source.size_bytes, source.modified_ns)
    query = "SELECT content FROM contents WHERE (name, size_bytes, modified_ns) = (?, ?, ?)"
    if found := connection.execute(query, key).fetchone():
        return str(found[0])
    try:
        content = content_of(path) if source.is_still(path := Path(source.path)) else None
    except OSError:
        content = None
    if content is None:
        return None
    with suppress(sqlite3.OperationalError), connection:  # no space, or no right: it is read again next time
        connection.execute("INSERT OR IGNORE INTO contents VALUES (?, ?, ?, ?)", (*key, content))
    return content


def _line(verdict: Verdict) -> str:
    return json.dumps(asdict(verdict), sort_keys=True)


def _read(line: str, path: Path, number: int = 0) -> Verdict:
    try:
        return _VERDICT.validate_json(line)
    except ValidationError as error:
        first = error.errors()[0]
        problem = f"line {number}: {'.'.join(map(str, first['loc']))}: {first['msg']}"
        raise VerdictError(path, problem, "mend the line, or export again") from error
