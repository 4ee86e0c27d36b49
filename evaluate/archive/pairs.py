"""The copies inside an archive: spans to pairs, common segments and groups, as verdicts and scope say."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from evaluate.archive.scope import Agree, Scope
from evaluate.archive.segments import Cells, Place, Segment, by_pair, common_segments, components, query_place, swapped
from evaluate.archive.verdicts import Verdicts
from evaluate.fingerprint.index.archive import IndexedSource
from evaluate.fingerprint.index.library import MODALITIES, Library
from evaluate.fingerprint.match.matches import Match

LEAST_REST_SECONDS = 3.0
"""A span of which less is left beside common or ignored segments is no pair: ends are found to about a second."""
Agreement = Literal["agrees", "unclear", "missing"]
"""Of audio or video along a pair's spans. "unclear": it differs, or changes too little. "missing": a side lacks it."""
PairVerdict = Literal["", "same", "different", "ignored"]
"""By a person; "ignored" if ignored segments leave nothing; "" without."""


@dataclass(frozen=True)
class Pair:
    """Two sources that share material, `one` before `other` by name.

    The spans have `one` as the query; longest first. They cover a share of the seconds of each source, 0 to 1.
    """

    one: str
    other: str
    spans: tuple[Match, ...]
    one_share: float
    other_share: float
    video: Agreement
    audio: Agreement
    verdict: PairVerdict = ""

    @property
    def shared_seconds(self) -> float:
        """Length of all spans together, in `one`."""
        return sum(span.query_seconds for span in self.spans)

    @property
    def is_mirrored(self) -> bool:
        """Whether the best span shows one source mirrored."""
        return max(self.spans, key=lambda span: span.score).view.is_mirrored if self.spans else False

    @property
    def score(self) -> float:
        """The best span's."""
        return max((span.score for span in self.spans), default=0.0)

    def agrees(self, agree: Agree) -> bool:
        """Whether what a scope names agrees."""
        told = {"video": self.video == "agrees", "audio": self.audio == "agrees"}
        return told.get(agree, agree == "any" or all(told.values()))


@dataclass(frozen=True)
class Duplicates:
    """The copies inside an archive: pairs, best first, also those that a person called the same.

    Segments are what more than eight sources share, of most sources first; they make no pairs. A verdict takes out pairs
    (`set_aside`) and segments (`ignored`), and keeps sources. Groups are names of sources that hang together by pairs. `has`
    says which of "video" and "audio" each source has; `n_compared`, how many this run compared with the others.
    """

    pairs: tuple[Pair, ...]
    segments: tuple[Segment, ...]
    set_aside: tuple[Pair, ...]
    ignored: tuple[Segment, ...]
    groups: tuple[tuple[str, ...], ...]
    sources: Mapping[str, IndexedSource]
    has: Mapping[str, frozenset[str]]
    kept: frozenset[str]
    n_compared: int
    threshold: float


def _ruled(
    verdicts: Verdicts, sources: Mapping[str, IndexedSource]
) -> tuple[dict[tuple[str, str], PairVerdict], list[Place], frozenset[str]]:
    """Return the verdicts of a person as names of the index: on pairs in order, ignored places, and sources to keep."""
    current = verdicts.current()
    names = verdicts.names_of(sources, {place.content for each in current for place in each.places})
    pairs, ignored, kept = dict[tuple[str, str], PairVerdict](), list[Place](), set[str]()
    for each in current:
        if each.kind == "ignore":
            for place in each.places:
                at = place.start_seconds or 0.0, place.end_seconds or 0.0
                ignored += [(name, *at) for name in names.get(place.content, [])]
        elif each.kind == "keep":
            (place,), equal = each.places, names.get(each.places[0].content, [])
            kept.update([place.name] if place.name in equal else equal)  # else it was renamed
        else:
            one, other = (names.get(place.content, []) for place in each.places)
            pairs |= {(min(a, b), max(a, b)): each.kind for a in one for b in other if a != b}
    return pairs, ignored, frozenset(kept)


