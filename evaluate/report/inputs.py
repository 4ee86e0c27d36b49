"""Embeddings of a run for the page: videos of each model, and their neighbours in each split."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from evaluate.protocols.retrieval import Neighbourhood, neighbourhood
from evaluate.protocols.stores import store_paths
from evaluate.protocols.video_features import (
    MODALITY_ORDER,
    Modality,
    Split,
    Videos,
    load_videos,
    narrow,
    split_names,
    take_split,
)
from store.reader import EmbeddingStore

NEIGHBOURS = 5


@dataclass(frozen=True)
class Model:
    """Videos of one model.

    Attributes:
        videos: averaged from the clips of the store.
        neighbours: of the test videos of every split, by modality.
        encoder_sha256: as the store says.
    """

    videos: Videos
    neighbours: Mapping[Modality, tuple[Neighbourhood, ...]]
    encoder_sha256: str = ""


def load_models(run: Path, dataset: str) -> dict[str, Model]:
    """Read those stores of the pretrained and the untrained encoders that the run has.

    Raises:
        StoreError: a file is not an embedding store.
        EvaluateError: a store has no labels, or a split of it cannot be evaluated.
    """
    models: dict[str, Model] = {}
    for name, path in store_paths(run, dataset, ("pretrained", "untrained")).items():
        if path.exists():
            with EmbeddingStore(path) as store:
                videos = folds_as_splits(load_videos(store))
                models[name] = Model(videos, search(videos), store.provenance.encoder_sha256)
    return models


def search(videos: Videos) -> dict[Modality, tuple[Neighbourhood, ...]]:
    """Find the neighbours of the test videos in every split and modality."""
    found = {
        each: tuple(neighbourhood(videos, split, each, NEIGHBOURS) for split in splits_with(videos, each))
        for each in MODALITY_ORDER
    }
    return {modality: neighbours for modality, neighbours in found.items() if neighbours}


def splits_with(videos: Videos, modality: Modality) -> Iterator[Split]:
    """Yield the splits that have videos of a modality on both sides, narrowed to these."""
    for name in split_names(videos):
        if split := narrow(videos, take_split(videos, name), modality):
            yield split


def folds_as_splits(videos: Videos) -> Videos:
    """Turn folds into splits if videos have no splits: split k tests on fold k and trains on the others."""
    folds = sorted({splits["fold"] for splits in videos.splits if splits.get("fold", "").isdigit()}, key=int)
    if split_names(videos) or not folds:
        return videos
    splits = tuple(
        {fold: "test" if own["fold"] == fold else "train" for fold in folds if own.get("fold") in folds}
        for own in videos.splits
    )
    return replace(videos, splits=splits)


def class_names(videos: Videos) -> dict[int, str]:
    """Return the name of each label, by label."""
    return dict(sorted(zip(videos.labels.tolist(), videos.label_names, strict=True)))
