"""Analyse an embedding store without decoding a video: `python docs/analysis.py runs/sample/embeddings/ucf101.h5`.

Prints a table a question and writes one figure, STORE-analysis.svg beside the store (or --figure). docs/analysis.md
explains the numbers.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from evaluate.exit_status import exit_status
from evaluate.protocols.geometry import alignment, centroid_similarity, cluster_nmi, modality_gap, uniformity
from evaluate.protocols.video_features import MODALITY_ORDER, Modality, Videos, load_videos
from store.atomic_files import replacing
from store.reader import EmbeddingStore
from store.search import Exclude, nearest

PAIRS_SHOWN = 8

console = Console()


@dataclass(frozen=True)
class Clouds:
    """Projections of the clips that have both modalities: video (n, d) and audio (n, d), unit rows, row by row."""

    video: np.ndarray
    audio: np.ndarray


def main(argv: Sequence[str] | None = None) -> int:
    """Analyse a store; 0 fine, 2 an error that was explained."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("store", type=Path, help="an embedding store, such as runs/sample/embeddings/ucf101.h5")
    parser.add_argument("--figure", type=Path, help="where the figure goes (default: beside the store)")
    arguments = parser.parse_args(argv)
    figure = arguments.figure or arguments.store.with_name(f"{arguments.store.stem}-analysis.svg")
    return exit_status(lambda: analyse(arguments.store, figure))


def analyse(path: Path, figure: Path) -> None:
    """Print the tables of a store and draw the figure.

    Raises:
        StoreError: the file is no whole embedding store.
        EvaluateError: nothing in it has a label.
    """
    with EmbeddingStore(path) as store:
        videos, clouds = load_videos(store), shared_clouds(store)
    console.print(classes_table(videos))
    if clouds is not None:
        console.print(sphere_table(clouds))
    modality: Modality = "audio" if videos.has("audio") else "video"
    usable = videos.usable(modality)
    labels, similarity = centroid_similarity(videos.vectors(modality, np.flatnonzero(usable)), videos.labels[usable])
    names = dict(zip(videos.labels.tolist(), videos.label_names, strict=True))
    shown = [names[int(label)] for label in labels]
    console.print(alike_table(shown, similarity, modality))
    draw(figure, shown, similarity, modality)
    console.print(f"figure: {figure}", highlight=False, soft_wrap=True)


def shared_clouds(store: EmbeddingStore) -> Clouds | None:
    """Read both projections of the clips with picture and sound; None where the store has no such."""
    names = ("video/projections", "audio/projections")
    if not set(names) <= set(store.vector_names):
        return None
    both = np.flatnonzero(store.present(names[0]) & store.present(names[1]))
    video, audio = (store.vectors(name, both) for name in names)
    return Clouds(video, audio) if len(both) > 1 and video.shape == audio.shape else None


def neighbour_accuracy(videos: Videos, modality: Modality) -> float:
    """Share of videos whose nearest video of another recording is of their class."""
    rows = np.flatnonzero(videos.usable(modality))
    vectors, labels = videos.vectors(modality, rows), videos.labels[rows]
    # Groups are numbered anew in every class; without a group a video is a recording of its own.
    names = [(int(videos.labels[row]), videos.groups[row] or videos.sources[row]) for row in rows]
    number = {name: position for position, name in enumerate(dict.fromkeys(names))}
    recordings = np.array([number[name] for name in names])
    first = nearest(vectors, vectors, 1, exclude=Exclude(recordings, recordings)).indices[:, 0]
    return float(np.mean((first >= 0) & (labels[first] == labels)))


def classes_table(videos: Videos) -> Table:
    """What the features know of the classes."""
    table = Table(title="Features and classes", title_justify="left")
    for name in ("features of", "videos", "classes", "nearest of its class, %", "k-means NMI"):
        table.add_column(name, justify="left" if name == "features of" else "right")
    for modality in (modality for modality in MODALITY_ORDER if videos.has(modality)):
        rows = np.flatnonzero(videos.usable(modality))
        labels = videos.labels[rows]
        accuracy, nmi = neighbour_accuracy(videos, modality), cluster_nmi(videos.vectors(modality, rows), labels)
        table.add_row(modality, f"{len(rows):,}", f"{len(np.unique(labels))}", f"{100 * accuracy:.1f}", f"{nmi:.3f}")
    return table


def sphere_table(clouds: Clouds) -> Table:
    """How the projections of picture and sound lie to each other."""
    shuffled = np.roll(clouds.audio, len(clouds.audio) // 2, axis=0)
    table = Table(title=f"Projections of {len(clouds.video):,} clips with picture and sound", title_justify="left")
    table.add_column("measure")
    table.add_column("value", justify="right")
    for name, value in (
        ("alignment of picture and its sound (0: equal)", alignment(clouds.video, clouds.audio)),
        ("alignment of picture and another clip's sound", alignment(clouds.video, shuffled)),
        ("uniformity of picture (0: one point, -4: even)", uniformity(clouds.video)),
        ("uniformity of sound", uniformity(clouds.audio)),
        ("modality gap (0: one centre)", modality_gap(clouds.video, clouds.audio)),
    ):
        table.add_row(name, f"{value:.3f}")
    return table


def alike_table(names: Sequence[str], similarity: np.ndarray, modality: str) -> Table:
    """The most similar pairs of classes."""
    rows, columns = np.triu_indices(len(names), 1)
    order = np.argsort(-similarity[rows, columns], kind="stable")[:PAIRS_SHOWN]
    title = "Classes alike by sound" if modality == "audio" else "Classes alike by look"
    table = Table(title=title, title_justify="left")
    for column in ("class", "class ", "cosine"):
        table.add_column(column, justify="right" if column == "cosine" else "left")
    for row, column in zip(rows[order], columns[order], strict=True):
        table.add_row(names[row], names[column], f"{similarity[row, column]:.2f}")
    return table


def draw(path: Path, names: Sequence[str], similarity: np.ndarray, modality: str) -> None:
    """Write the similarities of the classes as a picture (SVG)."""
    from matplotlib.figure import Figure

    side = 2.0 + 0.24 * len(names)
    figure = Figure(figsize=(side + 1.0, side), layout="constrained")
    axes = figure.add_subplot()
    image = axes.imshow(similarity, vmin=-1, vmax=1, cmap="RdBu_r")
    axes.set_xticks(range(len(names)), names, rotation=90, fontsize=7)
    axes.set_yticks(range(len(names)), names, fontsize=7)
    axes.set_title(f"Cosine of class centroids, {modality} features", fontsize=9)
    figure.colorbar(image, shrink=0.6)
    with replacing(path) as temporary:
        figure.savefig(temporary, format="svg", metadata={"Date": None})


if __name__ == "__main__":
    sys.exit(main())
