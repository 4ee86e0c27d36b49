"""Cross-modal retrieval: a sound asks for the picture that it belongs to, and the other way round.

The test videos of a split with video and audio take part, each by one clip (`load_counterparts`), in
the space that the encoders' projections share. R@k is the share of queries whose own counterpart, cut from the same
clip, is among the k most similar of all; classes play no part. A random ranking finds it with k / n: numbers can be
compared where as many clips were searched.
"""

from typing import TYPE_CHECKING, Literal

import numpy as np

from evaluate.protocols.bootstrap import Outcomes
from evaluate.protocols.video_features import Split, Videos, load_videos
from store.search import nearest

if TYPE_CHECKING:
    import pandas as pd

    from store.reader import EmbeddingStore

CROSS_MODAL = "cross-modal"
CROSS_RECALL_AT = (1, 5, 10)
Direction = Literal["audio-to-video", "video-to-audio"]
DIRECTIONS: tuple[Direction, ...] = ("audio-to-video", "video-to-audio")


def load_counterparts(store: "EmbeddingStore") -> Videos:
    """Read one clip a video: the middle one in time of those that have video and audio.

    Clips of a video overlap and may sound the same: a second one would be a wrong answer that is right.

    Raises:
        EvaluateError: nothing in the store has a label, or it has no projections.
    """
    return load_videos(store, "projections", choose=_middle_clips)


def _middle_clips(frame: "pd.DataFrame") -> np.ndarray:
    both = frame[frame["has_video"] & frame["has_audio"]]
    of_source = both.sort_values(["start_seconds", "end_seconds"], kind="stable").groupby("source", sort=False)
    middle = of_source.cumcount() == (of_source["key"].transform("size") - 1) // 2
    chosen: np.ndarray = frame.index.isin(middle[middle].index)
    return chosen


def counterpart_hits(queries: np.ndarray, references: np.ndarray, k: int) -> np.ndarray:
    """Tell which queries find their own counterpart.

    Args:
        queries: (n, d) unit vectors.
        references: (n, d) unit vectors; row i belongs to query i.
        k: how many of the most similar are looked at. Equal ones come by row, so that embeddings which are all the
            same hit as often as chance.

    Returns:
        (n,) bool.
    """
    found = nearest(queries, references, min(k, len(references))).indices
    hits: np.ndarray = (found == np.arange(len(queries))[:, None]).any(axis=1)
    return hits


def judge_cross_modal(counterparts: Videos, split: Split, *, model: str, test: str) -> list[Outcomes]:
    """Ask in both directions among a split's test videos; empty with fewer than two that have video and audio."""
    if not counterparts.has("joint"):
        return []
    rows = split.test[counterparts.usable("joint")[split.test]]
    if len(rows) < 2:
        return []
    sides = {name: counterparts.parts[name].vectors[rows] for name in ("video", "audio")}
    outcomes = []
    for direction in DIRECTIONS:
        asking, _, asked = direction.partition("-to-")
        for k in CROSS_RECALL_AT:
            hits = counterpart_hits(sides[asking], sides[asked], k)
            outcomes.append(
                Outcomes(
                    test, CROSS_MODAL, split.number, direction, model, f"R@{k}", hits, min(k, len(rows)) / len(rows)
                )
            )
    return outcomes
