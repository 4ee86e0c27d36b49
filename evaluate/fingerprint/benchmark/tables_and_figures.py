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
_SHARES = (
    "micro-AP", "segment-AP", "top-1", "top-10", *(f"TPR@FPR={rate:g}" for rate in ROC_RATES),
    DECIDED, "false-match-rate",
)  # fmt: skip
_UNITS = (
    (OVERALL, "median-localisation-error-seconds", "median localisation error, s"),
    (COST, "descriptor-bytes-per-hour", "descriptors, bytes an hour of video"),
    (COST, "index-seconds-per-hour", "indexing, seconds an hour of video"),
    (COST, "queries-per-second", "queries a second"),
    (COST, "processor-seconds-per-query", "processor seconds a query"),
)


def heat_values(results: Sequence[Result], model: str, metric: str = METRIC) -> np.ndarray:
    """Return a metric of one method, (rows of ROWS, 3 strengths); nan if it was not measured.

    Undistorted clips have no strength; their value is in the first column.
    """
    found = {r.task: r.value for r in results if r.test == TEST and r.model == model and r.metric == metric}
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
    """Make tables: overall; micro-AP, and the share decided, by distortion and strength; both shares by query length.

    Every table has a column for each method. Lists without the share decided have no table of it.
    """
    found = {(r.task, r.model, r.metric): r for r in results if r.test == TEST}
    models = list(dict.fromkeys(model for _, model, _ in found))

    def row(title: str, task: str, metric: str, factor: float, form: str) -> tuple[str, ...]:
        """Format one metric of one task for all methods; "-" if it was not measured."""
        measured = [found.get((task, model, metric)) for model in models]
        return (title, *("-" if result is None else format(factor * result.value, form) for result in measured))

    overall = [row(metric, OVERALL, metric, 100, ".1f") for metric in _SHARES]
    measured = {(task, metric) for task, _, metric in found}
    overall += [row(title, task, metric, 1, ",.2f") for task, metric, title in _UNITS if (task, metric) in measured]
    lengths = []
    for task in dict.fromkeys(task for task, _, _ in found if task.startswith(LENGTH_PREFIX)):
        n = max(each.n for (of, _, metric), each in found.items() if (of, metric) == (task, "top-1"))
        shares = zip(*(row("", task, metric, 100, ".0f")[1:] for metric in ("top-1", DECIDED)), strict=True)
        lengths.append((f"{task.removeprefix(LENGTH_PREFIX)} (n={n})", *map("/".join, shares)))
    strengths, titles = " / ".join(STRENGTHS), ("distortion", *models)
    sheets = [
        Sheet("all distortions and strengths", ("per cent, or as named", *models), tuple(overall)),
        Sheet(f"micro-AP in per cent: {strengths}", titles, _distortions(results, models, METRIC)),
        Sheet(f"found and decided in per cent: {strengths}", titles, _distortions(results, models, DECIDED)),
        Sheet(
            "found first / found and decided, in per cent, by query length, under a medium distortion drawn",
            ("length", *models), tuple(lengths),
        ),
    ]  # fmt: skip
    return [sheet for sheet in sheets if sheet.rows]


def _distortions(results: Sequence[Result], models: Sequence[str], metric: str) -> tuple[tuple[str, ...], ...]:
    values, rows = [heat_values(results, model, metric) for model in models], []
    for row, name in enumerate(ROWS):
        cells = ["/".join("-" if v != v else f"{100 * v:.0f}" for v in each[row]) for each in values]  # noqa: PLR0124
        if any(cell != "-/-/-" for cell in cells):
            rows.append((name, *cells))
    return tuple(rows)
