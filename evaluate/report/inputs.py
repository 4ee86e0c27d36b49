"""Embeddings of a run for the page: videos of each model, and their neighbours in each split."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from evaluate.errors import GroupLeakError, SplitError
from evaluate.protocols import video_features
from evaluate.protocols.retrieval import Neighbourhood, neighbourhood
from evaluate.protocols.stores import store_paths
from evaluate.protocols.video_features import Modality, Split, Videos
from store.reader import EmbeddingStore

NEIGHBOURS = 5


@dataclass(frozen=True)
class Model:
    """Videos of one model, averaged from the clips of the store, and the neighbours of the test videos of every split."""

    videos: Videos
    neighbours: Mapping[Modality, tuple[Neighbourhood, ...]]
    encoder_sha256: str = ""
    shards_fingerprint: str = ""


def load_models(run: Path, dataset: str) -> dict[str, Model]:
    """Read those stores of the pretrained and the untrained encoders that the run has.

    StoreError if a file is none; EvaluateError if a store has no labels, or a split of it leaks.
    """
    models: dict[str, Model] = {}
    for name, path in store_paths(run, dataset, ("pretrained", "untrained")).items():
        if path.exists():
            with EmbeddingStore(path) as store:
                videos = video_features.load_videos(store)
                videos = replace(videos, splits=video_features.folds_as_splits(videos.splits))
                made_with = store.provenance
                models[name] = Model(videos, search(videos), made_with.encoder_sha256, made_with.shards_fingerprint)
    return models


def search(videos: Videos) -> dict[Modality, tuple[Neighbourhood, ...]]:
    """Find the neighbours of the test videos in every split and modality."""
    found = {
        each: tuple(neighbourhood(videos, split, each, NEIGHBOURS) for split in splits_with(videos, each))
        for each in video_features.MODALITY_ORDER
    }
    return {modality: neighbours for modality, neighbours in found.items() if neighbours}


def splits_with(videos: Videos, modality: Modality) -> Iterator[Split]:
    """Yield the splits that have videos of a modality on both sides, narrowed to these; GroupLeakError if one leaks."""
    for name in video_features.split_names(videos):
        try:
            whole = video_features.take_split(videos, name)
        except GroupLeakError:
            raise
        except SplitError:  # as of a data set with training videos alone
            continue
        if split := video_features.narrow(videos, whole, modality):
            yield split


def class_names(videos: Videos) -> dict[int, str]:
    """Return the name of each label, by label."""
    return dict(sorted(zip(videos.labels.tolist(), videos.label_names, strict=True)))
