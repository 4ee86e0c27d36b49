"""Ask how much of a clip's place in its video the features hold, and what retrieval loses without it.

    python docs/position.py runs/ablation/whole-*/embeddings/ucf101.h5

For each store and modality: the share of the variance of the clips' start seconds that a ridge regression on frozen
features explains (fitted to clips of training videos, judged on clips of test videos), then R@1 of the videos, and R@1
once the directions that tell the place are taken out of the features. No video is decoded.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Column, Table
from sklearn.linear_model import Ridge
from sklearn.preprocessing import StandardScaler

from evaluate.exit_status import exit_status
from evaluate.protocols.retrieval import neighbourhood, recall_at
from evaluate.protocols.video_features import Modality, Part, l2_normalise, load_videos, narrow, take_split
from store.reader import EmbeddingStore

MODALITIES: tuple[Modality, ...] = ("video", "audio")
N_DIRECTIONS = 4
"""Directions taken out, one after another: each is what the best regression on the rest looks along."""

console = Console()


@dataclass(frozen=True)
class Clips:
    """Features (n, d) float64 of clips that have the modality, their start seconds (n,) and sources (n,)."""

    features: np.ndarray
    start_seconds: np.ndarray
    sources: np.ndarray

    def of(self, sources: set[str]) -> "Clips":
        """Return the clips of some videos."""
        rows = np.isin(self.sources, list(sources))
        return Clips(self.features[rows], self.start_seconds[rows], self.sources[rows])


def main(argv: Sequence[str] | None = None) -> int:
    """Print a row a store and modality; 0 fine, 2 an error that was explained."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stores", type=Path, nargs="+", help="embedding stores with labels, groups and splits")
    parser.add_argument("--split", default="1", help="official split (default: %(default)s)")
    arguments = parser.parse_args(argv)
    return exit_status(lambda: console.print(places_table(arguments.stores, arguments.split)))


def places_table(stores: Sequence[Path], split: str) -> Table:
    """Make a row of each store and modality; errors as of `judge`."""
    table = Table(
        Column("store", overflow="fold"), "features of", "place explained, %", "R@1, %", "R@1 without the place, %"
    )
    for path in stores:
        for modality, numbers in judge(path, split).items():
            table.add_row(str(path), modality, *(f"{100 * number:.1f}" for number in numbers))
    return table


def judge(path: Path, split: str) -> dict[Modality, tuple[float, float, float]]:
    """Return by modality: R squared of the clips' place, R@1, R@1 without the place.

    StoreError if the file is no whole embedding store; EvaluateError if it has no labels, or not this split.
    """
    with EmbeddingStore(path) as store:
        videos = load_videos(store)
        clips = {modality: read_clips(store, modality) for modality in MODALITIES if videos.has(modality)}
    sides = take_split(videos, split)
    train, test = ({videos.sources[row] for row in side} for side in (sides.train, sides.test))
    found = {}
    for modality, own in clips.items():
        if (narrowed := narrow(videos, sides, modality)) is None:
            continue
        explained, directions = place_directions(own.of(train), own.of(test))
        part = videos.parts[modality]
        rest = l2_normalise(part.vectors - part.vectors @ directions.T @ directions)
        without = replace(videos, parts={**videos.parts, modality: Part(rest, part.present)})
        before, after = (recall_at(neighbourhood(each, narrowed, modality, 1), 1) for each in (videos, without))
        found[modality] = (explained, before, after)
    return found


def read_clips(store: EmbeddingStore, modality: Modality) -> Clips:
    """Read the features of the clips that have a modality."""
    name = f"{modality}/features"
    rows = np.flatnonzero(store.present(name))
    start_seconds, sources = (store.frame().iloc[rows][column].to_numpy() for column in ("start_seconds", "source"))
    return Clips(store.vectors(name, rows).astype(np.float64), start_seconds, sources)


def place_directions(train: Clips, test: Clips) -> tuple[float, np.ndarray]:
    """Return R squared of the clips' start seconds on test videos, and unit directions (4, d) that tell it."""
    scaler = StandardScaler().fit(train.features)
    directions = np.zeros((0, train.features.shape[1]))
    explained = 0.0
    for number in range(N_DIRECTIONS):
        kept = [x - x @ directions.T @ directions for x in (train.features, test.features)]
        inputs = [x / scaler.scale_ for x in kept]
        ridge = Ridge(alpha=1.0).fit(inputs[0], train.start_seconds)
        if number == 0:
            explained = float(ridge.score(inputs[1], test.start_seconds))
        along = ridge.coef_ / scaler.scale_
        along = along - along @ directions.T @ directions
        directions = np.vstack([directions, along / np.linalg.norm(along)])
    return explained, directions


if __name__ == "__main__":
    sys.exit(main())
