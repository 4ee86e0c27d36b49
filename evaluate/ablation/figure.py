"""Figure of an ablation, a panel a measure and modality: a row an objective, a dot a seed, a bar at the mean."""

from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path

from matplotlib.axes import Axes

from evaluate.ablation.aggregate import WHOLE, Cell, read_cells
from evaluate.protocols.video_features import MODALITY_ORDER
from evaluate.results.results import Result
from evaluate.results.svg_style import svg_figure

MEASURES = {
    "R@1": ("retrieval", "R@1"), "linear probe": ("linear", "top-1"), "reversed pairs R@1": ("pairs-time", "R@1")
}  # fmt: skip
"""Task and metric of each row of panels, by title; measures that are missing are left out."""
WIDTH_PX = 900
WHOLE_COLOUR, WITHOUT_COLOUR, RIVAL_COLOUR, BASELINE_COLOUR = "#0b5394", "#4d88c4", "#b45f06", "#6b6b6b"


def write_figure(results: Sequence[Result], path: Path) -> None:
    """Draw an aggregated list as SVG; the same list gives the same bytes. A missing folder is made."""
    cells = read_cells(results)
    rows = [model for model in cells if model != "chance"]
    measured = {column for model in rows for column in cells[model]}
    modalities = [each for each in MODALITY_ORDER if each in {modality for _, modality, _ in measured}]
    lines = [
        [(f"{modality} {title}", (task, modality, metric)) for modality in modalities]
        for title, (task, metric) in MEASURES.items()
        if any((task, modality, metric) in measured for modality in modalities)
    ]
    height_px = (26 * len(rows) + 80) * max(1, len(lines))
    with svg_figure(path, WIDTH_PX, height_px) as figure:
        panels = figure.subplots(max(1, len(lines)), max(1, len(modalities)), sharey=True, squeeze=False)
        for axes, line in zip(panels, lines, strict=False):
            for ax, (title, column) in zip(axes, line, strict=True):
                ax.set_visible(column in measured)
                _draw(ax, rows, {model: row[column] for model, row in cells.items() if column in row})
                ax.set_title(title, fontsize=10, loc="left")
        panels[0, 0].set_yticks(range(len(rows)), rows)
        panels[0, 0].set_ylim(len(rows) - 0.4, -0.6)
        for label in chain.from_iterable(ax.get_yticklabels() for ax in panels[:, 0]):
            label.set_fontweight("bold" if label.get_text() == WHOLE else "normal")


def _draw(ax: Axes, rows: Sequence[str], cells: Mapping[str, Cell]) -> None:
    if WHOLE in cells:
        ax.axvline(100 * cells[WHOLE].mean, color=WHOLE_COLOUR, linewidth=0.8, alpha=0.5, zorder=0)
    if "chance" in cells:
        mean = 100 * cells["chance"].mean
        ax.axvline(mean, color=BASELINE_COLOUR, linewidth=0.8, linestyle=(0, (3, 3)), zorder=0)
    for y, model in enumerate(rows):
        if model not in cells:
            continue
        colour, mean = _colour(model), 100 * cells[model].mean
        values = [100 * value for value in cells[model].by_seed.values()] or [mean]
        ax.plot(values, [y] * len(values), "o", color=colour, markersize=4.5, alpha=0.6, markeredgewidth=0, zorder=2)
        if cells[model].by_seed:
            bar = [y - 0.32, y + 0.32]
            ax.plot([mean, mean], bar, "-", color=colour, linewidth=2.4, solid_capstyle="butt", zorder=3)
    ax.set_xlabel("per cent" + ("; dashed: chance" if "chance" in cells else ""))
    ax.grid(visible=True, axis="y", color="#e6e6e6", linewidth=0.6)
    ax.set_axisbelow(True)
    ax.tick_params(length=0)
    ax.spines[["top", "right", "left"]].set_visible(False)


def _colour(model: str) -> str:
    if model.startswith("without-"):
        return WITHOUT_COLOUR
    return {WHOLE: WHOLE_COLOUR, "untrained": BASELINE_COLOUR, "raw": BASELINE_COLOUR}.get(model, RIVAL_COLOUR)
