"""The action recognition protocol of UCF101: official splits, retrieval and linear probe, each split and their mean.

For every numbered split that the store names: test videos query the training videos (R@1/5/10/20/50), and a linear
probe on frozen features is fitted to the training videos and judged on the test videos (top-1). Audio is judged over
the videos with a sound track only, joint over those with both, `n` says over how many. The chance row is what a random
ranking, and a random guess after the training classes' frequencies, would expect.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from evaluate.errors import SplitError
from evaluate.probe import fit_probe
from evaluate.results import Result, mean_over_splits
from evaluate.retrieval import RECALL_AT, chance_recall, neighbourhood, recall_at
from evaluate.videos import Modality, Split, Videos, narrow, split_names, take_split

RETRIEVAL, LINEAR = "retrieval", "linear"
TOP_1 = "top-1"
CHANCE = "chance"
MODALITY_ORDER: tuple[Modality, ...] = ("video", "audio", "joint")

OFFICIAL_CLASSES = 101
OFFICIAL_COUNTS = {"1": (9537, 3783), "2": (9586, 3734), "3": (9624, 3696)}
"""Videos that the official UCF101 lists name for training and test, by split."""


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


def coverage(videos: Videos, catalogue: Iterable[str], n_classes: int) -> tuple[Coverage, ...]:
    """Compare the embedded videos with those listed.

    Args:
        videos: what the store holds.
        catalogue: the splits of every source that preprocessing saw, failed ones included, as JSON.
        n_classes: classes of the dataset; with the official number, the official lists' lengths are what counts.
    """
    known = [json.loads(splits) for splits in catalogue]
    rows = []
    for name in split_names(videos):
        there = [sum(splits.get(name) == side for splits in videos.splits) for side in ("train", "test")]
        seen = [sum(splits.get(name) == side for splits in known) for side in ("train", "test")]
        if n_classes == OFFICIAL_CLASSES and name in OFFICIAL_COUNTS:
            seen = list(OFFICIAL_COUNTS[name])
        rows.append(Coverage(name, there[0], there[1], seen[0], seen[1]))
    return tuple(rows)


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


def evaluate(
    models: Mapping[str, Videos],
    test: str = "ucf101",
    *,
    probe: bool = True,
    progress: Callable[[str], None] = lambda _: None,
) -> tuple[Result, ...]:
    """Every number of the protocol for the given models, chance included, splits first and then their means.

    Args:
        models: name in the results -> its videos, such as {"pretrained": ..., "raw": ...}.
        test: name of the dataset in the results.
        probe: whether to fit linear probes as well.
        progress: told what is being worked on.

    Raises:
        SplitError: the videos belong to no numbered split, or a split has an empty side.
        GroupLeakError: a recording stands on both sides of a split.
    """
    results: list[Result] = []
    for model, videos in models.items():
        for split in splits_of(videos):
            for modality in MODALITY_ORDER:
                progress(f"{model}, {modality}, split {split.name}")
                narrowed = narrow(videos, split, modality)
                if narrowed is not None:
                    results += judge(videos, narrowed, modality, model=model, test=test, probe=probe)
    if not results:
        raise SplitError("no modality has videos on both sides of a split; nothing was evaluated")
    chance = {result.identity: result for result in results if result.model == CHANCE}
    measured = [result for result in results if result.model != CHANCE]
    ordered = [*measured, *chance.values()]
    return (*ordered, *mean_over_splits(ordered))


def splits_of(videos: Videos) -> tuple[Split, ...]:
    """Return all numbered splits of the videos.

    Raises:
        SplitError: there is none, or a side is empty.
        GroupLeakError: a recording stands on both sides of a split.
    """
    names = split_names(videos)
    if not names:
        raise SplitError(
            "no video belongs to a numbered split; make the shards with the split lists (preprocess shards --splits)"
        )
    return tuple(take_split(videos, name) for name in names)


def judge(
    videos: Videos, split: Split, modality: Modality, *, model: str, test: str, probe: bool = True
) -> list[Result]:
    """Compute retrieval, probe and chance of one model, split and modality."""
    train_labels, test_labels = videos.labels[split.train], videos.labels[split.test]
    n = len(test_labels)

    def result(task: str, by: str, metric: str, value: float) -> Result:
        return Result(test, task, split.number, modality, by, metric, value, n)

    neighbours = neighbourhood(videos, split, modality)
    results = []
    for k in RECALL_AT:
        results.append(result(RETRIEVAL, model, f"R@{k}", recall_at(neighbours, k)))
        results.append(result(RETRIEVAL, CHANCE, f"R@{k}", chance_recall(test_labels, train_labels, k)))
    if probe:
        # A guess drawn from the training classes' frequencies is right as often as the first of a random ranking.
        results.append(result(LINEAR, CHANCE, TOP_1, chance_recall(test_labels, train_labels, 1)))
        results.append(result(LINEAR, model, TOP_1, linear_accuracy(videos, split, modality)))
    return results


def linear_accuracy(videos: Videos, split: Split, modality: Modality) -> float:
    """Top-1 accuracy on the test side of a linear probe that has seen the training side alone."""
    train, test = (videos.vectors(modality, rows) for rows in (split.train, split.test))
    # As the official splits do, folds hold a group number back in all classes at once: groups of one number may share
    # their surroundings. A video without a group is a recording of its own.
    groups = [videos.groups[row] or videos.sources[row] for row in split.train]
    fitted = fit_probe(train, videos.labels[split.train], groups)
    return float(np.mean(fitted.predict(test) == videos.labels[split.test]))
