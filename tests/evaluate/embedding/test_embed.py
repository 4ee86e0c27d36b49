import dataclasses
import pickle

import numpy as np
import pytest
import torch

from evaluate.embedding.clip_encoders import NetworkEncoder, RawEncoder, encode_clips, load_run
from evaluate.embedding.clip_rows import Clips, cut_clips
from evaluate.embedding.embed import embed
from evaluate.embedding.embed_task import EmbedOptions
from evaluate.errors import EmbedError
from evaluate.protocols.stores import store_paths
from preprocess.shards.manifest import read_dataset, read_segments
from store.reader import EmbeddingStore
from tests.evaluate.conftest import TINY
from tests.train.conftest import loading
from train.data.loader import iterate_once
from train.plans.clip_planners import EvenClips
from train.run.checkpoint import LAST_NAME, load_encoders

MODELS = ("pretrained", "untrained", "raw")


def run_embed(run_folder, shards, models=MODELS, **options):
    run = load_run(run_folder / "checkpoints" / LAST_NAME, models)
    outputs, seen = store_paths(run_folder, "tiny", models), []
    options = EmbedOptions(num_threads=1, **options)
    return embed(run, shards, outputs, "tiny", options, progress=lambda *state: seen.append(state)), outputs, seen


def cut(shards, run, n_clips=3, speeds=(2,), window_frames=24):
    clips = EvenClips(run.config.clip, n_clips, speeds)
    config = loading(shards, batch_size=18, window_frames=window_frames, clips=clips)
    return cut_clips(next(iterate_once(config)), run.config.clip, columns_per_frame=2)


@pytest.fixture
def run(run_folder):
    return load_run(run_folder / "checkpoints" / LAST_NAME, MODELS)


def test_stores_hold_every_segment_with_its_columns(run_folder, shards):
    embedded, outputs, seen = run_embed(run_folder, shards)
    assert embedded == MODELS
    assert [p.name for p in outputs.values()] == ["tiny.h5", "tiny-untrained.h5", "tiny-raw.h5"]
    assert seen[-1] == (18, 18)
    segments = read_segments(shards)
    for model, path in outputs.items():
        with EmbeddingStore(path) as store:
            frame = store.frame()
            assert len(frame) == 18 * 4
            assert frame["key"].drop_duplicates().tolist() == segments["key"].tolist()
            for name in ("source", "label", "label_name", "group", "splits"):
                assert frame[name].tolist() == segments[name].repeat(4).tolist()
            assert (frame["start_seconds"] >= 0).all()
            assert np.allclose(frame["end_seconds"] - frame["start_seconds"], 7 / 16)
            assert frame["has_video"].all()
            silent = frame["group"] == "g02"
            assert (frame["has_audio"] == ~silent).all()
            spaces = ("features",) if model == "raw" else ("features", "projections")
            assert set(store.vector_names) == {f"{each}/{space}" for each in ("video", "audio") for space in spaces}
            assert all(np.isfinite(store.vectors(name)).all() for name in store.vector_names)
            assert not store.vectors("audio/features")[silent].any()
            origin = store.provenance
            assert (origin.model, origin.dataset) == (model, "tiny")
            assert origin.shards_fingerprint == read_dataset(shards).fingerprint
    assert [p.name for p in outputs["raw"].parent.iterdir() if p.is_dir()] == []


def test_a_clip_embeds_the_same_whatever_its_batch_mates(run, shards):
    clips = cut(shards, run)
    order = torch.randperm(len(clips.audio), generator=torch.Generator().manual_seed(0)).numpy()
    for encoder in run.encoders:
        together = encode_clips(encoder, clips)
        for chunk in (1, 5):
            for start in range(0, 12, chunk):
                rows = order[start : start + chunk]
                alone = encode_clips(encoder, Clips(clips.spans.take(rows), clips.video[rows], clips.audio[rows]))
                for name in together:
                    assert np.allclose(alone[name], together[name][rows], rtol=1e-4, atol=1e-5), name


def test_encoders_are_forced_into_eval_mode(run, run_folder, shards):
    loaded = load_encoders(run_folder / "checkpoints" / LAST_NAME)
    loaded.encoders.train()
    encoder = NetworkEncoder(loaded, "pretrained")
    assert not any(module.training for module in loaded.encoders.modules())
    clips = cut(shards, run)
    video, audio = encoder.encode("video", clips.video), encoder.encode("audio", clips.audio)
    for vectors in (*video.values(), *audio.values()):
        assert vectors.is_inference()
        assert not vectors.requires_grad
    # what is stored is the space that video and audio share, not that of videos alone
    assert torch.equal(video["projections"], loaded.encoders.project_video(video["features"]))
    assert torch.equal(audio["projections"], loaded.encoders.project_audio(audio["features"]))


def test_raw_is_pooled_pixels_and_the_mean_log_mel(run, shards):
    clips = cut(shards, run)
    vectors = encode_clips(RawEncoder(), clips)
    assert vectors["video/features"].shape == (len(clips.audio), 8 * 8 * 8 * 3)
    # 4 frames of 32 px: each is seen twice along time, cells are means of 4x4 px
    cell = clips.video[7, 1, 2, 8:12, 20:24].mean().item()
    grid = vectors["video/features"][7].reshape(3, 8, 8, 8)
    assert grid[1, 4, 2, 5] == pytest.approx(cell, abs=1e-5)
    row = int(np.flatnonzero(clips.spans.has_audio)[3])
    assert np.allclose(vectors["audio/features"][row], clips.audio[row, 0].mean(dim=1).numpy(), atol=1e-5)


