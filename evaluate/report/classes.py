"""What becomes of each class: its recall over all splits together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from evaluate.protocols.retrieval import Neighbourhood, per_class_recall
from evaluate.protocols.video_features import Modality
from evaluate.report.inputs import Model, class_names


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
