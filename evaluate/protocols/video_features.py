"""One feature vector a video and modality: the clips of the store, averaged over each source.

Averaging the features of several clips of a video, then normalising, is the retrieval protocol of the field. The linear
probe is trained on the same vectors.

Three modalities are evaluated: "video" on the sources with frames, "audio" on those with audio, "joint" on those with
both. Zeros for a missing audio track would make its absence a feature. In UCF101 whole classes have no audio, so a
ranking by that alone would distinguish classes.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from evaluate.errors import EvaluateError, GroupLeakError, SplitError
from store.averages import mean_by_number
from store.reader import EmbeddingStore

Modality = Literal["video", "audio", "joint"]
Space = Literal["features", "projections"]
PARTS: dict[Modality, tuple[str, ...]] = {"video": ("video",), "audio": ("audio",), "joint": ("video", "audio")}
MODALITY_ORDER: tuple[Modality, ...] = tuple(PARTS)


@dataclass(frozen=True)
class Part:
    """One modality's vectors of n videos.

    Attributes:
        vectors: (n, d) float32, rows L2-normalised; zeros where the video lacks the modality.
        present: (n,) bool.
    """

    vectors: np.ndarray
    present: np.ndarray


@dataclass(frozen=True)
class Videos:
    """The labelled videos of a store, in order of first appearance; all columns have length n.

    Attributes:
        sources: names, relative to the data root.
        labels: (n,) int64.
        label_names: name of each video's label.
        groups: "" where there is none.
        splits: per video, such as {"1": "train", "2": "test"}.
        parts: "video" and/or "audio".
    """

    sources: tuple[str, ...]
    labels: np.ndarray
    label_names: tuple[str, ...]
    groups: tuple[str, ...]
    splits: tuple[dict[str, str], ...]
    parts: dict[str, Part]

    def __len__(self) -> int:
        return len(self.sources)

    def has(self, modality: Modality) -> bool:
        """Whether any video has what `modality` needs."""
        return set(PARTS[modality]) <= set(self.parts) and bool(self.usable(modality).any())

    def usable(self, modality: Modality) -> np.ndarray:
        """Tell which videos have a modality, (n,) bool; for "joint" those with video and audio."""
        usable: np.ndarray = np.logical_and.reduce([self.parts[name].present for name in PARTS[modality]])
        return usable

    def vectors(self, modality: Modality, rows: np.ndarray) -> np.ndarray:
        """Return the unit vectors of some videos, rows (m,) int64, as (m, d) float32.

        For "joint" those of video and audio side by side, divided by the square root of 2: the cosine similarity of
        two videos is then the mean of those of video and audio.
        """
        names = PARTS[modality]
        columns = [self.parts[name].vectors[rows] for name in names]
        return np.concatenate(columns, axis=1) / np.float32(np.sqrt(len(names)))


@dataclass(frozen=True)
class Split:
    """The two sides of a split, as rows of a `Videos`: train (n_train,) and test (n_test,) int64."""

    name: str
    train: np.ndarray
    test: np.ndarray

    @property
    def number(self) -> int:
        """The split's number in results."""
        return int(self.name)


def l2_normalise(vectors: np.ndarray) -> np.ndarray:
    """Rows of (n, d) scaled to length 1, float32; rows of zeros stay zeros."""
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.divide(vectors, norms, out=np.zeros_like(vectors), where=norms > 0).astype(np.float32)


def load_videos(
    store: EmbeddingStore,
    space: Space = "features",
    choose: Callable[[pd.DataFrame], np.ndarray] | None = None,
) -> Videos:
    """Average the clips of every labelled source of a store. Reads a block of rows at a time.

    Args:
        store: of one model.
        space: of the vectors.
        choose: returns, given the store's columns, which rows are averaged, (rows,) bool; None for all. A source
            without such a row is included, but lacks every modality.

    Raises:
        EvaluateError: nothing in the store has a label, or it has no vectors of this space.
    """
    frame = store.frame()
    labelled = frame[frame["label"] >= 0]
    if labelled.empty:
        raise EvaluateError(f"{store.path}: no row has a label; make the shards from a labelled dataset")
    first = labelled.drop_duplicates("source", keep="first")
    number = {source: index for index, source in enumerate(first["source"])}
    video_of_row = frame["source"].map(number).fillna(-1).to_numpy(np.int64)  # (rows,), -1: unlabelled
    if choose is not None:
        video_of_row = np.where(choose(frame), video_of_row, -1)
    parts = {
        modality: _average(
            store, f"{modality}/{space}", video_of_row, frame[f"has_{modality}"].to_numpy(bool), len(first)
        )
        for modality in ("video", "audio")
        if f"{modality}/{space}" in store.vector_names
    }
    if not parts:
        raise EvaluateError(f"{store.path}: has no {space}; it holds {', '.join(store.vector_names)}")
    return videos_of(first, parts)