def list_duplicates(
    matches: Sequence[Match], library: Library, sources: Mapping[str, IndexedSource], scope: Scope, verdicts: Verdicts, *,
    n_compared: int, least: float,
) -> Duplicates:  # fmt: skip
    """Turn spans from `merged` into pairs and common segments, as the verdicts and the scope say.

    `library` holds all sources, `n_compared` is how many were compared, and `least` is the threshold.
    """
    ruled_pairs, ignored_places, kept = _ruled(verdicts, sources)
    seconds = {name: source.seconds for name, source in sources.items()}
    segments = common_segments(matches, seconds, library.hop_seconds)
    common_places = (place for segment in segments for place in segment.places)
    common, ignored = (Cells(seconds, library.hop_seconds, places) for places in (common_places, ignored_places))
    ignored.spread(matches)
    said_same = {names: list[Match]() for names, verdict in ruled_pairs.items() if verdict == "same"}
    pairs, aside = list[Pair](), list[Pair]()
    for names, spans in {**said_same, **by_pair(matches)}.items():
        verdict = ruled_pairs.get(names, "")
        told = [span for span in spans if _is_beside(span, common)]
        rest = [span for span in told if _is_beside(span, common, ignored)]
        if verdict == "different" or (told and not rest and not verdict):
            aside.append(_pair(names, told or spans, library, seconds, verdict or "ignored", least))
        elif rest or verdict:
            pair = _pair(names, rest, library, seconds, verdict, least)
            if verdict or (pair.agrees(scope.agree) and pair.shared_seconds >= scope.shortest_shared_seconds):
                pairs.append(pair)
    pairs.sort(key=lambda each: (-each.score, each.one, each.other))
    has = {each: set(np.unique(search.source).tolist()) for each, search in library.searches.items()}
    return Duplicates(
        pairs=tuple(pairs), set_aside=tuple(aside),
        segments=tuple(each for each in segments if not _is_mostly(each, ignored)),
        ignored=tuple(each for each in segments if _is_mostly(each, ignored)),
        groups=tuple(tuple(sorted(names)) for names in components((each.one, each.other) for each in pairs)),
        sources=sources,
        has={name: frozenset(each for each in has if at in has[each]) for at, name in enumerate(library.sources)},
        kept=kept, n_compared=n_compared, threshold=least,
    )  # fmt: skip


def _is_beside(span: Match, *marks: Cells) -> bool:
    """Whether enough of a span lies beside marked cells, on both sides."""
    for side in (span, swapped(span)):
        start, end = side.query_start_seconds, side.query_end_seconds
        hidden = np.any([each.of(side.query)[each.within(start, end)] for each in marks], axis=0)
        if hidden.any() and (1 - hidden.mean()) * (end - start) < LEAST_REST_SECONDS:
            return False
    return True


def _is_mostly(segment: Segment, marks: Cells) -> bool:
    """Whether a place of the segment is mostly marked."""
    return any(marks.of(name)[marks.within(start, end)].mean() > 0.5 for name, start, end in segment.places)


def _pair(
    names: tuple[str, str], spans: Sequence[Match], library: Library, seconds: Mapping[str, float], verdict: PairVerdict,
    least: float,
) -> Pair:  # fmt: skip
    shares = []
    for name, side in zip(names, (spans, map(swapped, spans)), strict=True):
        cells = Cells(seconds, library.hop_seconds, map(query_place, side)).of(name)
        shares.append(min(1.0, float(cells.sum()) * library.hop_seconds / seconds[name]))
    places = library.places(round(seconds[names[0]] / library.hop_seconds))
    told = [
        _agreement([(span, getattr(span, f"{name}_score")) for span in spans], least - math.log10(places))
        for name in MODALITIES
    ]
    return Pair(*names, tuple(spans), shares[0], shares[1], told[0], told[1], verdict)


def _agreement(scores: Sequence[tuple[Match, float | None]], least: float) -> Agreement:
    """Tell whether a modality agrees in most seconds; the place is known, so chance has one place, not the whole index."""
    lengths = [span.query_seconds * (1 if score >= least else -1) for span, score in scores if score is not None]
    return "missing" if not lengths else "agrees" if sum(lengths) > 0 else "unclear"
