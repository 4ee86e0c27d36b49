"""The shapes that answers of several routes share; where a frozen dataclass says it all, a route returns that instead."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, computed_field
from pydantic.dataclasses import dataclass

from evaluate.fingerprint.index.archive import IndexedSource
from evaluate.fingerprint.match.matches import Match
from evaluate.server.state.opened_index import id_of

SpanVerdict = Literal["", "same", "different"]
Seconds = Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)]
COMPLETE = ConfigDict(json_schema_serialization_defaults_required=True)
"""Of shapes that extend a record with defaults: answers have every field, and the API's description says so."""


@dataclass(frozen=True, kw_only=True, config=COMPLETE)
class SpanShape(Match):
    """A span that two files share, in seconds from the start of each; `reference` is a source."""

    reference_id: str
    reference_seconds_total: float
    verdict: SpanVerdict
    speed = computed_field(Match.speed)
    matched_by = computed_field(Match.matched_by)  # type: ignore[arg-type]  # mypy takes a property for its value
    edits = computed_field(Match.edits)


class PlaceShape(BaseModel):
    """Seconds of a source, by its id; the name is for the reader."""

    id: str
    name: str = ""
    start_seconds: Seconds
    end_seconds: Seconds


def span_shape(match: Match, sources: Mapping[str, IndexedSource], verdict: SpanVerdict = "") -> SpanShape:
    """Describe a match."""
    source = sources.get(match.reference)
    return SpanShape(
        **match.__dict__, verdict=verdict, reference_id=id_of(match.reference),
        reference_seconds_total=source.seconds if source else 0.0,
    )  # fmt: skip
