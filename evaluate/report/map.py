"""Embeddings in the plane: one point a source, one layout a model and modality."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy.linalg import orthogonal_procrustes

from evaluate.protocols.video_features import Modality, Videos, split_names
from evaluate.report.inputs import Model, class_names

MAX_POINTS = 2000
"""More points would overlap, and t-SNE takes seconds per thousand."""
PCA_DIMENSIONS = 50
MIN_TSNE_POINTS = 10
TSNE_STEPS = 500
SEED = 0
SIDE = 1000
"""Layouts are whole numbers in [0, SIDE]."""

Layout = list[list[int] | None]
"""[x, y] of each point; None where the video lacks the modality."""


def build_map(models: Mapping[str, Model]) -> dict[str, Any]:
    """Lay out the video and the audio features of the pretrained and the untrained encoders, for the page's script.

    A point is a video of the pretrained store: [class position, role in the first split (0 train, 1 test, 2 neither), source,
    recording position]. A recording is the class and group of videos, or the source.
    """
    videos = models["pretrained"].videos
    rows = np.arange(len(videos))
    if len(rows) > MAX_POINTS:
        rows = np.sort(np.random.default_rng(SEED).choice(rows, MAX_POINTS, replace=False))
    sources = [videos.sources[row] for row in rows]
    layouts: dict[str, dict[str, Layout]] = {name: {} for name in models}
    modalities: tuple[Modality, ...] = ("video", "audio")
    for modality in modalities:
        reference = None
        for name, model in models.items():
            if model.videos.has(modality):
                layout = align(_layout(model.videos, sources, modality), reference)
                reference = layout if reference is None else reference
                layouts[name][modality] = _whole_numbers(layout)
    names = class_names(videos)
    # Groups are numbered anew in every class: class and group together name a recording.
    recordings = [
        f"{videos.label_names[i]} {videos.groups[i]}" if videos.groups[i] else videos.sources[i] for i in rows
    ]
    first_split = next(iter(split_names(videos)), "")
    roles = [{"train": 0, "test": 1}.get(own.get(first_split, ""), 2) for own in videos.splits]
    labels, different = list(names), list(dict.fromkeys(recordings))
    return {
        "layouts": layouts,
        "points": [
            [labels.index(int(videos.labels[row])), roles[row], videos.sources[row], different.index(recording)]
            for row, recording in zip(rows, recordings, strict=True)
        ],
        "classes": list(names.values()),
        "recordings": different,
        "method": "t-SNE" if len(rows) >= MIN_TSNE_POINTS else "PCA",
        "n_sources": len(videos),
    }


def project(vectors: np.ndarray) -> np.ndarray:
    """Project vectors (n, d) to the plane (n, 2): PCA, then t-SNE for at least 10 vectors."""
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    n, d = vectors.shape
    if n < 3 or d < 2:
        return np.pad(vectors[:, :2].astype(np.float64), ((0, 0), (0, max(0, 2 - d))))
    # More threads do not speed up some hundred points, and on a busy machine their barriers cost minutes.
    with threadpool_limits(1):
        reduced = PCA(min(PCA_DIMENSIONS, n, d), svd_solver="full", random_state=SEED).fit_transform(vectors)
        if n < MIN_TSNE_POINTS or not reduced[:, 0].std():  # t-SNE of equal vectors, as of a dead encoder, crashes
            return reduced[:, :2]
        tsne = TSNE(2, perplexity=min(30.0, (n - 1) / 3), init="pca", max_iter=TSNE_STEPS, random_state=SEED)
        return tsne.fit_transform(reduced).astype(np.float64)


def align(layout: np.ndarray, reference: np.ndarray | None) -> np.ndarray:
    """Rotate and mirror a layout (n, 2) onto a reference, so that switching moves points little; nan rows do not count."""
    if reference is None:
        return layout
    both = np.isfinite(layout).all(1) & np.isfinite(reference).all(1)
    return layout @ orthogonal_procrustes(layout[both], reference[both])[0]


def _layout(videos: Videos, sources: list[str], modality: Modality) -> np.ndarray:
    """Lay out a modality, (len(sources), 2) float64, centred; nan where the source lacks it."""
    part = videos.parts[modality]
    row_of = {source: row for row, source in enumerate(videos.sources) if part.present[row]}
    known = np.array([source in row_of for source in sources])
    layout = np.full((len(sources), 2), np.nan)
    if known.any():
        points = project(part.vectors[[row_of[source] for source in sources if source in row_of]])
        layout[known] = points - points.mean(axis=0)
    return layout


def _whole_numbers(layout: np.ndarray) -> Layout:
    """Scale a layout so that its longer side fills the square [0, SIDE]; the shorter one is centred."""
    if not np.isfinite(layout).any():
        return [None] * len(layout)
    low, high = np.nanmin(layout, axis=0), np.nanmax(layout, axis=0)
    side = max(float((high - low).max()), 1e-12)
    scaled = np.round(((layout - (low + high) / 2) / side + 0.5) * SIDE)
    return [[int(x), int(y)] if np.isfinite(x) else None for x, y in scaled]
