"""docs/results/benchmarks.md and its figures from docs/results/bench.json: nobody types a number."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks import figures, growth, tables, training_step
from evaluate.results.results import Result, read_header, read_results

RESULTS, PAGE, FIGURES = Path("docs/results/bench.json"), Path("docs/results/benchmarks.md"), Path("docs/figures")
_SECTION = re.compile(r"(<!-- bench: (?P<task>\S+) -->\n).*?(<!-- end bench -->)", re.DOTALL)

Draw = Callable[[Sequence[Result]], bytes]
_FIGURES: dict[str, tuple[str, str, Draw]] = {
    training_step.TASK: ("training-step.svg", "stacked bar of the parts of a training step", figures.draw_step),
    growth.TASK: ("growth.svg", "seconds and memory by size, on logarithmic axes", figures.draw_growth),
}
"""Name, words and picture of a question's figure."""
_RATIOS = ("bench-ratios.svg", "how many times as fast as the others Avtempo is", figures.draw_ratios)
_RATIOS_SECTION = "ratios"


def write_page(root: Path) -> None:
    """Fill the tables of docs/results/benchmarks.md and draw its figures; a question that was never asked says so."""
    results, questions = read_results(root / RESULTS), read_header(root / RESULTS).get("questions", {})

    def section(found: re.Match[str]) -> str:
        task = found["task"]
        if task == _RATIOS_SECTION:
            raced = [result for result in results if result.task in tables.RACES]
            body = _picture(root, _RATIOS, raced) if raced else "Not measured yet."
        elif task not in questions:
            body = "Not measured yet."
        else:
            header = questions[task]
            body = tables.table(task, results, header.get("missing", {}))
            if task in _FIGURES:
                body += "\n\n" + _picture(root, _FIGURES[task], results)
            body += (
                f"\n\n`{header['command']}`; {header['machine']}; {header['date']}, commit {header['commit']} "
                "([data](results/bench.json))."
            )
        return f"{found[1]}\n{body}\n\n{found[3]}"

    page = root / PAGE
    page.write_text(_SECTION.sub(section, page.read_text(encoding="utf-8")), encoding="utf-8")


def _picture(root: Path, figure: tuple[str, str, Draw], results: Sequence[Result]) -> str:
    name, words, draw = figure
    (root / FIGURES).mkdir(parents=True, exist_ok=True)
    (root / FIGURES / name).write_bytes(draw(results))
    return f"![{words}](figures/{name})"
