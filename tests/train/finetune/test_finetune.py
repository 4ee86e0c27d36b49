"""Fine-tunings on real shards: resume is exact, the start is what it says, shards without labels are refused."""

import json
from dataclasses import replace

import pytest
import torch

from tests.planes import from_rgb
from tests.train.conftest import SMALL, make_decoded, write_shards
from tests.train.small_runs import losses, stop_in_step
from train.config.load import check
from train.errors import LabelError
from train.finetune.config import FinetuneClip, FinetuneConfig
from train.finetune.model import FinetuneCheckpoint, load_finetuned
from train.finetune.trainer import Finetuner, OneClip
from train.ranks.distributed import join_world
from train.run.checkpoint import LAST_NAME, read_state

SETTINGS = {
    "name": "test", "init": "scratch", "steps": 12, "log_every": 1, "checkpoint_every": 100,
    "data": {"batch_size": 6, "frame_px": 32}, "clip": {"n_frames": 4, "crop_px": 24, "speed": 2},
    "model": {"video": "tiny", "audio": "tiny", "tiny_width": 4}, "optim": {"lr": 0.002, "warmup_steps": 2},
}  # fmt: skip


def finetuner(shards, run, encoder=None, **changes):
    values = SETTINGS | changes
    settings = check(FinetuneConfig, values | {"data": values["data"] | {"shards": str(shards)}}, "test")
    return Finetuner(settings, run, join_world("cpu"), encoder)


def saved(run):
    return read_state(FinetuneCheckpoint, run / "checkpoints" / LAST_NAME)


def test_a_stopped_and_resumed_fine_tuning_equals_an_uninterrupted_one(small_shards, tmp_path):
    # 36 training segments in batches of 6: two epochs; dropout is on, so its draws must be the same too.
    assert finetuner(small_shards, tmp_path / "whole").train()
    assert json.loads((tmp_path / "whole" / "training.json").read_text())["segments"] == 36  # none of the test side
    half = finetuner(small_shards, tmp_path / "half")
    stop_in_step(half, 7)
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
    rates = {id(p): group["lr"] for group in tuner.optimizer.param_groups for p in group["params"]}
    assert {rates[id(p)] for p in tuner.model.linear.parameters()} == {0.002}
    assert {rates[id(p)] for p in tuner.model.video_net.parameters()} == {0.002 * fraction}


def test_it_learns_and_comes_back_in_eval_mode(tmp_path):
    def dark_or_bright(index, n_frames, params):
        decoded = make_decoded(index, n_frames, params)
        return replace(decoded, planes=from_rgb(decoded.frames // 4 + 170 * (index % 2)))

    shards = write_shards(tmp_path / "shards", 24, decoded_from=dark_or_bright, label=lambda index: index % 2)
    assert finetuner(shards, tmp_path, steps=30, head={"dropout": 0.0, "label_smoothing": 0.0}).train()
    found = losses(tmp_path)
    assert sum(found[step] for step in (28, 29, 30)) < 0.9 * sum(found[step] for step in (1, 2, 3))
    assert not load_finetuned(tmp_path / "checkpoints" / LAST_NAME).classifier.training


def test_clips_lie_anywhere_inside_and_slow_down_in_short_segments():
    n_frames = torch.tensor([3, 5, 6, 7, 8]).repeat(50)
    plan = OneClip(FinetuneClip(n_frames=4, speed=2))(n_frames, torch.Generator().manual_seed(0))
    found = {tuple(row) for row in torch.stack([n_frames, plan.stride[:, 0], plan.start[:, 0]], 1).tolist()}
    # (frames, stride, start): a clip of stride 2 takes 7 frames, one of stride 1 takes 4; 3 are too few for any.
    assert found == {(3, 1, 0), (5, 1, 0), (5, 1, 1), (6, 1, 0), (6, 1, 1), (6, 1, 2), (7, 2, 0), (8, 2, 0), (8, 2, 1)}


def test_shards_without_labels_or_without_the_split_are_refused_with_the_remedy(tmp_path):
    bare = write_shards(tmp_path / "bare", 12, label=lambda _: -1)
    partly = write_shards(tmp_path / "partly", 12, label=lambda index: index % 3 - 1)
    audio = write_shards(tmp_path / "audio", 12, replace(SMALL, media="audio"))
    for shards, split, words in (
        (bare, "1:train", "no segment has a label: make the shards from a labelled data set"),
        (partly, "1:train", r"3 of 9 segments of 1:train have no label: make the shards"),
        (partly, "2:train", r"no segment of 2:train.*--splits"),
        (audio, "1:train", "audio without video"),
    ):
        with pytest.raises(LabelError, match=words):
            finetuner(shards, tmp_path / "run", data=SETTINGS["data"] | {"split": split})
    assert not (tmp_path / "run").exists()
