"""From a method's matches to numbers: by distortion and strength, by query length, and over all."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np

from evaluate.fingerprint.benchmark import metrics
from evaluate.fingerprint.benchmark.distort.catalogue import STRENGTHS
from evaluate.fingerprint.benchmark.protocol import Plan
from evaluate.fingerprint.benchmark.query import Query
from evaluate.fingerprint.match.matches import Match

TEST = "fingerprint"
OVERALL = "all"
COST = "cost"
ROC_RATES = (1e-5, 1e-4, 1e-3, 1e-2)
LENGTH_PREFIX = "length/"

Number = tuple[str, str, float, int]
"""(task, metric, value, number of queries or references behind it)"""


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
    yield task, "micro-AP", metrics.micro_average_precision(matches, truth), n
    yield task, "segment-AP", metrics.segment_average_precision(matches, truth), n
    yield task, "top-1", metrics.recall_at(matches, truth, 1), n
    yield task, "top-10", metrics.recall_at(matches, truth, 10), n
    if not task.startswith(OVERALL):
        return
    for rate in ROC_RATES:
        value = metrics.true_positive_rate(matches, truth, len(queries) * n_references, rate)
        yield task, f"TPR@FPR={rate:g}", value, n
    errors = metrics.localisation_errors_seconds(matches, truth)
    if errors:
        yield task, "median-localisation-error-seconds", float(np.median(errors)), len(errors)
    decided = {(match.query, match.reference) for match in matches if match.decision}
    yield task, "found-and-decided", len(decided.intersection(truth)) / n, n
    unmatched = [query.name for query in queries if query.role == "unmatched"]
    yield task, "false-match-rate", metrics.false_match_rate(matches, unmatched), len(unmatched)
