"""The ablation as one picture: a row an objective, a dot a seed, a bar at the mean."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from evaluate.ablation.aggregate import WHOLE, Cell, Column, read_cells
from evaluate.results.results import Result
from evaluate.results.svg_style import PX_PER_INCH, STYLE
from store.atomic_files import replacing

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PANELS: tuple[tuple[str, tuple[Column, ...]], ...] = (
    ("retrieval R@1", (("retrieval", "joint", "R@1"), ("retrieval", "video", "R@1"), ("retrieval", "audio", "R@1"))),
    ("linear probe", (("linear", "joint", "top-1"), ("linear", "video", "top-1"), ("linear", "audio", "top-1"))),
    ("reversed pairs R@1", (("pairs-time", "joint", "R@1"), ("pairs-time", "video", "R@1"))),
)
"""Title, and the columns of which the first that was measured is shown."""
WIDTH_PX = 900
_COLOURS = {"whole": "#0b5394", "without": "#4d88c4", "rival": "#b45f06", "baseline": "#6b6b6b"}


def write_figure(results: Sequence[Result], path: Path) -> None:
    """Draw an aggregated list as SVG; the same list gives the same bytes.

    Args:
        results: as `evaluate.ablation.aggregate.aggregate` gives them.
        path: of the file, whose folder is made.
    """
    cells = read_cells(results)
    rows = [model for model in cells if model != "chance"]
    panels = [(title, column) for title, columns in PANELS if (column := _first_measured(columns, cells, rows))]
    picture = _draw(cells, rows, panels)
    with replacing(path) as temporary:
        temporary.write_bytes(picture)


def _first_measured(
    columns: Sequence[Column], cells: Mapping[str, Mapping[Column, Cell]], rows: Sequence[str]
) -> Column | None:
    return next((column for column in columns if any(column in cells[model] for model in rows)), None)


def _draw(
    cells: Mapping[str, Mapping[Column, Cell]], rows: Sequence[str], panels: Sequence[tuple[str, Column]]
) -> bytes:
    import matplotlib as mpl
    from matplotlib.figure import Figure  # without pyplot: no display, no global state

    with mpl.rc_context(STYLE):
        size = (WIDTH_PX / PX_PER_INCH, (26 * len(rows) + 80) / PX_PER_INCH)
        figure = Figure(figsize=size, layout="constrained")
        axes = figure.subplots(1, max(1, len(panels)), sharey=True, squeeze=False)[0]
        for ax, (title, column) in zip(axes, panels, strict=False):
            _panel(ax, rows, {model: cells[model].get(column) for model in (*rows, "chance") if model in cells})
            ax.set_title(f"{column[1]} {title}", fontsize=10, loc="left")
        axes[0].set_yticks(range(len(rows)), rows)
        axes[0].set_ylim(len(rows) - 0.4, -0.6)
        for label in axes[0].get_yticklabels():
            label.set_fontweight("bold" if label.get_text() == WHOLE else "normal")
        buffer = io.BytesIO()
        figure.savefig(buffer, format="svg", facecolor="white", metadata={"Date": None, "Creator": None})
    return buffer.getvalue()


def _panel(ax: "Axes", rows: Sequence[str], cells: Mapping[str, Cell | None]) -> None:
    whole, chance = cells.get(WHOLE), cells.get("chance")
    if whole:
        ax.axvline(100 * whole.mean, color=_COLOURS["whole"], linewidth=0.8, alpha=0.5, zorder=0)
    if chance:
        ax.axvline(100 * chance.mean, color=_COLOURS["baseline"], linewidth=0.8, linestyle=(0, (3, 3)), zorder=0)
    for y, model in enumerate(rows):
        cell = cells[model]
        if cell is None:
            continue
        colour = _COLOURS[_kind(model)]
        values = [100 * value for value in cell.by_seed.values()] or [100 * cell.mean]
        ax.plot(values, [y] * len(values), "o", color=colour, markersize=4.5, alpha=0.6, markeredgewidth=0, zorder=2)
        if cell.by_seed:
            mean = 100 * cell.mean
            ax.plot(
                [mean, mean], [y - 0.32, y + 0.32], "-", color=colour, linewidth=2.4, solid_capstyle="butt", zorder=3
            )
    ax.set_xlabel("per cent" + ("; dashed: chance" if chance else ""))
    ax.grid(visible=True, axis="y", color="#e6e6e6", linewidth=0.6)
    ax.set_axisbelow(True)
    ax.tick_params(length=0)
    for side in ("top", "right", "left"):
        ax.spines[side].set_visible(False)


def _kind(model: str) -> str:
    if model == WHOLE:
        return "whole"
    if model in ("untrained", "raw"):
        return "baseline"
    return "without" if model.startswith("without-") else "rival"
