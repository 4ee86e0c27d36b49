"""Routes of the archive: what is indexed, what could not be read, and the removal of sources."""

from collections import defaultdict
from collections.abc import Callable
from datetime import datetime
from operator import attrgetter
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from evaluate.archive.keep import time_of
from evaluate.archive.last_run import LAST_RUN_FILE, last_compared
from evaluate.archive.scope import NO_LIMIT_SECONDS
from evaluate.errors import ArchiveError
from evaluate.fingerprint.api import Index
from evaluate.fingerprint.index.archive import IndexedSource
from evaluate.server.problems import described
from evaluate.server.state.opened_index import Snapshot, id_of
from evaluate.server.state.parts import GivenParts
from evaluate.server.state.watch import Watched

NAMES_SHOWN = 10
Sort = Literal["name", "seconds", "size_bytes", "modified", "status"]
SourceStatus = Literal["indexed", "unreadable", "gone"]


class Names(BaseModel):
    """Names of sources."""

    names: list[str] = Field(min_length=1, max_length=10_000)


class LastScopeShape(BaseModel):
    """What the last search for duplicates compared; the least that is shared and what agrees only select from that."""

    references: list[str]
    candidates: list[str]
    is_across_folders: bool
    shortest_seconds: float
    longest_seconds: float | None
    is_mirrored: bool = False


class StatusShape(BaseModel):
    """The state of the index and of this server."""

    index: str
    folder: str | None
    n_sources: int
    n_unreadable: int
    n_descriptors: int
    media_seconds: float
    has_duplicates: bool
    is_writer: bool
    read_only_reason: str
    encoder: str
    threshold: float | None
    last_scope: LastScopeShape | None
    watched: Watched | None


class SourceShape(BaseModel):
    """A file of the archive."""

    id: str
    name: str
    seconds: float
    size_bytes: int
    modified: datetime
    status: SourceStatus
    reason: str


class SourcesShape(BaseModel):
    """A page of the archive's files."""

    total: int
    sources: list[SourceShape]


class ErrorShape(BaseModel):
    """Files that could not be read for one reason."""

    reason: str
    n_sources: int
    names: list[str]


router = APIRouter(tags=["archive"])


@router.get("/status")
def status(parts: GivenParts) -> StatusShape:
    """Return the state of the index and of this server."""
    now, settings = parts.opened.now, parts.opened.settings
    reason = parts.opened.read_only_reason()
    sources = now.sources.values()
    folders = [str(each).encode("utf-8", "replace").decode() for each in parts.opened.archive_folders]
    return StatusShape(
        index=settings.index_folder.name, folder=folders[0] if folders else None,
        n_sources=sum(not each.reason for each in sources), n_unreadable=sum(bool(each.reason) for each in sources),
        n_descriptors=sum(each.n_descriptors for each in sources), media_seconds=sum(each.seconds for each in sources),
        has_duplicates=(settings.index_folder / LAST_RUN_FILE).is_file(), is_writer=not reason,
        read_only_reason=reason, encoder=now.index.archive.encoder_sha256[:12] if now.version[0] else "",
        threshold=now.threshold, last_scope=_last_scope(now),
        watched=parts.watch.watched if parts.watch else None,
    )  # fmt: skip


@router.get("/sources")
def sources(
    parts: GivenParts,
    search: Annotated[str, Query(max_length=1000)] = "",
    status: Literal["all", "indexed", "unreadable", "gone"] = "all",
    sort: Sort = "name",
    descending: bool = False,  # noqa: FBT001, FBT002 - a parameter of the address
    offset: Annotated[int, Query(ge=0, le=1 << 40)] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> SourcesShape:
    """List the archive's files; `search` is a part of the name."""
    now, gone, wanted = parts.opened.now, parts.opened.gone(), search.casefold()
    keys: dict[str, Callable[[IndexedSource], Any]] = {
        "status": lambda each: (each.name in gone, bool(each.reason)), "modified": attrgetter("modified_ns"),
    }  # fmt: skip
    by_name = sorted(now.sources.values(), key=attrgetter("name"))
    found = [
        each
        for each in sorted(by_name, key=keys.get(sort, attrgetter(sort)), reverse=descending)
        if wanted in each.name.casefold() and status in ("all", _status_of(each, gone))
    ]
    shown = [
        SourceShape(
            **each.__dict__, id=id_of(each.name), modified=time_of(each.modified_ns / 1e9),
            status=_status_of(each, gone),
        )
        for each in found[offset : offset + limit]
    ]  # fmt: skip
    return SourcesShape(total=len(found), sources=shown)


@router.get("/errors")
def errors(parts: GivenParts) -> list[ErrorShape]:
    """List why files could not be read, the most frequent reason first."""
    by_reason = defaultdict[str, list[str]](list)
    for source in parts.opened.now.sources.values():
        if source.reason:
            by_reason[source.reason].append(source.name)
    ranked = sorted(by_reason.items(), key=lambda each: (-len(each[1]), each[0]))
    return [ErrorShape(reason=reason, n_sources=len(names), names=names[:NAMES_SHOWN]) for reason, names in ranked]


@router.post("/sources/remove", responses=described(404, 409, 507))
def remove(parts: GivenParts, body: Names) -> dict[str, tuple[str, ...]]:
    """Take sources out of the index; a file that stays in the folder comes back with the next run."""
    parts.runs.refuse_if_busy()
    names = [each.name for each in parts.opened.now.sources_of(body.names)]
    growth = Index.open(parts.opened.settings.index_folder).add(None, remove=names)
    parts.opened.refresh(at_once=True)
    return {"removed": growth.removed}


def _status_of(source: IndexedSource, gone: frozenset[str]) -> SourceStatus:
    """Tell whether a source is indexed, could not be read, or is no longer there."""
    return "gone" if source.name in gone else "unreadable" if source.reason else "indexed"


def _last_scope(now: Snapshot) -> LastScopeShape | None:
    try:
        compared = last_compared(now.index.archive) if now.version[0] else None
    except ArchiveError:  # the page must show a status from which to start the run that replaces it
        return None
    if compared is None:
        return None
    longest = compared["longest_seconds"]
    return LastScopeShape(**{**compared, "longest_seconds": None if longest >= NO_LIMIT_SECONDS else longest})
