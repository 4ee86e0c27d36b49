"""Routes of verdicts: decisions of a person, which later runs and lists apply."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

from anyio import to_thread
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from evaluate.archive.verdicts import Kind, Place, Verdict
from evaluate.server.problems import RefusedError, described
from evaluate.server.routes.attachment import attachment
from evaluate.server.shapes import PlaceShape, Seconds
from evaluate.server.state.opened_index import id_of
from evaluate.server.state.parts import GivenParts, Parts

IMPORT_BYTES = 64 << 20
LINES = {"content": {"application/jsonl": {"schema": {"type": "string"}}}}


class VerdictRequest(BaseModel):
    """A decision on sources by name, or on sources and queries by id; `withdraw` takes the earlier one back.

    If it is to replace a verdict of a kind, or none, it is left out where the subject has another one by now.
    """

    kind: Kind
    names: list[str] = Field([], max_length=1000)
    ids: list[str] = Field([], max_length=1000)
    start_seconds: Seconds | None = None
    end_seconds: Seconds | None = None
    places: list[PlaceShape] = Field([], max_length=10_000)
    note: str = Field("", max_length=10_000)
    withdraw: bool = False
    replaces: Kind | Literal["any", "none"] = "any"


class Recorded(BaseModel):
    """Verdicts, and the body of the request that takes them back: what held before holds again."""

    verdicts: list[Verdict]
    undo: list[VerdictRequest]


Several = Annotated[list[VerdictRequest], Field(min_length=1, max_length=10_000)]
"""As many as the pairs of a group of 141 sources."""

router = APIRouter(tags=["verdicts"])


def _places_of(parts: Parts, body: VerdictRequest, place: Callable[[str], Place]) -> list[Place]:
    names = [id_of(each.name) for each in parts.opened.now.sources_of(body.names)]
    given = [(each, body.start_seconds, body.end_seconds) for each in (*names, *body.ids)]
    given += [(each.id, each.start_seconds, each.end_seconds) for each in body.places]
    return [replace(place(each), start_seconds=start, end_seconds=end) for each, start, end in given]


@router.get("/verdicts")
def current(parts: GivenParts) -> list[Verdict]:
    """List the latest verdict of every subject that has one, in order of time."""
    return list(parts.opened.verdicts.current())


@router.post("/verdicts", responses=described(404, 507))
def add(parts: GivenParts, body: Several) -> Recorded:
    """Record verdicts, all or none; to take them back, send `undo` of the answer."""
    verdicts, place = parts.opened.verdicts, cache(parts.place)
    made = [
        verdicts.made(each.kind, _places_of(parts, each, place), note=each.note, withdraw=each.withdraw)
        for each in body
    ]
    former = {each.subject: each for each in verdicts.current()}
    before, after = (
        {each.subject: "none" if each.is_withdrawn else each.kind for each in some} for some in (former.values(), made)
    )
    fitting = [
        (asked, each)
        for asked, each in zip(body, made, strict=True)
        if asked.replaces in ("any", before.get(each.subject, "none"))
    ]
    recorded = verdicts.record([each for _, each in fitting])
    undo = list[VerdictRequest]()
    for asked, each in reversed(fitting):
        held = former.get(each.subject, replace(each, is_withdrawn=True))
        values: dict[str, Any] = {"kind": held.kind, "note": held.note, "withdraw": held.is_withdrawn}
        own = id_of(held.places[0].name)
        if held.kind == "keep" and own in parts.opened.now.names and place(own).content == held.places[0].content:
            values |= {"names": [], "ids": [own], "places": []}  # of two files with the same bytes it kept this one
        undo.append(asked.model_copy(update={**values, "replaces": after[each.subject]}))
    return Recorded(verdicts=recorded, undo=undo)


@router.get("/verdicts/export", responses={**described(507), 200: LINES}, response_class=Response)
def export(parts: GivenParts) -> Response:
    """Return all verdicts ever made as JSON lines."""
    return attachment("verdicts.jsonl", parts.opened.verdicts.export)


@router.post(
    "/verdicts/import", responses=described(413, 507), openapi_extra={"requestBody": {"required": True, **LINES}}
)
async def take_in(parts: GivenParts, request: Request) -> dict[str, int]:
    """Add the verdicts of an exported file, all or none."""
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > IMPORT_BYTES:
            raise RefusedError(f"more than {IMPORT_BYTES >> 20} MB; split the file at a line", 413)
    if not body.strip():
        raise RefusedError("the body is empty; send what `export` gave")
    return {"n_new": await to_thread.run_sync(parts.opened.verdicts.take_in, Path("the body"), bytes(body))}
