"""What becomes of each class: recall, and which class is taken for which, over all splits together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from evaluate.report.inputs import Model, class_names
from evaluate.retrieval import Neighbourhood, confusion, per_class_recall
from evaluate.videos import Modality

MIXUPS = 5
MAX_NUMBERED_CLASSES = 24
"""Beyond this, the cells of the matrix are too small for numbers."""


@dataclass(frozen=True)
class Bar:
    """R@1 of one class in one modality; `untrained` is None where there is no such model."""

    recall: float
    n: int
    untrained: float | None


@dataclass(frozen=True)
class ClassBars:
    """A class and its bars, one a modality (None: never queried)."""

    name: str
    bars: tuple[Bar | None, ...]


@dataclass(frozen=True)
class Cell:
    """A cell of the confusion matrix: `share` of the queries of class `row` found `column` first."""

    row: int
    column: int
    count: int
    share: float


@dataclass(frozen=True)
class Confusion:
    """The matrix of one modality, cells that are not empty only, and the commonest mix-ups."""

    modality: str
    names: tuple[str, ...]
    cells: tuple[Cell, ...]
    mixups: tuple[Cell, ...]
    n_queries: int

    @property
    def numbered(self) -> bool:
        """Whether the cells have room for numbers."""
        return len(self.names) <= MAX_NUMBERED_CLASSES


def pooled_recall(neighbours: Sequence[Neighbourhood]) -> dict[int, tuple[float, int]]:
    """R@1 per label over several splits: {label: (recall, number of queries)}."""
    hits: dict[int, float] = {}
    queries: dict[int, int] = {}
    for split in neighbours:
        for label, (recall, n) in per_class_recall(split, 1).items():
            hits[label] = hits.get(label, 0.0) + recall * n
            queries[label] = queries.get(label, 0) + n
    return {label: (hits[label] / n, n) for label, n in queries.items()}


def class_bars(models: Mapping[str, Model], modalities: Sequence[Modality]) -> list[ClassBars]:
    """Bars of the pretrained model, the best class of the first modality on top."""
    model = models["pretrained"]
    rival = models.get("untrained")
    recall = {name: pooled_recall(model.neighbours.get(name, ())) for name in modalities}
    other = {name: pooled_recall(rival.neighbours.get(name, ())) if rival else {} for name in modalities}

    def bar(label: int, modality: Modality) -> Bar | None:
        if label not in recall[modality]:
            return None
        return Bar(*recall[modality][label], other[modality].get(label, (None, 0))[0])

    rows = [
        (label, ClassBars(name, tuple(bar(label, modality) for modality in modalities)))
        for label, name in class_names(model.videos).items()
    ]
    rows.sort(key=lambda row: (-max(recall[name].get(row[0], (0.0, 0))[0] for name in modalities[:1]), row[1].name))
    return [row for _, row in rows if any(row.bars)]


def build_confusion(model: Model, modality: Modality) -> Confusion | None:
    """Count (class of the query, class of its nearest neighbour) over all splits."""
    neighbours = model.neighbours.get(modality, ())
    names = class_names(model.videos)
    place = {label: position for position, label in enumerate(names)}
    counts = np.zeros((len(names), len(names)), np.int64)
    for split in neighbours:
        labels, part = confusion(split)
        at = [place[label] for label in labels]
        counts[np.ix_(at, at)] += part
    if not counts.any():
        return None
    totals = counts.sum(axis=1)
    cells = [
        Cell(int(row), int(column), int(counts[row, column]), float(counts[row, column] / totals[row]))
        for row, column in np.argwhere(counts)
    ]
    mixups = sorted((cell for cell in cells if cell.row != cell.column), key=lambda cell: (-cell.share, cell.row))
    return Confusion(modality, tuple(names.values()), tuple(cells), tuple(mixups[:MIXUPS]), int(counts.sum()))
