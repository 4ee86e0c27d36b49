"""Matching: candidates by video and by audio, spans by alignment, decisions by calibration."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from evaluate.fingerprint.describe.descriptors import Descriptors
from evaluate.fingerprint.index.library import MODALITIES, Library
from evaluate.fingerprint.match.align import WINDOW_SECONDS, Grid, Span, find_spans, join_spans
from evaluate.fingerprint.match.calibrate import Calibration, fit, threshold
from evaluate.fingerprint.match.matches import Answer, Match
from evaluate.fingerprint.match.query_density import first_of_hops

DESCRIPTORS_A_HOP = 4
"""Density of descriptors in queries and background. A query begins anywhere between two descriptors of its reference; with
four per hop, one of each four lies within an eighth of a hop of a reference descriptor."""
CANDIDATES = 20
"""Sources that a window of a query is aligned with."""
PRIOR_SECONDS = 1.0
"""A span of this length counts half, because short agreement is more often chance."""
SHOWN_UNDECIDED = 3
"""Candidates below the threshold in an answer."""
CALIBRATION_SECONDS = (2.0, 5.0, 10.0)
"""Lengths of the unmatched queries, in turn."""
CALIBRATION_QUERIES = 300
DEFAULT_FALSE_POSITIVE_RATE = 0.001


@dataclass(frozen=True)
class Matcher:
    """Answers queries from a library.

    Attributes:
        library: the references.
        calibration: the scores that chance gives.
        false_positive_rate: accepted share of unmatched queries that get a match.
    """

    library: Library
    calibration: Calibration
    false_positive_rate: float = DEFAULT_FALSE_POSITIVE_RATE

    @property
    def threshold(self) -> float:
        """Least score of a match."""
        return threshold(self.false_positive_rate)

    def match(self, query: Descriptors) -> list[Match]:
        """Return all spans with any evidence, best first."""
        found = []
        for reference, spans in find_spans_of(self.library, query).items():
            for span in spans:
                score = self.calibration.score(_scores(self.library, span))
                query_end = min(span.query_end, float(query.end_seconds[-1]))  # a hop's last clip may be missing
                match = Match(
                    query.source, reference, max(0.0, span.query_start), query_end,
                    span.reference_start, span.reference_end, score, decision=score >= self.threshold,
                )  # fmt: skip
                found.append(match)
        return sorted(found, key=lambda each: (-each.score, each.reference, each.query_start_seconds))

    def answer(self, query: Descriptors) -> Answer:
        """Match one query with all references; keep also the best few spans below the threshold."""
        found = self.match(query)
        decided = [each for each in found if each.decision]
        undecided = [each for each in found if not each.decision][:SHOWN_UNDECIDED]
        n_alike = 0 if decided else self.library.n_alike(query)
        return Answer(query.source, float(query.end_seconds[-1]), (*decided, *undecided), n_alike=n_alike)


def calibrate(library: Library, background: Sequence[Descriptors]) -> Calibration:
    """Calibrate a library with its background, sources that hold no match of any reference.

    The library's own sources cannot be used: archives hold many videos of one scene, and their pieces match.
    """
    scores: dict[str, list[float]] = {modality: [] for modality in MODALITIES}
    for piece, number in _pieces(library, background):
        best = dict.fromkeys((modality for modality in MODALITIES if piece.of(modality)[0].any()), 0.0)
        for spans in find_spans_of(library, piece, number).values():
            for span in spans:
                best |= {name: max(best[name], score) for name, score in _scores(library, span).items()}
        for modality, score in best.items():
            scores[modality].append(score)
    return Calibration({modality: fit(scores[modality]) for modality in library.searches})


def _pieces(library: Library, background: Sequence[Descriptors]) -> Iterator[tuple[Descriptors, int]]:
    """Yield CALIBRATION_QUERIES pieces, spread over the sources, each with the number of its source."""
    for turn in range(CALIBRATION_QUERIES if background else 0):
        round_, number = divmod(turn, len(background))
        source, seconds = background[number], CALIBRATION_SECONDS[turn % len(CALIBRATION_SECONDS)]
        hops = [*first_of_hops(source.start_seconds, library.hop_seconds).tolist(), len(source)]
        n = min(max(1, round(seconds / library.hop_seconds)), len(hops) - 1)
        pieces = (len(hops) - 1) // n
        if round_ >= pieces:
            continue
        at = (round_ * 7919) % pieces * n  # a prime: later rounds take other places
        yield source.rows(slice(hops[at], hops[at + n])), number


def find_spans_of(library: Library, query: Descriptors, without_background: int = -1) -> dict[str, list[Span]]:
    """Return all spans with any evidence, by reference; `without_background` as in `Library.ask`."""
    spans: dict[int, list[Span]] = defaultdict(list)
    with numpy_on_one():
        for window in _windows(query):
            for source, found in _spans_of_window(library, window, without_background):
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


def _spans_of_window(
    library: Library, window: Descriptors, without_background: int
) -> Iterator[tuple[int, list[Span]]]:
    """Yield the number of each candidate and its spans."""
    question = library.ask(window, without_background)
    firsts = question.firsts
    span_seconds = float(window.end_seconds[[*firsts[1:], len(window)][0] - 1] - window.start_seconds[0])  # of a hop
    middles = np.add.reduceat((window.start_seconds + window.end_seconds) / 2, firsts)
    middles /= np.diff(firsts, append=len(window))
    candidates = library.candidates(question, CANDIDATES)
    for source, found in zip(candidates, library.evidence(question, candidates), strict=True):
        grid = Grid(middles, library.first_seconds[source], library.hop_seconds, *found, span_seconds)
        yield source, find_spans(grid)


def _scores(library: Library, span: Span) -> dict[str, float]:
    """Return the mean evidence of each modality that query and reference have, lowered for short spans."""
    scores = {}
    for modality, evidence, n in zip(MODALITIES, span.evidence, span.n, strict=True):
        seconds = n * library.hop_seconds
        if n:
            scores[modality] = evidence / n * seconds / (seconds + PRIOR_SECONDS)
    return scores


def _windows(query: Descriptors) -> list[Descriptors]:
    """Cut a long query into windows of at most WINDOW_SECONDS."""
    seconds = query.start_seconds[-1] - query.start_seconds[0]
    n_windows = max(1, int(np.ceil(seconds / WINDOW_SECONDS)))
    return [query.rows(slice(part[0], part[-1] + 1)) for part in np.array_split(np.arange(len(query)), n_windows)]
