"""The markers `bench: QUESTION` and `bench: ratios` of the docs: tables and a figure from docs/results/bench.json."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks import archive, duplicates, training_step
from benchmarks.question import GOAL, OURS, RATIO, SECONDS
from evaluate.publish import FIGURES_DIR, RESULTS_DIR, Kind, Marker
from evaluate.results.results import Result, read_header
from evaluate.results.sheet import Sheet
from evaluate.results.svg_style import svg_figure

RESULTS, FIGURE = RESULTS_DIR / "bench.json", FIGURES_DIR / "bench-ratios.svg"
_MET, _MISSED, _NO_GOAL = "#0b5394", "#b45f06", "#999999"
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
    shown = {training_step.TASK: _step, archive.TASK: _sizes, duplicates.TASK: _sizes}
    return shown.get(task, _race)(results)


def _number(value: float) -> str:
    return f"{value:,.3g}" if value < 100 else f"{value:,.0f}"


def _sizes(results: Sequence[Result]) -> str:
    """One row a size of the archive, and a column a metric."""
    titles = dict.fromkeys(result.metric for result in results)
    rows = [[name, *map(_number, values.values())] for name, values in values_of(results).items()]
    return Sheet("", ["archive", *titles], rows).grid()


def _race(results: Sequence[Result]) -> str:
    """One row a case and way: units per second, and our speed over the way's."""
    cases = cases_of(results)
    units = [each for each in next(iter(cases.values()))[OURS] if each.endswith("/s")]

    def row(case: str, way: str, values: dict[str, float]) -> list[str]:
        ratio, goal = (f"{values[key]:.2f}" if key in values else "" for key in (RATIO, GOAL))
        met = ("met" if values[RATIO] >= values[GOAL] else "**missed**") if goal else ""
        return [case, way, f"{values[SECONDS]:.3f}", *(_number(values[unit]) for unit in units), ratio, goal, met]

    rows = [row(case, way, values) for case, ways in cases.items() for way, values in ways.items()]
    sheet = Sheet("", ["job", "way", "s", *units, f"{OURS}'s speed over it", "goal", ""], rows, n_labels=2)
    below = f"Medians of {results[0].n} rounds; the speed over another way is the median of the ratios within a round."
    return f"{sheet.grid()}\n\n{below}"


def _step(results: Sequence[Result]) -> str:
    (values,) = values_of(results).values()
    step, loop = values["step, seconds"], values["trainer loop, seconds"]
    seconds = {name: values[f"{name}, seconds"] for name in training_step.FUNCTIONS}
    seconds[f"overhead: {', '.join(training_step.OVERHEAD)}"] = sum(seconds[name] for name in training_step.OVERHEAD)
    seconds |= {"the step, timed part by part": step, "the step by the trainer's own clock": loop}
    rows = [[name, f"{1e3 * part:.1f}", f"{100 * part / step:.1f}"] for name, part in seconds.items()]
    return f"{Sheet('', ['part', 'ms a step', 'share, per cent'], rows).grid()}\n\nMedians of {results[0].n} steps."


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
        ax, box = figure.subplots(), {"boxstyle": "square,pad=0.1", "facecolor": "white", "edgecolor": "none"}
        for row, (_, ratio, goal) in enumerate(rows):
            colour = _NO_GOAL if goal is None else _MET if ratio >= goal else _MISSED
            bar = ax.barh(row, ratio - 1, left=1, color=colour, height=0.6)
            ax.bar_label(bar, [f"{ratio:.2f}"], padding=4, fontsize=8, bbox=box)
            if goal is not None:
                ax.plot([goal, goal], [row - 0.42, row + 0.42], color="black", linewidth=1.2, zorder=5)
        ax.set_xscale("log", base=2)
        ax.xaxis.set_major_formatter("{x:g}")
        ax.margins(x=0.12)
        ax.axvline(1, color="black", linewidth=0.6)
        ax.set_yticks(range(len(rows)), [name for name, _, _ in rows])
        ax.invert_yaxis()
        ax.set_xlabel("Avtempo's speed over it (upright stroke: the goal)")
        ax.spines[["top", "right", "left"]].set_visible(False)


BENCH: dict[str, Kind] = {"bench": bench}
"""The kind of markers that `fill_pages` fills."""
