"""Which class is taken for which, on the first split: by the nearest neighbour, and by a linear probe."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from evaluate.protocols.recognition import probe_labels
from evaluate.protocols.video_features import Modality, Split, Videos, narrow, split_names, take_split
from evaluate.report.inputs import Model, class_names

MIXUPS = 5
MAX_NUMBERED_CLASSES = 24
"""Beyond this, the cells of the matrix are too small for numbers."""


@dataclass(frozen=True)
class Cell:
    """A cell of the matrix: `share` of the test videos of class `row` were taken for `column`."""

    row: int
    column: int
    count: int
    share: float


@dataclass(frozen=True)
class Confusion:
    """The matrix of one modality and judge, cells that are not empty only, and the commonest mix-ups."""

    modality: str
    judge: str
    split: str
    names: tuple[str, ...]
    cells: tuple[Cell, ...]
    mixups: tuple[Cell, ...]
    n_queries: int

    @property
    def numbered(self) -> bool:
        """Whether the cells have room for numbers."""
        return len(self.names) <= MAX_NUMBERED_CLASSES

    @property
    def accuracy(self) -> float:
        """Share of all test videos that were taken for what they are."""
        return sum(cell.count for cell in self.cells if cell.row == cell.column) / self.n_queries


def build_confusions(model: Model, modalities: Sequence[Modality]) -> list[Confusion]:
    """Judge the test videos of the first split that each modality has, from the stored embeddings."""
    names = class_names(model.videos)
    made = []
    for modality in modalities:
        split = first_split(model.videos, modality)
        if split is None or not model.neighbours.get(modality):
            continue
        truth = model.videos.labels[split.test]
        nearest = model.neighbours[modality][0].neighbour_labels[:, 0]
        linear = probe_labels(model.videos, split, modality)
        made += [
            count_confusion(names, truth, predicted, modality=modality, judge=judge, split=split.name)
            for judge, predicted in (("nearest", nearest), ("linear", linear))
        ]
    return made


def first_split(videos: Videos, modality: Modality) -> Split | None:
    """Take the first split that can be judged by a modality, narrowed to it."""
    narrowed = (narrow(videos, take_split(videos, name), modality) for name in split_names(videos))
    return next((split for split in narrowed if split is not None), None)


def count_confusion(
    names: dict[int, str], truth: np.ndarray, predicted: np.ndarray, *, modality: str, judge: str, split: str
) -> Confusion:
    """Count (class, class taken for) over q test videos; truth and predicted are (q,) labels."""
    place = {label: position for position, label in enumerate(names)}
    counts = np.zeros((len(names), len(names)), np.int64)
    rows, columns = ([place[int(label)] for label in labels] for labels in (truth, predicted))
    np.add.at(counts, (rows, columns), 1)
    totals = counts.sum(axis=1)
    cells = [
        Cell(int(row), int(column), int(counts[row, column]), float(counts[row, column] / totals[row]))
        for row, column in np.argwhere(counts)
    ]
    mixups = sorted((cell for cell in cells if cell.row != cell.column), key=lambda cell: (-cell.share, cell.row))
    return Confusion(modality, judge, split, tuple(names.values()), tuple(cells), tuple(mixups[:MIXUPS]), len(truth))
