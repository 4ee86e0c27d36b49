"""Retrieval within pairs of classes, against a version with loops."""

from collections import Counter

import numpy as np
import pytest

from evaluate.protocols.twin_pairs import ClassPair, judge_pairs, sample_pairs
from evaluate.protocols.video_features import Split, narrow, take_split
from preprocess.synthetic.sample.classes import CLASSES
from tests.evaluate.conftest import build_videos
from tests.evaluate.protocols.test_retrieval import slow_recall

NAMED = (("class0", "class1", "time"), ("class2", "class3", "sound"), ("class5", "class4", "time"))
PAIRS = tuple(ClassPair(*each) for each in NAMED)


def slow(videos, split, modality, pair):
    """Recall and queries of the pair alone."""
    of_pair = np.isin(videos.label_names, (pair.first, pair.second))
    alone = Split("1", split.train[of_pair[split.train]], split.test[of_pair[split.test]])
    return slow_recall(videos, alone, modality, 1), len(alone.test)


def judged(videos, split, pairs, modality="video"):
    return {(r.task, r.model): r for r in judge_pairs(videos, split, modality, pairs, model="whole", test="t")}


@pytest.mark.parametrize("modality", ["video", "audio", "joint"])
def test_pairs_agree_with_a_slow_version(modality):
    rng = np.random.default_rng(3)
    labels = rng.permutation(np.repeat(np.arange(6), 14))
    signal = np.eye(6)[labels] @ rng.normal(size=(6, 5))
    videos = build_videos(
        labels, video=signal + 2 * rng.normal(size=(84, 5)), audio=signal + 2 * rng.normal(size=(84, 5)),
        has_audio=rng.random(84) < 0.8,
    )  # fmt: skip
    split = narrow(videos, take_split(videos, "1"), modality)
    found = judged(videos, split, PAIRS, modality)
    (first, n_first), (of_sound, _), (third, n_third) = [slow(videos, split, modality, pair) for pair in PAIRS]
    time, sound = found["pairs-time", "whole"], found["pairs-sound", "whole"]
    assert time.value == pytest.approx((first + third) / 2)  # of the pairs, not of the queries
    assert time.n == n_first + n_third
    assert sound.value == pytest.approx(of_sound)
    assert 0 < sound.value < 1
    assert {(r.metric, r.split, r.modality) for r in found.values()} == {("R@1", 1, modality)}


def test_chance_follows_the_sizes_of_the_two_classes():
    videos = build_videos([0, 1, 0, 0, 0, 1], sides=["test"] * 2 + ["train"] * 4, video=np.eye(6))
    found = judged(videos, take_split(videos, "1"), PAIRS[:1])
    assert found["pairs-time", "chance"].value == pytest.approx((3 / 4 + 1 / 4) / 2)


def test_a_pair_that_is_not_there_gives_no_record():
    videos = build_videos([0, 1, 2, 0, 1, 2], sides=["test"] * 3 + ["train"] * 3, video=np.eye(6))
    for pairs in (sample_pairs(), PAIRS[1:2]):
        assert judged(videos, take_split(videos, "1"), pairs) == {}


def test_the_sample_world_has_every_class_in_one_pair():
    pairs = sample_pairs()
    assert Counter(name for p in pairs for name in (p.first, p.second)) == Counter(c.name for c in CLASSES)
    assert {p.difference for p in pairs} == {c.difference for c in CLASSES}
