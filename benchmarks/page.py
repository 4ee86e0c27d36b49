"""The markers `bench: QUESTION` and `bench: ratios` of the docs, from docs/results/bench.json."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.race import GOAL, OURS, RATIO
from benchmarks.tables import cases_of, table
from evaluate.publish import FIGURES_DIR, RESULTS_DIR, Marker, fill_pages
from evaluate.results.results import Result, read_header
from evaluate.results.svg_style import svg_figure

RESULTS, FIGURE = RESULTS_DIR / "bench.json", FIGURES_DIR / "bench-ratios.svg"
_MET, _MISSED, _NO_GOAL = "#0b5394", "#b45f06", "#999999"


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
