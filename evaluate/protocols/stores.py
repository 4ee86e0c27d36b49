"""Paths of a run's embedding stores, and the videos read from them."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from evaluate.embedding.clip_encoders import ModelName
from evaluate.errors import EvaluateError
from evaluate.protocols.cross_modal import load_counterparts
from evaluate.protocols.video_features import Videos, load_videos
from store.reader import EmbeddingStore

EMBEDDINGS_FOLDER = "embeddings"


def store_paths(run: Path, dataset: str, models: Sequence[ModelName]) -> dict[ModelName, Path]:
    """Name the store of each model: RUN/embeddings/DATASET.h5, and DATASET-MODEL.h5 for all but the pretrained.

    Raises:
        EvaluateError: the data set's name cannot be part of a file name.
    """
    if not dataset or dataset != Path(dataset).name or dataset.startswith("."):
        raise EvaluateError(f"{dataset!r} cannot be part of a file name; give another --dataset")
    folder = run / EMBEDDINGS_FOLDER
    return {model: folder / f"{dataset}{'' if model == 'pretrained' else f'-{model}'}.h5" for model in models}


def load_models(stores: Mapping[ModelName, Path], *, projections: bool = False) -> dict[str, Videos]:
    """Read the videos of every store; with `projections` the contrastive space as MODEL-projections as well."""
    models: dict[str, Videos] = {}
    for name, path in stores.items():
        with EmbeddingStore(path) as store:
            models[name] = load_videos(store)
            if projections and any(vector.endswith("/projections") for vector in store.vector_names):
                models[f"{name}-projections"] = load_videos(store, "projections")
    return models


def load_shared(stores: Mapping[ModelName, Path]) -> dict[str, Videos]:
    """Read the cross-modal counterparts from every store whose model puts video and audio in one space."""
    shared: dict[str, Videos] = {}
    for name, path in stores.items():
        with EmbeddingStore(path) as store:
            if {"video/projections", "audio/projections"} <= set(store.vector_names):
                shared[name] = load_counterparts(store)
    return shared
