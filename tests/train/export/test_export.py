"""Encoders leave a run and come back the same, without the run, the trainer, DALI or a pickle; ONNX computes the same."""

import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from evaluate.__main__ import main
from evaluate.export.export import export_run
from store.atomic_files import atomic_folder
from tests.train.run.test_pretraining import config
from train.config.schema import ModelConfig
from train.data.loader import LoaderConfig, iterate_once
from train.errors import CheckpointError, ExportError, exporting
from train.export.export import CONFIG_NAME, WEIGHTS_NAME, load_exported
from train.export.onnx_export import Tower, onnx_model, require_same
from train.model.encoders import build_encoders
from train.plans.clip_planners import EvenClips
from train.ranks.distributed import join_world
from train.run.checkpoint import LAST_NAME, encoders_sha256, load_encoders, read_checkpoint, save_checkpoint
from train.run.pretraining import Trainer
from train.views.views import eval_clips, normalise_frames, normalise_logmel

ROOT = Path(__file__).parents[3]
VIDEO, AUDIO = (3, 4, 24, 24), (1, 16, 7)
"""One clip of the tiny run: 4 frames of 24 px; 16 bands, 3 frames of two columns and one more."""


@pytest.fixture(scope="module")
def run(small_shards, tmp_path_factory):
    folder = tmp_path_factory.mktemp("export") / "run"
    Trainer(config(small_shards, "steps=3", "data.split=1:train"), folder, join_world("cpu")).train()
    return folder


@pytest.fixture(scope="module")
def exported(run, tmp_path_factory):
    return export_run(run, tmp_path_factory.mktemp("exported") / "out")


@pytest.fixture
def plain(exported, tmp_path):
    """A copy to damage."""
    return Path(shutil.copytree(exported, tmp_path / "copy"))


def clips(n, shape):
    return torch.rand(n, *shape, generator=torch.Generator().manual_seed(n)) * 4 - 2


def outputs(encoders, modality, batch):
    with torch.inference_mode():
        features = getattr(encoders, modality)(batch)
        projections = (getattr(encoders, f"project_{space}")(features) for space in (modality, f"within_{modality}"))
        return (features, *projections)


@pytest.mark.parametrize(("modality", "shape"), [("video", VIDEO), ("audio", AUDIO)])
def test_exported_encoders_give_what_those_of_the_checkpoint_give(run, exported, modality, shape):
    before, after = load_encoders(run / "checkpoints" / LAST_NAME), load_exported(exported)
    assert not after.encoders.training
    assert (after.sha256, after.step, after.shard_params) == (before.sha256, 3, before.shard_params)
    assert (after.config.clip, after.config.model) == (before.config.clip, before.config.model)
    for want, got in zip(outputs(before.encoders, modality, clips(5, shape)),
                         outputs(after.encoders, modality, clips(5, shape)), strict=True):  # fmt: skip
        assert torch.equal(want, got)


def test_loading_draws_no_random_numbers(exported):
    torch.manual_seed(3)
    want = torch.rand(2)
    torch.manual_seed(3)
    load_exported(exported)
    assert torch.equal(torch.rand(2), want)


