"""Figure of an ablation: a row an objective, a dot a seed, a bar at the mean."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.axes import Axes

from evaluate.ablation.aggregate import WHOLE, Cell, Column, read_cells
from evaluate.results.results import Result
from evaluate.results.svg_style import svg_figure

PANELS: tuple[tuple[str, tuple[Column, ...]], ...] = (
    ("retrieval R@1", (("retrieval", "joint", "R@1"), ("retrieval", "video", "R@1"), ("retrieval", "audio", "R@1"))),
    ("linear probe", (("linear", "joint", "top-1"), ("linear", "video", "top-1"), ("linear", "audio", "top-1"))),
    ("reversed pairs R@1", (("pairs-time", "joint", "R@1"), ("pairs-time", "video", "R@1"))),
)
"""Title, and columns; the first column that was measured is shown."""
WIDTH_PX = 900
WHOLE_COLOUR, WITHOUT_COLOUR, RIVAL_COLOUR, BASELINE_COLOUR = "#0b5394", "#4d88c4", "#b45f06", "#6b6b6b"


def write_figure(results: Sequence[Result], path: Path) -> None:
    """Draw an aggregated list as SVG; the same list gives the same bytes.

    Args:
        results: of `evaluate.ablation.aggregate.aggregate`.
        path: of the file; its folder is made if it is missing.
    """
    cells = read_cells(results)
    rows = [model for model in cells if model != "chance"]
    measured = {column for model in rows for column in cells[model]}
    panels = [(title, next((c for c in columns if c in measured), None)) for title, columns in PANELS]
    shown = [(title, column) for title, column in panels if column]
    with svg_figure(path, WIDTH_PX, 26 * len(rows) + 80) as figure:
        axes = figure.subplots(1, max(1, len(shown)), sharey=True, squeeze=False)[0]
        for ax, (title, column) in zip(axes, shown, strict=False):
            _draw(ax, rows, {model: row[column] for model, row in cells.items() if column in row})
            ax.set_title(f"{column[1]} {title}", fontsize=10, loc="left")
        axes[0].set_yticks(range(len(rows)), rows)
        axes[0].set_ylim(len(rows) - 0.4, -0.6)
        for label in axes[0].get_yticklabels():
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
    for side in ("top", "right", "left"):
        ax.spines[side].set_visible(False)


def _colour(model: str) -> str:
    if model.startswith("without-"):
        return WITHOUT_COLOUR
    return {WHOLE: WHOLE_COLOUR, "untrained": BASELINE_COLOUR, "raw": BASELINE_COLOUR}.get(model, RIVAL_COLOUR)
