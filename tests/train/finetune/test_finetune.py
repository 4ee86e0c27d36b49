"""Fine-tunings on real shards: resume is exact, the start is what it says, the test side is not read."""

import json
import os
import shutil
import signal
import tarfile
from dataclasses import replace

import pytest
import torch

from preprocess.shards.manifest import read_segments
from tests.planes import from_rgb
from tests.train.conftest import SMALL as SMALL_SHARDS
from tests.train.conftest import make_decoded, write_shards
from train.config.load import check
from train.data.loader import LoaderConfig, SegmentLoader
from train.errors import ConfigError, LabelError, RunError
from train.finetune.config import FinetuneConfig
from train.finetune.model import FinetuneCheckpoint, load_finetuned
from train.finetune.trainer import Finetuner, OneClip, training_clips
from train.ranks.distributed import join_world
from train.run.checkpoint import LAST_NAME, read_state
from train.views.views import plain_video

SETTINGS = {
    "name": "test", "init": "scratch", "steps": 12, "log_every": 1, "checkpoint_every": 100,
    "data": {"batch_size": 6, "frame_px": 32}, "clip": {"n_frames": 4, "crop_px": 24, "speed": 2},
    "model": {"video": "tiny", "audio": "tiny", "tiny_width": 4}, "optim": {"lr": 0.002, "warmup_steps": 2},
}  # fmt: skip


def settings(shards, **changes):
    values = SETTINGS | changes
    return check(FinetuneConfig, values | {"data": values["data"] | {"shards": str(shards)}}, "test")


def finetuner(shards, run, encoder=None, **changes):
    return Finetuner(settings(shards, **changes), run, join_world("cpu"), encoder)


def losses(run):
    return {r["step"]: r["loss"] for r in map(json.loads, (run / "log.jsonl").read_text().splitlines())}


def saved(run):
    return read_state(FinetuneCheckpoint, run / "checkpoints" / LAST_NAME)


def test_a_stopped_and_resumed_fine_tuning_equals_an_uninterrupted_one(small_shards, tmp_path):
    # 36 training segments in batches of 6: two epochs; dropout is on, so its draws must be the same too.
    assert finetuner(small_shards, tmp_path / "whole").train()
    half = finetuner(small_shards, tmp_path / "half")
    step, steps = half._train_step, []

    def stop_after_seven():
        steps.append(1)
        if len(steps) == 7:
            os.kill(os.getpid(), signal.SIGTERM)
        return step()

    half._train_step = stop_after_seven
    assert half.train() is False
    assert saved(tmp_path / "half").step == 7
    torch.rand(5)  # what the process draws elsewhere changes nothing
    assert finetuner(small_shards, tmp_path / "half").train()
    assert losses(tmp_path / "half") == losses(tmp_path / "whole")
    for name, value in saved(tmp_path / "whole").model.items():
        assert torch.equal(value, saved(tmp_path / "half").model[name]), name


def test_from_the_encoder_or_from_scratch_with_one_and_the_same_classifier(small_shards, tmp_path):
    torch.manual_seed(9)
    other = finetuner(small_shards, tmp_path / "other", seed=9).model.video_net.state_dict()
    scratch = finetuner(small_shards, tmp_path / "scratch").model
    pretrained = finetuner(small_shards, tmp_path / "pretrained", other, init="pretrained").model
    assert torch.equal(scratch.linear.weight, pretrained.linear.weight)
    for name, value in pretrained.video_net.state_dict().items():
        assert torch.equal(value, other[name]), name
    assert not torch.equal(scratch.video_net.stem.space.weight, pretrained.video_net.stem.space.weight)


@pytest.mark.parametrize(("init", "fraction"), [("pretrained", 0.1), ("scratch", 1.0)])
def test_a_pretrained_encoder_moves_slower_than_the_classifier(small_shards, tmp_path, init, fraction):
    tuner = finetuner(small_shards, tmp_path, init=init, optim={"lr": 0.002, "warmup_steps": 0})
    tuner._train_step()
    parts = {id(p): group["lr"] for group in tuner.optimizer.param_groups for p in group["params"]}
    assert [parts[id(p)] for p in tuner.model.linear.parameters()] == pytest.approx([0.002] * 2)
    n_encoder = len(list(tuner.model.video_net.parameters()))
    assert [parts[id(p)] for p in tuner.model.video_net.parameters()] == pytest.approx([0.002 * fraction] * n_encoder)


def test_another_encoder_or_other_settings_are_refused(small_shards, tmp_path):
    assert finetuner(small_shards, tmp_path, steps=2).train()
    with pytest.raises(RunError, match=r"encoder_sha256: +there, abc asked.*remove that folder"):
        finetuner(small_shards, tmp_path, steps=4, encoder_sha256="abc").train()


