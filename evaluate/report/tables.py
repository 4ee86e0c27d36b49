"""Records of results.json as the rows and columns that a person reads."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from evaluate.results import MODALITIES, Result
from evaluate.table import model_order

RAW_TITLES = {"video": "raw pixels", "audio": "mean log-mel", "joint": "pixels + log-mel"}
TASK_ORDER = ("retrieval", "linear", "probe", "finetune")

Column = tuple[str, str]
"""(task, metric)."""


@dataclass(frozen=True)
class Line:
    """One row of numbers: `values[i]` belongs to `Table.columns[i]`, None where nothing was measured."""

    title: str
    values: tuple[float | None, ...]
    best: tuple[bool, ...]
    n: int


@dataclass(frozen=True)
class ModelRows:
    """A model in one modality: the mean over the splits, and every split."""

    model: str
    mean: Line
    splits: tuple[Line, ...]


@dataclass(frozen=True)
class Table:
    """All models of one test, grouped by modality."""

    test: str
    columns: tuple[Column, ...]
    groups: tuple[tuple[str, tuple[ModelRows, ...]], ...]


def model_title(model: str, modality: str) -> str:
    """Name of a model for readers."""
    return RAW_TITLES.get(modality, model) if model == "raw" else model


def column_title(column: Column) -> str:
    """`R@5`, `linear top-1`."""
    task, metric = column
    return metric if task == "retrieval" else f"{task} {metric}"


def mean_value(results: Iterable[Result], column: Column) -> float | None:
    """Take the stored mean over the splits (split null); without one, average the splits that are there."""
    fitting = [result for result in results if (result.task, result.metric) == column]
    stored = [result.value for result in fitting if result.split is None]
    if stored:
        return stored[-1]
    return sum(result.value for result in fitting) / len(fitting) if fitting else None


def build_tables(results: Sequence[Result], first: str) -> list[Table]:
    """Make a table a test, the one named `first` on top."""
    tests = sorted({result.test for result in results}, key=lambda test: (test != first, test))
    return [_table(test, [result for result in results if result.test == test]) for test in tests]


def _table(test: str, results: list[Result]) -> Table:
    columns = tuple(sorted({(result.task, result.metric) for result in results}, key=_column_order))
    modalities = sorted({result.modality for result in results}, key=lambda name: _position(name, MODALITIES))
    groups = tuple(
        (modality, _group([result for result in results if result.modality == modality], columns))
        for modality in modalities
    )
    return Table(test, columns, groups)


def _group(results: list[Result], columns: tuple[Column, ...]) -> tuple[ModelRows, ...]:
    """Rows of one modality."""
    models = model_order([result.model for result in results])
    own = {model: [result for result in results if result.model == model] for model in models}
    means = {model: [mean_value(own[model], column) for column in columns] for model in models}
    best = [
        max((value for row in means.values() if (value := row[i]) is not None), default=None)
        for i in range(len(columns))
    ]
    rows = []
    for model in models:
        splits = tuple(_split_line(own[model], columns, split) for split in _splits(own[model]))
        n = max((result.n for result in own[model] if result.split is None), default=0)
        n = n or sum(line.n for line in splits)
        marks = tuple(value is not None and value == top for value, top in zip(means[model], best, strict=True))
        title = model_title(model, results[0].modality)
        rows.append(ModelRows(model, Line(title, tuple(means[model]), marks, n), splits))
    return tuple(rows)


def _splits(results: list[Result]) -> list[int]:
    return sorted({result.split for result in results if result.split is not None})


def _split_line(results: list[Result], columns: tuple[Column, ...], split: int) -> Line:
    at = {(result.task, result.metric): result for result in results if result.split == split}
    values = tuple(at[column].value if column in at else None for column in columns)
    return Line(f"split {split}", values, (False,) * len(columns), max(result.n for result in at.values()))


def _column_order(column: Column) -> tuple[int, str, int]:
    task, metric = column
    number = re.search(r"\d+", metric)
    return _position(task, TASK_ORDER)[0], task, int(number.group()) if number else 0


def _position(name: str, order: Sequence[str]) -> tuple[int, str]:
    return (order.index(name) if name in order else len(order), name)
