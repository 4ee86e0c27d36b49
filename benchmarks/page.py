"""The markers `bench: QUESTION` and `bench: ratios` of the docs: tables and a figure from docs/results/bench.json."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks import archive, duplicates, growth, training_step
from benchmarks.question import GOAL, OURS, RATIO, SECONDS
from evaluate.publish import FIGURES_DIR, RESULTS_DIR, Marker, fill_pages
from evaluate.results.results import Result, read_header
from evaluate.results.svg_style import svg_figure

RESULTS, FIGURE = RESULTS_DIR / "bench.json", FIGURES_DIR / "bench-ratios.svg"
_MET, _MISSED, _NO_GOAL = "#0b5394", "#b45f06", "#999999"
_UNITS = {"seconds of video/s": "hours of video an hour"}
"""Units that the table calls by another name."""
_TEXTS = ("job", "way", "archive", "stage", "part", "")
"""Titles of columns that hold texts."""

Values = dict[str, dict[str, float]]
"""By model and metric."""


def values_of(results: Iterable[Result], prefix: str = "") -> Values:
    """Values by model and metric, of the metrics that start with a prefix, which is cut off."""
    found: Values = {}
    for result in results:
        if result.metric.startswith(prefix):
            found.setdefault(result.model, {})[result.metric.removeprefix(prefix)] = result.value
    return found


def cases_of(results: Sequence[Result]) -> dict[str, Values]:
    """Values of a race by case, way and metric."""
    cases = dict.fromkeys(result.metric.partition(": ")[0] for result in results)
    return {case: values_of(results, f"{case}: ") for case in cases}


def table(task: str, results: Sequence[Result]) -> str:
    """The table of one question, from its records."""
    return _TABLES.get(task, _race)(results)


def _markdown(titles: Sequence[str], rows: Iterable[Sequence[str]], *below: str) -> str:
    """A table, texts to the left and numbers to the right, and lines below it."""
    rule = "".join("---|" if title in _TEXTS else "---:|" for title in titles)
    head, *lines = [f"| {' | '.join(row)} |" for row in (titles, *rows)]
    return "\n".join([head, f"|{rule}", *lines, *below])


def _met(*, met: bool) -> str:
    return "met" if met else "**missed**"


def _race(results: Sequence[Result]) -> str:
    """One row a case and way: units per second, and our speed over the way's."""
    cases = cases_of(results)
    units = [metric for metric in next(iter(cases.values()))[OURS] if metric.endswith("/s")]

    def row(case: str, way: str, values: dict[str, float]) -> list[str]:
        rates = [f"{values[unit]:,.3g}" if values[unit] < 100 else f"{values[unit]:,.0f}" for unit in units]
        ratio, goal = (f"{values[key]:.2f}" if key in values else "" for key in (RATIO, GOAL))
        met = _met(met=values[RATIO] >= values[GOAL]) if goal else ""
        return [case, way, f"{values[SECONDS]:.3f}", *rates, ratio, goal, met]

    titles = ["job", "way", "s", *(_UNITS.get(unit, unit) for unit in units), f"{OURS}'s speed over it", "goal", ""]
    rows = [row(case, way, values) for case, ways in cases.items() for way, values in ways.items()]
    below = f"Medians of {results[0].n} rounds; the speed over another way is the median of the ratios within a round."
    return _markdown(titles, rows, "", below)


def _growth(results: Sequence[Result]) -> str:
    rows = []
    for stage in dict.fromkeys(result.model for result in results):
        first: list[float] = []
        for values in cases_of(results).values():  # by size, the smallest first
            times = [values[stage].pop(key) for key in (growth.SECONDS, growth.MEBIBYTES)]
            first = first or times
            ((unit, size),) = values[stage].items()
            ratios = [f"{now / before:.2f}" for now, before in zip(times, first, strict=True)]
            rows.append([stage, f"{size:,.0f} {unit}", f"{times[0]:.3f}", f"{times[1]:.0f}", *ratios])
    titles = ["stage", "size", "s", growth.MEBIBYTES, "s, times the smallest", "MiB, times the smallest"]
    return _markdown(titles, rows)


def _step(results: Sequence[Result]) -> str:
    (values,) = values_of(results).values()
    step, loop = values["step, seconds"], values["trainer loop, seconds"]
    seconds = {name: values[f"{name}, seconds"] for name in training_step.FUNCTIONS}
    overhead = sum(seconds[name] for name in training_step.OVERHEAD)
    rows = [[name, f"{1e3 * part:.1f}", f"{100 * part / step:.1f}"] for name, part in seconds.items()]
    rows += [
        [f"**overhead**: {', '.join(training_step.OVERHEAD)}", "", f"{100 * overhead / step:.1f}"],
        ["the step, timed part by part", f"{1e3 * step:.1f}", "100"],
        ["the step by the trainer's own clock", f"{1e3 * loop:.1f}", f"{100 * loop / step:.1f}"],
    ]
    return _markdown(["part", "ms a step", "share, per cent"], rows, "", f"Medians of {results[0].n} steps.")


