"""The results of a test as a table for the terminal."""

from collections.abc import Sequence

from rich.table import Table

from evaluate.results import MODALITIES, Result
from evaluate.retrieval import RECALL_AT

COLUMNS = (*(("retrieval", f"R@{k}") for k in RECALL_AT), ("linear", "top-1"))
_LAST = ("raw", "chance")


def results_table(results: Sequence[Result], test: str) -> Table:
    """Rows = modality and model, columns = R@k and linear top-1 in per cent, mean over splits; the best is bold.

    Args:
        results: records of any tests; only the means of `test` are shown.
        test: the dataset.
    """
    means = [r for r in results if r.test == test and r.split is None and _column(r) in COLUMNS]
    splits = {r.split for r in results if r.test == test and r.split is not None}
    values = {(r.modality, r.model, _column(r)): r for r in means}
    table = Table(title=f"{test}: mean over {len(splits)} splits, per cent", title_justify="left")
    for name in ("modality", "model"):
        table.add_column(name, no_wrap=True, min_width=10)
    for task, metric in COLUMNS:
        table.add_column("linear" if task == "linear" else metric, justify="right")
    table.add_column("queries", justify="right")
    for modality in (m for m in MODALITIES if any(r.modality == m for r in means)):
        models = model_order([r.model for r in means if r.modality == modality])
        for model in models:
            row = [values.get((modality, model, column)) for column in COLUMNS]
            best = [
                max((r.value for r in means if r.modality == modality and _column(r) == c), default=0.0)
                for c in COLUMNS
            ]
            cells = [_cell(value, top) for value, top in zip(row, best, strict=True)]
            n = max((value.n for value in row if value is not None), default=0)
            table.add_row(modality, model, *cells, f"{n:,}", end_section=model == models[-1])
    return table


def folds_table(results: Sequence[Result], test: str) -> Table:
    """Rows = model, columns = each task's top-1 in per cent: the mean over folds, and each fold.

    Args:
        results: records of any tests; only those of `test` with folds are shown.
        test: the dataset.
    """
    rows = [r for r in results if r.test == test and r.metric == "top-1"]
    folds = sorted({r.split for r in rows if r.split is not None})
    values = {(r.model, r.task, r.split): r.value for r in rows}
    tasks = list(dict.fromkeys(r.task for r in rows))
    table = Table(title=f"{test}: top-1 over {len(folds)} folds, per cent", title_justify="left")
    for name in ("task", "model", "mean", *(f"fold {fold}" for fold in folds)):
        table.add_column(name, justify="left" if name in ("task", "model") else "right", no_wrap=True)
    for task in tasks:
        models = model_order([r.model for r in rows if r.task == task])
        for model in models:
            found = [values.get((model, task, fold)) for fold in (None, *folds)]
            cells = ["-" if value is None else f"{100 * value:.1f}" for value in found]
            table.add_row(task, model, *cells, end_section=model == models[-1])
    return table


def _column(result: Result) -> tuple[str, str]:
    return (result.task, result.metric)


def _cell(result: Result | None, best: float) -> str:
    if result is None:
        return "-"
    text = f"{100 * result.value:.1f}"
    return f"[bold]{text}[/bold]" if result.value >= best else text


def model_order(models: Sequence[str]) -> list[str]:
    """Pretrained in all its ways first, then the others by name, raw input and chance last."""
    place = {model: 1 + i for i, model in enumerate(_LAST)}
    return sorted(set(models), key=lambda model: (-1 if model.startswith("pretrained") else place.get(model, 0), model))
