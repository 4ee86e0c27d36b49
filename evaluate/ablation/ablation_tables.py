"""The rows of an ablation as tables: for the terminal, and in Markdown for the docs."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from evaluate.ablation.aggregate import COMPARED, Cell, Column, Comparison, compare, read_cells
from evaluate.protocols.temporal_heads import ACCURACY, TASKS
from evaluate.protocols.twin_pairs import METRIC, TASK
from evaluate.protocols.video_features import MODALITY_ORDER
from evaluate.results.results import Result
from evaluate.results.sheet import Sheet

Cells = Mapping[str, Mapping[Column, Cell]]
Columns = Mapping[str, Column]
"""By title."""


def _pairs(*differences: str) -> Columns:
    return {f"{m} {d}": (f"{TASK}{d}", m, METRIC) for d in differences for m in MODALITY_ORDER}


MAIN: Columns = {
    **{f"{modality} R@1": ("retrieval", modality, "R@1") for modality in MODALITY_ORDER},
    "joint linear": ("linear", "joint", "top-1"),
    **_pairs("time"),
}
PAIRS = _pairs("rhythm", "picture", "sound")
HEADS: Columns = {head.replace("_", " "): (task, modality, ACCURACY) for head, (task, modality) in TASKS.items()}


def make_sheet(title: str, columns: Columns, cells: Cells) -> Sheet:
    """Make a table of means and spreads, without columns and rows in which nothing was measured."""
    learnt = [row for model, row in cells.items() if model != "chance"]  # a column of chance alone is of no use
    shown = {name: column for name, column in columns.items() if any(column in row for row in learnt)}
    rows = [
        [model, *(cell_text(row.get(column)) for column in shown.values())]
        for model, row in cells.items()
        if any(column in row for column in shown.values())
    ]
    return Sheet(title, ["objective", *shown], rows)


def cell_text(cell: Cell | None) -> str:
    """Return the text of a cell, such as "45.9 ± 1.2", per cent; the mean alone without a spread."""
    if cell is None:
        return "-"
    spread = "" if cell.sd is None else f" ± {100 * cell.sd:.1f}"
    return f"{100 * cell.mean:.1f}{spread}"


def difference_text(comparison: Comparison) -> str:
    """Return the text of a difference, such as "+4.1 (spread 1.3)", in percentage points."""
    spread = "" if comparison.spread is None else f" (spread {100 * comparison.spread:.1f})"
    return f"{100 * comparison.difference:+.1f}{spread}"


def comparison_lines(comparisons: Sequence[Comparison]) -> list[str]:
    """Return one line a row and column: whole - row, its spread, and the verdict."""
    return [f"whole - {c.model}, {_name(c.column)}: {difference_text(c)}: {c.verdict}" for c in comparisons]


def ablation_markdown(results: Sequence[Result]) -> str:
    """Return the non-empty tables of an aggregated list."""
    cells = read_cells(results)
    main = make_sheet("Retrieval, linear probe", MAIN, cells)
    if set(main.columns) & set(_pairs("time")):
        main = replace(main, title=f"{main.title}, and R@1 within pairs of classes that are each other reversed (time)")
    sheets = [
        main,
        make_sheet("R@1 within pairs of classes that differ in rhythm, in video or in audio only", PAIRS, cells),
        make_sheet("Temporal tasks on held-out videos, accuracy of the run's own heads", HEADS, cells),
    ]
    if comparisons := compare(cells):
        sheets.append(_comparisons(comparisons))
    return "\n\n".join(sheet.markdown() for sheet in sheets if len(sheet.columns) > 1)


def _comparisons(comparisons: Sequence[Comparison]) -> Sheet:
    columns = [column for column in COMPARED if any(c.column == column for c in comparisons)]
    found = {(c.model, c.column): (difference_text(c), c.verdict) for c in comparisons}
    rows = [
        [model, *(text for column in columns for text in found.get((model, column), ("-", "")))]
        for model in dict.fromkeys(c.model for c in comparisons)
    ]
    titles = ["whole minus", *(title for column in columns for title in (_name(column), ""))]
    return Sheet("The whole method against each row, difference of the means", titles, rows)


def _name(column: Column) -> str:
    task, modality, metric = column
    return f"{modality} {'linear' if task == 'linear' else metric}"
