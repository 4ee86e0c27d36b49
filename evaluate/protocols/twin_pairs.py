"""Retrieval within pairs of twin classes, which differ in one thing.

The test videos of the two classes query the training videos of these two only. Whatever the two classes share cannot
help; a random answer is correct for half of the queries. Only the sample world has such pairs, listed in
preprocess.synthetic.sample.classes.
"""

from collections.abc import Iterable
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
    """Two classes by name, and the one thing in which they differ: "time", "rhythm", "picture" or "sound"."""

    first: str
    second: str
    difference: str


def sample_pairs() -> tuple[ClassPair, ...]:
    """Return all pairs of the sample world, each once."""
    from preprocess.synthetic.sample.classes import CLASSES

    return tuple(ClassPair(entry.name, entry.twin, entry.difference) for entry in CLASSES if entry.variant == 0)


def judge_pairs(
    videos: Videos, split: Split, modality: Modality, pairs: Iterable[ClassPair], *, model: str, test: str
) -> list[Result]:
    """Compute R@1 within each pair, averaged over the pairs of one difference.

    Args:
        videos: evaluated videos.
        split: one that has been narrowed to the videos with the modality.
        modality: "video", "audio" or "joint".
        pairs: a pair that lacks a class on a side of the split is left out.
        model: name in the results.
        test: name of the data set in the results.

    Returns:
        For each difference, in the order of the pairs, the record of the model and that of chance.
    """
    names = np.array(videos.label_names)
    found: dict[str, list[tuple[float, float, int]]] = {}
    for pair in pairs:
        of_pair = np.isin(names, (pair.first, pair.second))
        queries, references = (rows[of_pair[rows]] for rows in (split.test, split.train))
        if any(len(np.unique(names[rows])) < 2 for rows in (queries, references)):
            continue
        first = nearest(videos.vectors(modality, queries), videos.vectors(modality, references), 1).indices[:, 0]
        wanted, answers = videos.labels[queries], videos.labels[references]
        recall = float(np.mean(answers[first] == wanted))
        found.setdefault(pair.difference, []).append((recall, chance_recall(wanted, answers, 1), len(queries)))
    records = []
    for difference, of_pairs in found.items():
        recalls, chances, counts = zip(*of_pairs, strict=True)
        for name, values in ((model, recalls), ("chance", chances)):
            value, n = float(np.mean(values)), sum(counts)
            records.append(Result(test, f"{TASK}{difference}", split.number, modality, name, METRIC, value, n))
    return records
