"""What an earlier run found, so that the next one compares new sources only; also what a killed run had done.

INDEX/duplicates.json: the scope and the encoder, the sources that were compared, and their spans.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from evaluate.errors import ArchiveError
from evaluate.fingerprint.index.archive import Archive, IndexedSource
from evaluate.fingerprint.match.matches import Match
from store.atomic_files import replacing

LAST_RUN_FILE = "duplicates.json"
FORMAT_VERSION = 1

Identity = tuple[str, int, int]
"""Name, size and time of change: a changed file is compared again."""


def identity(source: IndexedSource) -> Identity:
    """Return what distinguishes a source from one that was changed."""
    return source.name, source.size_bytes, source.modified_ns


@dataclass(frozen=True)
class LastRun:
    """The state of a run.

    Attributes:
        done: sources that were compared with all others of that time.
        matches: decided spans between sources, each source once as the query or as the reference.
    """

    done: tuple[Identity, ...] = ()
    matches: tuple[Match, ...] = ()


_REMEDY = "compare everything once, without --since last"
_DONE, _MATCHES = TypeAdapter(tuple[Identity, ...]), TypeAdapter(tuple[Match, ...])


def _key(archive: Archive, compared: dict[str, Any]) -> dict[str, Any]:
    made = {"encoder_sha256": archive.encoder_sha256, "settings": archive.settings}
    return {"format_version": FORMAT_VERSION, **made, "compared": json.loads(json.dumps(compared))}


def save_run(archive: Archive, compared: dict[str, Any], run: LastRun) -> None:
    """Replace the state."""
    values = {**_key(archive, compared), "done": run.done, "matches": [asdict(match) for match in run.matches]}
    with replacing(archive.folder / LAST_RUN_FILE) as temporary:
        temporary.write_text(json.dumps(values), encoding="utf-8")


def last_compared(archive: Archive) -> dict[str, Any] | None:
    """Return what decided which pairs the last run searched; None if there was no run.

    Raises:
        ArchiveError: its file is damaged.
    """
    path: Path = archive.folder / LAST_RUN_FILE
    return dict(_read(path)["compared"]) if path.is_file() else None


def load_run(archive: Archive, compared: dict[str, Any], current: Sequence[IndexedSource]) -> LastRun:
    """Read the state, without sources that were changed or removed since; empty if there is none.

    Raises:
        ArchiveError: it is damaged, or of another scope.
    """
    path: Path = archive.folder / LAST_RUN_FILE
    if not path.is_file():
        return LastRun()
    values = _read(path)
    done, matches = values.pop("done"), values.pop("matches")
    if values != _key(archive, compared):
        raise ArchiveError(path, f"is of another scope or encoder; {_REMEDY}, or give the same scope")
    known = {identity(source) for source in current} & set(done)
    names = {name for name, _, _ in known}
    kept = tuple(match for match in matches if match.query in names and match.reference in names)
    return LastRun(tuple(sorted(known)), kept)


def _read(path: Path) -> dict[str, Any]:
    """Read the file, with the types of what it holds verified."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        return {
            **values, "done": _DONE.validate_python(values["done"]), "matches": _MATCHES.validate_python(values["matches"]),
            "compared": dict(values["compared"]),
        }  # fmt: skip
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, ValidationError) as error:
        raise ArchiveError(path, f"cannot be read ({type(error).__name__}); {_REMEDY}") from error
