"""The marker `bench: QUESTION` of docs/results/benchmarks.md: its table, figure and source, from docs/results/bench.json."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks import figures, growth, tables, training_step
from evaluate.publish import FIGURES_DIR, RESULTS_DIR, Marker, fill_pages
from evaluate.results.results import Result, read_header

RESULTS = RESULTS_DIR / "bench.json"
RATIOS = "ratios"
_FIGURES: dict[str, tuple[str, str, Callable[[Sequence[Result]], bytes]]] = {
    training_step.TASK: ("training-step.svg", "stacked bar of the parts of a training step", figures.draw_step),
    growth.TASK: ("growth.svg", "seconds and memory by size, on logarithmic axes", figures.draw_growth),
    RATIOS: ("bench-ratios.svg", "how many times as fast as the others Avtempo is", figures.draw_ratios),
}
"""Name, words and picture of a question's figure."""


def bench(marker: Marker) -> str:
    """What stands between the markers of a question; one without an answer says so."""
    task, marker = marker.name, replace(marker, name=RESULTS.stem)
    questions = read_header(marker.path).get("questions", {})
    if task == RATIOS:
        return _picture(marker, task, [result for result in marker.results if result.task in tables.RACES])
    if task not in questions:
        return "Not measured yet."
    header = questions[task]
    parts = [tables.table(task, marker.results, header.get("missing", {}))]
    if task in _FIGURES:
        parts.append(_picture(marker, task, marker.results))
    return "\n\n".join([*parts, marker.source(header)])


def _picture(marker: Marker, task: str, results: Sequence[Result]) -> str:
    name, words, draw = _FIGURES[task]
    path = marker.root / FIGURES_DIR / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(draw(results))
    return f"![{words}]({marker.link(FIGURES_DIR / name)})"


def write_page(root: Path) -> None:
    """Write the tables and figures of the benchmarks anew."""
    fill_pages(root, {"bench": bench})
