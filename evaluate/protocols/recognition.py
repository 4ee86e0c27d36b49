"""The protocol of action recognition on UCF101 and HMDB51: official splits, each by itself, and their mean.

In every numbered split, test videos query the training videos (R@1/5/10/20/50), the nearest training videos vote (kNN,
top-1), and a linear probe is fitted to the training videos and tested on the test videos (top-1). Audio is evaluated on
the videos with an audio track only, joint on those with both; `n` is their number. The chance row is the expectation of
a random ranking, and of a guess by the training classes' frequencies. Where a model puts video and audio in one space,
the test videos' audio and video query each other.
"""

from collections.abc import Callable, Mapping

import numpy as np

from evaluate.errors import SplitError
from evaluate.protocols.bootstrap import TOP_1, Outcomes, to_results
from evaluate.protocols.cross_modal import CROSS_MODAL, judge_cross_modal
from evaluate.protocols.linear_probe import fit_probe
from evaluate.protocols.retrieval import RECALL_AT, chance_recall, hits_at, knn_labels, neighbourhood
from evaluate.protocols.video_features import MODALITY_ORDER, Modality, Split, Videos, narrow, split_names, take_split
from evaluate.results.results import Result

RETRIEVAL, KNN, LINEAR = "retrieval", "knn", "linear"
TASKS = (RETRIEVAL, KNN, LINEAR, CROSS_MODAL)


def evaluate(
    models: Mapping[str, Videos],
    test: str = "ucf101",
    *,
    shared: Mapping[str, Videos] | None = None,
    probe: bool = True,
    progress: Callable[[str], None] = lambda _: None,
) -> tuple[Result, ...]:
    """Compute all numbers of the protocol: records of splits first, then chance, then the means over splits.

    Args:
        models: name in the results -> its videos, such as {"pretrained": ..., "raw": ...}.
        test: name of the dataset in the results.
        shared: name -> one clip a video (evaluate.protocols.cross_modal.load_counterparts), for cross-modal retrieval.
        probe: whether to fit linear probes as well.
        progress: told the model, modality and split at work.

    Raises:
        SplitError: the videos belong to no numbered split, or a split has an empty side.
        GroupLeakError: a recording is on both sides of a split.
    """
    outcomes: list[Outcomes] = []
    for model, videos in models.items():
        for split in splits_of(videos):
            for modality in MODALITY_ORDER:
                progress(f"{model}, {modality}, split {split.name}")
                narrowed = narrow(videos, split, modality)
                if narrowed is not None:
                    outcomes += judge(videos, narrowed, modality, model=model, test=test, probe=probe)
    if not outcomes:
        raise SplitError("no modality has videos on both sides of a split; nothing was evaluated")
    for model, counterparts in (shared or {}).items():
        for split in splits_of(counterparts):
            progress(f"{model}, cross-modal, split {split.name}")
            outcomes += judge_cross_modal(counterparts, split, model=model, test=test)
    return to_results(outcomes)


def splits_of(videos: Videos) -> tuple[Split, ...]:
    """Return all numbered splits of the videos.

    Raises:
        SplitError: there is none, or a side is empty.
        GroupLeakError: a recording is on both sides of a split.
    """
    names = split_names(videos)
    if not names:
        raise SplitError(
            "no video belongs to a numbered split; make the shards with the split lists (preprocess shards --splits)"
        )
    return tuple(take_split(videos, name) for name in names)


def judge(
    videos: Videos, split: Split, modality: Modality, *, model: str, test: str, probe: bool = True
) -> list[Outcomes]:
    """Evaluate retrieval, kNN and linear probe of one model, split and modality."""
    train_labels, test_labels = videos.labels[split.train], videos.labels[split.test]

    def outcome(task: str, metric: str, hits: np.ndarray, chance: float) -> Outcomes:
        return Outcomes(test, task, split.number, modality, model, metric, hits, chance)

    neighbours = neighbourhood(videos, split, modality)
    # A guess by the training classes' frequencies is correct as often as the first of a random ranking.
    guess = chance_recall(test_labels, train_labels, 1)
    outcomes = [
        outcome(RETRIEVAL, f"R@{k}", hits_at(neighbours, k), chance_recall(test_labels, train_labels, k))
        for k in RECALL_AT
    ]
    outcomes.append(outcome(KNN, TOP_1, knn_labels(neighbours) == test_labels, guess))
    if probe:
        outcomes.append(outcome(LINEAR, TOP_1, probe_labels(videos, split, modality) == test_labels, guess))
    return outcomes


def probe_labels(videos: Videos, split: Split, modality: Modality) -> np.ndarray:
    """Fit a linear probe to the training side; return its labels of the test videos, (n_test,) int64."""
    train, test = (videos.vectors(modality, rows) for rows in (split.train, split.test))
    # Like the official splits, folds hold out a group number in all classes at once, since groups of one number may
    # share their surroundings. A video without a group is a recording of its own.
    groups = [videos.groups[row] or videos.sources[row] for row in split.train]
    fitted = fit_probe(train, videos.labels[split.train], groups)
    return fitted.predict(test)