def test_the_two_lines_need_no_run_no_trainer_no_dali_and_no_pickle(exported, tmp_path):
    moved = Path(shutil.copytree(exported, tmp_path / "elsewhere"))
    code = (
        "import pickle, sys\n"
        "def refuse(*_, **__): raise AssertionError('unpickled')\n"
        "pickle.load = pickle.loads = pickle.Unpickler = refuse\n"
        "from train.export.export import load_exported\n"
        f"loaded = load_exported({str(moved)!r})\n"
        "print(loaded.sha256)\n"
        "bad = ('nvidia.dali', 'tensorboard', 'torch.utils.tensorboard', 'train.run.pretraining', 'train.data.loader', 'onnx', "
        "'onnxruntime', 'jinja2', 'pyarrow')\n"
        "print([name for name in bad if name in sys.modules])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False, timeout=400
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [load_exported(exported).sha256, "[]"]


def test_the_weights_and_the_description_name_each_other(run, exported):
    info, encoders = json.loads((exported / CONFIG_NAME).read_text()), load_exported(exported).encoders
    saved = read_checkpoint(run / "checkpoints" / LAST_NAME)
    with safe_open(exported / WEIGHTS_NAME, framework="pt") as file:
        metadata = file.metadata()
    assert metadata["format"] == info["format"] == "avtempo-encoders"
    assert metadata["encoder_sha256"] == info["encoder_sha256"] == load_exported(exported).sha256
    assert (info["step"], info["seed"], info["shards_fingerprint"]) == (3, 0, saved.shards_fingerprint)
    assert info["shard_params"] == saved.shard_params
    assert info["feature_dims"] == {"video": encoders.video_dim, "audio": encoders.audio_dim, "projection": 8}
    assert info["video_input"]["shape"] == ["batch", *VIDEO]
    assert info["audio_input"]["shape"] == ["batch", *AUDIO]
    assert info["torch"] == torch.__version__
    everything = b"".join(path.read_bytes() for path in exported.iterdir())
    assert str(ROOT).encode() not in everything, "an export tells nobody where it was made"
    assert str(run).encode() not in everything


def test_the_normalisation_that_is_written_down_is_the_one_that_was_trained_with(exported):
    info = json.loads((exported / CONFIG_NAME).read_text())
    frames = torch.randint(0, 256, (1, 2, 4, 4, 3), dtype=torch.uint8)
    logmel = torch.rand(1, 4, 4) * -18.0
    for name, raw, want in (
        ("video_input", frames.permute(0, 4, 1, 2, 3).float(), normalise_frames(frames)),
        ("audio_input", logmel, normalise_logmel(logmel)),
    ):
        torch.testing.assert_close((raw - info[name]["subtract"]) / info[name]["divide_by"], want)


@pytest.mark.parametrize(("modality", "shape"), [("video", VIDEO), ("audio", AUDIO)])
@pytest.mark.parametrize("batch", [1, 2, 7])
def test_onnx_gives_torchs_features_and_projections_for_any_batch(exported, modality, shape, batch):
    session = onnxruntime.InferenceSession(str(exported / f"{modality}.onnx"), providers=["CPUExecutionProvider"])
    given = clips(batch, shape)
    name = json.loads((exported / CONFIG_NAME).read_text())[f"{modality}_input"]["name"]
    names = ["features", "projection", "projection_within"]
    assert [output.name for output in session.get_outputs()] == names
    features, *projections = session.run(names, {name: given.numpy()})
    want = outputs(load_exported(exported).encoders, modality, given)
    np.testing.assert_allclose(features, want[0].numpy(), atol=1e-4 * want[0].abs().max().item())
    for projection, wanted in zip(projections, want[1:], strict=True):
        np.testing.assert_allclose(projection, wanted.numpy(), atol=1e-4)
        np.testing.assert_allclose(np.linalg.norm(projection, axis=1), 1, atol=1e-5)
    metadata = {p.key: p.value for p in onnx.load(exported / f"{modality}.onnx").metadata_props}
    assert metadata["encoder_sha256"] == load_exported(exported).sha256


def test_an_onnx_file_that_computes_something_else_is_refused(exported):
    right = load_exported(exported).encoders
    model = (exported / "audio.onnx").read_bytes()
    require_same(model, Tower(right, "audio").eval(), "logmel", AUDIO)
    torch.manual_seed(0)
    wrong = build_encoders(load_exported(exported).config.model).eval()
    with pytest.raises(ExportError, match="onnxruntime and torch differ"):
        require_same(model, Tower(wrong, "audio").eval(), "logmel", AUDIO)
    with torch.no_grad():
        right.audio_projection[0].weight.mul_(float("nan"))
    with pytest.raises(ExportError, match="projection of onnxruntime"):
        require_same(model, Tower(right, "audio").eval(), "logmel", AUDIO)


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


def test_weights_that_are_damaged_exchanged_or_gone_are_refused(plain):
    path = plain / WEIGHTS_NAME
    whole = path.read_bytes()
    for damaged in (whole[:2000], b"", b"text", whole[:-1]):
        path.write_bytes(damaged)
        with pytest.raises(CheckpointError, match="damaged"):
            load_exported(plain)
    bent = bytearray(whole)
    bent[-5] ^= 1
    path.write_bytes(bent)
    with pytest.raises(CheckpointError, match="sha256"):
        load_exported(plain)
    path.write_bytes(whole)
    weights = load_file(path)
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
    save_file(weights, path, {"format": "pt"})
    with pytest.raises(CheckpointError, match="is not an avtempo-encoders file of version 1"):
        load_exported(plain)
    weights.pop("video_projection.3.weight")
    save_file(weights, path, metadata)
    with pytest.raises(CheckpointError, match=r"do not fit.*video_projection\.3\.weight"):
        load_exported(plain)
    path.unlink()
    with pytest.raises(CheckpointError, match="not there"):
        load_exported(plain)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda info: info.update(encoder_sha256="0" * 64), "was changed"),
        (lambda info: info["config"]["clip"].update(eval_speed=1), "was changed"),
        (lambda info: info["config"]["model"].update(tiny_width=8), "was changed"),
        (lambda info: info["shard_params"].update(fps=25.0), "was changed"),
        (lambda info: info.update(format_version=2), "format 2; this release reads 1"),
        (lambda info: info.update(format="else"), "does not describe"),
    ],
)  # fmt: skip
def test_a_description_that_was_changed_is_refused(plain, change, says):
    path = plain / CONFIG_NAME
    info = json.loads(path.read_text())
    path.write_text(json.dumps(info))  # other blanks are no change
    load_exported(plain)
    change(info)
    path.write_text(json.dumps(info))
    with pytest.raises(CheckpointError, match=says):
        load_exported(plain)
    path.write_text("{")
    with pytest.raises(CheckpointError, match="cannot be read"):
        load_exported(plain)
    path.unlink()
    with pytest.raises(CheckpointError, match="python -m evaluate export"):
        load_exported(plain)


