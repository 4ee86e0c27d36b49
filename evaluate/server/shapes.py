"""The shapes of the API's answers; where a frozen dataclass says it all, a route returns that instead."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from evaluate.archive.keep import MediaFacts
from evaluate.archive.pairs import Agreement, Pair, PairVerdict
from evaluate.archive.segments import Segment
from evaluate.fingerprint.describe.view import View
from evaluate.fingerprint.index.archive import IndexedSource
from evaluate.fingerprint.match.matches import Match
from evaluate.server.state.found_pairs import FoundPairs
from evaluate.server.state.opened_index import id_of
from evaluate.server.state.queries import Query
from evaluate.server.state.watch import Watched
from preprocess.media.playable import Plays

SourceStatus = Literal["indexed", "unreadable", "gone"]
SpanVerdict = Literal["", "same", "different"]
Seconds = Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)]


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


class SpanShape(BaseModel):
    """A span that two files share, in seconds from the start of each; `reference` is a source."""

    query: str
    reference: str
    reference_id: str
    reference_seconds_total: float
    query_start_seconds: float
    query_end_seconds: float
    reference_start_seconds: float
    reference_end_seconds: float
    score: float
    decision: bool
    video_score: float | None
    audio_score: float | None
    view: View
    speed: float
    matched_by: Literal["video", "audio", "both"]
    edits: str
    verdict: SpanVerdict


class QueryShape(BaseModel):
    """A query without its matches; a picture is never decided."""

    id: str
    name: str
    seconds: float
    is_picture: bool
    unreadable: str
    reason: str
    n_alike: int
    is_decidable: bool
    n_matches: int
    threshold: float
    made_at: datetime


class AnswerShape(QueryShape):
    """The answer to a query: decided matches first, then candidates below the threshold."""

    matches: list[SpanShape]


class GroupShape(BaseModel):
    """Sources that hang together by pairs; `kept` are those that a verdict keeps, by id."""

    number: int
    names: list[str]
    ids: list[str]
    kept: list[str]


class PairShape(BaseModel):
    """Two sources that share material; in the spans, `one` is the query."""

    id: str
    one: str
    other: str
    one_id: str
    other_id: str
    one_seconds: float
    other_seconds: float
    one_share: float
    other_share: float
    shared_seconds: float
    score: float
    video: Agreement
    audio: Agreement
    verdict: PairVerdict
    group: int | None
    spans: list[SpanShape]


class PairDetailShape(PairShape):
    """A pair with what is proposed to keep, and its neighbours in the list."""

    kept: str | None
    reason: str
    kept_by_verdict: list[str]
    previous_id: str | None
    next_id: str | None
    next_open_id: str | None
    position: int | None
    n_pairs: int
    n_open: int


class PlaceShape(BaseModel):
    """Seconds of a source, by its id; the name is for the reader."""

    id: str
    name: str = ""
    start_seconds: Seconds
    end_seconds: Seconds


class SegmentShape(BaseModel):
    """Seconds that more than eight sources share."""

    n_sources: int
    seconds: float
    places: list[PlaceShape]


class DuplicatesShape(BaseModel):
    """The copies inside the archive, as the last run found them."""

    n_pairs: int = 0
    n_open: int = 0
    first_open_id: str | None = None
    groups: list[GroupShape] = []
    pairs: list[PairShape] = []
    segments: list[SegmentShape] = []
    n_set_aside: int = 0
    threshold: float | None


class MediaShape(BaseModel):
    """How a browser plays a file. If `excerpt_seconds` is given, a copy holds so many seconds from `start` on."""

    plays: Plays
    is_picture: bool
    has_video: bool
    has_audio: bool
    seconds: float
    width_px: int
    height_px: int
    fps: float
    excerpt_seconds: int | None
    reason: str
    facts: MediaFacts | None


def span_shape(match: Match, sources: Mapping[str, IndexedSource], verdict: SpanVerdict = "") -> SpanShape:
    """Describe a match."""
    source = sources.get(match.reference)
    return SpanShape(
        **match.__dict__, speed=match.speed, matched_by=match.matched_by, edits=match.edits, verdict=verdict,
        reference_id=id_of(match.reference), reference_seconds_total=source.seconds if source else 0.0,
    )  # fmt: skip


def query_values(query: Query, threshold: float | None) -> dict[str, object]:
    """Return the values of a query's shape."""
    answer = query.answer
    told = {"reason": answer.reason, "n_matches": len(answer.decided), "threshold": threshold or 0.0}
    return {**answer.__dict__, **query.__dict__, **told, "is_picture": query.is_picture}


def pair_values(found: FoundPairs, pair: Pair) -> dict[str, object]:
    """Return the values of a pair's shape."""
    sources = found.found.sources
    return {
        **pair.__dict__, "id": id_of(pair.one, pair.other), "one_id": id_of(pair.one), "other_id": id_of(pair.other),
        "one_seconds": sources[pair.one].seconds, "other_seconds": sources[pair.other].seconds,
        "shared_seconds": pair.shared_seconds, "score": pair.score, "group": found.group(pair),
        "spans": [span_shape(each, sources) for each in pair.spans],
    }  # fmt: skip


def segment_shape(segment: Segment) -> SegmentShape:
    """Describe a segment."""
    places = [
        PlaceShape(id=id_of(name), name=name, start_seconds=start, end_seconds=end)
        for name, start, end in segment.places
    ]
    return SegmentShape(n_sources=segment.n_sources, seconds=segment.seconds, places=places)
