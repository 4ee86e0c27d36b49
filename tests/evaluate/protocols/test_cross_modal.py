"""Cross-modal retrieval: each clip's own counterpart, against scikit-learn and loops."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import top_k_accuracy_score

from evaluate.protocols.cross_modal import counterpart_hits, judge_cross_modal, load_counterparts
from evaluate.protocols.video_features import l2_normalise, take_split
from tests.evaluate.conftest import build_videos, write_store


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(3, 60), st.integers(1, 70), st.floats(0, 3))
def test_agrees_with_scikit_learn_and_with_loops(seed, n, k, likeness):
    rng = np.random.default_rng(seed)
    queries = l2_normalise(rng.normal(size=(n, 8)))
    references = l2_normalise(likeness * queries + rng.normal(size=(n, 8)))
    hits = counterpart_hits(queries, references, k)
    similar = queries.astype(np.float64) @ references.astype(np.float64).T
    if k < n:
        assert hits.mean() == pytest.approx(top_k_accuracy_score(np.arange(n), similar, k=k, labels=np.arange(n)))
    for row, hit in enumerate(hits):
        assert hit == (sum(other > similar[row, row] for other in similar[row]) < k)
    order = rng.permutation(n)
    assert np.array_equal(counterpart_hits(queries[order], references[order], k), hits[order])


def test_embeddings_in_one_point_hit_as_often_as_chance():
    same = np.tile(l2_normalise(np.ones((1, 5))), (20, 1))
    assert [counterpart_hits(same, same, k).mean() for k in (1, 5, 10, 30)] == [0.05, 0.25, 0.5, 1.0]


def clips_store(path, n_videos=6, n_clips=5):
    """Clips out of order in time; video and audio of a clip point the same way; video 1 has no audio, the first
    clips of video 2 neither."""
    rng = np.random.default_rng(0)
    video, clip = np.repeat(np.arange(n_videos), n_clips), np.tile(rng.permutation(n_clips), n_videos)
    vectors = rng.normal(size=(len(video), 16)).astype(np.float32)
    has_audio = (video != 1) & ~((video == 2) & (clip < 2))
    named = {
        "video/projections": vectors, "audio/projections": 2 * vectors * has_audio[:, None],
        "video/features": -vectors,
    }  # fmt: skip
    splits = [json.dumps({"1": "train" if v >= 4 else "test"}) for v in video]
    store = write_store(
        path, [f"v{v}" for v in video], named, label=video % 2, splits=splits, start_seconds=clip.astype(float),
        end_seconds=clip + 1.0, has_audio=has_audio, key=[f"{v:08d}-00000" for v in video],
    )  # fmt: skip
    return store, video, clip, vectors


def test_each_video_gives_its_middle_clip_with_video_and_audio(tmp_path):
    store, video, clip, vectors = clips_store(tmp_path / "s.h5")
    with store:
        counterparts = load_counterparts(store)
    assert counterparts.usable("joint").tolist() == [True, False, True, True, True, True]
    for row, middle in ((0, 2), (2, 3), (5, 2)):  # of video 2's clips 2, 3, 4 the middle is 3
        (wanted,) = vectors[(video == row) & (clip == middle)]
        for name in ("video", "audio"):
            assert np.allclose(counterparts.parts[name].vectors[row], wanted / np.linalg.norm(wanted), atol=1e-6)


def test_the_test_videos_of_a_split_that_have_both_search_each_other(tmp_path):
    store, *_ = clips_store(tmp_path / "s.h5")
    with store:
        counterparts = load_counterparts(store)
    outcomes = judge_cross_modal(counterparts, take_split(counterparts, "1"), model="pretrained", test="tiny")
    assert [(o.modality, o.metric) for o in outcomes] == [
        (direction, f"R@{k}") for direction in ("audio-to-video", "video-to-audio") for k in (1, 5, 10)
    ]
    for each in outcomes:
        assert each.hits.tolist() == [True] * 3  # videos 0, 2 and 3: 4 and 5 are training's, 1 has no audio
        assert each.chance == {"R@1": pytest.approx(1 / 3)}.get(each.metric, 1.0)


def test_directions_are_not_each_other():
    """Both audio clips are nearest to the first video; each video is nearest to its own audio."""
    video, audio = [[1, 0], [0, 1], [1, 0], [0, 1]], [[1, 0], [1, 0.9], [1, 0], [1, 0]]
    videos = build_videos([0, 1, 0, 1], sides=["test", "test", "train", "train"], video=video, audio=audio)
    outcomes = judge_cross_modal(videos, take_split(videos, "1"), model="m", test="t")
    hits = {o.modality: o.hits.tolist() for o in outcomes if o.metric == "R@1"}
    assert hits == {"audio-to-video": [True, False], "video-to-audio": [True, True]}


def test_fewer_than_two_clips_with_both_give_no_outcomes():
    for has_audio in ([False] * 4, [True, False, True, True]):
        sides = ["test", "test", "train", "train"]
        videos = build_videos([0, 1, 0, 1], sides=sides, video=np.eye(4), audio=np.eye(4), has_audio=has_audio)
        assert judge_cross_modal(videos, take_split(videos, "1"), model="m", test="t") == []
