"""The benchmark as pictures: a heat map of every distortion and strength, and the ROC at low false-positive rates."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from evaluate.fingerprint.benchmark.distort.catalogue import NAMES
from evaluate.fingerprint.benchmark.distort.distortion import STRENGTHS
from evaluate.fingerprint.benchmark.protocol import CLEAN
from evaluate.fingerprint.benchmark.scoring import OVERALL, ROC_RATES, TEST
from evaluate.results.results import Result
from evaluate.results.svg_style import PX_PER_INCH, STYLE
from store.atomic_files import replacing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

METRIC = "micro-AP"
TITLE_PX = 9
"""Of a panel's width, a letter of its title: the layout lets titles run over the edge."""
ROWS = (CLEAN, *NAMES, "pair", OVERALL)


def heat_values(results: Sequence[Result], model: str) -> np.ndarray:
    """Micro-AP of one method, (rows of ROWS, 3 strengths); nan where it was not measured.

    What has no strength (no distortion at all) stands in the first column.
    """
    found = {r.task: r.value for r in results if r.test == TEST and r.model == model and r.metric == METRIC}
    cells = [[found.get(f"{name}/{strength}", np.nan) for strength in STRENGTHS] for name in ROWS]
    cells[0][0] = found.get(CLEAN, np.nan)
    return np.array(cells)


def write_heat_map(results: Sequence[Result], path: Path) -> None:
    """Draw micro-AP as SVG: a row a distortion, a panel a method, a column a strength; equal results, equal bytes."""
    models = list(dict.fromkeys(r.model for r in results if r.test == TEST))
    values = {model: heat_values(results, model) for model in models}
    shown = [row for row in range(len(ROWS)) if any(np.isfinite(values[model][row]).any() for model in models)]
    import matplotlib as mpl
    from matplotlib.figure import Figure  # without pyplot: no display, no global state

    with mpl.rc_context(STYLE):
        panel_px = max(130, *(TITLE_PX * len(model) for model in models))
        size = ((150 + panel_px * len(models)) / PX_PER_INCH, (90 + 20 * len(shown)) / PX_PER_INCH)
        figure = Figure(figsize=size, layout="constrained")
        axes = figure.subplots(1, len(models), sharey=True, squeeze=False)[0]
        for ax, model in zip(axes, models, strict=True):
            _heat(ax, values[model][shown])
            ax.set_title(f"{model}\n{_overall(results, model)}", fontsize=10)
        axes[0].set_yticks(range(len(shown)), [ROWS[row] for row in shown])
        figure.supxlabel("micro-AP in per cent by strength of the distortion", fontsize=9)
        _save(figure, path)


def _overall(results: Sequence[Result], model: str) -> str:
    values = [r.value for r in results if (r.test, r.task, r.model, r.metric) == (TEST, OVERALL, model, METRIC)]
    return f"overall {100 * values[0]:.1f}" if values else ""


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
    rates = {
        (r.model, r.metric): r.value for r in results if r.test == TEST and r.task == OVERALL and "FPR" in r.metric
    }
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(480 / PX_PER_INCH, 320 / PX_PER_INCH), layout="constrained")
        ax = figure.subplots()
        for model in dict.fromkeys(model for model, _ in rates):
            heights = [100 * rates[model, f"TPR@FPR={rate:g}"] for rate in ROC_RATES]
            ax.plot(ROC_RATES, heights, "o-", markersize=4, linewidth=1.4, label=model)
        ax.set_xscale("log")
        ax.set_ylim(0, 102)
        ax.set_xlabel("share of wrong pairs let through")
        ax.set_ylabel("right pairs found, per cent")
        ax.grid(visible=True, color="#e6e6e6", linewidth=0.6)
        ax.legend(frameon=False)
        _save(figure, path)


def _save(figure: "Figure", path: Path) -> None:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg", facecolor="white", metadata={"Date": None, "Creator": None})
    with replacing(path) as temporary:
        temporary.write_bytes(buffer.getvalue())
