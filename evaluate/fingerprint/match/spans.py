"""Spans: stretches where query and reference follow one line; joined, cut where chance explains the rest least, kept apart."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from evaluate.fingerprint.match.chance import COURSES, moments_of, score, surprises

TRIMMED = 96
"""Moments at each end of a span where it may be cut."""
LEAST_TRIMMED = 1.0
"""Score at one place from which a span is cut: the others stay far below any threshold, and cutting them takes time."""


class Pair(NamedTuple):
    """Descriptors of one modality that a line pairs, in order of time.

    Attributes:
        seconds: float64 (n,), middles of the query's clips.
        query, reference: float32 (n, d).
        expected: float32 (n,), similarity of each of the query's descriptors that is expected by chance.
    """

    seconds: np.ndarray
    query: np.ndarray
    reference: np.ndarray
    expected: np.ndarray


Pairs = Mapping[str, Pair]


@dataclass(frozen=True, eq=False)
class Span:
    """A stretch where query and reference follow one line, in seconds.

    Attributes:
        query_start, query_end, reference_start, reference_end: half open.
        pairs: by modality, the descriptors of query and reference that the line pairs.
    """

    query_start: float
    query_end: float
    reference_start: float
    reference_end: float
    pairs: Pairs

    def cut(self, start: float | None = None, end: float | None = None) -> "Span":
        """Move the ends to other seconds of the query, on the same line; the pairs stay."""
        speed = (self.reference_end - self.reference_start) / max(self.query_end - self.query_start, 1e-6)
        first, last = self.query_start if start is None else start, self.query_end if end is None else end
        at = [self.reference_start + speed * (each - self.query_start) for each in (first, last)]
        return replace(self, query_start=first, query_end=last, reference_start=at[0], reference_end=at[1])


def join_spans(spans: Sequence[Span], near_seconds: float) -> list[Span]:
    """Join spans that continue where the one before ended, in the query and in the reference.

    Args:
        spans: of one query and one reference, in any order.
        near_seconds: largest gap or overlap between an end and the next start.
    """
    joined: list[Span] = []
    for span in sorted(spans, key=lambda each: (each.query_start, each.reference_start)):
        before = joined[-1] if joined else None
        if before is not None and _continues(before, span, near_seconds):
            joined[-1] = replace(
                before, query_end=max(before.query_end, span.query_end),
                reference_end=max(before.reference_end, span.reference_end), pairs=_both(before.pairs, span.pairs),
            )  # fmt: skip
        else:
            joined.append(span)
    return joined


def _both(before: Pairs, after: Pairs) -> Pairs:
    pairs = {name: [each[name] for each in (before, after) if name in each] for name in {**before, **after}}
    return {name: Pair(*map(np.concatenate, zip(*each, strict=True))) for name, each in pairs.items()}


def apart_spans(spans: Iterable[Span]) -> list[Span]:
    """Cut spans that overlap in the query at the middle of their overlap; one that lies within another is left out."""
    apart: list[Span] = []
    within = -math.inf  # the last second of the spans before, as they were
    for span in sorted(spans, key=lambda each: (each.query_start, -each.query_end)):
        if span.query_end <= within:
            continue
        within = span.query_end
        if apart and span.query_start < apart[-1].query_end:
            middle = (span.query_start + min(apart[-1].query_end, span.query_end)) / 2
            cut = max(middle, apart[-1].query_start)  # which may have been cut itself
            apart[-1], span = apart[-1].cut(end=cut), span.cut(start=cut)  # noqa: PLW2901
        apart = [each for each in (*apart, span) if each.query_start < each.query_end]
    return apart


def _continues(before: Span, span: Span, near_seconds: float) -> bool:
    in_query = span.query_start - before.query_end
    in_reference = span.reference_start - before.reference_end
    return abs(in_query) <= near_seconds and abs(in_reference - in_query) <= near_seconds / 2


def score_of(pairs: Pairs, places: float, most: Mapping[str, float] | None = None) -> float:
    """Return the score of all modalities of a span together, as `score` does; `most` limits their moments."""
    limits = most or dict.fromkeys(pairs, np.inf)
    told = [
        surprises(each.query, each.reference, each.expected, COURSES[name], limits[name])
        for name, each in pairs.items()
    ]
    return score([each for both in told for each in both], places)


def trimmed(span: Span, reach_seconds: float) -> Span:
    """Cut a span's ends so that chance explains the rest least.

    Unrelated seconds may be similar enough to lie in a stretch, but they do not change alike.

    Args:
        span: from the alignment.
        reach_seconds: from the middle of an outer clip to the end of a span that is cut.
    """
    if score_of(span.pairs, 1) < LEAST_TRIMMED:  # also without pairs
        return span
    for is_end in (False, True):
        seconds = np.unique(np.concatenate([pair.seconds for pair in span.pairs.values()]))
        near = (seconds[::-1] if is_end else seconds)[:TRIMMED]  # from the outermost inwards
        whole = _within(span.pairs, near[0], near[-1])
        moments = {name: moments_of(pair.query, pair.reference) for name, pair in whole.items()}
        at = int(np.argmax([_kept_score(_within(whole, second, near[-1]), whole, moments) for second in near]))
        if at:
            pairs = _within(span.pairs, near[at], seconds[0] if is_end else seconds[-1])
            start, end = max(span.query_start, near[at] - reach_seconds), min(span.query_end, near[at] + reach_seconds)
            span = replace(span.cut(end=end) if is_end else span.cut(start), pairs=pairs)
    return span


def _kept_score(part: Pairs, whole: Pairs, moments: Mapping[str, float]) -> float:
    """Score a part of a span, with the moments that fall on its share of the whole.

    Moments are so many a second: without this bound, a cut that leaves slightly more alike seconds would cost nothing.
    """
    share = {name: len(pair.seconds) / len(whole[name].seconds) for name, pair in part.items()}
    return score_of(part, 1, {name: share[name] * moments[name] for name in part})


def _within(pairs: Pairs, one: float, other: float) -> Pairs:
    """Keep the pairs between two seconds of the query, in either order, inclusive."""
    first, last = sorted((one, other))
    kept = {name: (pair.seconds >= first) & (pair.seconds <= last) for name, pair in pairs.items()}
    return {name: Pair(*(each[kept[name]] for each in pair)) for name, pair in pairs.items() if kept[name].any()}