def videos_of(rows: pd.DataFrame, parts: dict[str, Part]) -> Videos:
    """Make `Videos` from a table with a row a video, of a store or of a shard set's segments."""
    return Videos(
        sources=tuple(rows["source"]),
        labels=rows["label"].to_numpy(np.int64),
        label_names=tuple(rows["label_name"]),
        groups=tuple(rows["group"].fillna("")),
        splits=tuple(json.loads(text or "{}") for text in rows["splits"]),
        parts=parts,
    )


def _average(store: EmbeddingStore, name: str, video_of_row: np.ndarray, has: np.ndarray, n_videos: int) -> Part:
    """Mean over each video's rows that have the modality, (n_videos, d), normalised."""
    means, n_clips = mean_by_number(store, name, np.where(has, video_of_row, -1), n_videos)
    return Part(l2_normalise(means), n_clips > 0)


def split_names(videos: Videos) -> tuple[str, ...]:
    """Names of the numbered splits that the videos belong to, in order: ("1", "2", "3")."""
    return tuple(sorted({name for splits in videos.splits for name in splits if name.isdigit()}, key=int))


def folds_as_splits(splits: Sequence[Mapping[str, str]]) -> tuple[dict[str, str], ...]:
    """Add folds as splits if there are no numbered splits: split k tests on fold k and trains on the others.

    `splits` holds those of every video; the fold stays in it, since pretraining may have read some folds only.
    """
    folds = sorted({own["fold"] for own in splits if own.get("fold", "").isdigit()}, key=int)
    if any(name.isdigit() for own in splits for name in own):
        folds = []
    return tuple(
        {**own, **{fold: "test" if own["fold"] == fold else "train" for fold in folds if own.get("fold") in folds}}
        for own in splits
    )


def take_split(videos: Videos, name: str) -> Split:
    """Return the rows of a split's two sides; videos that the split does not list are left out.

    Raises:
        SplitError: a side has no videos, or the training side fewer than two classes.
        GroupLeakError: a group of videos cut from one recording is on both sides.
    """
    side = np.array([splits.get(name, "") for splits in videos.splits])
    train, test = (np.flatnonzero(side == which) for which in ("train", "test"))
    if not len(train) or not len(test):
        raise SplitError(
            f"split {name}: {len(train)} training and {len(test)} test videos; both sides need some. "
            "Were all videos of the list preprocessed?"
        )
    if len(np.unique(videos.labels[train])) < 2:
        raise SplitError(f"split {name}: the training side has a single class; nothing can be distinguished")
    # UCF101 numbers its groups anew in every class: label and group together name a recording.
    recordings = [{(videos.labels[i], videos.groups[i]) for i in rows if videos.groups[i]} for rows in (train, test)]
    if both := recordings[0] & recordings[1]:
        names = dict(zip(videos.labels.tolist(), videos.label_names, strict=True))
        raise GroupLeakError(name, tuple(f"{names[label]} {group}".strip() for label, group in sorted(both)))
    return Split(name, train, test)


def narrow(videos: Videos, split: Split, modality: Modality) -> Split | None:
    """Leave out the videos that lack the modality; None if a side is then empty or training has only one class."""
    if not videos.has(modality):
        return None
    usable = videos.usable(modality)
    train, test = split.train[usable[split.train]], split.test[usable[split.test]]
    if not len(test) or len(np.unique(videos.labels[train])) < 2:
        return None
    return Split(split.name, train, test)
