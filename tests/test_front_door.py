"""The packages' own names: offered without an import of what computes, and equal to the long way round."""

import numpy as np
import pytest

import evaluate
import preprocess
import store
import train
from evaluate.embedding.clip_encoders import load_run
from evaluate.embedding.embed import embed
from evaluate.embedding.embed_task import EmbedOptions
from evaluate.results.results import Result, write_results
from tests.evaluate.conftest import PARAMS, save_tiny, shards, ucf_folder  # noqa: F401 - fixtures
from tests.preprocess.made_media import write_clip


@pytest.mark.parametrize("package", [store, train, evaluate, preprocess])
def test_every_offered_name_is_there(package):
    for name in package.__all__:
        assert getattr(package, name) is not None
    assert dir(package) == sorted(package.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'nonsense'"):
        _ = package.nonsense


def test_all_errors_have_one_base():
    for error in (store.StoreError, train.TrainError, evaluate.EvaluateError, preprocess.PreprocessError):
        assert issubclass(error, store.AvtempoError)


@pytest.fixture(scope="module")
def stored(shards, tmp_path_factory):  # noqa: F811
    """A run, its store, and the shards behind it."""
    run = tmp_path_factory.mktemp("run")
    save_tiny(run / "checkpoints/last.pt")
    path = run / "embeddings/ucf101.h5"
    embed(load_run(run / "checkpoints/last.pt", ["pretrained"]), shards, {"pretrained": path}, "ucf101", EmbedOptions())
    return run, path


def test_videos_are_means_over_clips_without_those_that_lack_the_modality(stored):
    clips = store.open(stored[1])
    frame, vectors = clips.frame(), clips.vectors("audio/features")
    videos = clips.videos("audio/features")
    heard = frame[frame.has_audio].source.drop_duplicates().tolist()
    assert videos.frame.source.tolist() == heard
    assert 0 < len(heard) < frame.source.nunique()  # one recording a class has no audio
    for number, source in enumerate(heard):
        rows = np.flatnonzero((frame.source == source) & frame.has_audio)
        np.testing.assert_allclose(videos.vectors[number], vectors[rows].mean(0), rtol=1e-5)
        assert videos.frame.n_clips[number] == len(rows)


@pytest.mark.parametrize("source", ["Slide/v_Slide_g01_c01.mp4", "Slide/v_Slide_g02_c01.mp4"])  # the second: no audio
def test_a_file_is_embedded_as_its_shard_is(stored, ucf_folder, source):  # noqa: F811
    run, path = stored
    clips = store.open(path)
    rows = np.flatnonzero(clips.frame().source == source)
    found = train.load_encoders(run).embed_file(ucf_folder / source)
    np.testing.assert_array_equal(found.start_seconds, clips.frame().start_seconds[rows])
    np.testing.assert_array_equal(found.end_seconds, clips.frame().end_seconds[rows])
    has_audio = clips.frame().has_audio[rows[0]]
    assert set(found.vectors) == {name for name in clips.vector_names if has_audio or name.startswith("video")}
    for name, vectors in found.vectors.items():
        np.testing.assert_allclose(vectors, clips.vectors(name, rows), atol=1e-6)


def test_a_file_that_is_silent_at_first_has_zeros_there(stored, tmp_path):
    """More silent segments than are read at a time."""
    frames, tone = np.zeros((20 * 16, 32, 48, 3), np.uint8), np.sin(np.arange(20 * 16000) / 5)
    path = write_clip(tmp_path / "late.mp4", frames, 16, 0.3 * tone * (np.arange(len(tone)) > 18.5 * 16000))
    found = train.load_encoders(stored[0]).embed_file(path)
    is_heard = found.vectors["audio/features"].any(1)
    assert len(is_heard) == len(found) == len(found.vectors["video/features"])
    assert is_heard.tolist() == [second >= 18 for second in found.start_seconds]


def test_shards_are_built_in_a_call(ucf_folder, tmp_path):  # noqa: F811
    changes = {
        name: getattr(PARAMS, name)
        for name in ("fps", "short_side_px", "segment_seconds", "hop_length", "win_length", "n_mels")
    }
    summary = preprocess.build_shards(ucf_folder, tmp_path / "out", dataset="ucf101", classes=("Blink",), **changes)
    assert (summary.n_sources, summary.n_failed, summary.n_segments) == (6, 0, 6)
    with pytest.raises(preprocess.PreprocessError, match="nonsense"):
        preprocess.build_shards(ucf_folder, tmp_path / "other", dataset="ucf101", nonsense=1)


def test_results_are_a_frame(tmp_path):
    write_results(tmp_path / "results.json", [Result("ucf101", "retrieval", None, "video", "raw", "R@1", 0.25, 4)])
    frame = evaluate.load_results(tmp_path)
    assert frame.value.tolist() == [0.25]
    assert frame.split.isna().all()
    with pytest.raises(evaluate.EvaluateError, match="evaluate the run first"):
        evaluate.load_results(tmp_path / "missing.json")
