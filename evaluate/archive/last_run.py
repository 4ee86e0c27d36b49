"""What an earlier run found, so that the next one compares new sources only; also what a killed run had done.

INDEX/duplicates.json: the scope and the encoder, the sources that were compared, and their spans.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter, ValidationError

from evaluate.errors import ArchiveError
from evaluate.fingerprint.index.archive import Archive, IndexedSource
from evaluate.fingerprint.match.matches import Match
from store.atomic_files import replacing

LAST_RUN_FILE = "duplicates.json"
FORMAT_VERSION = 1

Identity = tuple[str, int, int]


def identity(source: IndexedSource) -> Identity:
    """Return name, size and time of change of a source: one that was changed is compared again."""
    return source.name, source.size_bytes, source.modified_ns


@dataclass(frozen=True)
class LastRun:
    """The sources that were compared with all others of that time, and the decided spans between sources."""

    done: tuple[Identity, ...] = ()
    matches: tuple[Match, ...] = ()


@dataclass(frozen=True, kw_only=True)
class _Stored(LastRun):
    format_version: int
    encoder_sha256: str
    settings: dict[str, Any]
    compared: dict[str, Any]


_REMEDY = "compare everything once, without --since last"
_STORED = TypeAdapter(_Stored)


def _stored(archive: Archive, compared: dict[str, Any], run: LastRun) -> _Stored:
    return _Stored(
        run.done, run.matches, format_version=FORMAT_VERSION, encoder_sha256=archive.encoder_sha256,
        settings=archive.settings, compared=json.loads(json.dumps(compared)),
    )  # fmt: skip


def save_run(archive: Archive, compared: dict[str, Any], run: LastRun) -> None:
    """Replace the state."""
    with replacing(archive.folder / LAST_RUN_FILE) as temporary:
        temporary.write_bytes(_STORED.dump_json(_stored(archive, compared, run)))


def last_compared(archive: Archive) -> dict[str, Any] | None:
    """Return what decided which pairs the last run searched; None if there was no run, ArchiveError if it is damaged."""
    return stored.compared if (stored := _read(archive)) else None


def load_run(archive: Archive, compared: dict[str, Any], current: Sequence[IndexedSource]) -> LastRun:
    """Read the state, without sources that were changed or removed since; empty if there is none.

    A state that is damaged, or of another scope, raises ArchiveError.
    """
    if (stored := _read(archive)) is None:
        return LastRun()
    if stored != _stored(archive, compared, stored):
        problem = f"is of another scope or encoder; {_REMEDY}, or give the same scope"
        raise ArchiveError(archive.folder / LAST_RUN_FILE, problem)
    known = {identity(source) for source in current} & set(stored.done)
    names = {name for name, _, _ in known}
    kept = tuple(match for match in stored.matches if match.query in names and match.reference in names)
    return LastRun(tuple(sorted(known)), kept)


def _read(archive: Archive) -> _Stored | None:
    path = archive.folder / LAST_RUN_FILE
    try:
        return _STORED.validate_json(path.read_bytes()) if path.is_file() else None
    except (OSError, ValidationError) as error:
        raise ArchiveError(path, f"cannot be read ({type(error).__name__}); {_REMEDY}") from error
