"""How well a ranking finds the right references, and the right seconds of them: by distortion, by length, over all.

Scores are compared over all queries. A method whose scores are not comparable between queries loses here, as it would
with one threshold. Pairs of equal score count as one step, so their order does not matter.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import groupby
from math import inf, sqrt

import numpy as np

from evaluate.fingerprint.benchmark.distort.catalogue import STRENGTHS
from evaluate.fingerprint.benchmark.protocol import Plan
from evaluate.fingerprint.benchmark.query import Query
from evaluate.fingerprint.benchmark.truth import Span
from evaluate.fingerprint.match.matches import Match

Pair = tuple[str, str]
"""(query, reference)"""
Truth = Mapping[Pair, Sequence[Span]]
"""The right pair of every matched query, with the shared seconds; not empty."""
AXES = ("query", "reference")
TEST = "fingerprint"
OVERALL = "all"
COST = "cost"
DECIDED = "found-and-decided"
ROC_RATES = (1e-5, 1e-4, 1e-3, 1e-2)
LENGTH_PREFIX = "length/"

Number = tuple[str, str, float, int]
"""(task, metric, value, number of queries or references behind it)"""


def best_matches(matches: Sequence[Match]) -> dict[Pair, Match]:
    """Return the best match of every pair that was found."""
    best: dict[Pair, Match] = {}
    for match in matches:
        pair = (match.query, match.reference)
        if pair not in best or match.score > best[pair].score:
            best[pair] = match
    return best


def micro_average_precision(matches: Sequence[Match], truth: Truth) -> float:
    """Compute the area under precision over recall of one ranking of all pairs, including those of unmatched queries.

    As in the descriptor track of VSC2022 (Pizzi et al., 2023, section 4), it is the sum over ranks of precision times
    the gain of recall. Right pairs that were not found lower the highest recall.
    """
    ranked = sorted(best_matches(matches).items(), key=lambda item: -item[1].score)
    area, n_right, n_seen = 0.0, 0, 0
    for _, tied in groupby(ranked, key=lambda item: item[1].score):
        are_right = [pair in truth for pair, _ in tied]
        n_right, n_seen = n_right + sum(are_right), n_seen + len(are_right)
        area += sum(are_right) / len(truth) * n_right / n_seen
    return area


def segment_average_precision(matches: Sequence[Match], truth: Truth) -> float:
    """Compute micro-average precision of seconds instead of pairs.

    As in the matching track of VSC2022, matches enter by falling score. On each axis, precision is the right length
    divided by the claimed length, and recall the right length divided by the true length. A true span counts as reached
    once a match of its pair overlaps it on both axes. Both are the geometric mean over the two axes.
    """
    true = np.sum([_lengths(spans) for spans in truth.values()], axis=0)  # (2,)
    claimed: dict[Pair, list[Match]] = defaultdict(list)
    counted: dict[Pair, np.ndarray] = {}
    right_and_claimed = np.zeros((2, 2))  # rows: right, claimed; columns: query, reference
    area = recall = 0.0
    for _, tied in groupby(sorted(matches, key=lambda match: -match.score), key=lambda match: match.score):
        changed = set()
        for match in tied:
            pair = (match.query, match.reference)
            claimed[pair].append(match)
            changed.add(pair)
        for pair in sorted(changed):
            now = _right_and_claimed(claimed[pair], truth.get(pair, ()))
            right_and_claimed += now - counted.get(pair, 0.0)
            counted[pair] = now
        right, total = right_and_claimed
        reached = sqrt(max(0.0, float(np.prod(right / true))))
        precision = sqrt(max(0.0, float(np.prod(right / np.maximum(total, 1e-12)))))
        area += precision * (reached - recall)
        recall = reached
    return area


def _right_and_claimed(claimed: Sequence[Match], true: Sequence[Span]) -> np.ndarray:
    """Return right and claimed seconds of one pair, (2, 2); the columns are the axes."""
    reached = [span for span in true if any(_overlap(span, match) for match in claimed)]
    total, both = _lengths(claimed), _lengths([*claimed, *reached])
    return np.stack([total + _lengths(reached) - both, total])  # |A and B| = |A| + |B| - |A or B|


def _overlap(span: Span, match: Match) -> bool:
    """Tell whether the two share seconds on both axes."""
    pairs = ((_interval(span, axis), _interval(match, axis)) for axis in AXES)
    return all(min(one[1], other[1]) > max(one[0], other[0]) for one, other in pairs)


def _lengths(spans: Sequence[Span | Match]) -> np.ndarray:
    """Return the seconds that spans cover together on each axis, (2,)."""
    lengths = np.zeros(2)
    for number, axis in enumerate(AXES):
        reached = -inf
        for start, end in sorted(_interval(span, axis) for span in spans):
            lengths[number] += max(0.0, end - max(start, reached))
            reached = max(reached, end)
    return lengths


def _interval(span: Span | Match, axis: str) -> tuple[float, float]:
    return getattr(span, f"{axis}_start_seconds"), getattr(span, f"{axis}_end_seconds")


def recall_at(matches: Sequence[Match], truth: Truth, k: int) -> float:
    """Return the share of matched queries whose right reference is among the query's k best.

    References of equal score share the worst of their ranks: a method with equal scores for all finds nothing.
    """
    best = best_matches(matches)
    wrong: dict[str, list[float]] = defaultdict(list)
    for pair, match in best.items():
        if pair not in truth:
            wrong[match.query].append(match.score)
    ahead = [sum(score >= best[pair].score for score in wrong[pair[0]]) for pair in truth if pair in best]
    return sum(n < k for n in ahead) / len(truth)


def true_positive_rate(matches: Sequence[Match], truth: Truth, n_pairs: int, false_positive_rate: float) -> float:
    """Return the share of right pairs above the threshold that at most this share of the wrong pairs passes.

    Of `n_pairs`, queries times references, those without a match score lowest. The result is 0 if no wrong pair may
    pass and a wrong pair scores highest.
    """
    best = best_matches(matches)
    wrong = sorted((match.score for pair, match in best.items() if pair not in truth), reverse=True)
    n_allowed = int(false_positive_rate * (n_pairs - len(truth)))
    threshold = wrong[n_allowed] if n_allowed < len(wrong) else -inf
    return sum(best[pair].score > threshold for pair in truth if pair in best) / len(truth)


def localisation_errors_seconds(matches: Sequence[Match], truth: Truth) -> list[float]:
    """Return the error of the best match of every right pair that was found.

    At both ends of a match, its second of the reference is compared with the second that the query shows there. The
    error is the mean of the two distances. How much of the span was found is in `segment_average_precision`.
    """
    errors = []
    for pair, match in best_matches(matches).items():
        if pair in truth:
            middle = (match.query_start_seconds + match.query_end_seconds) / 2
            span = min(
                truth[pair], key=lambda s: max(s.query_start_seconds - middle, middle - s.query_end_seconds, 0.0)
            )
            ends = zip(_interval(match, "query"), _interval(match, "reference"), strict=True)
            errors.append(float(np.mean([abs(reference - span.reference_at(query)) for query, reference in ends])))
    return errors


def false_match_rate(matches: Sequence[Match], unmatched: Collection[str]) -> float:
    """Return the share of unmatched queries with a decided match."""
    decided = {match.query for match in matches if match.decision}
    return len(decided.intersection(unmatched)) / len(unmatched)


def tasks_of(plan: Plan) -> dict[str, list[Query]]:
    """Return queries by task, and the queries of all single distortions and pairs: "all", "all/light", ...

    Queries for calibration are not evaluated. Those of "length/..." are not in "all", where lengths are equal.
    """
    tasks: dict[str, list[Query]] = defaultdict(list)
    for query in plan.of_role("matched", "unmatched"):
        tasks[query.task].append(query)
        if not query.task.startswith(LENGTH_PREFIX):
            tasks[OVERALL].append(query)
            strength = query.task.rpartition("/")[2]
            if strength in STRENGTHS:
                tasks[f"{OVERALL}/{strength}"].append(query)
    return tasks


def score(plan: Plan, matches: Sequence[Match]) -> Iterator[Number]:
    """Compute all metrics of one method from its matches of all matched and unmatched queries."""
    by_query: dict[str, list[Match]] = defaultdict(list)
    for match in matches:
        by_query[match.query].append(match)
    for task, queries in tasks_of(plan).items():
        if any(query.role == "matched" for query in queries):
            found = [match for query in queries for match in by_query[query.name]]
            yield from _score_task(task, queries, found, len(plan.references))


def _score_task(task: str, queries: Sequence[Query], matches: Sequence[Match], n_references: int) -> Iterator[Number]:
    truth = {(q.name, q.wanted.source): q.truth for q in queries if q.role == "matched"}
    n = len(truth)
    yield task, "micro-AP", micro_average_precision(matches, truth), n
    yield task, "segment-AP", segment_average_precision(matches, truth), n
    yield task, "top-1", recall_at(matches, truth, 1), n
    yield task, "top-10", recall_at(matches, truth, 10), n
    decided = {(match.query, match.reference) for match in matches if match.decision}
    yield task, DECIDED, len(decided.intersection(truth)) / n, n
    if not task.startswith(OVERALL):
        return
    for rate in ROC_RATES:
        value = true_positive_rate(matches, truth, len(queries) * n_references, rate)
        yield task, f"TPR@FPR={rate:g}", value, n
    errors = localisation_errors_seconds(matches, truth)
    if errors:
        yield task, "median-localisation-error-seconds", float(np.median(errors)), len(errors)
    unmatched = [query.name for query in queries if query.role == "unmatched"]
    yield task, "false-match-rate", false_match_rate(matches, unmatched), len(unmatched)
