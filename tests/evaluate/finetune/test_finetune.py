"""Fine-tuning's protocol: 10 clips x 3 crops against a slow version, every split and their mean, from the command."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

from evaluate.__main__ import main
from evaluate.errors import GroupLeakError, SplitError
from evaluate.finetune.protocol import splits_of_shards
from evaluate.finetune.testing import predict
from evaluate.results.results import read_results
from preprocess.schema import SEGMENTS_PER_SOURCE_LIMIT
from preprocess.shards.manifest import read_dataset
from tests.train.conftest import write_shards
from tests.train.data.test_loader import slow_reader
from train.config.load import check
from train.errors import ConfigError
from train.finetune.config import FinetuneConfig, finetune_config
from train.finetune.model import Classifier, Finetuned
from train.ranks.distributed import join_world
from train.run.checkpoint import LAST_NAME, load_encoders, read_checkpoint, save_checkpoint

SET = ("steps=4", "log_every=1", "checkpoint_every=2", "data.batch_size=4", "clip.n_frames=4", "data.num_threads=1")


def random_classifier(shards):
    data = {"shards": str(shards), "batch_size": 25, "num_threads": 1}
    model = {"video": "tiny", "audio": "tiny", "tiny_width": 4}
    clip = {"n_frames": 4, "crop_px": 32, "speed": 2}
    config = check(FinetuneConfig, {"data": data, "clip": clip, "model": model}, "test")
    torch.manual_seed(2)
    classifier = Classifier(config, 5).eval()
    with torch.no_grad():
        classifier.linear.weight.mul_(400)  # or all classes would be as probable, wherever one looks
    return Finetuned(classifier, config, tuple("abcde"), 0)


@torch.no_grad()
def slow_probabilities(shards, finetuned):
    """source -> mean probabilities, one clip at a time: tarfile, JPEG by JPEG, every start and crop by hand."""
    found = {}
    for segment, (frames, *_rest) in slow_reader(shards).items():
        source = segment // SEGMENTS_PER_SOURCE_LIMIT
        if source % 4 != 3:
            continue
        n, height, width, _ = frames.shape
        stride = 2 if n >= 7 else 1
        room = max(0, n - (3 * stride + 1))
        for k in range(10):
            taken = [min(room * k // 9 + i * stride, n - 1) for i in range(4)]
            for third in range(3):
                top, left = (height - 32) * third // 2, (width - 32) * third // 2
                clip = frames[taken, top : top + 32, left : left + 32].astype(np.float32) / 63.75 - 2
                logits = finetuned.classifier(torch.from_numpy(clip).permute(3, 0, 1, 2)[None])
                found.setdefault(source, []).append(logits.double().softmax(1)[0].numpy())
    return {source: np.mean(rows, axis=0) for source, rows in found.items()}, {s: len(r) for s, r in found.items()}


def test_ten_clips_and_three_crops_of_every_segment_equal_a_slow_version(tmp_path):
    # 3 to 20 frames at up to 8 a segment: too short for a clip, for the speed, and several segments; all orientations.
    shards = write_shards(tmp_path / "shards", 36, n_frames=lambda index: 3 + (5 * index) % 18)
    finetuned = random_classifier(shards)
    before = {name: value.clone() for name, value in finetuned.classifier.state_dict().items()}
    found = predict(finetuned, shards, "1", join_world("cpu"), lambda *_: None)
    wanted, n_clips = slow_probabilities(shards, finetuned)
    assert set(n_clips.values()) == {30, 60, 90}
    assert found.source_index.tolist() == sorted(wanted) == [s for s in range(36) if s % 4 == 3]
    assert found.labels.tolist() == [source % 5 for source in sorted(wanted)]
    np.testing.assert_allclose(found.probabilities, [wanted[source] for source in sorted(wanted)], atol=1e-4)
    assert np.ptp(found.probabilities, axis=0).max() > 0.02  # the videos differ
    for name, value in finetuned.classifier.state_dict().items():  # no statistic moved with the test videos
        assert torch.equal(value, before[name]), name


def test_a_recording_on_both_sides_or_a_missing_split_is_refused(tmp_path):
    leaking = write_shards(tmp_path / "leaking", 20, group=lambda index: f"g{index % 5}")
    with pytest.raises(GroupLeakError, match="label-0 g0"):
        splits_of_shards(leaking, "all")
    apart = write_shards(tmp_path / "apart", 20, group=lambda index: f"g{index}")
    assert splits_of_shards(apart, "all") == ("1",)
    with pytest.raises(SplitError, match=r"no split 3; it has 1.*--splits"):
        splits_of_shards(apart, "1,3")


def command(run, shards, *more, settings=SET):
    words = ["finetune", "--run", run, "--shards", shards, "--device", "cpu", *more]
    return [*map(str, words), *(word for setting in settings for word in ("--set", setting))]


def test_three_splits_two_starts_their_means_and_predictions(run_folder, shards, capsys):
    assert main(command(run_folder, shards)) == 0
    results = [r for r in read_results(run_folder / "results.json") if r.task == "finetune"]
    by = {(r.model, r.split): r for r in results}
    assert set(by) == {(model, split) for model in ("pretrained", "scratch") for split in (1, 2, 3, None)}
    assert {(r.test, r.metric, r.modality) for r in results} == {("ucf101", "top-1", "video")}
    for model in ("pretrained", "scratch"):
        each = [by[model, split] for split in (1, 2, 3)]
        assert [r.n for r in each] == [6, 6, 6]
        assert by[model, None].value == pytest.approx(np.mean([r.value for r in each]))
        assert by[model, None].n == 18
        assert all(by[model, split].low <= by[model, split].value <= by[model, split].high for split in (1, 2, 3, None))
        for split in (1, 2, 3):
            folder = run_folder / "finetune" / f"ucf101-{split}-{model}"
            said = json.loads((folder / "predictions.json").read_text())
            assert np.mean([v["label"] == v["predicted"] for v in said["videos"]]) == by[model, split].value
            groups = {int(v["source"].split("_g")[1][:2]) for v in said["videos"]}
            assert groups == {2 * split - 1, 2 * split}
            assert (said["clips"], said["squares"]) == (10, ["first", "middle", "last"])
    folder = run_folder / "finetune" / "ucf101-1-scratch"
    done, one = [folder / "checkpoints" / LAST_NAME, folder / "predictions.json"], ("--split", "1", "--init", "scratch")
    stamps = [path.stat().st_mtime_ns for path in done]
    assert main(command(run_folder, shards, *one)) == 0
    assert [path.stat().st_mtime_ns for path in done] == stamps  # neither trained nor tested again
    assert [r for r in read_results(run_folder / "results.json") if r.task == "finetune"] == results  # the mean too
    shutil.rmtree(folder / "checkpoints")
    assert main(command(run_folder, shards, *one)) == 0
    assert done[1].stat().st_mtime_ns != stamps[1]  # the weights that predicted before are gone
    assert main([*command(run_folder, shards, *one), "--set", "steps=5"]) == 0
    assert json.loads(done[1].read_text())["step"] == 5

    path = run_folder / "checkpoints" / LAST_NAME
    saved = read_checkpoint(path)
    config = {**saved.config, "data": {**saved.config["data"], "split": "1:train"}}
    save_checkpoint(replace(saved, config=config, shards_fingerprint=read_dataset(shards).fingerprint), path)
    capsys.readouterr()
    for start, said in (("pretrained", True), ("scratch", False)):
        assert main(command(run_folder, shards, "--split", "2", "--init", start)) == 0
        assert ("it has seen, without labels, test videos of split 2, 3" in capsys.readouterr().out) == said


def test_settings_come_from_the_run_the_preset_and_the_command_in_this_order(run_folder, shards):
    run = load_encoders(run_folder / "checkpoints" / LAST_NAME)
    config = finetune_config(run, shards, "2", "pretrained", overrides=["optim.lr=0.5", "model.tiny_width=99"])
    assert (config.clip.crop_px, config.clip.speed, config.data.frame_px) == (32, 2, 32)  # the run
    assert (config.name, config.steps, config.data.split) == ("tiny", 600, "2:train")
    assert config.optim.lr == 0.5
    assert config.model == run.config.model  # never another architecture than the weights are of
    assert config.encoder_sha256 == run.sha256
    assert finetune_config(run, shards, "2", "scratch").encoder_sha256 == ""
    sparse = replace(run, config=replace(run.config, clip=replace(run.config.clip, base_stride=2)))
    assert finetune_config(sparse, shards, "2", "scratch").clip.speed == 4  # the frames that its other tests take
    assert finetune_config(run, shards, "1", "scratch", "full").clip.n_frames == 32
    with pytest.raises(ConfigError, match="presets: full, tiny"):
        finetune_config(run, shards, "1", "scratch", "none")


def test_an_unknown_start_is_refused_with_status_2(run_folder, shards, capsys):
    assert main([*command(run_folder, shards), "--init", "guessed"]) == 2
    said = capsys.readouterr().err
    assert "--init takes pretrained and scratch" in said
    assert "Traceback" not in said
    assert not (run_folder / "results.json").exists()
