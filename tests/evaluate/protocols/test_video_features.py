import numpy as np
import pytest

from evaluate.errors import EvaluateError, GroupLeakError, SplitError
from evaluate.protocols.video_features import load_videos, narrow, take_split
from tests.evaluate.conftest import build_videos, write_store


def test_clips_are_averaged_per_source_then_normalised(tmp_path):
    rng = np.random.default_rng(0)
    sources = ["b", "a", "b", "c", "a", "b"]
    video = rng.normal(size=(6, 4)).astype(np.float32)
    has_audio = np.array([True, False, False, False, False, True])
    audio = rng.normal(size=(6, 3)).astype(np.float32) * has_audio[:, None]
    vectors = {"video/features": video, "audio/features": audio}
    labels = [1, 0, 1, 2, 0, 1]
    with write_store(tmp_path / "s.h5", sources, vectors, has_audio=has_audio, label=labels) as store:
        videos = load_videos(store)
    assert videos.sources == ("b", "a", "c")
    assert videos.labels.tolist() == [1, 0, 2]
    assert videos.label_names == ("class1", "class0", "class2")
    for row, clips in enumerate([[0, 2, 5], [1, 4], [3]]):
        mean = video[clips].astype(np.float64).mean(axis=0)
        assert np.allclose(videos.parts["video"].vectors[row], mean / np.linalg.norm(mean), atol=1e-6)
    mean = audio[[0, 5]].mean(axis=0)  # the clip without audio does not pull the mean to zero
    assert np.allclose(videos.parts["audio"].vectors[0], mean / np.linalg.norm(mean), atol=1e-6)
    assert videos.parts["audio"].present.tolist() == [True, False, False]
    assert videos.usable("joint").tolist() == [True, False, False]


def test_reading_in_blocks_changes_nothing(tmp_path, monkeypatch):
    rng = np.random.default_rng(1)
    sources = [f"v{i}" for i in rng.integers(0, 9, 50)]
    vectors = {"video/features": rng.normal(size=(50, 4)).astype(np.float32)}
    with write_store(tmp_path / "s.h5", sources, vectors) as store:
        whole = load_videos(store)
        monkeypatch.setattr("store.layout.CHUNK_BYTES", 8)
        monkeypatch.setattr("store.layout.BLOCK_BYTES", 8)
        blocks = load_videos(store)
    assert np.allclose(whole.parts["video"].vectors, blocks.parts["video"].vectors, atol=1e-6)


def test_unlabelled_videos_take_no_part_and_a_space_that_is_missing_is_named(tmp_path):
    vectors = {"video/features": np.eye(3, dtype=np.float32)}
    with write_store(tmp_path / "s.h5", ["a", "b", "c"], vectors, label=[0, -1, 1]) as store:
        assert load_videos(store).sources == ("a", "c")
        with pytest.raises(EvaluateError, match="has no projections; it holds video/features"):
            load_videos(store, "projections")
    unlabelled = write_store(tmp_path / "none.h5", ["a", "b", "c"], vectors, label=[-1] * 3)
    with unlabelled, pytest.raises(EvaluateError, match="no row has a label"):
        load_videos(unlabelled)


def test_a_group_on_both_sides_is_refused_by_name():
    groups, sides = ["g01", "g01", "g01", "g02"], ["test", "train", "train", "test"]
    videos = build_videos([0, 1, 0, 1], groups=groups, sides=sides, video=np.eye(4))
    with pytest.raises(GroupLeakError, match=r"1 groups have videos on both sides \(class0 g01\)"):
        take_split(videos, "1")


def test_groups_are_numbered_anew_in_every_class_and_unlisted_videos_left_out():
    groups, sides = ["g01", "g01", "g02", "g02", "g03"], ["train", "test", "train", "test", ""]
    split = take_split(build_videos([0, 1, 1, 0, 1], groups=groups, sides=sides, video=np.eye(5)), "1")
    assert (split.train.tolist(), split.test.tolist()) == ([0, 2], [1, 3])


def test_empty_sides_and_single_classes_are_refused_with_numbers():
    with pytest.raises(SplitError, match="3 training and 0 test"):
        take_split(build_videos([0, 1, 0], sides=["train"] * 3, video=np.eye(3)), "1")
    with pytest.raises(SplitError, match="single class"):
        take_split(build_videos([0, 0, 1], sides=["train", "train", "test"], video=np.eye(3)), "1")


def test_narrow_keeps_videos_with_audio_on_both_sides():
    labels = [0, 0, 0, 1, 1, 0, 1, 1]
    videos = build_videos(labels, video=np.eye(8), audio=np.eye(8), has_audio=[1, 1, 0, 1, 1, 1, 1, 0])
    split = take_split(videos, "1")
    assert narrow(videos, split, "video").test.tolist() == split.test.tolist() == [0, 2, 4, 6]
    audio = narrow(videos, split, "audio")
    assert (audio.train.tolist(), audio.test.tolist()) == ([1, 3, 5], [0, 4, 6])
    videos = build_videos(labels, video=np.eye(8), audio=np.eye(8), has_audio=[1, 1, 1, 0, 1, 1, 1, 0])
    assert narrow(videos, split, "joint") is None  # training is left with class 0 alone
