"""How many videos of the official lists could be evaluated, and which of them pretraining has seen."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from evaluate.protocols.official_lists import OFFICIAL
from evaluate.protocols.video_features import Videos, folds_as_splits, split_names, take_split
from preprocess.shards.manifest import read_dataset, read_sources
from train.config.load import check
from train.config.schema import Config
from train.data.subset import parse_split
from train.run.checkpoint import read_checkpoint


@dataclass(frozen=True)
class Coverage:
    """Videos of one official split, (training, test): those embedded, and those listed."""

    split: str
    embedded: tuple[int, int]
    listed: tuple[int, int]

    @property
    def is_whole(self) -> bool:
        """Whether no listed video is missing."""
        return self.embedded == self.listed

    def __str__(self) -> str:
        train, test = (f"{own:,} of {all_:,}" for own, all_ in zip(self.embedded, self.listed, strict=True))
        return f"split {self.split}: {train} training and {test} test videos are there"


def coverage(videos: Videos, shards: Path) -> list[Coverage]:
    """Count for each split the listed videos that were embedded.

    The list is the official one if the shard set has all official classes, else all sources that preprocessing saw, failed
    ones included.

    Raises:
        ShardError: there are no finished shards.
    """
    info = read_dataset(shards)
    known = folds_as_splits([json.loads(splits) for splits in read_sources(shards)["splits"]])
    official = OFFICIAL.get(info.dataset)
    counts = official.counts if official and len(info.label_names) == official.n_classes else {}
    return [
        Coverage(name, _count(videos.splits, name), counts.get(name, _count(known, name)))
        for name in split_names(videos)
    ]


def _count(splits: Iterable[Mapping[str, str]], name: str) -> tuple[int, int]:
    sides = [each.get(name) for each in splits]
    return sides.count("train"), sides.count("test")


def part_read(checkpoint: Path, shards: Path) -> str | None:
    """Return the part of these shards that pretraining read, such as "1:train", or "" for all; None for other shards.

    Shards are recognised by their content, not by their path.

    Raises:
        CheckpointError: there is no checkpoint, or a damaged one.
        ShardError: there are no finished shards.
    """
    saved = read_checkpoint(checkpoint)
    if saved.shards_fingerprint != read_dataset(shards).fingerprint:
        return None
    return check(Config, saved.config, str(checkpoint)).data.split


def pretraining_note(videos: Videos, trained_on: str) -> str:
    """Name the splits whose test videos pretraining has seen, without labels; "" if it has seen none.

    Args:
        videos: evaluated videos, from the shards that pretraining read.
        trained_on: the part of the shards that it read, such as "1:train" or "fold:2,3,4,5"; "" for all.
    """
    name, parts = parse_split(trained_on) if trained_on else ("", frozenset())
    read = np.array([not trained_on or splits.get(name) in parts for splits in videos.splits])
    splits = [take_split(videos, split) for split in split_names(videos)]
    seen = [split.name for split in splits if read[split.test].any()]
    if not seen:
        return ""
    held_out = [f"split {split.name}" for split in splits if split.name not in seen]
    return (
        f"pretraining read {trained_on or 'all videos'} of these shards: it has seen, without labels, test videos of "
        f"split {', '.join(seen)}; held out: {', '.join(held_out) or 'none'}"
    )
