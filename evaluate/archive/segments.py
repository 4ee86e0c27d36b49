"""Segments that many sources share: an intro, a jingle, an advert; with all places, and out of the pairs.

The timeline of each source is cut into cells of one hop. A cell is common if more than eight sources hold it, counted from
the spans of its own source and, one step on, from those of a source that shares it. Common cells in a row are a place;
places that a span links are one segment.
"""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from scipy.cluster.hierarchy import DisjointSet

from evaluate.fingerprint.match.matches import Match

MANY = 8
"""A segment that more sources hold is a list of its own; `match` treats such content as common."""
LINKED_SHARE = 0.5
"""Share of the shorter place that a span must cover to link two places."""

Interval = tuple[float, float]
"""Half-open seconds."""
Place = tuple[str, float, float]
"""A source, and half-open seconds of it."""
Node = TypeVar("Node", bound=Hashable)


@dataclass(frozen=True)
class Segment:
    """Seconds that many sources share; the places are sorted by source and time."""

    places: tuple[Place, ...]

    @property
    def n_sources(self) -> int:
        """Number of sources that hold it."""
        return len({name for name, _, _ in self.places})

    @property
    def seconds(self) -> float:
        """Median length of its places."""
        return float(np.median([end - start for _, start, end in self.places]))


class Cells:
    """Marks of places on the timelines of sources, whose lengths are `seconds`, in cells of `cell_seconds`."""

    def __init__(self, seconds: Mapping[str, float], cell_seconds: float, places: Iterable[Place] = ()) -> None:
        self._seconds, self._cell_seconds = seconds, cell_seconds
        self._marks = dict[str, np.ndarray]()
        self.mark(places)

    def of(self, name: str) -> np.ndarray:
        """Return the marks of a source, bool (n,); they may be changed in place."""
        if name not in self._marks:
            self._marks[name] = np.zeros(int(np.ceil(self._seconds[name] / self._cell_seconds)) + 1, bool)
        return self._marks[name]

    def within(self, start: float, end: float) -> slice:
        """Return the cells whose middle lies within half-open seconds."""
        return slice(*(max(0, round(each / self._cell_seconds)) for each in (start, end)))

    def mark(self, places: Iterable[Place]) -> None:
        """Mark the cells within places."""
        for name, start, end in places:
            self.of(name)[self.within(start, end)] = True

    def intervals(self, name: str) -> list[Interval]:
        """Return the seconds of marked cells in a row."""
        edges = np.flatnonzero(np.diff(self.of(name), prepend=False, append=False)).tolist()
        seconds = [edge * self._cell_seconds for edge in edges]
        return list(zip(seconds[::2], seconds[1::2], strict=True))

    def spread(self, matches: Iterable[Match]) -> None:
        """Mark also where a span takes marked cells to, one step on."""
        sides = [side for match in matches for side in (match, swapped(match))]
        self.mark([(side.reference, *_along(side, *each)) for side in sides for each in self.intervals(side.query)])


def query_place(match: Match) -> Place:
    """Return the side of the query."""
    return match.query, match.query_start_seconds, match.query_end_seconds


def by_pair(matches: Iterable[Match]) -> dict[tuple[str, str], list[Match]]:
    """Gather the spans of each query and reference."""
    found = defaultdict[tuple[str, str], list[Match]](list)
    for match in matches:
        found[match.query, match.reference].append(match)
    return found


def swapped(match: Match) -> Match:
    """Return the same span with the roles of both sources changed."""
    return replace(
        match, query=match.reference, reference=match.query,
        query_start_seconds=match.reference_start_seconds, query_end_seconds=match.reference_end_seconds,
        reference_start_seconds=match.query_start_seconds, reference_end_seconds=match.query_end_seconds,
    )  # fmt: skip


def _along(match: Match, start: float, end: float) -> Interval:
    """Return where a span takes seconds of the query to; the end is not after the start if they lie outside."""
    clipped = max(start, match.query_start_seconds), min(end, match.query_end_seconds)
    return match.reference_at(clipped[0]), match.reference_at(clipped[1])


def common_segments(matches: Sequence[Match], seconds: Mapping[str, float], cell_seconds: float) -> tuple[Segment, ...]:
    """Return the segments that more than MANY sources share, those of most sources first.

    `matches` name each pair of sources in one order. `seconds` are lengths of sources, and `cell_seconds` the resolution.
    """
    common = _common_cells(matches, seconds, cell_seconds)
    common.spread(matches)
    names = sorted({name for match in matches for name in (match.query, match.reference)})
    places = {name: [(name, *each) for each in common.intervals(name)] for name in names}
    links = [(place, place) for name in names for place in places[name]]
    for match in matches:
        for one in places[match.query]:
            start, end = _along(match, *one[1:])
            for other in places[match.reference]:
                shared = min(end, other[2]) - max(start, other[1])
                if shared > LINKED_SHARE * min(one[2] - one[1], other[2] - other[1]):
                    links.append((one, other))
    found = [Segment(tuple(sorted(each))) for each in components(links)]
    return tuple(sorted((each for each in found if each.n_sources > MANY), key=lambda each: -each.n_sources))


def _common_cells(matches: Sequence[Match], seconds: Mapping[str, float], cell_seconds: float) -> Cells:
    counts = dict[str, np.ndarray]()
    for spans in by_pair(matches).values():
        for side in (spans, [swapped(span) for span in spans]):
            name = side[0].query
            counts[name] = counts.get(name, 0) + Cells(seconds, cell_seconds, map(query_place, side)).of(name)
    common = Cells(seconds, cell_seconds)
    for name, count in counts.items():
        common.of(name)[:] = count >= MANY  # and the source itself
    return common


def components(links: Iterable[tuple[Node, Node]]) -> list[set[Node]]:
    """Return the nodes of each component, in the order in which their first ones were named."""
    found = DisjointSet()
    for link in links:
        for node in link:
            found.add(node)
        found.merge(*link)
    return found.subsets()
