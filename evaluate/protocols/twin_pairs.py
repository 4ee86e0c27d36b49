"""Retrieval within pairs of twin classes, which differ in one thing: which of the two is it.

The test videos of the two classes query the training videos of these two only. What the classes of a pair share, the
kind of event and whatever the look of a video gives away about it, helps nobody; half of the queries are right by luck.
Real data sets name no pairs. Those of the sample world come from preprocess.synthetic.sample.classes.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from evaluate.protocols.retrieval import chance_recall
from evaluate.protocols.video_features import Modality, Split, Videos
from evaluate.results.results import Result
from store.search import nearest

TASK = "pairs-"
"""Begins the task's name in results: "pairs-time" is over the pairs that differ in time."""
METRIC = "R@1"


@dataclass(frozen=True)
class ClassPair:
    """Two classes by name, and the one thing that sets them apart: "time", "rhythm", "picture" or "sound"."""

    first: str
    second: str
    difference: str


@dataclass(frozen=True)
class PairRecall:
    """R@1 within the pairs of one difference.

    Attributes:
        recall: mean over the pairs of the share of queries whose nearest reference is of their class.
        chance: the same, expected of a random ranking.
        n_pairs: pairs that could be asked.
        n: queries of all of them.
    """

    recall: float
    chance: float
    n_pairs: int
    n: int


def sample_pairs() -> tuple[ClassPair, ...]:
    """All pairs of the sample world, each once."""
    from preprocess.synthetic.sample.classes import CLASSES

    return tuple(ClassPair(entry.name, entry.twin, entry.difference) for entry in CLASSES if entry.variant == 0)


def pair_recall(
    videos: Videos, split: Split, modality: Modality, pairs: Iterable[ClassPair]
) -> Mapping[str, PairRecall]:
    """Compute R@1 within each pair, averaged over the pairs of one difference.

    Args:
        videos: what is judged.
        split: one that has been narrowed to the videos with the modality.
        modality: "video", "audio" or "joint".
        pairs: a pair that lacks a class on a side of the split is left out.

    Returns:
        By difference, in the order of the pairs; empty where none of the pairs is there.
    """
    names = np.array(videos.label_names)
    found: dict[str, list[tuple[float, float, int]]] = {}
    for pair in pairs:
        of_pair = np.isin(names, (pair.first, pair.second))
        queries, references = (rows[of_pair[rows]] for rows in (split.test, split.train))
        if any(len(np.unique(names[rows])) < 2 for rows in (queries, references)):
            continue
        first = nearest(videos.vectors(modality, queries), videos.vectors(modality, references), 1).indices[:, 0]
        asked, answers = videos.labels[queries], videos.labels[references]
        right = float(np.mean(answers[first] == asked))
        found.setdefault(pair.difference, []).append((right, chance_recall(asked, answers, 1), len(queries)))
    return {
        difference: PairRecall(
            recall=float(np.mean([recall for recall, _, _ in asked])),
            chance=float(np.mean([chance for _, chance, _ in asked])),
            n_pairs=len(asked),
            n=sum(n for _, _, n in asked),
        )
        for difference, asked in found.items()
    }


def judge_pairs(
    videos: Videos, split: Split, modality: Modality, pairs: Iterable[ClassPair], *, model: str, test: str
) -> list[Result]:
    """Give the records of `pair_recall`, and those of chance beside them."""
    records = []
    for difference, found in pair_recall(videos, split, modality, pairs).items():
        for name, value in ((model, found.recall), ("chance", found.chance)):
            records.append(Result(test, f"{TASK}{difference}", split.number, modality, name, METRIC, value, found.n))
    return records
