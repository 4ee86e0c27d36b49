"""Routes of runs: start, list, stop, and their progress as server-sent events."""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends
from fastapi.sse import EventSourceResponse, ServerSentEvent
from pydantic import BaseModel, BeforeValidator, Field

from evaluate.archive.scope import Scope
from evaluate.server.problems import RefusedError, described
from evaluate.server.state.parts import MOST_LISTENERS, GivenParts
from evaluate.server.state.runs import Run, search, update_index
from evaluate.server.state.watch import Watched

LOOK_EVERY_SECONDS = 0.25


def _without_nulls(given: Any) -> Any:
    return {name: value for name, value in given.items() if value is not None} if isinstance(given, dict) else given


GivenScope = Annotated[Scope, BeforeValidator(_without_nulls)]
"""What is compared with what; null for no limit."""


class IndexRequest(BaseModel):
    """Bring the index up to date with a folder; null for the archive's."""

    kind: Literal["index"]
    folder: str | None = Field(None, max_length=4096)
    retry_failed: bool = False


class DuplicatesRequest(BaseModel):
    """Find copies inside the archive; `since_last` compares only what is new since the last run of this scope."""

    kind: Literal["duplicates"]
    since_last: bool = False
    scope: GivenScope = Scope()


RunRequest = Annotated[IndexRequest | DuplicatesRequest, Field(discriminator="kind")]


router = APIRouter(tags=["runs"])


@router.post("/runs", status_code=202, responses=described(404, 409))
def start(parts: GivenParts, body: RunRequest) -> Run:
    """Start a run in a process of its own."""
    if isinstance(body, IndexRequest):
        folder = parts.opened.archive_folder if body.folder is None else parts.opened.given_path(body.folder)
        return parts.runs.start("index", update_index, folder=folder, retry_failed=body.retry_failed)
    return parts.runs.start("duplicates", search, scope=body.scope, since_last=body.since_last)


@router.get("/runs")
def listed(parts: GivenParts) -> list[Run]:
    """List the runs of this server, newest first."""
    return parts.runs.newest_first()


@router.delete("/runs/{identity}", responses=described(404))
def stop(parts: GivenParts, identity: str) -> Run:
    """Stop a run and wait for its end; what it did is kept, and the next run continues from there."""
    return parts.runs.stop(identity)


async def _listening(parts: GivenParts) -> AsyncIterator[None]:
    if parts.listeners.locked():
        raise RefusedError(f"{MOST_LISTENERS} pages listen already; close some", 503)
    async with parts.listeners:
        yield


@router.get("/events", response_class=EventSourceResponse, responses=described(503), dependencies=[Depends(_listening)])
async def events(parts: GivenParts) -> AsyncIterator[ServerSentEvent]:
    """Send an event `run` or `watched` with what has changed of a run or of the watched folder; a comment every 15 s."""
    seen = dict[str, object]()
    while not parts.ending.is_set():
        told: list[tuple[str, Run | Watched]] = [(run.id, run) for run in parts.runs.newest_first()[::-1]]
        if parts.watch:
            told.append(("watched", parts.watch.watched))
        for key, now in told:
            if seen.get(key) is not now:
                seen[key] = now
                yield ServerSentEvent(event="run" if isinstance(now, Run) else key, data=now)
        await asyncio.sleep(LOOK_EVERY_SECONDS)
