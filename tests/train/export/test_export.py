"""Encoders are written and come back the same, without run, trainer, DALI or a pickle; ONNX computes the same."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from tests.processes import ROOT, run
from tests.train.small_runs import train
from train.config.schema import ModelConfig
from train.errors import CheckpointError, ExportError
from train.export.export import CONFIG_NAME, WEIGHTS_NAME, describe, load_exported, write_encoders
from train.export.onnx_export import OUTPUTS, Tower, onnx_model, require_same
from train.model.encoders import build_encoders
from train.run.checkpoint import LAST_NAME, load_encoders
from train.views.views import normalise_frames, normalise_logmel

SHAPES = {"video": (3, 4, 24, 24), "audio": (1, 16, 7)}
"""One clip of the tiny run: 4 frames of 24 px; 16 bands, 3 frames of two columns and one more."""


@pytest.fixture(scope="module")
def trained(small_shards, tmp_path_factory):
    run = tmp_path_factory.mktemp("export") / "run"
    train(run, small_shards, "steps=3", "data.split=1:train")
    return load_encoders(run / "checkpoints" / LAST_NAME)


@pytest.fixture(scope="module")
def exported(trained, tmp_path_factory):
    folder = tmp_path_factory.mktemp("exported")
    write_encoders(folder, trained, describe(trained, "f" * 64), onnx=True)
    return folder


@pytest.fixture
def plain(exported, tmp_path):
    """A copy to damage."""
    return Path(shutil.copytree(exported, tmp_path / "copy"))


def clips(n, modality):
    return torch.rand(n, *SHAPES[modality], generator=torch.Generator().manual_seed(n)) * 4 - 2


def outputs(encoders, modality, batch):
    with torch.inference_mode():
        return Tower(encoders, modality).eval()(batch)


@pytest.mark.parametrize("modality", SHAPES)
def test_exported_encoders_give_what_those_of_the_checkpoint_give(trained, exported, modality):
    after = load_exported(exported)
    assert not after.encoders.training
    assert (after.sha256, after.step, after.shard_params) == (trained.sha256, 3, trained.shard_params)
    assert (after.config.clip, after.config.model) == (trained.config.clip, trained.config.model)
    batch = clips(5, modality)
    wanted, found = (outputs(each.encoders, modality, batch) for each in (trained, after))
    assert all(map(torch.equal, wanted, found))


def test_loading_needs_no_run_no_trainer_no_dali_and_no_pickle(plain):
    code = (
        "import pickle, sys\n"
        "def refuse(*_, **__): raise AssertionError('unpickled')\n"
        "pickle.load = pickle.loads = pickle.Unpickler = refuse\n"
        "from train.export.export import load_exported\n"
        f"print(load_exported({str(plain)!r}).sha256)\n"
        "bad = ('nvidia.dali', 'tensorboard', 'torch.utils.tensorboard', 'train.run.pretraining', 'train.data.loader', 'onnx', "
        "'onnxruntime', 'jinja2', 'pyarrow')\n"
        "print([name for name in bad if name in sys.modules])\n"
    )
    done = run("-c", code)
    assert done.stdout.splitlines() == [load_exported(plain).sha256, "[]"], done.stderr


def test_the_description_is_that_of_the_encoders_and_tells_nothing_of_this_machine(trained, exported):
    info = json.loads((exported / CONFIG_NAME).read_text())
    with safe_open(exported / WEIGHTS_NAME, framework="pt") as file:
        assert file.metadata()["encoder_sha256"] == info["encoder_sha256"] == trained.sha256
    assert (info["step"], info["seed"], info["shards_fingerprint"]) == (3, 0, "f" * 64)
    encoders = trained.encoders
    assert info["feature_dims"] == {"video": encoders.video_dim, "audio": encoders.audio_dim, "projection": 8}
    everything = b"".join(path.read_bytes() for path in exported.iterdir())
    assert str(ROOT).encode() not in everything
    assert trained.config.data.shards.encode() not in everything
    frames = torch.randint(0, 256, (1, 2, 4, 4, 3), dtype=torch.uint8)
    logmel = torch.rand(1, 4, 4) * -18.0
    for modality, raw, want in (
        ("video", frames.permute(0, 4, 1, 2, 3).float(), normalise_frames(frames)),
        ("audio", logmel, normalise_logmel(logmel)),
    ):
        given = info[f"{modality}_input"]
        assert given["shape"] == ["batch", *SHAPES[modality]]
        torch.testing.assert_close((raw - given["subtract"]) / given["divide_by"], want)


@pytest.mark.parametrize("modality", SHAPES)
@pytest.mark.parametrize("batch", [1, 2, 7])
def test_onnx_gives_torchs_features_and_projections_for_any_batch(exported, modality, batch):
    session = onnxruntime.InferenceSession(str(exported / f"{modality}.onnx"), providers=["CPUExecutionProvider"])
    given, loaded = clips(batch, modality), load_exported(exported)
    name = json.loads((exported / CONFIG_NAME).read_text())[f"{modality}_input"]["name"]
    assert [output.name for output in session.get_outputs()] == list(OUTPUTS)
    wanted = outputs(loaded.encoders, modality, given)
    for got, want in zip(session.run(list(OUTPUTS), {name: given.numpy()}), wanted, strict=True):
        np.testing.assert_allclose(got, want.numpy(), atol=1e-4 * want.abs().max().item())
    metadata = {p.key: p.value for p in onnx.load(exported / f"{modality}.onnx").metadata_props}
    assert metadata["encoder_sha256"] == loaded.sha256


def test_an_onnx_file_that_computes_something_else_is_refused(exported):
    right = load_exported(exported).encoders
    model = (exported / "audio.onnx").read_bytes()
    require_same(model, Tower(right, "audio").eval(), "logmel", SHAPES["audio"])
    torch.manual_seed(0)
    wrong = build_encoders(load_exported(exported).config.model).eval()
    with pytest.raises(ExportError, match="features of onnxruntime and torch differ"):
        require_same(model, Tower(wrong, "audio").eval(), "logmel", SHAPES["audio"])
    with torch.no_grad():
        right.audio_projection[0].weight.mul_(float("nan"))
    with pytest.raises(ExportError, match="projection of onnxruntime and torch differ"):
        require_same(model, Tower(right, "audio").eval(), "logmel", SHAPES["audio"])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("modality", "name", "shape"),
    [
        ("video", "r2plus1d_18", (3, 8, 32, 32)), ("video", "r3d_18", (3, 8, 32, 32)),
        ("video", "s3d", (3, 16, 64, 64)), ("audio", "resnet18", (1, 40, 31)),
    ],
)  # fmt: skip
def test_torchvision_encoders_go_to_onnx_too(modality, name, shape):
    torch.manual_seed(1)
    encoders = build_encoders(replace(ModelConfig(video="tiny", audio="tiny", tiny_width=4), **{modality: name}))
    model = onnx_model(Tower(encoders.eval(), modality).eval(), "clips", shape, {})
    own = sum(p.numel() for p in getattr(encoders, f"{modality}_net").parameters())
    assert 4 * own < len(model) < 4.4 * own + 2_000_000, "its own weights, once, and not the other encoder's"


def test_files_that_are_damaged_exchanged_or_missing_are_refused(plain):
    path = plain / WEIGHTS_NAME
    whole, weights = path.read_bytes(), load_file(path)
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
    bent = bytearray(whole)
    bent[-5] ^= 1
    for data, says in ((whole[:2000], "damaged"), (b"", "damaged"), (b"text", "damaged"), (bent, "sha256")):
        path.write_bytes(data)
        with pytest.raises(CheckpointError, match=says):
            load_exported(plain)
    save_file(weights, path, {"format": "pt"})
    with pytest.raises(CheckpointError, match="not an avtempo-encoders file of version 1"):
        load_exported(plain)
    weights.pop("video_projection.3.weight")
    save_file(weights, path, metadata)
    with pytest.raises(CheckpointError, match=r"do not fit.*video_projection\.3\.weight"):
        load_exported(plain)
    path.unlink()
    with pytest.raises(CheckpointError, match="not there"):
        load_exported(plain)
    (plain / CONFIG_NAME).write_text("{")
    with pytest.raises(CheckpointError, match="cannot be read"):
        load_exported(plain)
    (plain / CONFIG_NAME).unlink()
    with pytest.raises(CheckpointError, match="python -m evaluate export"):
        load_exported(plain)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda info: info.update(encoder_sha256="0" * 64), "was changed"),
        (lambda info: info["config"]["clip"].update(eval_speed=1), "was changed"),
        (lambda info: info["shard_params"].update(fps=25.0), "was changed"),
        (lambda info: info.update(step="3"), "step missing or of a wrong type"),
        (lambda info: info.update(format_version=2), "format 2; this release reads 1"),
        (lambda info: info.update(format="else"), "does not describe"),
    ],
)  # fmt: skip
def test_a_description_that_was_changed_is_refused(plain, change, says):
    path = plain / CONFIG_NAME
    info = json.loads(path.read_text())
    path.write_text(json.dumps(info))  # other blanks are not a change
    load_exported(plain)
    change(info)
    path.write_text(json.dumps(info))
    with pytest.raises(CheckpointError, match=says):
        load_exported(plain)
