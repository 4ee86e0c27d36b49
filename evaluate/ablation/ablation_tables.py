"""The rows of an ablation as tables: for the terminal, and in Markdown for the docs."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from evaluate.ablation.aggregate import COMPARED, WHOLE, Cell, Column, Comparison, compare, read_cells, untrained_by
from evaluate.protocols.temporal_heads import ACCURACY, TASKS
from evaluate.protocols.twin_pairs import METRIC, TASK
from evaluate.protocols.video_features import MODALITY_ORDER, PARTS
from evaluate.results.results import Result
from evaluate.results.sheet import Sheet

Cells = Mapping[str, Mapping[Column, Cell]]
Columns = Mapping[str, Column]
"""By title."""


def _pairs(*differences: str) -> Columns:
    return {f"{m} {d}": (f"{TASK}{d}", m, METRIC) for d in differences for m in MODALITY_ORDER}


MAIN: Columns = {**COMPARED, **_pairs("time")}
PAIRS = _pairs("rhythm", "picture", "sound")
HEADS: Columns = {head.replace("_", " "): (task, modality, ACCURACY) for head, (task, modality) in TASKS.items()}


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
    """Say how many comparisons there are, how many exceed the spread, and how many would by chance alone."""
    n_beyond = sum(each.verdict in ("better", "worse") for each in comparisons)
    expected = sum(each.by_chance for each in comparisons)
    return (
        f"{len(comparisons)} comparisons, of which {n_beyond} exceed the spread. If no row differed from the whole method, "
        f"about {expected:.0f} would exceed it by chance."
    )


def ablation_markdown(results: Sequence[Result]) -> str:
    """Return the non-empty tables of an aggregated list."""
    cells = read_cells(results)
    main = make_sheet("Retrieval, linear probe", MAIN, cells)
    if set(main.columns) & set(_pairs("time")):
        main = replace(main, title=f"{main.title}, and R@1 within pairs of classes that are each other reversed (time)")
    pairs = make_sheet("R@1 within pairs of classes that differ in rhythm, in video or in audio only", PAIRS, cells)
    heads = make_sheet("Temporal tasks on held-out videos, accuracy of the run's own heads", HEADS, cells)
    texts = [sheet.markdown() for sheet in (main, pairs, heads) if len(sheet.columns) > 1]
    if comparisons := compare(cells):
        texts += [comparison_sheet(comparisons, cells).markdown(), comparison_note(comparisons)]
    return "\n\n".join(texts)
