"""Queries to answers: candidates by picture and by sound, spans by alignment, decisions by calibration."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from evaluate.fingerprint.align import WINDOW_SECONDS, Grid, Span, find_spans, join_spans
from evaluate.fingerprint.calibrate import Calibration, fit
from evaluate.fingerprint.library import LeaveOut, Library
from evaluate.fingerprint.records import Answer, Descriptors, Match

CANDIDATES = 20
"""Sources that a window of a query is aligned with."""
PRIOR_SECONDS = 1.0
"""A span of this length counts half: agreement over a moment is chance more often than over ten seconds."""
SHOWN_UNDECIDED = 3
"""Best candidates below the threshold that an answer still names."""
CALIBRATION_SECONDS = (2.0, 5.0, 10.0)
"""Lengths of the unmatched queries, in turn."""
CALIBRATION_QUERIES = 300
DEFAULT_FALSE_POSITIVE_RATE = 0.001


@dataclass(frozen=True)
class Matcher:
    """Answers queries from a library.

    Attributes:
        library: the references.
        calibration: scores of queries that match nothing.
        false_positive_rate: share of unmatched queries that may get a match all the same.
    """

    library: Library
    calibration: Calibration
    false_positive_rate: float = DEFAULT_FALSE_POSITIVE_RATE

    @property
    def threshold(self) -> float:
        """Score from which on a match is decided."""
        return self.calibration.threshold(self.false_positive_rate)

    def answer(self, query: Descriptors) -> Answer:
        """Match one query with all references."""
        threshold = self.threshold
        found = [replace(each, decision=each.score >= threshold) for each in find_matches(self.library, query)]
        found.sort(key=lambda each: (-each.score, each.reference, each.query_start_seconds))
        decided = [each for each in found if each.decision]
        undecided = [each for each in found if not each.decision][:SHOWN_UNDECIDED]
        return Answer(query.source, float(query.end_seconds[-1]), (*decided, *undecided))


def calibrate(library: Library, *, unmatched: Sequence[Descriptors], own: bool) -> Calibration:
    """Calibrate a library with sources that hold no match of any reference.

    Args:
        library: the references.
        unmatched: the library's background, or its own sources, each of which is then left out for its own pieces.
        own: whether these are the library's own.
    """
    return fit(unmatched_scores(library, unmatched, own=own))


def unmatched_scores(library: Library, unmatched: Sequence[Descriptors], *, own: bool) -> list[float]:
    """The best score of each of CALIBRATION_QUERIES pieces, spread over the sources; 0 where nothing was near."""
    scores = []
    if len(library) < 2 or not unmatched:
        return []
    for turn in range(CALIBRATION_QUERIES):
        number = turn % len(unmatched)
        round_ = turn // len(unmatched)
        source, seconds = unmatched[number], CALIBRATION_SECONDS[turn % len(CALIBRATION_SECONDS)]
        n = max(1, round(seconds / library.hop_seconds))
        pieces = max(1, len(source) // n)
        if round_ >= pieces:
            continue
        at = (round_ * 7919) % pieces * n  # a prime: later rounds take other places
        leave_out = LeaveOut(source=number) if own else LeaveOut(background=number)
        best = find_matches(library, _rows(source, slice(at, at + n)), leave_out)
        scores.append(max((each.score for each in best), default=0.0))
    return scores


def find_matches(library: Library, query: Descriptors, leave_out: LeaveOut = LeaveOut()) -> list[Match]:  # noqa: B008
    """All spans that bear any evidence, undecided, in no order."""
    spans: dict[int, list[Span]] = {}
    for window in _windows(query):
        question = library.ask(window, leave_out)
        for source in library.candidates(question, CANDIDATES):
            clip = float(window.end_seconds[0] - window.start_seconds[0])
            grid = Grid(
                (window.start_seconds + window.end_seconds) / 2, library.first_seconds[source], library.hop_seconds,
                *library.evidence(question, source), clip,
            )  # fmt: skip
            spans.setdefault(source, []).extend(find_spans(grid))
    near = float(query.end_seconds[0] - query.start_seconds[0]) + 2 * library.hop_seconds
    return [
        _match(query, library.sources[source], span)
        for source, found in spans.items()
        for span in join_spans(found, near)
    ]


def _match(query: Descriptors, reference: str, span: Span) -> Match:
    seconds = span.query_end - span.query_start
    score = span.evidence / span.n * seconds / (seconds + PRIOR_SECONDS)
    return Match(
        query.source, reference, max(0.0, span.query_start), span.query_end,
        span.reference_start, span.reference_end, score, decision=False,
    )  # fmt: skip


def _windows(query: Descriptors) -> list[Descriptors]:
    """Cut a long query into windows of at most WINDOW_SECONDS."""
    seconds = query.start_seconds[-1] - query.start_seconds[0]
    n_windows = max(1, int(np.ceil(seconds / WINDOW_SECONDS)))
    return [_rows(query, slice(part[0], part[-1] + 1)) for part in np.array_split(np.arange(len(query)), n_windows)]


def _rows(query: Descriptors, rows: slice) -> Descriptors:
    """Some of the descriptors of a source."""
    picture, sound = (None if each is None else each[rows] for each in (query.picture, query.sound))
    return Descriptors(
        query.source, query.start_seconds[rows], query.end_seconds[rows], query.has_picture[rows],
        query.has_sound[rows], picture, sound,
    )  # fmt: skip
