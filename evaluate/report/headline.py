"""The sentence and the few bars that a reader sees first."""

from collections.abc import Sequence
from dataclasses import dataclass

from evaluate.report.tables import Table, model_title

COLUMN = ("retrieval", "R@1")


@dataclass(frozen=True)
class Bar:
    """R@1 of one model."""

    title: str
    value: float
    is_main: bool


@dataclass(frozen=True)
class Headline:
    """R@1 of the pretrained model in the first modality, what it is measured by, and the bars of every modality."""

    modality: str
    main: Bar | None
    others: tuple[Bar, ...]
    bars: tuple[tuple[str, tuple[Bar, ...]], ...]


def build_headline(tables: Sequence[Table]) -> Headline | None:
    """R@1 of all models in the first table; None where it has no such column."""
    if not tables or COLUMN not in tables[0].columns:
        return None
    at = tables[0].columns.index(COLUMN)
    groups = []
    for modality, rows in tables[0].groups:
        bars = tuple(
            Bar(model_title(row.model, modality), value, row.model == "pretrained")
            for row in rows
            if (value := row.mean.values[at]) is not None
        )
        if bars:
            groups.append((modality, bars))
    if not groups:
        return None
    modality, bars = groups[0]
    main = next((bar for bar in bars if bar.is_main), None)
    return Headline(
        modality,
        main,
        tuple(bar for bar in bars if not bar.is_main),
        tuple(groups),
    )