def _archive(results: Sequence[Result]) -> str:
    titles = [
        "archive", "descriptors", "codes, MB an hour", "s to build", "ms a query", "goal", "", "found first, per cent",
    ]  # fmt: skip
    goal = archive.GOAL_MILLISECONDS
    rows = [
        [
            name, f"{values[archive.ROWS]:,.0f}", f"{values[archive.MEGABYTES]:.2f}", f"{values[archive.BUILD]:.0f}",
            f"{values[archive.MILLISECONDS]:.0f}", f"{goal:.0f}", _met(met=values[archive.MILLISECONDS] <= goal),
            f"{100 * values[archive.FOUND]:.0f}",
        ]
        for name, values in values_of(results).items()
    ]  # fmt: skip
    return _markdown(titles, rows, "", f"Medians of {results[0].n} queries of 10 s.")


def _duplicates(results: Sequence[Result]) -> str:
    titles = ["archive", "sources", "s", "s a source", duplicates.PEAK, "copies found, per cent", duplicates.FALSE]
    rows = [
        [
            name, f"{values[duplicates.SOURCES]:,.0f}", f"{values[duplicates.SECONDS]:.0f}",
            f"{values[duplicates.SECONDS] / values[duplicates.SOURCES]:.3f}", f"{values[duplicates.PEAK]:.0f}",
            f"{100 * values[duplicates.FOUND]:.0f}", f"{values[duplicates.FALSE]:.0f}",
        ]
        for name, values in values_of(results).items()
    ]  # fmt: skip
    return _markdown(titles, rows)


_TABLES: dict[str, Callable[[Sequence[Result]], str]] = {
    growth.TASK: _growth, training_step.TASK: _step, archive.TASK: _archive, duplicates.TASK: _duplicates,
}  # fmt: skip
"""Tables of the questions that are no races."""


def write_page(root: Path) -> None:
    """Write the tables and the figure of the benchmarks anew."""
    fill_pages(root, {"bench": bench})


def bench(marker: Marker) -> str:
    """The table of a question with its source, or that it is not measured yet; or the figure of all ratios."""
    task, marker = marker.name, replace(marker, name=RESULTS.stem)
    if task == "ratios":
        write_figure(marker.results, marker.root / FIGURE)
        return f"![how many times as fast as the others Avtempo is]({marker.link(FIGURE)})"
    origin = read_header(marker.path)["questions"].get(task)
    if not origin:
        return "Not measured yet."
    found = [result for result in marker.results if result.task == task]
    return f"{table(task, found)}\n\n{marker.source(origin)}"


def write_figure(results: Sequence[Result], path: Path) -> None:
    """Draw one bar a case and other way: our speed over it, on a logarithmic axis, with the goal as a stroke."""
    rows = [
        (f"{task}, {case}: {name}", values[RATIO], values.get(GOAL))
        for task in dict.fromkeys(result.task for result in results if result.metric.endswith(RATIO))
        for case, ways in cases_of([result for result in results if result.task == task]).items()
        for name, values in ways.items()
        if name != OURS
    ]
    with svg_figure(path, 864, 58 + 21 * len(rows)) as figure:
        ax = figure.subplots()
        for row, (_, ratio, goal) in enumerate(rows):
            colour = _NO_GOAL if goal is None else _MET if ratio >= goal else _MISSED
            ax.barh(row, ratio - 1, left=1, color=colour, height=0.6)
            if goal is not None:
                ax.plot([goal, goal], [row - 0.42, row + 0.42], color="black", linewidth=1.2, zorder=5)
            ax.annotate(
                f"{ratio:.2f}", (ratio, row), xytext=(4 if ratio > 1 else -4, 0), textcoords="offset points",
                ha="left" if ratio > 1 else "right", va="center", fontsize=8,
                bbox={"boxstyle": "square,pad=0.1", "facecolor": "white", "edgecolor": "none"},
            )  # fmt: skip
        ax.set_xscale("log", base=2)
        ax.xaxis.set_major_formatter("{x:g}")
        ax.margins(x=0.12)
        ax.axvline(1, color="black", linewidth=0.6)
        ax.set_yticks(range(len(rows)), [name for name, _, _ in rows])
        ax.invert_yaxis()
        ax.set_xlabel("Avtempo's speed over it (upright stroke: the goal)")
        ax.spines[["top", "right", "left"]].set_visible(False)
