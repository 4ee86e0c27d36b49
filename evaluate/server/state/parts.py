"""The parts of a running server, which its routes share."""

from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import Annotated

from fastapi import Depends, Request

from evaluate.archive.verdicts import Place
from evaluate.server.problems import NotFoundError
from evaluate.server.state.copies import Copies
from evaluate.server.state.found_pairs import PairsFinder
from evaluate.server.state.opened_index import OpenedIndex
from evaluate.server.state.queries import Queries
from evaluate.server.state.runs import Runs


@dataclass(frozen=True, eq=False)
class Parts:
    """What the routes work with.

    Attributes:
        opened: the index.
        queries: uploads and answers.
        runs: of indexing and duplicates.
        copies: of media that browsers do not play.
        pairs: of the last run.
        listeners: those whom events are sent to.
        ending: set when the server is about to end, so that endless answers end too.
    """

    opened: OpenedIndex
    queries: Queries
    runs: Runs
    copies: Copies
    pairs: PairsFinder
    listeners: set[object] = field(default_factory=set)
    ending: Event = field(default_factory=Event)

    def media_path(self, identity: str) -> Path:
        """Return the file of a source or a query, if it may be served.

        Raises:
            NotFoundError: there is no such source or query, or its file is gone.
            ForbiddenError: its file lies outside the archive.
        """
        if identity in self.opened.now.names:
            return self.opened.permitted(Path(self.opened.now.source(identity).path))
        query = self.queries.get(identity)
        if not query.path.is_file():
            raise NotFoundError(f"the file of query {identity} is gone; match it again")
        return query.path if query.is_upload else self.opened.permitted(query.path)

    def place(self, identity: str) -> Place:
        """Return the place of a verdict on a source or a query.

        Raises:
            NotFoundError: there is no such source or query.
            VerdictError: the file of a source cannot be read.
        """
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
