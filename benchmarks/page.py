"""docs/benchmarks.md and its figure from docs/results/bench.json: nobody types a number."""

import io
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import layout, loading, training_step
from benchmarks.step import OVERHEAD, PARTS
from evaluate.results import Result, read_header, read_results

RESULTS, PAGE, FIGURE = (
    Path("docs/results/bench.json"), Path("docs/benchmarks.md"), Path("docs/figures/training-step.svg"),
)  # fmt: skip
_SECTION = re.compile(r"(<!-- bench: (?P<task>\S+) -->\n).*?(<!-- end bench -->)", re.DOTALL)
_STYLE: dict[Any, Any] = {
    "svg.hashsalt": "avtempo",  # the same picture is the same bytes
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 9.0,
}
_NETWORK, _AROUND = ("#0b5394", "#4d88c4", "#9fc5e8"), ("#b45f06", "#e69138", "#f6b26b", "#f9cb9c")
"""Colours of the network's parts and of the overhead's."""


def write_page(root: Path) -> None:
    """Fill the tables of docs/benchmarks.md and draw its figure."""
    results, header = read_results(root / RESULTS), read_header(root / RESULTS)
    picture = f"![stacked bar of the parts of a training step]({FIGURE.relative_to(PAGE.parent)})"
    tables = {
        training_step.TASK: f"{_step_table(results)}\n\n{picture}",
        loading.TASK: _loading_table(results),
        layout.TASK: _layout_table(results),
    }
    source = (
        f"`{header['command']}`; {header['machine']}; {header['date']}, commit {header['commit']} "
        "([data](results/bench.json))."
    )
    page = root / PAGE
    text = page.read_text(encoding="utf-8")
    page.write_text(
        _SECTION.sub(lambda m: f"{m[1]}\n{tables[m['task']]}\n\n{source}\n\n{m[3]}", text), encoding="utf-8"
    )
    figure = root / FIGURE
    figure.parent.mkdir(parents=True, exist_ok=True)
    figure.write_bytes(_draw(results))


def _values(results: Sequence[Result], task: str) -> dict[str, dict[str, Result]]:
    found: dict[str, dict[str, Result]] = {}
    for result in results:
        if result.task == task:
            found.setdefault(result.model, {})[result.metric] = result
    return found


def _step_table(results: Sequence[Result]) -> str:
    lines = ["| part | ms a step | share, per cent |", "|---|---:|---:|"]
    for values in _values(results, training_step.TASK).values():
        for name in PARTS:
            share = values[f"{name}, share"].value
            lines.append(f"| {name} | {1e3 * values[f'{name}, seconds'].value:.1f} | {100 * share:.1f} |")
        step, loop = values["step, seconds"], values["trainer loop, seconds"].value
        lines += [
            f"| **overhead**: {', '.join(OVERHEAD)} | | {100 * values['overhead, share'].value:.1f} |",
            f"| the step, timed part by part | {1e3 * step.value:.1f} | 100 |",
            f"| the step by the trainer's own clock | {1e3 * loop:.1f} | {100 * loop / step.value:.1f} |",
        ]
        lines += ["", f"Medians over blocks of {training_step.STEPS} steps, {step.n} steps in all."]
    return "\n".join(lines)


def _loading_table(results: Sequence[Result]) -> str:
    lines = [
        "| loading | whole windows, segments/s | planned, segments/s | ratio | batches each |",
        "|---|---:|---:|---:|---:|",
    ]
    for name, values in _values(results, loading.TASK).items():
        whole, planned = (values[f"{which}, segments a second"].value for which in ("whole windows", "planned"))
        ratio = values["ratio"]
        lines.append(f"| {name} | {whole:.0f} | {planned:.0f} | {ratio.value:.2f} | {ratio.n} |")
    return "\n".join(lines)


def _layout_table(results: Sequence[Result]) -> str:
    lines = ["| training | contiguous, ms | channels last, ms | speed-up | steps each |", "|---|---:|---:|---:|---:|"]
    for name, values in _values(results, layout.TASK).items():
        milliseconds = [1e3 * values[f"{which}, seconds"].value for which in ("contiguous", "channels last")]
        speed_up = values["speed-up"]
        lines.append(
            f"| {name} | {milliseconds[0]:.0f} | {milliseconds[1]:.0f} | {speed_up.value:.2f} | {speed_up.n} |"
        )
    return "\n".join(lines)


def _draw(results: Sequence[Result]) -> bytes:
    import matplotlib as mpl
    from matplotlib.figure import Figure  # without pyplot: no display, no global state

    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(9.0, 1.9), layout="constrained")
        ax = figure.subplots()
        names = [name for name in PARTS if name not in OVERHEAD] + list(OVERHEAD)
        colours = dict(zip(names, (*_NETWORK, *_AROUND), strict=True))
        for row, (preset, values) in enumerate(_values(results, training_step.TASK).items()):
            left = 0.0
            for name in names:
                width = 1e3 * values[f"{name}, seconds"].value
                ax.barh(row, width, left=left, color=colours[name], label=f"{name} ({width:.0f} ms)", height=0.6)
                left += width
            loop = 1e3 * values["trainer loop, seconds"].value
            ax.plot(
                [loop, loop], [row - 0.42, row + 0.42], color="black", linewidth=1.2, label="the trainer's own clock"
            )
            ax.set_yticks([row], [preset])
        ax.set_xlabel("ms a step")
        for side in ("top", "right", "left"):
            ax.spines[side].set_visible(False)
        ax.tick_params(axis="y", length=0)
        figure.legend(loc="outside upper left", ncols=4, frameon=False, fontsize=8)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="svg", facecolor="white", metadata={"Date": None, "Creator": None})
    return buffer.getvalue()
