"""Embeddings laid out in the plane: one point a source, one layout a model and modality."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from evaluate.protocols.video_features import Modality, Videos
from evaluate.report.inputs import Model, class_names

MAX_POINTS = 2000
"""More would only hide each other, and t-SNE takes seconds per thousand."""
PCA_DIMENSIONS = 50
MIN_TSNE_POINTS = 10
TSNE_STEPS = 500
SEED = 0
SIDE = 1000
"""Layouts are whole numbers in [0, SIDE]."""


@dataclass(frozen=True)
class EmbeddingMap:
    """What the map's script draws.

    `layouts["pretrained video"]` holds [x, y] or None a point; `points` [class position, split role, source, recording
    position]; `recordings` names what videos were cut from, a class and a group each.
    """

    layouts: dict[str, list[list[int] | None]]
    points: list[list[int | str]]
    classes: list[str]
    recordings: list[str]
    method: str
    n_sources: int

    @property
    def models(self) -> list[str]:
        """First words of the layouts' names."""
        return [name.partition(" ")[0] for name in self.layouts]

    @property
    def modalities(self) -> list[str]:
        """Second words of the layouts' names."""
        return [name.partition(" ")[2] for name in self.layouts]


def build_map(models: Mapping[str, Model]) -> EmbeddingMap | None:
    """Lay out the video and the audio features of the pretrained and the untrained encoders.

    The points are the pretrained store's videos, test (role 1), train (0) or neither (2) in its first split.
    """
    videos = models["pretrained"].videos
    rows = np.arange(len(videos))
    if len(rows) > MAX_POINTS:
        rows = np.sort(np.random.default_rng(SEED).choice(rows, MAX_POINTS, replace=False))
    sources = [videos.sources[row] for row in rows]
    layouts: dict[str, np.ndarray] = {}
    modalities: tuple[Modality, ...] = ("video", "audio")
    for modality in modalities:
        for name in ("pretrained", "untrained"):
            if name in models and models[name].videos.has(modality):
                layout = _layout(models[name].videos, sources, modality)
                layouts[f"{name} {modality}"] = align(layout, layouts.get(f"pretrained {modality}"))
    if not layouts:
        return None
    names = class_names(videos)
    place = {label: position for position, label in enumerate(names)}
    recordings = [_recording(videos, int(row)) for row in rows]
    number = {recording: position for position, recording in enumerate(dict.fromkeys(recordings))}
    points: list[list[int | str]] = [
        [place[int(videos.labels[row])], _role(videos.splits[row]), videos.sources[row], number[recording]]
        for row, recording in zip(rows, recordings, strict=True)
    ]
    method = "t-SNE" if len(rows) >= MIN_TSNE_POINTS else "PCA"
    layout_numbers = {name: _numbers(layout) for name, layout in layouts.items()}
    return EmbeddingMap(layout_numbers, points, list(names.values()), list(number), method, len(videos))


def project(vectors: np.ndarray) -> np.ndarray:
    """Vectors (n, d) to the plane (n, 2): PCA, then t-SNE where there are at least 10."""
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    n, d = vectors.shape
    if n < 3 or d < 2:
        return np.pad(vectors[:, :2].astype(np.float64), ((0, 0), (0, max(0, 2 - d))))
    # One thread: some hundred points gain nothing from more, and on a busy machine their barriers cost minutes.
    with threadpool_limits(1):
        reduced = PCA(min(PCA_DIMENSIONS, n, d), svd_solver="full", random_state=SEED).fit_transform(vectors)
        if n < MIN_TSNE_POINTS:
            return reduced[:, :2]
        tsne = TSNE(2, perplexity=min(30.0, (n - 1) / 3), init="pca", max_iter=TSNE_STEPS, random_state=SEED)
        return tsne.fit_transform(reduced).astype(np.float64)


def align(layout: np.ndarray, reference: np.ndarray | None) -> np.ndarray:
    """Turn and mirror a layout (n, 2) onto a reference (orthogonal Procrustes), so that switching moves points little.

    Rows that are nan in either are no part of the fit.
    """
    if reference is None:
        return layout
    both = np.isfinite(layout).all(1) & np.isfinite(reference).all(1)
    if both.sum() < 3:
        return layout
    u, _, vt = np.linalg.svd(layout[both].T @ reference[both])
    return layout @ (u @ vt)


def _layout(videos: Videos, sources: list[str], modality: Modality) -> np.ndarray:
    """(len(sources), 2) float64 centred, largest radius 1; nan where the source has no such modality."""
    part = videos.parts[modality]
    row_of = {source: row for row, source in enumerate(videos.sources) if part.present[row]}
    known = np.array([source in row_of for source in sources])
    layout = np.full((len(sources), 2), np.nan)
    if known.any():
        points = project(part.vectors[[row_of[source] for source in sources if source in row_of]])
        points = points - points.mean(axis=0)
        layout[known] = points / max(float(np.linalg.norm(points, axis=1).max()), 1e-12)
    return layout


def _numbers(layout: np.ndarray) -> list[list[int] | None]:
    """Whole numbers with the middle of the layout in the middle of the square and its longer side filling it."""
    if not np.isfinite(layout).any():
        return [None] * len(layout)
    low, high = np.nanmin(layout, axis=0), np.nanmax(layout, axis=0)
    side = max(float((high - low).max()), 1e-12)
    scaled = np.round(((layout - (low + high) / 2) / side + 0.5) * SIDE)
    return [[int(x), int(y)] if np.isfinite(x) else None for x, y in scaled]


def _recording(videos: Videos, row: int) -> str:
    """Name what a video was cut from: groups are numbered anew in every class; without a group it is its own."""
    group = videos.groups[row]
    return f"{videos.label_names[row]} {group}" if group else videos.sources[row]


def _role(splits: Mapping[str, str]) -> int:
    first = splits.get(min(splits, default=""), "")
    return {"train": 0, "test": 1}.get(first, 2)
