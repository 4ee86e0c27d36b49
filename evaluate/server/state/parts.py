"""The parts of a running server, which its routes share."""

from asyncio import Semaphore
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import Annotated

from fastapi import Depends, Request

from evaluate.archive.verdicts import Place
from evaluate.server.problems import NotFoundError
from evaluate.server.state.copies import AT_ONCE, Copies
from evaluate.server.state.found_pairs import PairsFinder
from evaluate.server.state.opened_index import OpenedIndex
from evaluate.server.state.processes import Processes
from evaluate.server.state.queries import Queries
from evaluate.server.state.runs import Runs
from evaluate.server.state.watch import Watch

MOST_LISTENERS = 64


@dataclass(frozen=True, eq=False)
class Parts:
    """What the routes work with; `ending` is set when the server is about to end, so that endless answers end too."""

    opened: OpenedIndex
    processes: Processes
    queries: Queries
    runs: Runs
    copies: Copies
    pairs: PairsFinder
    watch: Watch | None
    listeners: Semaphore = field(default_factory=lambda: Semaphore(MOST_LISTENERS))
    ending: Event = field(default_factory=Event)

    def close(self) -> None:
        """Stop what runs, and give the right to run back."""
        self.runs.close()
        self.processes.close()
        self.opened.close()

    def media_path(self, identity: str) -> Path:
        """Return the file of a source or a query; RefusedError if there is none, or it may not be served."""
        now = self.opened.now
        if identity in now.names:
            return self.opened.permitted(Path(now.sources[now.names[identity]].path))
        query = self.queries.get(identity)
        if not query.path.is_file():
            raise NotFoundError(f"the file of query {identity} is gone; match it again")
        return query.path if query.is_upload else self.opened.permitted(query.path)

    def place(self, identity: str) -> Place:
        """Return the place of a verdict on a source or query; NotFoundError without one, VerdictError without its file."""
        now = self.opened.now
        if identity in now.names:
            name = now.names[identity]
            return self.opened.verdicts.places_of(now.sources, [name])[name]
        query = self.queries.get(identity)
        return Place(query.content, query.name)


async def _parts_of(request: Request) -> Parts:
    parts: Parts = request.app.state.parts
    return parts


GivenParts = Annotated[Parts, Depends(_parts_of)]
"""A route's parameter that is filled with the parts of its server."""


async def _in_turn(parts: GivenParts) -> AsyncIterator[Parts]:
    yield parts


PartsInTurn = Annotated[Parts, Depends(_in_turn, scope="function", max_concurrency=AT_ONCE)]
"""The same for a route that reads media: few at a time, so that others do not wait for a thread."""
