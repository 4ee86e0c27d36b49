"""Routes of runs: start, list, stop, and their progress as server-sent events."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import asdict
from typing import Annotated, Any, Literal

from anyio import to_thread
from fastapi import APIRouter
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field

from evaluate.archive.scope import Agree, Scope
from evaluate.server.problems import TooManyError, described
from evaluate.server.shapes import RunShape, run_shape
from evaluate.server.state.parts import GivenParts, Parts
from evaluate.server.state.run_process import RunTask
from preprocess.executors.options import n_processors

MOST_LISTENERS = 64
LOOK_EVERY_SECONDS = 0.25
COMMENT_EVERY_SECONDS = 15.0
Seconds = Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)]


class IndexRequest(BaseModel):
    """Bring the index up to date with a folder; null for the archive's."""

    kind: Literal["index"]
    folder: str | None = Field(None, max_length=4096)
    retry_failed: bool = False


class ScopeRequest(BaseModel):
    """What is compared with what; see `Scope` of `evaluate`."""

    references: list[str] = Field(default=[], max_length=1000)
    candidates: list[str] = Field(default=[], max_length=1000)
    is_across_folders: bool = False
    shortest_seconds: Seconds = 0.0
    longest_seconds: Seconds | None = None
    shortest_shared_seconds: Seconds = 0.0
    agree: Agree = "any"
    is_mirrored: bool = False

    def values(self) -> dict[str, Any]:
        """Return the arguments of `Scope`.

        Raises:
            FingerprintError: its seconds exclude everything.
        """
        longest = float("inf") if self.longest_seconds is None else self.longest_seconds
        return asdict(
            Scope(
                tuple(self.references), tuple(self.candidates), self.is_across_folders, self.shortest_seconds, longest,
                self.shortest_shared_seconds, self.agree, self.is_mirrored,
            )
        )  # fmt: skip


class DuplicatesRequest(BaseModel):
    """Find copies inside the archive; `since_last` compares only what is new since the last run of this scope."""

    kind: Literal["duplicates"]
    since_last: bool = False
    scope: ScopeRequest = ScopeRequest()


RunRequest = Annotated[IndexRequest | DuplicatesRequest, Field(discriminator="kind")]


router = APIRouter(tags=["runs"])


@router.post("/runs", status_code=202, responses=described(404, 409))
def start(parts: GivenParts, body: RunRequest) -> RunShape:
    """Start a run in a process of its own."""
    settings = parts.opened.settings
    if isinstance(body, IndexRequest):
        folder = parts.opened.archive_folder if body.folder is None else parts.opened.given_path(body.folder)
        task = RunTask("index", settings.index_folder, folder, body.retry_failed, workers=n_processors())
    else:
        rate = settings.false_positive_rate
        task = RunTask(
            "duplicates", settings.index_folder, since_last=body.since_last, scope=body.scope.values(),
            false_positive_rate=rate, workers=n_processors(),
        )  # fmt: skip
    return run_shape(parts.runs.start(task))


@router.get("/runs", responses=described())
def listed(parts: GivenParts) -> list[RunShape]:
    """List the runs of this server, newest first."""
    return [run_shape(each) for each in parts.runs.newest_first()]


@router.delete("/runs/{identity}", responses=described(404))
async def stop(parts: GivenParts, identity: str) -> RunShape:
    """Stop a run and wait for its end; what it did is kept, and the next run continues from there."""
    return run_shape(await to_thread.run_sync(parts.runs.stop, identity))


async def _changes(parts: Parts) -> AsyncIterator[str]:
    seen, quiet, mark = dict[str, object](), 0.0, object()
    parts.listeners.add(mark)
    try:
        yield ": connected\n\n"
        while not parts.ending.is_set():
            for run in parts.runs.newest_first()[::-1]:
                if seen.get(run.id) is not run:
                    seen[run.id] = run
                    yield f"event: run\ndata: {run_shape(run).model_dump_json()}\n\n"
                    quiet = 0.0
            if quiet >= COMMENT_EVERY_SECONDS:
                yield ": still here\n\n"
                quiet = 0.0
            await asyncio.sleep(LOOK_EVERY_SECONDS)
            quiet += LOOK_EVERY_SECONDS
    finally:
        parts.listeners.discard(mark)


@router.get(
    "/events", response_class=StreamingResponse,
    responses={**described(503), 200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}},
)  # fmt: skip
async def events(parts: GivenParts) -> StreamingResponse:
    """Send an event `run` with the run at each change, and a comment every 15 s."""
    if len(parts.listeners) >= MOST_LISTENERS:
        raise TooManyError(f"{MOST_LISTENERS} pages listen already; close some")
    return StreamingResponse(_changes(parts), media_type="text/event-stream")
