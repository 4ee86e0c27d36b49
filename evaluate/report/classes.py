"""Results by class: recall over all splits, and confusions on the first split."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.metrics import confusion_matrix

from evaluate.protocols.recognition import probe_labels
from evaluate.protocols.retrieval import Neighbourhood
from evaluate.report.inputs import Model, class_names, splits_with
from evaluate.report.result_tables import modality_title

MIXUPS = 5

Recall = Mapping[str, Mapping[int, tuple[float, int]]]
"""Modality -> label -> R@1 and the number of queries; a class without queries is missing."""


@dataclass(frozen=True)
class Recalls:
    """R@1 of every class in each modality alone; `names` in the order of the rows."""

    names: Mapping[int, str]
    pretrained: Recall
    untrained: Recall


@dataclass(frozen=True)
class Confusion:
    """Counts of test videos, (c, c) int64: row = true class, column = predicted class.

    The title is the modality of the features and the classifier, such as "audio, linear probe".
    """

    title: str
    split: str
    names: tuple[str, ...]
    counts: np.ndarray

    @property
    def shares(self) -> np.ndarray:
        """Counts as shares of each row, (c, c) float64; zeros for a class without test videos."""
        shares: np.ndarray = self.counts / np.maximum(self.counts.sum(axis=1, keepdims=True), 1)
        return shares

    @property
    def accuracy(self) -> float:
        """Share of all test videos with the correct class."""
        return float(np.trace(self.counts) / self.counts.sum())

    @property
    def mixups(self) -> list[tuple[str, str, float]]:
        """The largest shares off the diagonal: true class, predicted class, share."""
        shares = self.shares * (1 - np.eye(len(self.names)))
        order = np.argsort(-shares, axis=None, kind="stable")[: min(MIXUPS, np.count_nonzero(shares))]
        pairs = zip(*np.unravel_index(order, shares.shape), strict=True)
        return [(self.names[row], self.names[column], float(shares[row, column])) for row, column in pairs]


def recall_by_class(neighbours: Sequence[Neighbourhood]) -> dict[int, tuple[float, int]]:
    """Compute R@1 per label over the splits (at least one): {label: (recall, number of queries)}."""
    labels = np.concatenate([split.query_labels for split in neighbours])
    hits = np.concatenate([split.hits[:, 0] for split in neighbours])
    of_label = {int(label): hits[labels == label] for label in np.unique(labels)}
    return {label: (float(own.mean()), len(own)) for label, own in of_label.items()}


def class_recalls(models: Mapping[str, Model]) -> Recalls:
    """Compute R@1 of every class with queries; the best in the first modality come first."""
    found: dict[str, Recall] = {
        name: {each: recall_by_class(splits) for each, splits in model.neighbours.items() if each != "joint"}
        for name, model in models.items()
    }
    names, recall = class_names(models["pretrained"].videos), found["pretrained"]
    first = next(iter(recall.values()))
    labels = {label for by_class in recall.values() for label in by_class}
    order = sorted(labels, key=lambda label: (-first.get(label, (0.0, 0))[0], names[label]))
    return Recalls({label: names[label] for label in order}, recall, found.get("untrained", {}))


def build_confusions(model: Model) -> Iterator[Confusion]:
    """Classify the test videos of the first split of each modality, from the stored embeddings."""
    names = class_names(model.videos)
    for modality, neighbours in model.neighbours.items():
        split = next(splits_with(model.videos, modality))
        predictions = {
            "nearest neighbour": neighbours[0].neighbour_labels[:, 0],
            "linear probe": probe_labels(model.videos, split, modality),
        }
        for judge, predicted in predictions.items():
            counts = confusion_matrix(model.videos.labels[split.test], predicted, labels=list(names))
            yield Confusion(f"{modality_title(modality)}, {judge}", split.name, tuple(names.values()), counts)
