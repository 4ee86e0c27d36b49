"""Routes of duplicates: what the last run found, with the verdicts of now, and its exports."""

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

from anyio import to_thread
from fastapi import APIRouter, Query, Response

from evaluate.archive.keep import DEFAULT_ORDER
from evaluate.archive.keep_files import write_decisions
from evaluate.archive.pairs import Pair
from evaluate.archive.scope import Agree
from evaluate.archive.segments import Segment
from evaluate.archive.span_files import write_duplicates
from evaluate.server.problems import ConflictError, NotFoundError, described
from evaluate.server.shapes import (
    DuplicatesShape,
    GroupShape,
    PairDetailShape,
    PairShape,
    PlaceShape,
    SegmentShape,
    span_shape,
)
from evaluate.server.state.found_pairs import FoundPairs, VerdictFilter
from evaluate.server.state.opened_index import id_of
from evaluate.server.state.parts import GivenParts, Parts
from preprocess.temporary_folder import temporary_folder

Form = Literal["pairs.json", "pairs.csv", "pairs.edl", "pairs.otio", "keep.csv", "keep.json", "keep.sh"]
MEDIA_TYPES = {
    ".json": "application/json", ".csv": "text/csv", ".edl": "text/plain", ".otio": "application/json", ".sh": "application/x-sh",
}  # fmt: skip
FPS = 25.0


router = APIRouter(tags=["duplicates"])


@router.get("/duplicates", responses=described())
def listed(
    parts: GivenParts,
    agree: Agree = "any", verdict: VerdictFilter = "all", offset: Annotated[int, Query(ge=0, le=1 << 40)] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 50,
) -> DuplicatesShape:  # fmt: skip
    """List the pairs by group and falling score, and the segments; nothing is compared."""
    found = parts.pairs.last(agree)
    if found is None:
        return DuplicatesShape(
            n_pairs=0,
            n_open=0,
            groups=[],
            pairs=[],
            segments=[],
            n_set_aside=0,
            threshold=parts.opened.now.threshold,
        )
    chosen = list(found.chosen(verdict).values())
    groups = [
        GroupShape(number=number, names=list(names), ids=[id_of(name) for name in names])
        for number, names in enumerate(found.found.groups, 1)
    ]
    return DuplicatesShape(
        n_pairs=len(chosen), n_open=len(found.chosen("open")), groups=groups,
        pairs=[PairShape(**_values(found, each)) for each in chosen[offset : offset + limit]],
        segments=[_segment(number, each) for number, each in enumerate(found.found.segments, 1)],
        n_set_aside=len(found.found.set_aside) + len(found.found.ignored), threshold=found.found.threshold,
    )  # fmt: skip


@router.get("/duplicates/pairs/{identity}", responses=described(404))
async def pair(
    parts: GivenParts, identity: str, agree: Agree = "any", verdict: VerdictFilter = "all"
) -> PairDetailShape:
    """Return a pair with its files, what is proposed to keep, and its neighbours in the list of this filter."""
    return await to_thread.run_sync(_detail, parts, identity, agree, verdict, limiter=parts.copies.limiter)


@router.get(
    "/duplicates/export", response_class=Response,
    responses={
        **described(409),
        200: {"content": {kind: {"schema": {}} for kind in sorted({*MEDIA_TYPES.values()})}},
    },
)  # fmt: skip
async def export(
    parts: GivenParts,
    form: Form,
    order: Annotated[str, Query(max_length=200)] = ",".join(DEFAULT_ORDER),
    agree: Agree = "any",
) -> Response:
    """Return the pairs, or the proposals of what to keep, as a file; `order` is what makes a file better."""
    return await to_thread.run_sync(_file, parts, form, order, agree, limiter=parts.copies.limiter)


def _detail(parts: Parts, identity: str, agree: Agree, verdict: VerdictFilter) -> PairDetailShape:
    found = parts.pairs.last(agree)
    if found is None:
        raise NotFoundError(f"there is no pair {identity}; find duplicates first")
    each = found.pair(identity)
    group = found.group(each)
    kept, reason = None, ""
    if group is not None:
        groups = (found.found.groups[group - 1],)
        for decision in parts.pairs.proposed(replace(found.found, groups=groups), DEFAULT_ORDER):
            if decision.name in (each.one, each.other) and decision.copy_of in (each.one, each.other):
                kept, reason = decision.copy_of, decision.reason
    beside = found.neighbours(identity, verdict)
    return PairDetailShape(
        **_values(found, each), one_facts=parts.pairs.facts(found.found.sources[each.one]),
        other_facts=parts.pairs.facts(found.found.sources[each.other]), kept=kept, reason=reason,
        kept_by_verdict=sorted({each.one, each.other} & found.found.kept), **beside.__dict__,
        n_pairs=len(found.chosen(verdict)), n_open=len(found.chosen("open")),
    )  # fmt: skip


def _file(parts: Parts, form: Form, order: str, agree: Agree) -> Response:
    found = parts.pairs.last(agree)
    if found is None:
        raise ConflictError("no run has looked for duplicates yet; start one")
    with tempfile.TemporaryDirectory(dir=temporary_folder()) as folder:
        path = Path(folder, form)
        if form.startswith("pairs"):
            write_duplicates(path, found.found, FPS)
        else:
            names = tuple(each.strip() for each in order.split(",") if each.strip())
            archive = parts.opened.archive_folder
            write_decisions(path, parts.pairs.proposed(found.found, names), archive.with_name(f"{archive.name}-copies"))
        headers = {"Content-Disposition": f'attachment; filename="{form}"'}
        return Response(path.read_bytes(), media_type=MEDIA_TYPES[path.suffix], headers=headers)


def _values(found: FoundPairs, pair: Pair) -> dict[str, Any]:
    sources = found.found.sources
    return {
        "id": id_of(pair.one, pair.other), "one": pair.one, "other": pair.other, "one_id": id_of(pair.one),
        "other_id": id_of(pair.other), "one_seconds": sources[pair.one].seconds,
        "other_seconds": sources[pair.other].seconds, "one_share": pair.one_share, "other_share": pair.other_share,
        "shared_seconds": pair.shared_seconds, "score": pair.score, "video": pair.video, "audio": pair.audio,
        "verdict": pair.verdict, "group": found.group(pair),
        "spans": [span_shape(each, sources) for each in pair.spans],
    }  # fmt: skip


def _segment(number: int, segment: Segment) -> SegmentShape:
    places = [
        PlaceShape(id=id_of(name), name=name, start_seconds=start, end_seconds=end)
        for name, start, end in segment.places
    ]
    return SegmentShape(number=number, n_sources=segment.n_sources, seconds=segment.seconds, places=places)
