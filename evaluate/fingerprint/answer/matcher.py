"""Matching: candidates by video and by audio, spans by alignment, decisions by the chance of spans."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import numpy as np

from evaluate.fingerprint.describe.descriptors import Descriptors
from evaluate.fingerprint.describe.view import PLAIN, View
from evaluate.fingerprint.index.library import Library
from evaluate.fingerprint.match.align import WINDOW_SECONDS, Grid, find_spans
from evaluate.fingerprint.match.chance import threshold
from evaluate.fingerprint.match.matches import Answer, Match, best_first, judged
from evaluate.fingerprint.match.query_density import first_of_hops
from evaluate.fingerprint.match.spans import Pair, Span, apart_spans, join_spans, score_of, trimmed

DESCRIPTORS_A_HOP = 4
"""Density of descriptors in queries and background. A query begins anywhere between two descriptors of its reference; with
four per hop, one of each four lies within an eighth of a hop of a reference descriptor."""
CANDIDATES = 20
"""Sources that a window of a query is aligned with."""
LOOKED_AT = 3
"""Sources that a window is aligned with when it is only looked at."""
SHOWN_UNDECIDED = 3
"""Candidates below the threshold in an answer."""
DEFAULT_FALSE_POSITIVE_RATE = 0.001


@dataclass(frozen=True)
class Matcher:
    """Answers queries from a library.

    Attributes:
        library: the references.
        false_positive_rate: accepted share of unmatched queries that get a match.
        top: number of spans in an answer, however weak; None for those decided and the best few below.
    """

    library: Library
    false_positive_rate: float = DEFAULT_FALSE_POSITIVE_RATE
    top: int | None = None

    @property
    def threshold(self) -> float:
        """Least score of a match."""
        return threshold(self.false_positive_rate)

    def match(self, query: Descriptors, view: View = PLAIN, n_views: float = 1) -> list[Match]:
        """Return all spans with any evidence, best first.

        Args:
            query: its descriptors in the view, in the view's seconds.
            view: edits that were undone.
            n_views: number of views that may be taken; each is another chance to match.
        """
        places, seconds = self._places(query, n_views), float(query.end_seconds[-1])
        reach = (float(query.end_seconds[0] - query.start_seconds[0]) + self.library.hop_seconds) / 2
        return best_first(
            judged(span, query.source, reference, seconds, places, self.threshold, view)
            for reference, spans in find_spans_of(self.library, query).items()
            for span in apart_spans(trimmed(each, reach) for each in spans)
        )

    def promise(self, window: Descriptors) -> float:
        """Return how little chance explains the best span of a window, as a score at one place; a look, not a decision."""
        with numpy_on_one():
            found = [each for _, spans in _spans_of_window(self.library, window, LOOKED_AT) for each in spans]
        return max((score_of(each.pairs, 1) for each in found), default=0.0)

    def answer(self, query: Descriptors, found: Sequence[Match], n_views: float = 1) -> Answer:
        """Keep the decided spans of a query, and the best few below the threshold.

        Args:
            query: its descriptors as it is.
            found: its spans, best first.
            n_views: as they were matched with.
        """
        decided = tuple(each for each in found if each.decision)
        undecided = tuple(each for each in found if not each.decision)[:SHOWN_UNDECIDED]
        if self.top is not None:
            decided, undecided = decided[: self.top], tuple(found[len(decided) : self.top])
        seconds = float(query.end_seconds[-1])
        if decided:
            return Answer(query.source, seconds, (*decided, *undecided))
        places = self._places(query, n_views)
        is_decidable = any(self._is_decidable(window, places) for window in _windows(query))
        return Answer(query.source, seconds, undecided, n_alike=self.library.n_alike(query), is_decidable=is_decidable)

    def _places(self, query: Descriptors, n_views: float) -> float:
        return self.library.places(len(first_of_hops(query.start_seconds, self.library.hop_seconds))) * n_views

    def _is_decidable(self, window: Descriptors, places: float) -> bool:
        """Whether an exact copy would be decided."""
        question = self.library.ask(window)
        pairs = {}
        for name, expected in question.expected.items():
            has, vectors = window.of(name)
            rows = question.firsts[has[question.firsts]]
            if vectors is not None and len(rows):
                pairs[name] = Pair(window.start_seconds[rows], vectors[rows], vectors[rows], expected[rows])
        return score_of(pairs, places) >= self.threshold


def find_spans_of(library: Library, query: Descriptors) -> dict[str, list[Span]]:
    """Return all spans with any evidence, by reference."""
    spans: dict[int, list[Span]] = defaultdict(list)
    with numpy_on_one():
        for window in _windows(query):
            for source, found in _spans_of_window(library, window, CANDIDATES):
                spans[source] += found
    near = float(query.end_seconds[0] - query.start_seconds[0]) + 2 * library.hop_seconds
    return {library.sources[source]: join_spans(found, near) for source, found in spans.items()}


def numpy_on_one() -> AbstractContextManager[Any]:
    """Let NumPy use one thread while a query is answered; FAISS uses all cores.

    Threads of FAISS and of NumPy's BLAS wait by spinning. With one of each per core they block each other, and a query
    took twice as long.
    """
    limit: AbstractContextManager[Any] = _libraries().limit(limits=1, user_api="blas")
    return limit


@cache
def _libraries() -> Any:
    """Look up the loaded libraries, FAISS included; it costs 4 ms."""
    import faiss  # noqa: F401 - so that it is found
    from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

    return ThreadpoolController()


def _spans_of_window(library: Library, window: Descriptors, n_candidates: int) -> Iterator[tuple[int, list[Span]]]:
    """Yield the number of each candidate and its spans."""
    question = library.ask(window)
    firsts = question.firsts
    span_seconds = float(window.end_seconds[[*firsts[1:], len(window)][0] - 1] - window.start_seconds[0])  # of a hop
    middles = np.add.reduceat((window.start_seconds + window.end_seconds) / 2, firsts)
    middles /= np.diff(firsts, append=len(window))
    candidates = library.candidates(question, n_candidates)
    for source, (found, vectors) in zip(candidates, library.evidence(question, candidates), strict=True):
        first, pairs = library.first_seconds[source], partial(question.pairs, vectors)
        grid = Grid(middles, first, library.hop_seconds, found, span_seconds, pairs)
        yield source, find_spans(grid)


def _windows(query: Descriptors) -> list[Descriptors]:
    """Cut a query at its gaps, and then into windows of at most WINDOW_SECONDS."""
    hops = np.diff(query.start_seconds)
    gaps = np.flatnonzero(hops > 2 * hops[:1].sum()) + 1
    windows = []
    for rows in np.split(np.arange(len(query)), gaps):
        seconds = query.start_seconds[rows[-1]] - query.start_seconds[rows[0]]
        n_windows = max(1, int(np.ceil(seconds / WINDOW_SECONDS)))
        windows += [query.rows(slice(part[0], part[-1] + 1)) for part in np.array_split(rows, n_windows)]
    return windows