def test_the_weights_of_another_export_do_not_pass_for_these(run, plain, tmp_path):
    other = tmp_path / "run"
    shutil.copytree(run / "checkpoints", other / "checkpoints")
    saved = read_checkpoint(run / "checkpoints" / LAST_NAME)
    model = {name: value + 1 if name.endswith("stem.time.weight") else value for name, value in saved.model.items()}
    save_checkpoint(replace(saved, model=model), other / "checkpoints" / LAST_NAME)
    made = export_run(other, tmp_path / "other", onnx=False)
    assert load_exported(made).sha256 != load_exported(plain).sha256
    shutil.copy(made / WEIGHTS_NAME, plain / WEIGHTS_NAME)
    with pytest.raises(CheckpointError, match="belongs to other weights"):
        load_exported(plain)


def test_the_command_exports_and_says_what_is_in_the_way(run, tmp_path, capsys):
    out = tmp_path / "deep" / "out"
    assert main(["export", str(run), str(out), "--no-onnx"]) == 0
    assert {path.name for path in out.iterdir()} == {WEIGHTS_NAME, CONFIG_NAME, "README.md"}
    before = (out / CONFIG_NAME).stat().st_ino
    assert main(["export", str(run), str(out), "--no-onnx"]) == 2
    assert "--force replaces it" in capsys.readouterr().err
    assert (out / CONFIG_NAME).stat().st_ino == before
    assert main(["export", str(run), str(out), "--no-onnx", "--force"]) == 0
    assert (out / CONFIG_NAME).stat().st_ino != before
    assert [path.name for path in out.parent.iterdir()] == ["out"]
    assert main(["export", str(tmp_path / "none"), str(tmp_path / "new"), "--no-onnx"]) == 2
    assert "train first" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_a_folder_that_is_no_export_is_never_replaced(run, plain, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("mine")
    (tmp_path / "link").symlink_to(plain)
    for name in ("empty", "file", "link"):
        with pytest.raises(ExportError, match="is not an export"):
            export_run(run, tmp_path / name, onnx=False, force=True)
    with pytest.raises(ExportError, match="is not an export"):
        export_run(run, run, onnx=False, force=True)
    (plain / "notes.txt").write_text("mine")
    with pytest.raises(ExportError, match=r"does not write \(notes\.txt\)"):
        export_run(run, plain, onnx=False, force=True)
    assert (plain / "notes.txt").read_text() == "mine"
    assert (tmp_path / "file").read_text() == "mine"


def test_an_export_that_fails_leaves_the_one_that_was_there(plain):
    sha256 = load_exported(plain).sha256
    with pytest.raises(ExportError, match="no space"), atomic_folder(plain, exporting) as folder:
        (folder / "part").write_text("part")
        raise OSError(28, "no space left")
    assert load_exported(plain).sha256 == sha256
    assert [path.name for path in plain.parent.iterdir()] == [plain.name]


def test_the_checksum_is_that_of_the_weights(exported):
    assert encoders_sha256(load_exported(exported).encoders) == load_exported(exported).sha256


def test_the_example_of_the_docs_runs_and_prepares_clips_as_the_loader_does(run, exported, small_shards):
    (code,) = [part for part in re.findall(r"```python\n(.*?)```", (ROOT / "docs/reference/export.md").read_text(), re.DOTALL)
               if "onnxruntime" in part]  # fmt: skip
    code = code.replace('"exports/sample", "shards/sample"', f"{str(exported)!r}, {str(small_shards)!r}")
    names: dict[str, Any] = {}
    exec(compile(code, "docs/reference/export.md", "exec"), names)  # noqa: S102 - our own text
    loaded = names["loaded"]
    settings = LoaderConfig(
        shards=str(small_shards), batch_size=1, frame_px=32, window_frames=8, shuffle=False, seed=0, num_threads=1,
        clips=EvenClips(loaded.config.clip, 4, (loaded.config.clip.eval_speed,)),
    )  # fmt: skip
    want = eval_clips(next(iterate_once(settings)), loaded.config.clip, columns_per_frame=2)
    assert torch.equal(names["clips"].audio, want.audio)
    assert (names["clips"].video - want.video).abs().mean() < 0.1, "equal but for smoothed colour"
    features, projection, _ = outputs(loaded.encoders, "video", names["clips"].video)
    np.testing.assert_allclose(names["features"], features.numpy(), atol=1e-4 * features.abs().max().item())
    np.testing.assert_allclose(names["projection"], projection.numpy(), atol=1e-4)
