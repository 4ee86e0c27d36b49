"""The benchmark's numbers as tables and figures: a heat map of all distortions, and the ROC at low false-positive rates."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from evaluate.fingerprint.benchmark.distort.catalogue import NAMES, STRENGTHS
from evaluate.fingerprint.benchmark.metrics import COST, DECIDED, LENGTH_PREFIX, OVERALL, ROC_RATES, TEST
from evaluate.fingerprint.benchmark.protocol import CLEAN
from evaluate.results.results import Result
from evaluate.results.sheet import Sheet
from evaluate.results.svg_style import svg_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

METRIC = "micro-AP"
TITLE_PX = 9
"""Width of a letter in a panel's title; without enough room the layout lets titles run over the edge."""
ROWS = (CLEAN, *NAMES, "pair", OVERALL)
USUAL_STRENGTH = STRENGTHS[1]
_SHARES = (METRIC, "segment-AP", "top-1", "top-10", DECIDED, "false-match-rate")
_UNITS = (
    (OVERALL, "median-localisation-error-seconds", "median localisation error, s", ".2f"),
    (COST, "descriptor-bytes-per-hour", "descriptors, bytes an hour of video", ",.0f"),
    (COST, "index-seconds-per-hour", "indexing, seconds an hour of video", ".0f"),
    (COST, "queries-per-second", "queries a second", ".2f"),
    (COST, "processor-seconds-per-query", "processor seconds a query", ".2f"),
)


def heat_values(results: Sequence[Result], model: str) -> np.ndarray:
    """Return micro-AP of one method, (rows of ROWS, 3 strengths); nan if it was not measured.

    Undistorted clips have no strength; their value is in the first column.
    """
    found = {r.task: r.value for r in results if r.test == TEST and r.model == model and r.metric == METRIC}
    cells = [[found.get(f"{name}/{strength}", np.nan) for strength in STRENGTHS] for name in ROWS]
    cells[0][0] = found.get(CLEAN, np.nan)
    return np.array(cells)


def write_heat_map(results: Sequence[Result], path: Path) -> None:
    """Draw micro-AP as SVG: a row for each distortion, a panel for each method, a column for each strength."""
    overall = {r.model: r.value for r in results if (r.test, r.task, r.metric) == (TEST, OVERALL, METRIC)}
    values = {model: heat_values(results, model) for model in overall}
    shown = [row for row in range(len(ROWS)) if any(np.isfinite(cells[row]).any() for cells in values.values())]
    panel_px = max(130, *(TITLE_PX * len(model) for model in overall))
    with svg_figure(path, 150 + panel_px * len(overall), 90 + 20 * len(shown)) as figure:
        axes = figure.subplots(1, len(overall), sharey=True, squeeze=False)[0]
        for ax, model in zip(axes, overall, strict=True):
            _heat(ax, values[model][shown])
            ax.set_title(f"{model}\noverall {100 * overall[model]:.1f}", fontsize=10)
        axes[0].set_yticks(range(len(shown)), [ROWS[row] for row in shown])
        figure.supxlabel("micro-AP in per cent by strength of the distortion", fontsize=9)


def _heat(ax: "Axes", cells: np.ndarray) -> None:
    ax.imshow(cells, vmin=0, vmax=1, cmap="Blues", aspect="auto")
    for (row, column), value in np.ndenumerate(cells):
        if np.isfinite(value):
            colour = "white" if value > 0.6 else "black"
            ax.text(column, row, f"{100 * value:.0f}", ha="center", va="center", color=colour, fontsize=8)
    ax.set_xticks(range(len(STRENGTHS)), STRENGTHS)
    ax.tick_params(length=0)
    for side in ax.spines.values():
        side.set_visible(False)


def write_roc(results: Sequence[Result], path: Path) -> None:
    """Draw the share of right pairs found at low false-positive rates as SVG, over all distortions."""
    found = {
        (r.model, r.metric): r.value for r in results if r.test == TEST and r.task == OVERALL and "FPR" in r.metric
    }
    with svg_figure(path, 480, 320) as figure:
        ax = figure.subplots()
        for model in dict.fromkeys(model for model, _ in found):
            heights = [100 * found[model, f"TPR@FPR={rate:g}"] for rate in ROC_RATES]
            ax.plot(ROC_RATES, heights, "o-", markersize=4, linewidth=1.4, label=model)
        ax.set_xscale("log")
        ax.set_ylim(0, 102)
        ax.set_xlabel("share of wrong pairs let through")
        ax.set_ylabel("right pairs found, per cent")
        ax.grid(visible=True, color="#e6e6e6", linewidth=0.6)
        if found:
            ax.legend(frameon=False)


def benchmark_tables(results: Sequence[Result]) -> list[Sheet]:
    """Make tables with a column for each method: over all; shares found by distortion, the weakest first; by length.

    Distortions of which all is equal share a row. Micro-AP by distortion is in the heat map, rates are in the ROC.
    """
    found = {(r.task, r.model, r.metric): r for r in results if r.test == TEST}
    models = list(dict.fromkeys(model for _, model, _ in found))
    tasks = list(dict.fromkeys(task for task, _, _ in found))

    def row(title: str, task: str, metric: str, factor: float, form: str) -> tuple[str, ...]:
        """Format one metric of one task for all methods; "-" if it was not measured."""
        measured = [found.get((task, model, metric)) for model in models]
        return (title, *("-" if result is None else format(factor * result.value, form) for result in measured))

    def shares(title: str, task: str) -> tuple[str, ...]:
        both = zip(*(row("", task, metric, 100, ".0f")[1:] for metric in ("top-1", DECIDED)), strict=True)
        return (title, *map("/".join, both))

    def decided(task: str) -> float:
        return found[task, models[0], DECIDED].value if (task, models[0], DECIDED) in found else 0.0

    overall = [row(metric, OVERALL, metric, 100, ".1f") for metric in _SHARES]
    overall += [row(title, task, metric, 1, form) for task, metric, title, form in _UNITS if task in tasks]
    kinds, lengths = [], []
    for task in sorted(tasks, key=decided):
        name, _, strength = task.partition("/")
        if name in ROWS and name != OVERALL:
            kinds.append(shares(name if strength in ("", USUAL_STRENGTH) else f"{name} ({strength})", task))
    for task in (task for task in tasks if task.startswith(LENGTH_PREFIX)):
        n = max(each.n for (of, _, metric), each in found.items() if (of, metric) == (task, "top-1"))
        lengths.append(shares(f"{task.removeprefix(LENGTH_PREFIX)} (n={n})", task))
    words = "found first / found and decided, in per cent"
    sheets = [
        Sheet("all distortions and strengths", ("per cent, or as named", *models), overall),
        Sheet(
            f"{words}; {USUAL_STRENGTH} distortions where no strength is named", ("distortion", *models), kinds
        ).joined(),
        Sheet(f"{words}, by query length, under a distortion drawn", ("length", *models), lengths),
    ]
    return [sheet for sheet in sheets if sheet.rows]
