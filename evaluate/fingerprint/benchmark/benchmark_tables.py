"""The benchmark's numbers as tables, for the terminal and for the docs."""

from collections.abc import Sequence

from evaluate.fingerprint.benchmark.distort.catalogue import STRENGTHS
from evaluate.fingerprint.benchmark.figure import ROWS, heat_values
from evaluate.fingerprint.benchmark.scoring import COST, LENGTH_PREFIX, OVERALL, ROC_RATES, TEST
from evaluate.results.results import Result
from evaluate.results.sheet import Sheet

_SHARES = (
    "micro-AP", "segment-AP", "top-1", "top-10", *(f"TPR@FPR={rate:g}" for rate in ROC_RATES),
    "found-and-decided", "false-match-rate",
)  # fmt: skip
_UNITS = (
    (OVERALL, "median-localisation-error-seconds", "median localisation error, s"),
    (COST, "descriptor-bytes-per-hour", "descriptors, bytes an hour of video"),
    (COST, "index-seconds-per-hour", "indexing, seconds an hour of video"),
    (COST, "queries-per-second", "queries a second"),
)


def benchmark_tables(results: Sequence[Result]) -> tuple[Sheet, Sheet, Sheet]:
    """Overall numbers, micro-AP by distortion and strength, top-1 by query length; a column a method."""
    models = list(dict.fromkeys(result.model for result in results if result.test == TEST))
    return _overall(results, models), _distortions(results, models), _lengths(results, models)


def _overall(results: Sequence[Result], models: Sequence[str]) -> Sheet:
    found = {(r.task, r.model, r.metric): r.value for r in results if r.test == TEST}
    rows = []
    for metric in _SHARES:
        values = [found.get((OVERALL, model, metric)) for model in models]
        rows.append((metric, *("-" if value is None else f"{100 * value:.1f}" for value in values)))
    for task, metric, title in _UNITS:
        values = [found.get((task, model, metric)) for model in models]
        rows.append((title, *("-" if value is None else f"{value:,.2f}" for value in values)))
    return Sheet("all distortions and strengths", ("per cent, or as named", *models), tuple(rows))


def _distortions(results: Sequence[Result], models: Sequence[str]) -> Sheet:
    values, rows = {model: heat_values(results, model) for model in models}, []
    for row, name in enumerate(ROWS):
        cells = ["/".join("-" if v != v else f"{100 * v:.0f}" for v in values[model][row]) for model in models]  # noqa: PLR0124
        if any(cell != "-/-/-" for cell in cells):
            rows.append((name, *cells))
    return Sheet(f"micro-AP in per cent: {' / '.join(STRENGTHS)}", ("distortion", *models), tuple(rows))


def _lengths(results: Sequence[Result], models: Sequence[str]) -> Sheet:
    found = {(r.task, r.model): r for r in results if r.test == TEST and r.metric == "top-1"}
    rows = []
    for task in dict.fromkeys(task for task, _ in found if task.startswith(LENGTH_PREFIX)):
        here = [found.get((task, model)) for model in models]
        n = max(result.n for result in here if result is not None)
        title = f"{task.removeprefix(LENGTH_PREFIX)} (n={n})"
        rows.append((title, *("-" if result is None else f"{100 * result.value:.1f}" for result in here)))
    title = "top-1 in per cent by query length, under a medium distortion drawn"
    return Sheet(title, ("length", *models), tuple(rows))
