"""Segments that many sources share: an intro, a jingle, an advert; with all places, and out of the pairs.

The timeline of each source is cut into cells of one hop. A cell is common if more than eight sources hold it, counted from
the spans of its own source and, one step on, from those of a source that shares it. Common cells in a row are a place;
places that a span links are one segment.
"""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import TypeVar

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from evaluate.fingerprint.match.matches import Match

MANY = 8
"""A segment that more sources hold is a list of its own; `match` treats such content as common."""
LINKED_SHARE = 0.5
"""Share of the shorter place that a span must cover to link two places."""

Interval = tuple[float, float]
Node = TypeVar("Node", bound=Hashable)


@dataclass(frozen=True)
class Segment:
    """Seconds that many sources share.

    Attributes:
        places: source and half-open seconds, by source and time.
    """

    places: tuple[tuple[str, float, float], ...]

    @property
    def n_sources(self) -> int:
        """Number of sources that hold it."""
        return len({name for name, _, _ in self.places})

    @property
    def seconds(self) -> float:
        """Median length of its places."""
        return float(np.median([end - start for _, start, end in self.places]))


class Cells:
    """Marks on the timelines of sources.

    Args:
        seconds: length of each source.
        cell_seconds: length of a cell.
    """

    def __init__(self, seconds: Mapping[str, float], cell_seconds: float) -> None:
        self._seconds, self._cell_seconds = seconds, cell_seconds
        self._marks = dict[str, np.ndarray]()

    def of(self, name: str) -> np.ndarray:
        """Return the marks of a source, bool (n,); they may be changed in place."""
        if name not in self._marks:
            self._marks[name] = np.zeros(int(np.ceil(self._seconds[name] / self._cell_seconds)) + 1, bool)
        return self._marks[name]

    def within(self, start: float, end: float) -> slice:
        """Return the cells whose middle lies within half-open seconds."""
        return slice(*(max(0, round(each / self._cell_seconds)) for each in (start, end)))

    def mark(self, name: str, start: float, end: float) -> None:
        """Mark the cells within seconds."""
        self.of(name)[self.within(start, end)] = True

    def intervals(self, name: str) -> list[Interval]:
        """Return the seconds of marked cells in a row."""
        edges = np.flatnonzero(np.diff(self.of(name), prepend=False, append=False)).tolist()
        seconds = [edge * self._cell_seconds for edge in edges]
        return list(zip(seconds[::2], seconds[1::2], strict=True))

    def spread(self, matches: Iterable[Match]) -> None:
        """Mark also where a span takes marked cells to, one step on."""
        new = list[tuple[str, float, float]]()
        for match in matches:
            for side in (match, swapped(match)):
                for start, end in self.intervals(side.query):
                    there = _along(side, start, end)
                    if there is not None:
                        new.append((side.reference, *there))
        for each in new:
            self.mark(*each)


def swapped(match: Match) -> Match:
    """Return the same span with the roles of both sources changed."""
    return replace(
        match, query=match.reference, reference=match.query,
        query_start_seconds=match.reference_start_seconds, query_end_seconds=match.reference_end_seconds,
        reference_start_seconds=match.query_start_seconds, reference_end_seconds=match.query_end_seconds,
    )  # fmt: skip


def _along(match: Match, start: float, end: float) -> Interval | None:
    """Return where a span takes seconds of the query to; None if they lie outside."""
    first, last = max(start, match.query_start_seconds), min(end, match.query_end_seconds)
    if last <= first:
        return None
    speed = (match.reference_end_seconds - match.reference_start_seconds) / (
        match.query_end_seconds - match.query_start_seconds
    )
    at = [match.reference_start_seconds + speed * (each - match.query_start_seconds) for each in (first, last)]
    return at[0], at[1]


def common_segments(matches: Sequence[Match], seconds: Mapping[str, float], cell_seconds: float) -> tuple[Segment, ...]:
    """Return the segments that more than MANY sources share, those of most sources first.

    Args:
        matches: spans between two sources, each pair in one order.
        seconds: length of each source.
        cell_seconds: resolution.
    """
    common = _common_cells(matches, seconds, cell_seconds)
    common.spread(matches)
    names = sorted({name for match in matches for name in (match.query, match.reference)})
    places = [(name, *interval) for name in names for interval in common.intervals(name)]
    by_name = defaultdict[str, list[int]](list)
    for number, (name, _, _) in enumerate(places):
        by_name[name].append(number)
    links = [(number, number) for number in range(len(places))]
    for match in matches:
        for one in by_name[match.query]:
            there = _along(match, *places[one][1:])
            links += [(one, other) for other in by_name[match.reference] if _links(there, places[one], places[other])]
    found = [Segment(tuple(sorted(places[number] for number in each))) for each in components(links)]
    return tuple(sorted((each for each in found if each.n_sources > MANY), key=lambda each: -each.n_sources))


def _common_cells(matches: Sequence[Match], seconds: Mapping[str, float], cell_seconds: float) -> Cells:
    held = defaultdict[str, dict[str, list[Interval]]](lambda: defaultdict(list))
    for match in matches:
        for side in (match, swapped(match)):
            held[side.query][side.reference].append((side.query_start_seconds, side.query_end_seconds))
    common = Cells(seconds, cell_seconds)
    for name, others in held.items():
        count = np.zeros(len(common.of(name)), np.int64)
        for intervals in others.values():
            one = Cells(seconds, cell_seconds)
            for interval in intervals:
                one.mark(name, *interval)
            count += one.of(name)
        common.of(name)[:] = count >= MANY  # and the source itself
    return common


def _links(there: Interval | None, one: tuple[str, float, float], other: tuple[str, float, float]) -> bool:
    """Whether a place, where a span takes it to, covers enough of another place."""
    if there is None:
        return False
    shared = min(there[1], other[2]) - max(there[0], other[1])
    return shared > LINKED_SHARE * min(one[2] - one[1], other[2] - other[1])


def components(links: Iterable[tuple[Node, Node]]) -> list[list[Node]]:
    """Return the nodes of each component, in the order in which they were named first."""
    linked = list(links)
    numbers: dict[Node, int] = {node: number for number, node in enumerate(dict.fromkeys(chain(*linked)))}
    ends = np.array([[numbers[one], numbers[other]] for one, other in linked], np.int64).reshape(-1, 2).T
    graph = coo_array((np.ones(ends.shape[1], bool), tuple(ends)), shape=(len(numbers), len(numbers)))
    found = defaultdict[int, list[Node]](list)
    for node, component in zip(numbers, connected_components(graph, directed=False)[1].tolist(), strict=True):
        found[component].append(node)
    return list(found.values())
