"""Routes of duplicates: what the last run found, with the verdicts of now, and its exports."""

from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, computed_field
from pydantic.dataclasses import dataclass

from evaluate.archive.keep import DEFAULT_ORDER, propose_kept
from evaluate.archive.keep_files import write_decisions
from evaluate.archive.pairs import Pair
from evaluate.archive.scope import Agree
from evaluate.archive.segments import Segment
from evaluate.archive.span_files import write_duplicates
from evaluate.server.problems import RefusedError, described
from evaluate.server.routes.attachment import MEDIA_TYPES, attachment
from evaluate.server.shapes import COMPLETE, PlaceShape, SpanShape, span_shape
from evaluate.server.state.found_pairs import FoundPairs, VerdictFilter
from evaluate.server.state.opened_index import id_of
from evaluate.server.state.parts import GivenParts, PartsInTurn

Form = Literal["pairs.json", "pairs.csv", "pairs.edl", "pairs.otio", "keep.csv", "keep.json", "keep.sh"]
FPS = 25.0


class GroupShape(BaseModel):
    """Sources that hang together by pairs; `kept` are those that a verdict keeps, by id."""

    number: int
    names: list[str]
    ids: list[str]
    kept: list[str]


@dataclass(frozen=True, kw_only=True, config=COMPLETE)
class PairShape(Pair):
    """Two sources that share material; in the spans, `one` is the query."""

    id: str
    one_id: str
    other_id: str
    one_seconds: float
    other_seconds: float
    group: int | None
    spans: tuple[SpanShape, ...]
    shared_seconds = computed_field(Pair.shared_seconds)
    score = computed_field(Pair.score)


@dataclass(frozen=True, kw_only=True, config=COMPLETE)
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


router = APIRouter(tags=["duplicates"])


@router.get("/duplicates")
def listed(
    parts: GivenParts,
    agree: Agree = "any", verdict: VerdictFilter = "all", offset: Annotated[int, Query(ge=0, le=1 << 40)] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 50,
) -> DuplicatesShape:  # fmt: skip
    """List the pairs by group and falling score, and the segments; nothing is compared."""
    found = parts.pairs.last(agree)
    if found is None:
        return DuplicatesShape(threshold=parts.opened.now.threshold)
    chosen, is_open, kept = list(found.chosen(verdict).values()), list(found.chosen("open")), found.found.kept
    groups = [
        GroupShape(
            number=number, names=list(names), ids=[id_of(name) for name in names],
            kept=[id_of(name) for name in names if name in kept],
        )
        for number, names in enumerate(found.found.groups, 1)
    ]  # fmt: skip
    return DuplicatesShape(
        n_pairs=len(chosen), n_open=len(is_open), first_open_id=next(iter(is_open), None), groups=groups,
        pairs=[PairShape(**_pair_values(found, each)) for each in chosen[offset : offset + limit]],
        segments=[_segment_shape(each) for each in found.found.segments],
        n_set_aside=len(found.found.set_aside) + len(found.found.ignored), threshold=found.found.threshold,
    )  # fmt: skip


@router.get("/duplicates/pairs/{identity}", responses=described(404))
def pair(parts: PartsInTurn, identity: str, agree: Agree = "any", verdict: VerdictFilter = "all") -> PairDetailShape:
    """Return a pair with what is proposed to keep, and its neighbours in the list of this filter."""
    found, each = parts.pairs.pair(identity, agree)
    kept, reason = parts.pairs.proposed_of(found, each)
    return PairDetailShape(
        **_pair_values(found, each), **found.neighbours(identity, verdict), kept=kept, reason=reason,
        kept_by_verdict=sorted({each.one, each.other} & found.found.kept), n_pairs=len(found.chosen(verdict)),
        n_open=len(found.chosen("open")),
    )  # fmt: skip


@router.get(
    "/duplicates/export", response_class=Response,
    responses={
        **described(409, 507),
        200: {"content": {kind: {"schema": {}} for kind in sorted({*MEDIA_TYPES.values()})}},
    },
)  # fmt: skip
def export(
    parts: PartsInTurn,
    form: Form,
    order: Annotated[str, Query(max_length=200)] = ",".join(DEFAULT_ORDER),
    agree: Agree = "any",
) -> Response:
    """Return the pairs, or the proposals of what to keep, as a file; `order` is what makes a file better."""
    found = parts.pairs.last(agree)
    if found is None:
        raise RefusedError("no run has looked for duplicates yet; start one", 409)

    def write(path: Path) -> None:
        if form.startswith("pairs"):
            write_duplicates(path, found.found, FPS)
        else:
            names = tuple(each.strip() for each in order.split(",") if each.strip())
            archive = parts.opened.archive_folder.resolve()
            if not archive.name:
                words = "nothing lies beside the archive's folder /; use `duplicates --keep FILE --moves-to FOLDER`"
                raise RefusedError(words)
            decisions = propose_kept(found.found, names, parts.pairs.facts)
            write_decisions(path, decisions, archive.with_name(f"{archive.name}-copies"))

    return attachment(form, write)


def _pair_values(found: FoundPairs, pair: Pair) -> dict[str, Any]:
    """Return the values of a pair's shape."""
    sources = found.found.sources
    return {
        **pair.__dict__, "id": id_of(pair.one, pair.other), "one_id": id_of(pair.one), "other_id": id_of(pair.other),
        "one_seconds": sources[pair.one].seconds, "other_seconds": sources[pair.other].seconds,
        "group": found.group(pair), "spans": tuple(span_shape(each, sources) for each in pair.spans),
    }  # fmt: skip


def _segment_shape(segment: Segment) -> SegmentShape:
    places = [
        PlaceShape(id=id_of(name), name=name, start_seconds=start, end_seconds=end)
        for name, start, end in segment.places
    ]
    return SegmentShape(n_sources=segment.n_sources, seconds=segment.seconds, places=places)
