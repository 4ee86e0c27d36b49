"""How much of a data set's official lists could be evaluated, and what pretraining has seen of it."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from evaluate.protocols.official_lists import OfficialLists
from evaluate.protocols.video_features import Videos, split_names, take_split
from preprocess.shards.manifest import read_dataset
from train.config.load import config_from_dict
from train.run.checkpoint import read_checkpoint


@dataclass(frozen=True)
class Coverage:
    """How much of a split could be evaluated.

    Attributes:
        split: name of the split.
        n_train, n_test: videos embedded.
        listed_train, listed_test: videos that the split's lists name.
    """

    split: str
    n_train: int
    n_test: int
    listed_train: int
    listed_test: int

    @property
    def complete(self) -> bool:
        """Whether every listed video was there."""
        return (self.n_train, self.n_test) == (self.listed_train, self.listed_test)

    def __str__(self) -> str:
        return (
            f"split {self.split}: {self.n_train:,} of {self.listed_train:,} training and "
            f"{self.n_test:,} of {self.listed_test:,} test videos are there"
        )


def coverage(videos: Videos, catalogue: Iterable[str], n_classes: int, official: OfficialLists) -> tuple[Coverage, ...]:
    """Compare the embedded videos with those listed.

    Args:
        videos: what the store holds.
        catalogue: the splits of every source that preprocessing saw, failed ones included, as JSON.
        n_classes: classes of the shard set; with the official number, the official lists' lengths are what counts.
        official: what these are.
    """
    known = [json.loads(splits) for splits in catalogue]
    rows = []
    for name in split_names(videos):
        there = [sum(splits.get(name) == side for splits in videos.splits) for side in ("train", "test")]
        seen = [sum(splits.get(name) == side for splits in known) for side in ("train", "test")]
        if n_classes == official.n_classes and name in official.counts:
            seen = list(official.counts[name])
        rows.append(Coverage(name, there[0], there[1], seen[0], seen[1]))
    return tuple(rows)


def part_read(checkpoint: Path, shards: Path) -> str | None:
    """The part of these shards that a run's pretraining read, such as "1:train", "" for all; None: it read others.

    What the shards hold decides, not where they lie.

    Raises:
        CheckpointError: there is no checkpoint, or a damaged one.
        ShardError: there are no finished shards.
    """
    saved = read_checkpoint(checkpoint)
    if saved.shards_fingerprint != read_dataset(shards).fingerprint:
        return None
    return config_from_dict(saved.config, str(checkpoint)).data.split


def pretraining_note(videos: Videos, trained_on: str) -> str:
    """Say which splits' test videos pretraining has seen, without their labels; "" where it has seen none.

    Args:
        videos: what is evaluated, from the shards that pretraining read.
        trained_on: the part of them that it read, such as "1:train"; "" for all.
    """
    name, _, side = trained_on.partition(":")
    read = np.array([not trained_on or splits.get(name) == side for splits in videos.splits])
    splits = [take_split(videos, split) for split in split_names(videos)]
    seen = [split.name for split in splits if read[split.test].any()]
    if not seen:
        return ""
    held_out = [f"split {split.name}" for split in splits if split.name not in seen]
    return (
        f"pretraining read {trained_on or 'all videos'} of these shards: it has seen, without labels, test videos of "
        f"split {', '.join(seen)}; held out: {', '.join(held_out) or 'none'}"
    )
