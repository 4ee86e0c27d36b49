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
    """Make tables of the overall numbers, micro-AP by distortion and strength, and top-1 by query length.

    Every table has a column for each method.
    """
    found = {(r.task, r.model, r.metric): r for r in results if r.test == TEST}
    models = list(dict.fromkeys(model for _, model, _ in found))

    def row(title: str, task: str, metric: str, factor: float, form: str) -> tuple[str, ...]:
        """Format one metric of one task for all methods; "-" if it was not measured."""
        measured = [found.get((task, model, metric)) for model in models]
        return (title, *("-" if result is None else format(factor * result.value, form) for result in measured))

    overall = [row(metric, OVERALL, metric, 100, ".1f") for metric in _SHARES]
    overall += [row(title, task, metric, 1, ",.2f") for task, metric, title in _UNITS]
    lengths = []
    for task in dict.fromkeys(
        task for task, _, metric in found if task.startswith(LENGTH_PREFIX) and metric == "top-1"
    ):
        n = max(found[task, model, "top-1"].n for model in models if (task, model, "top-1") in found)
        lengths.append(row(f"{task.removeprefix(LENGTH_PREFIX)} (n={n})", task, "top-1", 100, ".1f"))
    title = "top-1 in per cent by query length, under a medium distortion drawn"
    return (
        Sheet("all distortions and strengths", ("per cent, or as named", *models), tuple(overall)),
        _distortions(results, models),
        Sheet(title, ("length", *models), tuple(lengths)),
    )


def _distortions(results: Sequence[Result], models: Sequence[str]) -> Sheet:
    values, rows = {model: heat_values(results, model) for model in models}, []
    for row, name in enumerate(ROWS):
        cells = ["/".join("-" if v != v else f"{100 * v:.0f}" for v in values[model][row]) for model in models]  # noqa: PLR0124
        if any(cell != "-/-/-" for cell in cells):
            rows.append((name, *cells))
    return Sheet(f"micro-AP in per cent: {' / '.join(STRENGTHS)}", ("distortion", *models), tuple(rows))
