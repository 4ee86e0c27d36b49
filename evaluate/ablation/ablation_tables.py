"""The rows of an ablation as tables: for the terminal, and in Markdown for the docs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich import box
from rich.table import Table

from evaluate.ablation.aggregate import Cell, Column, read_cells
from evaluate.ablation.comparison import Comparison, compare
from evaluate.protocols.temporal_heads import ACCURACY, TASKS
from evaluate.protocols.twin_pairs import METRIC, TASK
from evaluate.protocols.video_features import MODALITY_ORDER
from evaluate.results.results import Result

Cells = Mapping[str, Mapping[Column, Cell]]


@dataclass(frozen=True)
class TableSpec:
    """A table of an ablation: what it shows, its columns with their titles, and what it shows besides where pairs are known."""

    title: str
    columns: tuple[tuple[str, Column], ...]
    title_of_pairs: str = ""


def _pairs(*differences: str) -> tuple[tuple[str, Column], ...]:
    return tuple((f"{m} {d}", (f"{TASK}{d}", m, METRIC)) for d in differences for m in MODALITY_ORDER)


MAIN = TableSpec(
    "Retrieval, linear probe",
    (
        *((f"{modality} R@1", ("retrieval", modality, "R@1")) for modality in MODALITY_ORDER),
        ("joint linear", ("linear", "joint", "top-1")),
        *_pairs("time"),
    ),
    ", and R@1 within pairs of classes that are each other reversed (time)",
)
TABLES = (
    MAIN,
    TableSpec(
        "R@1 within pairs of classes that differ in rhythm, in video or in audio only",
        _pairs("rhythm", "picture", "sound"),
    ),
    TableSpec(
        "Temporal tasks on held-out videos, accuracy of the run's own heads",
        tuple((head.replace("_", " "), (task, modality, ACCURACY)) for head, (task, modality) in TASKS.items()),
    ),
)


def cell_text(cell: Cell | None) -> str:
    """Such as "45.9 ± 1.2", per cent; the mean alone where there is no spread."""
    if cell is None:
        return "-"
    spread = "" if cell.sd is None else f" ± {100 * cell.sd:.1f}"
    return f"{100 * cell.mean:.1f}{spread}"


def rows_of(spec: TableSpec, cells: Cells) -> tuple[list[str], list[list[str]]]:
    """Give titles and rows of text, without the columns and rows in which nothing was measured."""
    shown = _measured(spec, cells)
    rows = [
        [model, *(cell_text(row.get(column)) for _, column in shown)]
        for model, row in cells.items()
        if any(column in row for _, column in shown)
    ]
    return ["objective", *(title for title, _ in shown)], rows


def heading(spec: TableSpec, cells: Cells) -> str:
    """The title, of pairs only where a column of pairs is shown."""
    of_pairs = any(task.startswith(TASK) for _, (task, _, _) in _measured(spec, cells))
    return spec.title + spec.title_of_pairs * of_pairs


def _measured(spec: TableSpec, cells: Cells) -> list[tuple[str, Column]]:
    """Columns in which something was measured: one that chance alone fills says nothing."""
    return [(t, c) for t, c in spec.columns if any(c in row for model, row in cells.items() if model != "chance")]


def terminal_table(cells: Cells, title: str) -> Table:
    """The main table, per cent."""
    titles, rows = rows_of(MAIN, cells)
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column(titles[0], no_wrap=True)
    for name in titles[1:]:
        table.add_column(name, justify="right")
    for row in rows:
        table.add_row(*(text.replace(" ± ", "±") for text in row))  # 100 columns are enough
    return table


def comparison_lines(comparisons: Sequence[Comparison]) -> list[str]:
    """One line a row and column: whole - row, its spread, and what that says."""
    return [f"whole - {c.model}, {_name(c.column)}: {difference_text(c)}: {c.verdict}" for c in comparisons]


def difference_text(comparison: Comparison) -> str:
    """Such as "+4.1 (spread 1.3)", in points of per cent."""
    spread = "" if comparison.spread is None else f" (spread {100 * comparison.spread:.1f})"
    return f"{100 * comparison.difference:+.1f}{spread}"


def ablation_markdown(results: Sequence[Result]) -> str:
    """All tables of an aggregated list that have something to show."""
    cells = read_cells(results)
    parts = []
    for spec in TABLES:
        titles, rows = rows_of(spec, cells)
        if len(titles) > 1:
            parts.append(f"{heading(spec, cells)}:\n\n{_markdown(titles, rows)}")
    comparisons = compare(cells)
    if comparisons:
        parts.append(f"The whole method against each row, difference of the means:\n\n{_comparisons(comparisons)}")
    return "\n\n".join(parts)


def _comparisons(comparisons: Sequence[Comparison]) -> str:
    columns = list(dict.fromkeys(c.column for c in comparisons))
    titles = ["whole minus", *(title for column in columns for title in (_name(column), ""))]
    by_row: dict[str, dict[Column, Comparison]] = {}
    for comparison in comparisons:
        by_row.setdefault(comparison.model, {})[comparison.column] = comparison
    rows = []
    for model, found in by_row.items():
        texts = [(difference_text(c), c.verdict) if (c := found.get(column)) else ("-", "") for column in columns]
        rows.append([model, *(text for pair in texts for text in pair)])
    return _markdown(titles, rows)


def _name(column: Column) -> str:
    task, modality, metric = column
    return f"{modality} {'linear' if task == 'linear' else metric}"


def _markdown(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [titles, ["---"] + ["---:"] * (len(titles) - 1), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
