"""Records of results.json as the rows and columns that a person reads."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from evaluate.protocols.result_table import model_order
from evaluate.results.results import MODALITIES, Result

RAW_TITLES = {"video": "raw pixels", "audio": "mean log-mel", "joint": "pixels + log-mel"}
TASK_ORDER = ("retrieval", "knn", "linear", "svm", "finetune")
"""Tasks that come first, in this order; any other follows by name, without a line of code."""
MAX_COLUMNS = 12
"""A test with more gets several tables, cut between tasks."""
TEST_TITLES = {"ucf101": "UCF101", "hmdb51": "HMDB51", "esc50": "ESC-50", "fingerprint": "Fingerprinting"}

Column = tuple[str, str]
"""(task, metric)."""
Interval = tuple[float, float]
"""Lower and upper end of a confidence interval."""


@dataclass(frozen=True)
class Line:
    """One row of numbers: `values[i]` belongs to `Table.columns[i]`, None where nothing was measured."""

    title: str
    values: tuple[float | None, ...]
    intervals: tuple[Interval | None, ...]
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


def test_title(test: str) -> str:
    """Name of a test for readers."""
    return TEST_TITLES.get(test, test)


def stored_interval(results: Iterable[Result], column: Column, split: int | None) -> Interval | None:
    """Take the confidence interval that a record carries, if it does."""
    for result in results:
        if (result.task, result.metric, result.split) == (*column, split):
            return None if result.low is None or result.high is None else (result.low, result.high)
    return None


def build_tables(results: Sequence[Result], test: str) -> list[Table]:
    """Make the tables of a test: one, or several of at most MAX_COLUMNS columns; none where nothing was measured."""
    own = [result for result in results if result.test == test]
    columns = sorted({(result.task, result.metric) for result in own}, key=column_order)
    return [_table(test, [r for r in own if (r.task, r.metric) in part], part) for part in _parts(columns, own)]


def _parts(columns: Sequence[Column], results: Sequence[Result]) -> list[tuple[Column, ...]]:
    """Cut the columns between tasks: where they have no modality in common, and before MAX_COLUMNS are exceeded."""
    parts: list[tuple[Column, ...]] = []
    covered: set[str] = set()
    for name, group in groupby(columns, key=lambda column: column[0]):
        task, modalities = tuple(group), {result.modality for result in results if result.task == name}
        if parts and covered & modalities and len(parts[-1]) + len(task) <= MAX_COLUMNS:
            parts[-1] += task
            covered |= modalities
        else:
            parts.append(task)
            covered = modalities
    return parts


def _table(test: str, results: list[Result], columns: tuple[Column, ...]) -> Table:
    modalities = sorted({result.modality for result in results}, key=modality_order)
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
        intervals = tuple(stored_interval(own[model], column, None) for column in columns)
        title = model_title(model, results[0].modality)
        rows.append(ModelRows(model, Line(title, tuple(means[model]), intervals, marks, n), splits))
    return tuple(rows)


def _splits(results: list[Result]) -> list[int]:
    return sorted({result.split for result in results if result.split is not None})


def _split_line(results: list[Result], columns: tuple[Column, ...], split: int) -> Line:
    at = {(result.task, result.metric): result for result in results if result.split == split}
    values = tuple(at[column].value if column in at else None for column in columns)
    intervals = tuple(stored_interval(results, column, split) for column in columns)
    return Line(f"split {split}", values, intervals, (False,) * len(columns), max(result.n for result in at.values()))


def modality_order(modality: str) -> tuple[int, str]:
    """Sort key: known modalities first, others by name."""
    return _position(modality, MODALITIES)


def column_order(column: Column) -> tuple[int, str, int]:
    """Sort key: known tasks first, others by name; metrics by the number in their name."""
    task, metric = column
    number = re.search(r"\d+", metric)
    return _position(task, TASK_ORDER)[0], task, int(number.group()) if number else 0


def _position(name: str, order: Sequence[str]) -> tuple[int, str]:
    return (order.index(name) if name in order else len(order), name)
