"""Routes of matching: uploads, files by path, and the answers that are kept."""

from datetime import datetime
from typing import Annotated

from anyio import to_thread
from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field

from evaluate.server.problems import described
from evaluate.server.shapes import SpanShape, SpanVerdict, span_shape
from evaluate.server.state.parts import GivenParts, Parts
from evaluate.server.state.queries import Query as Matched
from evaluate.server.state.queries import is_image

_BYTES = {"schema": {"type": "string", "format": "binary"}}
_BINARY = {"requestBody": {"required": True, "content": {"application/octet-stream": _BYTES}}}
Top = Annotated[int, Field(ge=1, le=1000)]


class PathRequest(BaseModel):
    """A file below the archive's folder or an allowed one."""

    path: str = Field(min_length=1, max_length=4096)
    top: Top | None = None


class QueryShape(BaseModel):
    """A query without its matches; an image is never decided."""

    id: str
    name: str
    seconds: float
    is_image: bool
    unreadable: str
    reason: str
    n_alike: int
    is_decidable: bool
    n_matches: int
    threshold: float
    made_at: datetime


class AnswerShape(QueryShape):
    """The answer to a query: decided matches first, then candidates below the threshold.

    `moved` are candidates that got no closer look, as their files had moved or changed since they were indexed.
    """

    matches: list[SpanShape]
    moved: list[str]


router = APIRouter(tags=["matches"])


@router.post("/match", responses=described(408, 409, 413, 503, 507), openapi_extra=_BINARY)
async def match(
    parts: GivenParts, request: Request, name: Annotated[str, Query(max_length=1000)] = "clip", top: Top | None = None
) -> AnswerShape:
    """Find the sources, and their seconds, that a clip or image came from; the body is its bytes, `name` its kind."""
    query = await parts.queries.match_upload(name, request.stream(), top)
    return await to_thread.run_sync(_answer, parts, query)


@router.post("/match-path", responses=described(404, 409, 503, 507))
async def match_path(parts: GivenParts, body: PathRequest) -> AnswerShape:
    """Match a file by its path, absolute or below the archive's folder."""
    query = await parts.queries.match_path(await to_thread.run_sync(parts.opened.given_path, body.path), body.top)
    return await to_thread.run_sync(_answer, parts, query)


@router.get("/queries")
def listed(parts: GivenParts) -> list[QueryShape]:
    """List the queries of this server, newest first."""
    return [_shape(parts, each) for each in parts.queries.newest_first()]


@router.get("/queries/{identity}", responses=described(404))
def answer(parts: GivenParts, identity: str) -> AnswerShape:
    """Return the answer to a query."""
    return _answer(parts, parts.queries.get(identity))


@router.delete("/queries/{identity}", responses=described(404))
def remove(parts: GivenParts, identity: str) -> QueryShape:
    """Forget a query, and remove its upload; verdicts on it stay."""
    return _shape(parts, parts.queries.remove(identity))


def _shape(parts: Parts, query: Matched) -> QueryShape:
    answer = query.answer
    return QueryShape(
        **{**answer.__dict__, **query.__dict__}, is_image=is_image(query.path), reason=answer.reason,
        n_matches=len(answer.decided), threshold=parts.opened.now.threshold or 0.0,
    )  # fmt: skip


def _answer(parts: Parts, query: Matched) -> AnswerShape:
    sources, verdicts = parts.opened.now.sources, _verdicts(parts, query)
    spans = [span_shape(each, sources, verdicts.get(each.reference, "")) for each in query.answer.matches]
    return AnswerShape(**_shape(parts, query).__dict__, matches=spans, moved=list(query.moved))


def _verdicts(parts: Parts, query: Matched) -> dict[str, SpanVerdict]:
    """Return the verdicts on the query and a reference, by the reference's name."""
    told = dict[str, SpanVerdict]()  # by the reference's content
    for verdict in parts.opened.verdicts.current():
        contents = [place.content for place in verdict.places]
        if verdict.kind in ("same", "different") and query.content in contents:
            told[contents[1 - contents.index(query.content)]] = "same" if verdict.kind == "same" else "different"
    names = parts.opened.verdicts.names_of(parts.opened.now.sources, told)
    return {name: told[content] for content in names for name in names[content]}
