"""How well a ranking finds the right references, and the right seconds of them.

Scores are compared over all queries: a method whose scores mean another thing in each query loses here, as it would
behind one threshold. Pairs of equal score count as one step, so the order in which they come cannot matter.
"""

from collections.abc import Mapping, Sequence
from itertools import groupby
from math import sqrt

import numpy as np

from evaluate.fingerprint.benchmark.truth import Span, nearest
from evaluate.fingerprint.match.matches import Match

Pair = tuple[str, str]
"""(query, reference)"""
Truth = Mapping[Pair, Sequence[Span]]
"""Every pair that is right, with the seconds that are shared."""
Interval = tuple[float, float]


def pair_scores(matches: Sequence[Match]) -> dict[Pair, float]:
    """Best score of every pair that was found at all."""
    scores: dict[Pair, float] = {}
    for match in matches:
        pair = (match.query, match.reference)
        scores[pair] = max(match.score, scores.get(pair, -np.inf))
    return scores


def micro_average_precision(matches: Sequence[Match], truth: Truth) -> float:
    """Area under precision over recall of one ranking of all pairs, those of unmatched queries among them.

    The descriptor track of VSC2022 (Pizzi et al., 2023, section 4): sum over ranks of precision times the gain of
    recall; right pairs that were not found are recall that is never reached.

    Raises:
        ValueError: there is no right pair.
    """
    if not truth:
        raise ValueError("no pair is right: there is nothing to find")
    scores = pair_scores(matches)
    ranked = sorted(scores.items(), key=lambda item: -item[1])
    area, n_right, n_seen = 0.0, 0, 0
    for _, tied in groupby(ranked, key=lambda item: item[1]):
        pairs = [pair for pair, _ in tied]
        gained = sum(pair in truth for pair in pairs)
        n_right, n_seen = n_right + gained, n_seen + len(pairs)
        area += gained / len(truth) * n_right / n_seen
    return area


def segment_average_precision(matches: Sequence[Match], truth: Truth) -> float:
    """Micro-average precision where seconds are counted instead of pairs.

    The matching track of VSC2022: matches enter by falling score. On each axis, precision is the right length among
    all that was claimed, recall the right length among all that is there; a true span counts as reached once a match
    of its pair overlaps it on both axes. Both are the geometric mean over the two axes.

    Raises:
        ValueError: there is no right pair.
    """
    if not truth:
        raise ValueError("no pair is right: there is nothing to find")
    there = np.sum([_lengths([_boxes(span) for span in spans]) for spans in truth.values()], axis=0)
    claimed: dict[Pair, list[tuple[Interval, Interval]]] = {}
    contribution: dict[Pair, np.ndarray] = {}
    right_and_claimed = np.zeros((2, 2))  # rows: right, claimed; columns: query, reference
    area = recall = 0.0
    for _, tied in groupby(sorted(matches, key=lambda match: -match.score), key=lambda match: match.score):
        changed = set()
        for match in tied:
            pair = (match.query, match.reference)
            claimed.setdefault(pair, []).append(
                (
                    (match.query_start_seconds, match.query_end_seconds),
                    (match.reference_start_seconds, match.reference_end_seconds),
                )
            )
            changed.add(pair)
        for pair in sorted(changed):
            now = _contribution(claimed[pair], [_boxes(span) for span in truth.get(pair, ())])
            right_and_claimed += now - contribution.get(pair, 0.0)
            contribution[pair] = now
        right, total = right_and_claimed
        reached = sqrt(max(0.0, float(np.prod(right / there))))
        precision = sqrt(max(0.0, float(np.prod(right / np.maximum(total, 1e-12)))))
        area += precision * (reached - recall)
        recall = reached
    return area


def _boxes(span: Span) -> tuple[Interval, Interval]:
    return (
        (span.query_start_seconds, span.query_end_seconds),
        (span.reference_start_seconds, span.reference_end_seconds),
    )


