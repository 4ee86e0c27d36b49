"""The run's embeddings as the page needs them: videos a model, and neighbours a split and modality."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from evaluate.protocols.retrieval import Neighbourhood, neighbourhood
from evaluate.protocols.stores import store_paths
from evaluate.protocols.video_features import (
    MODALITY_ORDER,
    Modality,
    Videos,
    load_videos,
    narrow,
    split_names,
    take_split,
)

if TYPE_CHECKING:
    from store.reader import EmbeddingStore

NEIGHBOURS = 5


@dataclass(frozen=True)
class Model:
    """One model's videos and, by modality, the neighbours of every split's test videos.

    `provenance` are the attributes of its store, as text.
    """

    name: str
    videos: Videos
    neighbours: Mapping[Modality, tuple[Neighbourhood, ...]]
    provenance: Mapping[str, str]


def load_models(run: Path, dataset: str) -> dict[str, Model]:
    """Read the stores of the pretrained and of the untrained encoders, as far as the run has them.

    Raises:
        StoreError: a file is no embedding store.
        EvaluateError: a store has no labels, or a split of it cannot be evaluated.
    """
    from store.reader import EmbeddingStore

    models: dict[str, Model] = {}
    for name, path in store_paths(run, dataset, ("pretrained", "untrained")).items():
        if path.exists():
            with EmbeddingStore(path) as store:
                models[name] = load_model(name, store)
    return models


def load_model(name: str, store: "EmbeddingStore") -> Model:
    """Average the clips of each video and search the neighbours in all splits."""
    videos = folds_as_splits(load_videos(store))
    neighbours = {modality: _all_splits(videos, modality) for modality in MODALITY_ORDER if videos.has(modality)}
    provenance = {key: _text(value) for key, value in vars(store.provenance).items()}
    return Model(name, videos, neighbours, provenance)


def folds_as_splits(videos: Videos) -> Videos:
    """Give videos that belong to folds the splits that these make: split k tests on fold k and trains on the others."""
    folds = sorted({splits["fold"] for splits in videos.splits if splits.get("fold", "").isdigit()}, key=int)
    if split_names(videos) or not folds:
        return videos
    splits = tuple(
        {fold: "test" if own.get("fold") == fold else "train" for fold in folds if own.get("fold") in folds}
        for own in videos.splits
    )
    return replace(videos, splits=splits)


def class_names(videos: Videos) -> dict[int, str]:
    """Name of each label, by label."""
    return dict(sorted(zip(videos.labels.tolist(), videos.label_names, strict=True)))


def _all_splits(videos: Videos, modality: Modality) -> tuple[Neighbourhood, ...]:
    splits = [narrow(videos, take_split(videos, name), modality) for name in split_names(videos)]
    return tuple(neighbourhood(videos, split, modality, NEIGHBOURS) for split in splits if split is not None)


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True, default=str)