def dark_or_bright(index, n_frames, params):
    decoded = make_decoded(index, n_frames, params)
    return replace(decoded, planes=from_rgb(decoded.frames // 4 + 170 * (index % 2)))


def test_it_learns_and_keeps_statistics_and_weights_when_asked(tmp_path):
    shards = write_shards(tmp_path / "shards", 24, decoded_from=dark_or_bright, label=lambda index: index % 2)
    assert finetuner(shards, tmp_path, steps=30, head={"dropout": 0.0, "label_smoothing": 0.0}).train()
    found = losses(tmp_path)
    assert sum(found[step] for step in (28, 29, 30)) < 0.9 * sum(found[step] for step in (1, 2, 3))
    loaded = load_finetuned(tmp_path / "checkpoints" / LAST_NAME)
    before = {name: value.clone() for name, value in loaded.classifier.state_dict().items()}
    loaded.classifier(torch.randn(3, 3, 4, 24, 24))
    assert not loaded.classifier.training
    assert all(torch.equal(value, before[name]) for name, value in loaded.classifier.state_dict().items())


def test_clips_of_short_segments_slow_down_and_the_last_frame_may_be_reached(small_shards):
    """With no augmentation, every clip is frames at one stride of its segment; strides 2 where 7 frames are there."""
    config = settings(
        small_shards, clip={"n_frames": 4, "crop_px": 32, "speed": 2},
        augment={"scale_min": 1.0, "aspect_max": 1.0, "flip_probability": 0.0, "grey_probability": 0.0, "brightness": 0.0,
                 "contrast": 0.0, "saturation": 0.0, "hue_turns": 0.0},
    )  # fmt: skip
    whole = LoaderConfig(str(small_shards), 12, frame_px=32, window_frames=8, shuffle=True, seed=1, num_threads=1)
    loaders = SegmentLoader(whole), SegmentLoader(replace(whole, clips=OneClip(config.clip)))
    seen = set()
    for seed in range(4):
        batch, planned = map(next, loaders)
        clips = training_clips(planned, config, torch.Generator().manual_seed(seed))
        for row, n in enumerate(batch.n_frames.tolist()):
            stride = 2 if n >= 7 else 1
            room = n - 1 - 3 * stride
            cuts = [
                plain_video(batch.frames[row : row + 1, s : s + 3 * stride + 1 : stride], 32) for s in range(room + 1)
            ]
            errors = [float((clips[row] - cut[0]).abs().max()) for cut in cuts]
            assert min(errors) < 1e-4
            seen.add((n, errors.index(min(errors))))
    assert {(8, 0), (8, 1), (6, 0), (6, 2)} <= seen


def test_the_test_side_is_never_read(small_shards, tmp_path):
    """Its pictures are blanked in the archives: training goes through all the same, twice over its own side."""
    shards = tmp_path / "shards"
    shutil.copytree(small_shards, shards)
    segments = read_segments(shards)
    tested = {row.key for row in segments.itertuples() if json.loads(row.splits)["1"] == "test"}
    n_blanked = 0
    for path in shards.glob("*.tar"):
        with tarfile.open(path) as tar:
            members = [m for m in tar.getmembers() if m.name.partition(".")[0] in tested and m.name.endswith(".jpg")]
        with path.open("r+b") as file:
            for member in members:
                file.seek(member.offset_data)
                file.write(bytes(member.size))
                n_blanked += 1
    assert n_blanked == len(tested) == 12
    assert finetuner(shards, tmp_path / "run").train()
    assert losses(tmp_path / "run") == pytest.approx(_untouched(small_shards, tmp_path))


def _untouched(shards, tmp_path):
    assert finetuner(shards, tmp_path / "untouched").train()
    return losses(tmp_path / "untouched")


def test_shards_without_labels_or_without_the_split_are_refused_with_the_remedy(tmp_path):
    bare = write_shards(tmp_path / "bare", 12, label=lambda _: -1)
    with pytest.raises(LabelError, match="no segment has a label: make the shards from a labelled data set"):
        finetuner(bare, tmp_path / "run")
    partly = write_shards(tmp_path / "partly", 12, label=lambda index: index % 3 - 1)
    with pytest.raises(LabelError, match=r"3 of 9 segments of 1:train have no label: make the shards"):
        finetuner(partly, tmp_path / "run")
    with pytest.raises(LabelError, match=r"no segment of 2:train.*--splits"):
        finetuner(partly, tmp_path / "run", data=SETTINGS["data"] | {"split": "2:train"})
    sound = write_shards(tmp_path / "sound", 12, replace(SMALL_SHARDS, media="audio"))
    with pytest.raises(LabelError, match="audio without video"):
        finetuner(sound, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_unknown_settings_presets_and_lengths_are_refused(small_shards):
    with pytest.raises(ConfigError, match=r"optim\.speed"):
        settings(small_shards, optim={"speed": 3})
    with pytest.raises(ConfigError, match="n_frames must be 2 or more"):
        settings(small_shards, clip={"n_frames": 1})