def test_several_speeds_are_ordered_by_segment_and_short_segments_give_each_clip_once(run, shards):
    both = cut(shards, run, n_clips=2, speeds=(1, 2))
    assert both.spans.segment_id.tolist() == sorted(both.spans.segment_id.tolist())
    first = both.spans.segment_id == both.spans.segment_id[0]
    spans = np.stack([both.spans.start_frame, both.spans.end_frame], axis=1)[first]
    assert spans.tolist() == [[0, 4], [20, 24], [0, 7], [17, 24]]
    spans = cut(shards, run, n_clips=4, speeds=(1, 2, 4), window_frames=5).spans
    assert len(spans.segment_id) == 18 * 2  # starts 0 and 1 at speed 1; the other speeds do not fit
    assert np.unique(np.stack([spans.segment_id, spans.start_frame]), axis=1).shape[1] == 36


def test_clips_of_several_speeds_that_begin_alike_are_stored(run_folder, shards):
    _, outputs, _ = run_embed(run_folder, shards, models=("raw",), speeds=(1, 2), n_clips=2)
    with EmbeddingStore(outputs["raw"]) as store:
        spans = set(zip(store.column("key"), store.column("start_seconds"), store.column("end_seconds"), strict=True))
        assert len(spans) == len(store) > len({span[:2] for span in spans})


def test_second_call_embeds_nothing_and_a_new_checkpoint_everything_of_its_own(run_folder, shards, make_checkpoint):
    run_embed(run_folder, shards)
    embedded, outputs, seen = run_embed(run_folder, shards)
    assert (embedded, seen) == ((), [])
    old = EmbeddingStore(outputs["pretrained"]).vectors("video/features")
    make_checkpoint(run_folder / "checkpoints" / LAST_NAME, seed=6)
    embedded, _, _ = run_embed(run_folder, shards)
    assert embedded == ("pretrained",)
    assert not np.allclose(EmbeddingStore(outputs["pretrained"]).vectors("video/features"), old)
    embedded, _, _ = run_embed(run_folder, shards, n_clips=2)
    assert embedded == MODELS
    make_checkpoint(run_folder / "checkpoints" / LAST_NAME, seed=6, clip=TINY["clip"] | {"base_stride": 2})
    embedded, _, _ = run_embed(run_folder, shards, n_clips=2)
    assert embedded == MODELS  # other frames of the same weights


def test_a_stopped_run_goes_on_with_the_missing_shards(run, run_folder, shards):
    whole = run_embed(run_folder, shards)[1]
    expected = {model: path.read_bytes() for model, path in whole.items()}
    vectors = {model: EmbeddingStore(path).vectors("video/features") for model, path in whole.items()}
    for path in whole.values():
        path.unlink()

    class StopError(Exception):
        pass

    def stop(done, total):
        if done >= 8:
            raise StopError

    with pytest.raises(StopError):
        embed(run, shards, whole, "tiny", EmbedOptions(batch_size=4, num_threads=1), progress=stop)
    parts = sorted(p.name for p in (run_folder / "embeddings" / "parts" / "tiny").iterdir())
    assert parts == ["shard-000000.h5"]
    (run_folder / "embeddings" / "parts" / "tiny-raw" / "shard-000000.h5").write_bytes(b"damaged")
    embedded, outputs, seen = run_embed(run_folder, shards)
    assert embedded == MODELS
    assert seen[-1][1] == 18  # the damaged part of one model brings its shard back, for that model only
    assert outputs["raw"].read_bytes() == expected["raw"]
    for model, path in outputs.items():
        with EmbeddingStore(path) as store:
            assert np.allclose(store.vectors("video/features"), vectors[model], atol=1e-5)


def test_two_embeddings_of_one_run_at_once_and_the_parts_of_a_killed_one_leave_whole_stores(run, run_folder, shards):
    outputs, made = store_paths(run_folder, "tiny", MODELS), []

    def second(done, total):
        if done == total:  # the parts are all there, and the second is the first to join them
            made.append(run_embed(run_folder, shards)[0])

    assert embed(run, shards, outputs, "tiny", EmbedOptions(num_threads=1), progress=second) == MODELS
    assert made[0] == MODELS
    parts = run_folder / "embeddings" / "parts"
    assert not parts.exists()
    (parts / "tiny").mkdir(parents=True)
    (parts / "tiny" / "shard-000000.h5").write_bytes(outputs["pretrained"].read_bytes())
    assert run_embed(run_folder, shards)[0] == ()
    assert not parts.exists()


def test_shards_on_another_clock_are_refused_by_name(run_folder, shards, make_checkpoint):
    params = dataclasses.replace(read_dataset(shards).params, fps=8.0, n_mels=40)
    make_checkpoint(run_folder / "checkpoints" / LAST_NAME, params=params)
    with pytest.raises(EmbedError, match=r"fps is 16.0, trained with 8.0; n_mels is 16, trained with 40"):
        run_embed(run_folder, shards)


def test_encoders_travel_as_the_place_of_their_checkpoint(run, run_folder, make_checkpoint):
    """What goes to another machine is small; another checkpoint at that place is refused there."""
    packed = pickle.dumps(run)
    assert len(packed) < 2000
    there = pickle.loads(packed)  # noqa: S301 - packed here
    assert [(e.name, e.sha256) for e in there.encoders] == [(e.name, e.sha256) for e in run.encoders]
    make_checkpoint(run_folder / "checkpoints" / LAST_NAME, seed=6)
    changed = dataclasses.replace(run, device="cpu:0")  # nothing kept from the first time
    with pytest.raises(EmbedError, match="is another checkpoint on"):
        pickle.loads(pickle.dumps(changed))  # noqa: S301 - packed here
