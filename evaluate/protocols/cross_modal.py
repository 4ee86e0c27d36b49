"""Cross-modal retrieval: the audio of a clip queries the video of all clips, and the other way round.

Each test video with video and audio gives one clip (`load_counterparts`), in the space that the encoders' projections
share. R@k is the share of queries that find their counterpart, from the same clip, among the k most similar; labels are
not used. A random ranking finds it with probability k / n, so compare numbers only between searches of equal size.
"""

from typing import Literal

import numpy as np
import pandas as pd

from evaluate.protocols.bootstrap import Outcomes
from evaluate.protocols.video_features import Split, Videos, load_videos
from store.reader import EmbeddingStore
from store.search import nearest

CROSS_MODAL = "cross-modal"
CROSS_RECALL_AT = (1, 5, 10)
Direction = Literal["audio-to-video", "video-to-audio"]
DIRECTIONS: tuple[Direction, ...] = ("audio-to-video", "video-to-audio")


def load_counterparts(store: EmbeddingStore) -> Videos:
    """Read one clip a video: the middle one in time of the clips with video and audio.

    Clips of a video overlap. With several, a counterpart of another clip could be as good an answer, but counted wrong.

    Raises:
        EvaluateError: nothing in the store has a label, or it has no projections.
    """
    return load_videos(store, "projections", choose=_middle_clips)


def _middle_clips(frame: pd.DataFrame) -> np.ndarray:
    both = frame[frame["has_video"] & frame["has_audio"]]
    of_source = both.sort_values(["start_seconds", "end_seconds"], kind="stable").groupby("source", sort=False)
    middle = of_source.cumcount() == (of_source["key"].transform("size") - 1) // 2
    chosen: np.ndarray = frame.index.isin(middle[middle].index)
    return chosen


def counterpart_hits(queries: np.ndarray, references: np.ndarray, k: int) -> np.ndarray:
    """Tell which queries find their own counterpart among the k most similar references.

    Args:
        queries: (n, d) unit vectors.
        references: (n, d) unit vectors; row i belongs to query i.
        k: neighbours. Ties go to the lower row, so that identical embeddings score at chance.

    Returns:
        (n,) bool.
    """
    found = nearest(queries, references, min(k, len(references))).indices
    hits: np.ndarray = (found == np.arange(len(queries))[:, None]).any(axis=1)
    return hits


def judge_cross_modal(counterparts: Videos, split: Split, *, model: str, test: str) -> list[Outcomes]:
    """Search in both directions among a split's test videos; empty if fewer than two have video and audio."""
    if not counterparts.has("joint"):
        return []
    rows = split.test[counterparts.usable("joint")[split.test]]
    if len(rows) < 2:
        return []
    sides = {name: counterparts.parts[name].vectors[rows] for name in ("video", "audio")}
    outcomes = []
    for direction in DIRECTIONS:
        queries, _, references = direction.partition("-to-")
        for k in CROSS_RECALL_AT:
            hits = counterpart_hits(sides[queries], sides[references], k)
            outcomes.append(
                Outcomes(
                    test, CROSS_MODAL, split.number, direction, model, f"R@{k}", hits, min(k, len(rows)) / len(rows)
                )
            )
    return outcomes
