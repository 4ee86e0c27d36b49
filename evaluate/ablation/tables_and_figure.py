"""The rows of an ablation as tables, for the terminal and in Markdown, and as a figure.

The figure has a panel a measure and modality: a row an objective, a dot a seed, a bar at the mean.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path

from matplotlib.axes import Axes

from evaluate.ablation.aggregate import COMPARED, WHOLE, Cell, Column, Comparison, compare, read_cells, untrained_by
from evaluate.protocols.temporal_heads import ACCURACY, TASKS
from evaluate.protocols.twin_pairs import METRIC, TASK
from evaluate.protocols.video_features import MODALITY_ORDER, PARTS
from evaluate.results.results import Result
from evaluate.results.sheet import Sheet
from evaluate.results.svg_style import svg_figure

Cells = Mapping[str, Mapping[Column, Cell]]
Columns = Mapping[str, Column]
"""By title."""


REVERSED: Columns = {f"{modality} time": (f"{TASK}time", modality, METRIC) for modality in MODALITY_ORDER}
MAIN: Columns = {**COMPARED, **REVERSED}
HEADS: Columns = {head.replace("_", " "): (task, modality, ACCURACY) for head, (task, modality) in TASKS.items()}

MEASURES = {
    "R@1": ("retrieval", "R@1"), "linear probe": ("linear", "top-1"), "reversed pairs R@1": ("pairs-time", "R@1")
}  # fmt: skip
"""Task and metric of each row of panels, by title; measures that are missing are left out."""
WIDTH_PX = 900
WHOLE_COLOUR, WITHOUT_COLOUR, RIVAL_COLOUR, BASELINE_COLOUR = "#0b5394", "#4d88c4", "#b45f06", "#6b6b6b"


def make_sheet(title: str, columns: Columns, cells: Cells) -> Sheet:
    """Make a table of means and spreads, without columns and rows in which nothing was measured."""
    learnt = [row for model, row in cells.items() if model != "chance"]  # a column of chance alone is of no use
    shown = {name: column for name, column in columns.items() if any(column in row for row in learnt)}
    rows = [
        [model, *(cell_text(model, column, row.get(column)) for column in shown.values())]
        for model, row in cells.items()
        if any(column in row for column in shown.values())
    ]
    return Sheet(title, ["objective", *shown], rows)


def cell_text(model: str, column: Column, cell: Cell | None) -> str:
    """Return the text of a cell, such as "45.9 ± 1.2", per cent; the mean alone without a spread."""
    if cell is None:
        untrained = [each for each in PARTS[column[1]] if each in untrained_by(model)]  # type: ignore[index]
        return f"{' and '.join(untrained)} untrained" if untrained else "-"
    spread = "" if cell.sd is None else f" ± {100 * cell.sd:.1f}"
    return f"{100 * cell.mean:.1f}{spread}"


def comparison_sheet(comparisons: Sequence[Comparison], cells: Cells) -> Sheet:
    """Make a table of the whole method minus each row, with the spread and the verdict."""
    found = {(each.model, each.column): each for each in comparisons}
    shown = {name: column for name, column in COMPARED.items() if column in cells[WHOLE]}

    def text(model: str, column: Column) -> str:
        if (each := found.get((model, column))) is None:
            return cell_text(model, column, cells[model].get(column))
        spread = "" if each.spread is None else f" ({100 * each.spread:.1f})"
        return f"{100 * each.difference:+.1f}{spread}, {each.verdict}"

    models = dict.fromkeys(each.model for each in comparisons)
    rows = [[model, *(text(model, column) for column in shown.values())] for model in models]
    title = "whole minus each row, points (spread over seeds); better or worse: by more than the spread"
    return Sheet(title, ["whole minus", *shown], rows)


def comparison_note(comparisons: Sequence[Comparison]) -> str:
    """Say how many comparisons have a spread, how many exceed it, and how many would by chance alone."""
    if not (judged := [each for each in comparisons if each.spread is not None]):
        return "One seed a row gives no spread: no difference can be distinguished from chance."
    n_beyond = sum(each.verdict != "within" for each in judged)
    expected = sum(each.by_chance for each in judged)
    return (
        f"{len(judged)} comparisons, of which {n_beyond} exceed the spread. If no row differed from the whole method, "
        f"about {expected:.0f} would exceed it by chance."
    )


def ablation_markdown(results: Sequence[Result]) -> str:
    """Return the non-empty tables of an aggregated list."""
    cells = read_cells(results)
    main = make_sheet("Retrieval, linear probe", MAIN, cells)
    if set(main.columns) & set(REVERSED):
        main = replace(main, title=f"{main.title}, and R@1 within pairs of classes that are each other reversed (time)")
    heads = make_sheet("Temporal tasks on held-out videos, accuracy of the run's own heads", HEADS, cells)
    texts = [sheet.markdown() for sheet in (main, heads) if len(sheet.columns) > 1]
    if comparisons := compare(cells):
        texts += [comparison_sheet(comparisons, cells).markdown(), comparison_note(comparisons)]
    return "\n\n".join(texts)


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
