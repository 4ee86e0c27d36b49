"""Retrieval within pairs of classes, against a version with loops."""

from collections import Counter

import numpy as np
import pytest

from evaluate.protocols.twin_pairs import ClassPair, judge_pairs, sample_pairs
from evaluate.protocols.video_features import narrow, take_split
from preprocess.synthetic.sample.classes import CLASSES

PAIRS = (
    ClassPair("class0", "class1", "time"),
    ClassPair("class2", "class3", "sound"),
    ClassPair("class5", "class4", "time"),
)


def slow_recall(videos, modality, pair):
    """One query after the other, cosine by hand; the first of equals wins."""
    names = {"video": ["video"], "audio": ["audio"], "joint": ["video", "audio"]}[modality]

    def there(row):
        return videos.label_names[row] in (pair.first, pair.second) and all(videos.parts[p].present[row] for p in names)

    def vector(row):
        return [float(x) for p in names for x in videos.parts[p].vectors[row]]

    right = []
    for query in range(len(videos)):
        if not there(query) or videos.splits[query].get("1") != "test":
            continue
        best, answer = -2.0, None
        for reference in range(len(videos)):
            if there(reference) and videos.splits[reference].get("1") == "train":
                score = sum(a * b for a, b in zip(vector(query), vector(reference), strict=True))
                if score > best + 1e-9:
                    best, answer = score, videos.label_names[reference]
        right.append(answer == videos.label_names[query])
    return sum(right) / len(right), len(right)


def judged(videos, split, pairs, modality="video"):
    return {(r.task, r.model): r for r in judge_pairs(videos, split, modality, pairs, model="whole", test="t")}


@pytest.mark.parametrize("modality", ["video", "audio", "joint"])
def test_pairs_agree_with_a_slow_version(make_videos, modality):
    rng = np.random.default_rng(3)
    labels = rng.permutation(np.repeat(np.arange(6), 14))
    signal = np.eye(6)[labels] @ rng.normal(size=(6, 5))
    videos = make_videos(
        labels, video=signal + 2 * rng.normal(size=(84, 5)), audio=signal + 2 * rng.normal(size=(84, 5)),
        has_audio=rng.random(84) < 0.8,
    )  # fmt: skip
    found = judged(videos, narrow(videos, take_split(videos, "1"), modality), PAIRS, modality)
    slow = [slow_recall(videos, modality, pair) for pair in PAIRS]
    time, sound = found["pairs-time", "whole"], found["pairs-sound", "whole"]
    assert time.value == pytest.approx((slow[0][0] + slow[2][0]) / 2)  # of the pairs, not of the queries
    assert time.n == slow[0][1] + slow[2][1]
    assert sound.value == pytest.approx(slow[1][0])
    assert 0 < sound.value < 1
    assert {(r.metric, r.split, r.modality) for r in found.values()} == {("R@1", 1, modality)}


def test_chance_follows_the_sizes_of_the_two_classes(make_videos):
    videos = make_videos([0, 1, 0, 0, 0, 1], sides=["test"] * 2 + ["train"] * 4, video=np.eye(6))
    found = judged(videos, take_split(videos, "1"), PAIRS[:1])
    assert found["pairs-time", "chance"].value == pytest.approx((3 / 4 + 1 / 4) / 2)


def test_a_pair_that_is_not_there_gives_no_record(make_videos):
    videos = make_videos([0, 1, 2, 0, 1, 2], sides=["test"] * 3 + ["train"] * 3, video=np.eye(6))
    for pairs in (sample_pairs(), PAIRS[1:2]):
        assert judged(videos, take_split(videos, "1"), pairs) == {}


def test_the_sample_world_has_every_class_in_one_pair():
    pairs = sample_pairs()
    assert Counter(name for p in pairs for name in (p.first, p.second)) == Counter(c.name for c in CLASSES)
    assert {p.difference for p in pairs} == {c.difference for c in CLASSES}
