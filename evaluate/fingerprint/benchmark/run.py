"""The benchmark from a folder of videos to results: plan, queries, all methods, numbers, figures."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from evaluate.errors import FingerprintError
from evaluate.fingerprint.benchmark.method import Method, MethodMissingError
from evaluate.fingerprint.benchmark.protocol import Plan, Query, Size, make_plan, read_plan, write_plan
from evaluate.fingerprint.benchmark.queries import render_queries
from evaluate.fingerprint.benchmark.scoring import Measured, score
from evaluate.fingerprint.benchmark.videos import find_videos
from evaluate.fingerprint.match.matches import Match
from evaluate.results.results import Result
from store.atomic_files import replacing

Progress = Callable[[str, int, int], None]
"""Called with (stage, done, total)."""
PLAN_NAME = "plan.json"
QUERIES_AT_ONCE = 64


@dataclass(frozen=True)
class Outcome:
    """What a benchmark found; `missing` says of each method that could not run why."""

    plan: Plan
    results: tuple[Result, ...]
    missing: Mapping[str, str]


def prepare(videos: Path, out: Path, size: Size, seed: int) -> Plan:
    """Read the plan in `out` if it was made for the same folder, size and seed; else make and write one.

    Raises:
        FingerprintError: the videos do not suffice.
        CatalogueError: there are no videos.
    """
    path = out / PLAN_NAME
    facts = json.loads(json.dumps({"data": str(videos.resolve()), "size": asdict(size)}))
    if path.exists():
        plan = read_plan(path)
        there = json.loads(path.read_text(encoding="utf-8"))
        if plan.seed == seed and all(there.get(key) == value for key, value in facts.items()):
            return plan
    plan = make_plan(find_videos(videos), size, seed)
    out.mkdir(parents=True, exist_ok=True)
    write_plan(path, plan, facts)
    return plan


def benchmark(plan: Plan, videos: Path, out: Path, methods: Sequence[Method], jobs: int, progress: Progress) -> Outcome:
    """Render the plan's queries and measure methods on them; matches go to `out`/matches-METHOD.json.

    Args:
        plan: what to do.
        videos: folder of the sources.
        out: of the rendered queries and the matches.
        methods: that can run, peers or ours.
        jobs: ffmpeg processes at a time while rendering.
        progress: told about every query rendered and matched.

    Raises:
        FingerprintError: a query cannot be rendered, or no method could run.
    """
    paths = render_queries(
        plan.queries, videos, out / "queries", jobs, lambda done, total: progress("rendering", done, total)
    )
    results: list[Result] = []
    missing: dict[str, str] = {}
    for method in methods:
        try:
            measured = measure(plan, videos, paths, method, progress)
        except MethodMissingError as error:
            missing[method.name] = str(error)
            continue
        _write_matches(out / f"matches-{method.name}.json", measured.matches)
        results += score(plan, measured)
    if not results:
        raise FingerprintError("no method could run: " + "; ".join(missing.values()))
    return Outcome(plan, tuple(results), missing)


def measure(plan: Plan, videos: Path, paths: Mapping[str, Path], method: Method, progress: Progress) -> Measured:
    """Index, calibrate, match; times are wall clock."""
    progress(f"{method.name}: indexing", 0, len(plan.references))
    begin = time.perf_counter()
    n_bytes = method.index(
        {name: videos / name for name in plan.references}, {name: videos / name for name in plan.background}
    )
    index_seconds = time.perf_counter() - begin
    progress(f"{method.name}: indexing", len(plan.references), len(plan.references))
    method.calibrate({query.name: paths[query.name] for query in _of_role(plan, {"background"})})
    queries = _of_role(plan, {"matched", "unmatched"})
    matches: list[Match] = []
    begin = time.perf_counter()
    for first in range(0, len(queries), QUERIES_AT_ONCE):
        progress(f"{method.name}: matching", first, len(queries))
        matches += method.match({query.name: paths[query.name] for query in queries[first : first + QUERIES_AT_ONCE]})
    match_seconds = time.perf_counter() - begin
    progress(f"{method.name}: matching", len(queries), len(queries))
    return Measured(method.name, method.modality, tuple(matches), n_bytes, index_seconds, match_seconds)


def _of_role(plan: Plan, roles: set[str]) -> list[Query]:
    return [query for query in plan.queries if query.role in roles]


def _write_matches(path: Path, matches: Sequence[Match]) -> None:
    with replacing(path) as temporary:
        lines = ",\n".join(json.dumps(asdict(match), ensure_ascii=False) for match in matches)
        temporary.write_text(f"[\n{lines}\n]\n", encoding="utf-8")
