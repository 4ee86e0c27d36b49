"""The sentence and the few bars that a reader sees first."""

from collections.abc import Sequence
from dataclasses import dataclass

from evaluate.report.result_tables import Column, Table, model_title

COLUMNS: tuple[Column, ...] = (("retrieval", "R@1"), ("linear", "top-1"), ("svm", "top-1"))
"""The number to show: the first of these that a test has, else its first column."""


@dataclass(frozen=True)
class Bar:
    """The number of one model."""

    title: str
    value: float
    is_main: bool


@dataclass(frozen=True)
class Headline:
    """A number of the pretrained model in the first modality, those it is measured by, and the bars of each modality."""

    column: Column
    modality: str
    main: Bar | None
    others: tuple[Bar, ...]
    bars: tuple[tuple[str, tuple[Bar, ...]], ...]


def build_headline(tables: Sequence[Table]) -> Headline | None:
    """One number of all models in a test's first table; None where there is no table."""
    if not tables:
        return None
    columns = tables[0].columns
    column = next((column for column in COLUMNS if column in columns), columns[0])
    at = columns.index(column)
    groups = []
    for modality, rows in tables[0].groups:
        bars = tuple(
            Bar(model_title(row.model, modality), value, row.model == "pretrained")
            for row in rows
            if (value := row.mean.values[at]) is not None
        )
        if bars:
            groups.append((modality, bars))
    modality, bars = groups[0]
    main = next((bar for bar in bars if bar.is_main), None)
    return Headline(column, modality, main, tuple(bar for bar in bars if not bar.is_main), tuple(groups))
