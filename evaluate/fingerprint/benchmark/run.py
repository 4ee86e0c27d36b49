"""The benchmark of a plan: render the queries, run all methods on them, score the matches."""

import json
import resource
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

from evaluate.fingerprint.benchmark.method import Method
from evaluate.fingerprint.benchmark.metrics import COST, TEST, Number, score
from evaluate.fingerprint.benchmark.protocol import Plan
from evaluate.fingerprint.benchmark.render import render_queries
from evaluate.fingerprint.match.matches import Match, best_first
from evaluate.results.results import Result
from preprocess.sources import path_of
from store.atomic_files import write_text

Progress = Callable[[str, int, int], None]
"""Called with (stage, done, total)."""
QUERIES_AT_ONCE = 64
KEPT_SPANS = 20
"""Spans of a query, the best ones, in the file of matches: some methods find hundreds of thousands."""


def benchmark(
    plan: Plan, videos: Path, out: Path, methods: Sequence[Method], jobs: int, progress: Progress
) -> tuple[Result, ...]:
    """Render the plan's queries and measure methods on them; each query's best matches go to `out`/matches-METHOD.json.

    Args:
        plan: references, background and queries.
        videos: folder of the sources.
        out: folder of the rendered queries and the matches.
        methods: peers or ours, in the order of the results.
        jobs: ffmpeg processes at a time while rendering.
        progress: called for every query that is rendered, and for every block that is matched.

    Raises:
        FingerprintError, StoreError: a query cannot be rendered.
    """
    paths = render_queries(plan.queries, videos, out / "queries", jobs, partial(progress, "rendering"))
    results: list[Result] = []
    for method in methods:
        matches, costs = _measure(plan, videos, paths, method, progress)
        lines = ",\n".join(json.dumps(asdict(match), ensure_ascii=False) for match in _best(matches))
        write_text(out / f"matches-{method.name}.json", f"[\n{lines}\n]\n")
        for task, metric, value, n in (*costs, *score(plan, matches)):
            results.append(Result(TEST, task, None, method.modality, method.name, metric, value, n))
    return tuple(results)


def _best(matches: Sequence[Match]) -> Iterator[Match]:
    """Give the best spans of each query."""
    of_query = defaultdict[str, list[Match]](list)
    for match in matches:
        of_query[match.query].append(match)
    for found in of_query.values():
        yield from best_first(found)[:KEPT_SPANS]


def _measure(
    plan: Plan, videos: Path, paths: Mapping[str, Path], method: Method, progress: Progress
) -> tuple[list[Match], list[Number]]:
    """Index, calibrate, match; return matches and costs. Times include decoding and description; rates are wall clock."""
    n_references, hours = len(plan.references), plan.reference_seconds / 3600
    progress(f"{method.name}: indexing", 0, n_references)
    begin = time.perf_counter()
    n_bytes = method.index(
        {name: path_of(videos, name) for name in plan.references},
        {name: path_of(videos, name) for name in plan.background},
    )
    index_seconds = time.perf_counter() - begin
    progress(f"{method.name}: indexing", n_references, n_references)
    method.calibrate({query.name: paths[query.name] for query in plan.of_role("background")})
    queries = plan.of_role("matched", "unmatched")
    matches: list[Match] = []
    begin, begin_cpu = time.perf_counter(), _cpu_seconds()
    for first in range(0, len(queries), QUERIES_AT_ONCE):
        progress(f"{method.name}: matching", first, len(queries))
        matches += method.match({query.name: paths[query.name] for query in queries[first : first + QUERIES_AT_ONCE]})
    match_seconds, cpu_seconds = time.perf_counter() - begin, _cpu_seconds() - begin_cpu
    progress(f"{method.name}: matching", len(queries), len(queries))
    return matches, [
        (COST, "descriptor-bytes-per-hour", n_bytes / hours, n_references),
        (COST, "index-seconds-per-hour", index_seconds / hours, n_references),
        (COST, "queries-per-second", len(queries) / match_seconds, len(queries)),
        (COST, "processor-seconds-per-query", cpu_seconds / len(queries), len(queries)),
    ]


def _cpu_seconds() -> float:
    """Processor time of this process and of those it started, which other work on the machine changes less than the clock."""
    usages = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)