def _contribution(
    claimed: Sequence[tuple[Interval, Interval]], true: Sequence[tuple[Interval, Interval]]
) -> np.ndarray:
    """Of one pair: right and claimed lengths, (2, 2) with an axis a column."""
    reached = [box for box in true if any(_overlap(box[0], c[0]) and _overlap(box[1], c[1]) for c in claimed)]
    total, both = _lengths(claimed), _lengths([*claimed, *reached])
    return np.stack([total + _lengths(reached) - both, total])  # |A and B| = |A| + |B| - |A or B|


def _overlap(one: Interval, other: Interval) -> bool:
    return min(one[1], other[1]) > max(one[0], other[0])


def _lengths(boxes: Sequence[tuple[Interval, Interval]]) -> np.ndarray:
    """Length of the union of intervals on both axes, (2,)."""
    return np.array([_union_length([box[axis] for box in boxes]) for axis in (0, 1)])


def _union_length(intervals: Sequence[Interval]) -> float:
    total, reached = 0.0, -np.inf
    for start, end in sorted(intervals):
        total += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return total


def recall_at(matches: Sequence[Match], truth: Truth, k: int) -> float:
    """Share of the matched queries whose right reference is among the k best of that query.

    References of equal score share the worst of their ranks: a method that scores all alike finds nothing.
    """
    by_query: dict[str, dict[str, float]] = {}
    for (query, reference), score in pair_scores(matches).items():
        by_query.setdefault(query, {})[reference] = score
    rights: dict[str, set[str]] = {}
    for query, reference in truth:
        rights.setdefault(query, set()).add(reference)
    found = 0
    for query, right in rights.items():
        scores = by_query.get(query, {})
        best = max((scores[reference] for reference in right if reference in scores), default=None)
        if best is not None:
            found += sum(score >= best for name, score in scores.items() if name not in right) < k
    return found / len(rights)


def true_positive_rates(
    matches: Sequence[Match], truth: Truth, n_pairs: int, false_positive_rates: Sequence[float]
) -> tuple[float, ...]:
    """Share of the right pairs above the threshold that lets at most a stated share of the wrong pairs through.

    Args:
        matches: of all queries; pairs that are missing score lowest.
        truth: the right pairs.
        n_pairs: queries times references.
        false_positive_rates: such as 1e-4.

    Returns:
        A rate for each; 0 where not even one wrong pair may pass, and one is on top.
    """
    scores = pair_scores(matches)
    wrong = np.sort([score for pair, score in scores.items() if pair not in truth])[::-1]
    right = np.array([scores[pair] for pair in truth if pair in scores])
    rates = []
    for rate in false_positive_rates:
        allowed = int(rate * (n_pairs - len(truth)))
        threshold = wrong[allowed] if allowed < len(wrong) else -np.inf
        rates.append(float((right > threshold).sum() / len(truth)))
    return tuple(rates)


def localisation_errors_seconds(matches: Sequence[Match], truth: Truth) -> np.ndarray:
    """Error of the best match of every right pair that was found, (n,) float64.

    It is the mean, over both ends of the match, of how far its reference instant lies from the one that the query
    shows there. How much of the span was found is segment average precision's to say.
    """
    best: dict[Pair, Match] = {}
    for match in matches:
        pair = (match.query, match.reference)
        if pair in truth and (pair not in best or match.score > best[pair].score):
            best[pair] = match
    errors = []
    for pair, match in best.items():
        span = nearest(truth[pair], (match.query_start_seconds + match.query_end_seconds) / 2)
        ends = (
            (match.query_start_seconds, match.reference_start_seconds),
            (match.query_end_seconds, match.reference_end_seconds),
        )
        errors.append(np.mean([abs(reference - span.reference_at(query)) for query, reference in ends]))
    return np.array(errors)


def false_match_rate(matches: Sequence[Match], unmatched: Sequence[str]) -> float:
    """Share of the unmatched queries for which any match was decided to hold.

    Raises:
        ValueError: there is no unmatched query.
    """
    if not unmatched:
        raise ValueError("no unmatched queries")
    decided = {match.query for match in matches if match.decision}
    return len(decided & set(unmatched)) / len(unmatched)
