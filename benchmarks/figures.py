"""Figures of benchmarks as SVG; the same numbers are the same bytes."""

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from benchmarks import growth, training_step
from benchmarks.race import OURS, RATIO
from benchmarks.step import OVERHEAD, PARTS
from benchmarks.tables import RACES, cases_of, values_of
from evaluate.results.results import Result
from evaluate.results.svg_style import STYLE

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_NETWORK, _AROUND = ("#0b5394", "#4d88c4", "#9fc5e8"), ("#b45f06", "#e69138", "#f6b26b", "#f9cb9c")
"""Colours of the network's parts and of the overhead's."""
_MET, _MISSED, _NO_GOAL = "#0b5394", "#b45f06", "#999999"


@contextmanager
def _figure(size_inches: tuple[float, float]) -> "Iterator[Figure]":
    import matplotlib as mpl
    from matplotlib.figure import Figure  # without pyplot: no display, no global state

    with mpl.rc_context(STYLE):
        yield Figure(figsize=size_inches, layout="constrained")


def _svg(figure: "Figure") -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg", facecolor="white", metadata={"Date": None, "Creator": None})
    return buffer.getvalue()


def _without(ax: Any, *sides: str) -> None:
    for side in sides:
        ax.spines[side].set_visible(False)


def draw_ratios(results: Sequence[Result]) -> bytes:
    """One bar a case and other way: our speed over it, on a logarithmic axis, with the goal as a tick."""
    rows = [
        (f"{task}, {case}: {name}", values[RATIO].value, values["goal"].value if "goal" in values else None)
        for task in RACES
        for case, ways in cases_of(results, task).items()
        for name, values in ways.items()
        if name != OURS
    ]
    with _figure((9.0, 0.6 + 0.22 * len(rows))) as figure:
        ax = figure.subplots()
        for row, (_, ratio, goal) in enumerate(rows):
            colour = _NO_GOAL if goal is None else _MET if ratio >= goal else _MISSED
            ax.barh(row, ratio - 1, left=1, color=colour, height=0.6)
            if goal is not None:
                ax.plot([goal, goal], [row - 0.42, row + 0.42], color="black", linewidth=1.2, zorder=5)
            ax.annotate(f"{ratio:.2f}", (ratio, row), xytext=(4 if ratio > 1 else -4, 0), textcoords="offset points",
                        ha="left" if ratio > 1 else "right", va="center", fontsize=8,
                        bbox={"boxstyle": "square,pad=0.1", "facecolor": "white", "edgecolor": "none"})  # fmt: skip
        ax.set_xscale("log", base=2)
        ax.xaxis.set_major_formatter("{x:g}")
        ax.margins(x=0.12)
        ax.axvline(1, color="black", linewidth=0.6)
        ax.set_yticks(range(len(rows)), [name for name, _, _ in rows])
        ax.invert_yaxis()
        ax.set_xlabel("Avtempo's speed over it (upright stroke: the goal)")
        _without(ax, "top", "right", "left")
        return _svg(figure)


def draw_growth(results: Sequence[Result]) -> bytes:
    """Seconds and memory by size; both axes logarithmic, so linear growth is a slope of 1."""
    with _figure((9.0, 3.2)) as figure:
        for ax, key in zip(figure.subplots(1, 2), (growth.SECONDS, growth.MEBIBYTES), strict=True):
            for stage, values in values_of(results, growth.TASK).items():
                points = [
                    (float(name.partition("x")[0]), result.value)
                    for name, result in values.items()
                    if name.endswith(f": {key}")
                ]
                ax.plot(*zip(*points, strict=True), marker="o", markersize=3, label=stage)
            ax.set_xscale("log")
            ax.set_yscale("log")
            if key == growth.MEBIBYTES:
                ax.set_ylim(bottom=10)  # a little growth must not look like much
            ax.set_xlabel("times the sources")
            ax.set_ylabel(key)
            _without(ax, "top", "right")
        handles, labels = ax.get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=len(labels), frameon=False, fontsize=8)
        return _svg(figure)


def draw_step(results: Sequence[Result]) -> bytes:
    """The parts of a training step on one bar."""
    with _figure((9.0, 1.9)) as figure:
        ax = figure.subplots()
        names = [name for name in PARTS if name not in OVERHEAD] + list(OVERHEAD)
        colours = dict(zip(names, (*_NETWORK, *_AROUND), strict=True))
        for row, (preset, values) in enumerate(values_of(results, training_step.TASK).items()):
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
        return _svg(figure)
