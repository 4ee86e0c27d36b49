"""Whole small trainings on real shards: resume is exact, signals save, one run per directory, bf16 is near fp32."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from evaluate.embedding.clip_encoders import load_run
from store.atomic_files import folder_lock
from tests.train.conftest import write_shards
from tests.train.small_runs import assert_same_end, config, losses, records, saved, stop_in_step, train, trainer
from train.__main__ import main
from train.config.load import load_config
from train.config.schema import TERMS
from train.errors import CheckpointError, RunError, TrainError
from train.file_encoder import FileEncoder
from train.run.checkpoint import LAST_NAME, load_encoders, untrained_encoders
from train.run.pretraining import reserve_cores_for_loader


def test_a_resumed_run_equals_an_uninterrupted_one_and_when_finished_says_how_it_went(small_shards, tmp_path):
    # 48 segments in batches of 6: the border of an epoch lies inside, and so does the end of the bank's warm-up.
    whole, half = tmp_path / "whole", tmp_path / "half"
    assert train(whole, small_shards, "steps=14")
    training = trainer(half, small_shards, "steps=14", "log_every=10")
    stop_in_step(training, 7)
    assert training.train() is False
    assert saved(half).step == 7
    assert saved(half).seconds > 0, "time since the last record counts too"
    assert train(half, small_shards, "steps=14", "log_every=1")
    assert list(losses(half)) == [8, 9, 10, 11, 12, 13, 14]
    assert_same_end(half, whole)
    assert load_config(half / "config.yaml") == config(small_shards, "steps=14", "log_every=1")  # as it went on

    before = (whole / "checkpoints" / LAST_NAME).stat().st_mtime_ns
    assert train(whole, small_shards, "steps=14")
    assert (whole / "checkpoints" / LAST_NAME).stat().st_mtime_ns == before
    summary = json.loads((whole / "training.json").read_text())
    assert (summary["steps"], summary["shards_fingerprint"]) == (14, saved(whole).shards_fingerprint)
    assert load_config(whole / "config.yaml") == config(small_shards, "steps=14")


def test_other_settings_other_shards_or_another_process_are_refused(small_shards, tmp_path):
    train(tmp_path / "run", small_shards, "steps=2")
    with folder_lock(tmp_path / "run"), pytest.raises(RunError, match="another process"):
        train(tmp_path / "run", small_shards, "steps=4")
    with pytest.raises(RunError, match=r"optim\.lr: 0\.001 in the run, 0\.1 now"):
        train(tmp_path / "run", small_shards, "steps=4", "optim.lr=0.1")
    other = write_shards(tmp_path / "other", 20)
    with pytest.raises(RunError, match="other shards"):
        train(tmp_path / "run", other, "steps=4")


@pytest.mark.parametrize("often", ["log_every=4", "checkpoint_every=4"])
def test_a_gradient_that_is_not_finite_ends_the_run_before_its_step_is_logged_or_saved(small_shards, tmp_path, often):
    training = trainer(tmp_path, small_shards, "steps=8", "log_every=100", "checkpoint_every=2", often)
    real = training._objective

    def objective(*given):
        found = real(*given)
        return replace(found, total=found.total * (math.nan if training.step == 2 else 1.0))

    training._objective = objective
    with pytest.raises(RunError, match="not finite at step 2; the last checkpoint is whole"):
        training.train()
    assert losses(tmp_path) == {}
    if (tmp_path / "checkpoints" / LAST_NAME).exists():
        assert saved(tmp_path).step == 2


@pytest.mark.parametrize("unread", ["audio", "video"])
def test_terms_of_weight_zero_are_not_logged_and_an_encoder_that_no_term_reads_is_not_computed(
    small_shards, tmp_path, unread
):
    kept = "direction_video" if unread == "audio" else "direction_audio"
    train(tmp_path, small_shards, "steps=2", *(f"loss.{name}={0.5 * (name == kept)}" for name in TERMS))
    for record in records(tmp_path).values():
        assert record["terms"].keys() == {kept}
        assert record["loss"] == pytest.approx(0.5 * record["terms"][kept], abs=1e-4)
    path = tmp_path / "checkpoints" / LAST_NAME
    before, after = (load(path).encoders.state_dict() for load in (untrained_encoders, load_encoders))
    changed = {name.split(".")[0] for name in before if not torch.equal(before[name], after[name])}
    assert changed == {"audio_net", "video_net"} - {f"{unread}_net"}

    pretrained, untrained = load_run(path, ["pretrained", "untrained"]).encoders
    clips, logmel = torch.zeros(2, 3, 4, 24, 24), torch.zeros(2, 1, 16, 33)
    found = [{"video": e.encode("video", clips), "audio": e.encode("audio", logmel)} for e in (pretrained, untrained)]
    assert [bool(each[unread]) for each in found] == [False, True]
    of_file = FileEncoder(load_encoders(path))._encode(clips, logmel, np.arange(2))
    assert of_file.keys() == {f"{name}/{kind}" for name in found[0] if found[0][name] for kind in found[0][name]}


def test_the_command_names_what_is_missing_and_the_remedy(tmp_path, capsys):
    assert main(["pretrain", "--preset", "sample", "--run", str(tmp_path / "run"), "--shards", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert str(tmp_path) in said
    assert "python -m preprocess shards" in said
    assert "Traceback" not in said


def test_checkpoints_give_back_their_encoders_and_refuse_garbage(small_shards, tmp_path):
    train(tmp_path, small_shards, "steps=2")
    path = tmp_path / "checkpoints" / LAST_NAME
    loaded, again, fresh = load_encoders(path), load_encoders(path), untrained_encoders(path)
    clip = torch.randn(2, 3, 4, 24, 24)
    assert not loaded.encoders.training
    assert torch.equal(loaded.encoders.video(clip), again.encoders.video(clip))
    assert loaded.sha256 == again.sha256 != fresh.sha256
    assert untrained_encoders(path).sha256 == fresh.sha256
    for damaged in (path.read_bytes()[:1000], b"text"):
        path.write_bytes(damaged)
        with pytest.raises(CheckpointError, match="damaged"):
            load_encoders(path)
    with pytest.raises(CheckpointError, match="train first"):
        load_encoders(tmp_path / "none.pt")


@pytest.fixture(scope="module")
def one_step(small_shards, tmp_path_factory):
    """A run of one step, whose checkpoint is written anew by each test."""
    run = tmp_path_factory.mktemp("one-step")
    train(run, small_shards, "steps=1")
    return run, torch.load(run / "checkpoints" / LAST_NAME, weights_only=True)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"model": None}, "damaged: model: "),
        ({"model": {"encoders.x": 3}}, "damaged: model.encoders.x: "),
        ({"step": "two"}, "damaged: step: "),
        ({"format": torch.zeros(3)}, "not a checkpoint of the kind"),
        ({"format_version": torch.zeros(3)}, "checkpoint format tensor"),
        ({"format_version": 3}, "checkpoint format 3; this release reads 4"),
        ({"model": {"encoders.x": torch.zeros(3)}}, "weights do not fit"),
        ({"shard_params": {"fps": 0}}, "shard_params|fps must be above 0"),
    ],
)
def test_checkpoints_that_say_something_odd_are_refused(one_step, change, words):
    run, whole = one_step
    torch.save(whole | change, run / "checkpoints" / LAST_NAME)
    with pytest.raises(TrainError, match=words):
        load_encoders(run / "checkpoints" / LAST_NAME)


def test_a_run_does_not_go_on_from_a_state_that_does_not_fit(small_shards, one_step):
    run, whole = one_step
    optimizer = whole["optimizer"]
    first = min(optimizer["state"])
    moments = optimizer["state"][first]
    states = [
        moments | {"exp_avg": [1.0]}, moments | {"exp_avg": torch.zeros(3, 5, 7)},
        {name: value for name, value in moments.items() if name != "exp_avg_sq"},
    ]  # fmt: skip
    odd = [
        {}, optimizer | {"param_groups": [group | {"amsgrad": True} for group in optimizer["param_groups"]]},
        *(optimizer | {"state": optimizer["state"] | {first: state}} for state in states),
    ]  # fmt: skip
    for change in (*({"optimizer": each} for each in odd), {"loaders": []}, {"bank": {"x": 1}}, {"model": {}}):
        torch.save(whole | change, run / "checkpoints" / LAST_NAME)
        with pytest.raises(TrainError, match="damaged"):
            train(run, small_shards, "steps=2")


def test_torch_leaves_cores_to_the_decoder_and_takes_them_back_whatever_happens():
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        for reserved, left in ((1, 2), (9, 1)):
            with pytest.raises(ZeroDivisionError), reserve_cores_for_loader(reserved, torch.device("cpu")):
                assert torch.get_num_threads() == left
                raise ZeroDivisionError
            assert torch.get_num_threads() == 3
        with reserve_cores_for_loader(1, torch.device("cuda")):
            assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


def six_steps(shards, run, precision):
    """Objectives of six steps, the model's outputs, and the trainer.

    The rate is low: AdamW moves a weight by the sign of a gradient near 0 too, and these networks are few steps old.
    """
    settings = ("steps=6", f"optim.precision={precision}", "optim.lr=0.0001", "model.tiny_width=16")
    training = trainer(run, shards, *settings)
    outputs, objectives = [], []
    training.model.register_forward_hook(lambda _model, _clips, output: outputs.append(output))
    real = training._objective
    training._objective = lambda *given: objectives.append(real(*given)) or objectives[-1]
    assert training.train()
    return objectives, outputs, training


def test_bf16_trains_near_fp32_and_keeps_embeddings_losses_and_the_bank_in_fp32(small_shards, tmp_path):
    full, _, _ = six_steps(small_shards, tmp_path / "fp32", "fp32")
    half, outputs, training = six_steps(small_shards, tmp_path / "bf16", "bf16")
    for step, (a, b) in enumerate(zip(half, full, strict=True)):
        near = 0.05 if step < 3 else 0.3  # a difference grows from step to step, on some processors to a tenth in six
        assert float(a.total.detach()) == pytest.approx(float(b.total.detach()), rel=near)
    assert {x.dtype for o in outputs for x in o.logits.values()} == {torch.bfloat16}  # it is on at all
    filled = training.bank.video[training.bank.source >= 0]
    assert len(filled) == 36
    for vectors in (filled, *(x for o in outputs for x in o.embeddings.values())):
        assert vectors.dtype == torch.float32
        norms = vectors.norm(dim=1)[vectors.any(dim=1)]
        assert torch.allclose(norms, torch.ones_like(norms), atol=1e-6)  # bf16 would be off by 1e-3
    assert {o.total.dtype for o in half} == {x.dtype for o in half for x in o.terms.values()} == {torch.float32}
    assert {p.dtype for p in training.model.parameters()} == {torch.float32}
