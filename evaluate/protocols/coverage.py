"""How many videos of the official lists could be evaluated, and which of them pretraining has seen."""

import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from evaluate.protocols.official_lists import OfficialLists
from evaluate.protocols.video_features import Videos, split_names, take_split
from preprocess.shards.manifest import read_dataset
from train.config.load import check
from train.config.schema import Config
from train.run.checkpoint import read_checkpoint


def coverage(videos: Videos, catalogue: Iterable[str], n_classes: int, official: OfficialLists) -> list[str]:
    """Say for each split how many of the listed videos were embedded.

    Args:
        videos: those of a store.
        catalogue: the splits of every source that preprocessing saw, failed ones included, as JSON.
        n_classes: classes of the shard set. If they are all official classes, the official lists are compared with.
        official: the official lists.
    """
    known = [json.loads(splits) for splits in catalogue]
    lines = []
    for name in split_names(videos):
        train, test = (sum(splits.get(name) == side for splits in videos.splits) for side in ("train", "test"))
        listed = [sum(splits.get(name) == side for splits in known) for side in ("train", "test")]
        if n_classes == official.n_classes and name in official.counts:
            listed = list(official.counts[name])
        lines.append(
            f"split {name}: {train:,} of {listed[0]:,} training and {test:,} of {listed[1]:,} test videos are there"
        )
    return lines


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
        trained_on: the part of the shards that it read, such as "1:train"; "" for all.
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
