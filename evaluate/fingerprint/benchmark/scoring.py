"""From a method's matches to numbers: by distortion and strength, by query length, and over all."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from evaluate.fingerprint.benchmark.distort.distortion import STRENGTHS
from evaluate.fingerprint.benchmark.metrics import (
    Truth,
    false_match_rate,
    localisation_errors_seconds,
    micro_average_precision,
    recall_at,
    segment_average_precision,
    true_positive_rates,
)
from evaluate.fingerprint.benchmark.protocol import Plan, Query
from evaluate.fingerprint.match.matches import Match
from evaluate.results.results import Result

TEST = "fingerprint"
OVERALL = "all"
COST = "cost"
ROC_RATES = (1e-5, 1e-4, 1e-3, 1e-2)
LENGTH_PREFIX = "length/"


@dataclass(frozen=True)
class Measured:
    """What one method did with a plan.

    Attributes:
        name, modality: of the method.
        matches: of all matched and unmatched queries.
        descriptor_bytes: of all references.
        index_seconds: for describing and indexing them.
        query_seconds: for matching all queries, their decoding and description included.
    """

    name: str
    modality: str
    matches: tuple[Match, ...]
    descriptor_bytes: int
    index_seconds: float
    query_seconds: float


def truth_of(queries: Sequence[Query]) -> Truth:
    """All right pairs of some queries, with the seconds that they share."""
    return {(q.name, q.wanted.source): q.order.truth() for q in queries if q.role == "matched"}


def tasks_of(plan: Plan) -> dict[str, list[Query]]:
    """Queries by task in the plan's order, then those of all single distortions and pairs: "all", "all/light", ...

    Queries for calibration are not judged. Those that vary the length are not in "all", where lengths are equal.
    """
    tasks: dict[str, list[Query]] = {}
    for query in plan.queries:
        if query.role == "background":
            continue
        tasks.setdefault(query.task, []).append(query)
        if not query.task.startswith(LENGTH_PREFIX):
            tasks.setdefault(OVERALL, []).append(query)
            strength = query.task.rpartition("/")[2]
            if strength in STRENGTHS:
                tasks.setdefault(f"{OVERALL}/{strength}", []).append(query)
    return tasks


def score(plan: Plan, measured: Measured) -> tuple[Result, ...]:
    """All numbers of one method."""
    by_query: dict[str, list[Match]] = {}
    for match in measured.matches:
        by_query.setdefault(match.query, []).append(match)
    results = list(_costs(plan, measured))
    for task, queries in tasks_of(plan).items():
        n_matched = sum(query.role == "matched" for query in queries)
        if not n_matched:
            continue
        matches = [match for query in queries for match in by_query.get(query.name, ())]
        for metric, value, n in _judge(task, queries, matches, len(plan.references)):
            results.append(Result(TEST, task, None, measured.modality, measured.name, metric, value, n))
    return tuple(results)


def _judge(
    task: str, queries: Sequence[Query], matches: Sequence[Match], n_references: int
) -> Iterator[tuple[str, float, int]]:
    """Metric, value, and the number of queries behind it."""
    truth = truth_of(queries)
    n = len(truth)
    yield "micro-AP", micro_average_precision(matches, truth), n
    yield "segment-AP", segment_average_precision(matches, truth), n
    yield "top-1", recall_at(matches, truth, 1), n
    yield "top-10", recall_at(matches, truth, 10), n
    if task.startswith(OVERALL):
        rates = true_positive_rates(matches, truth, len(queries) * n_references, ROC_RATES)
        for rate, value in zip(ROC_RATES, rates, strict=True):
            yield f"TPR@FPR={rate:g}", value, n
        errors = localisation_errors_seconds(matches, truth)
        if len(errors):
            yield "median-localisation-error-seconds", float(np.median(errors)), len(errors)
        decided = {(match.query, match.reference) for match in matches if match.decision}
        yield "found-and-decided", sum(pair in decided for pair in truth) / n, n
        unmatched = [query.name for query in queries if query.role == "unmatched"]
        if unmatched:
            yield "false-match-rate", false_match_rate(matches, unmatched), len(unmatched)


def _costs(plan: Plan, measured: Measured) -> Iterator[Result]:
    hours = plan.reference_seconds / 3600
    n_queries = sum(query.role != "background" for query in plan.queries)
    values = (
        ("descriptor-bytes-per-hour", measured.descriptor_bytes / hours, len(plan.references)),
        ("index-seconds-per-hour", measured.index_seconds / hours, len(plan.references)),
        ("queries-per-second", n_queries / measured.query_seconds, n_queries),
    )
    for metric, value, n in values:
        yield Result(TEST, COST, None, measured.modality, measured.name, metric, value, n)
