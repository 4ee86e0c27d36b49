"""The check for labels before the first step; its errors name the remedy."""

import json
from pathlib import Path

from preprocess.shards.manifest import read_segments
from train.data.subset import parse_split, read_info
from train.errors import LabelError

_RELABEL = "make the shards from a labelled data set (python -m preprocess shards --dataset ucf101 or hmdb51)"


def refuse_unlabelled(shards: Path, split: str) -> None:
    """Check that every segment of a part of a split has video and a label.

    Args:
        shards: folder of the data set.
        split: such as "1:train".

    Raises:
        LabelError: the shards hold audio only, or no segment of that part, or segments without a label.
        LoaderError: there is no finished data set.
    """
    info = read_info(shards)
    if info.params.media != "video":
        raise LabelError(f"{shards} holds audio without video: name shards of a video data set")
    segments = read_segments(shards)
    name, parts = parse_split(split)
    chosen = segments[[json.loads(text or "{}").get(name) in parts for text in segments["splits"]]]
    if not (segments["label"] >= 0).any():
        raise LabelError(f"{shards}: no segment has a label: {_RELABEL}")
    if chosen.empty:
        raise LabelError(
            f"{shards} holds no segment of {split}: make the shards with the official lists (python -m preprocess shards "
            "--splits), or name another split"
        )
    n_unlabelled = int((chosen["label"] < 0).sum())
    if n_unlabelled:
        raise LabelError(f"{shards}: {n_unlabelled} of {len(chosen)} segments of {split} have no label: {_RELABEL}")
