"""`python -m evaluate export`: what it writes, what it never replaces, and the example in the docs."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from evaluate.__main__ import main
from evaluate.export.export import export_run
from tests.processes import no_file_longer_than
from tests.train.conftest import loading
from train.data.loader import iterate_once
from train.errors import ExportError
from train.export.export import CONFIG_NAME, WEIGHTS_NAME, load_exported
from train.plans.clip_planners import EvenClips
from train.views.views import eval_clips

PAGE = Path(__file__).parents[3] / "docs/reference/export.md"


def test_the_command_exports_and_says_what_is_in_the_way(run, tmp_path, capsys):
    out = tmp_path / "deep" / "out"
    command = ["export", str(run), str(out), "--no-onnx"]
    assert main(command) == 0
    assert {path.name for path in out.iterdir()} == {WEIGHTS_NAME, CONFIG_NAME, "README.md"}
    assert len({path.stat().st_mode for path in out.iterdir()}) == 1, "whoever may read one file may read all"
    before = (out / CONFIG_NAME).stat().st_ino
    assert main(command) == 2
    assert "--force replaces it" in capsys.readouterr().err
    assert (out / CONFIG_NAME).stat().st_ino == before
    assert main([*command, "--force"]) == 0
    assert (out / CONFIG_NAME).stat().st_ino != before
    assert main(["export", str(tmp_path / "none"), str(tmp_path / "new"), "--no-onnx"]) == 2
    assert "train first" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_a_folder_that_is_not_an_export_is_never_replaced(run, tmp_path):
    out = export_run(run, tmp_path / "out", onnx=False)
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("mine")
    (tmp_path / "link").symlink_to(out)
    for path in (tmp_path / "empty", tmp_path / "file", tmp_path / "link", run):
        with pytest.raises(ExportError, match="is not an export"):
            export_run(run, path, onnx=False, force=True)
    (out / "notes.txt").write_text("mine")
    with pytest.raises(ExportError, match=r"does not write \(notes\.txt\)"):
        export_run(run, out, onnx=False, force=True)
    assert (out / "notes.txt").read_text() == (tmp_path / "file").read_text() == "mine"


def test_a_full_disk_is_an_error_of_the_export_and_leaves_nothing(run, tmp_path):
    with no_file_longer_than(4096), pytest.raises(ExportError, match="File too large"):
        export_run(run, tmp_path / "out", onnx=False)
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_the_example_of_the_docs_runs_and_prepares_clips_as_the_loader_does(trained, tmp_path):
    exported, shards = export_run(trained / "run", tmp_path / "out"), str(trained / "shards")
    parts = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    (code,) = [part for part in parts if "onnxruntime" in part]
    code = code.replace('"exports/sample", "shards/sample"', f"{str(exported)!r}, {shards!r}")
    names: dict[str, Any] = {}
    exec(compile(code, PAGE, "exec"), names)  # noqa: S102 - our own text
    loaded = load_exported(exported)
    clip = loaded.config.clip
    settings = loading(trained / "shards", batch_size=1, clips=EvenClips(clip, 4, (clip.eval_speed,)))
    want = eval_clips(next(iterate_once(settings)), clip, columns_per_frame=2)
    assert torch.equal(names["clips"].audio, want.audio)
    assert (names["clips"].video - want.video).abs().mean() < 0.1, "equal but for smoothed colour"
    with torch.inference_mode():
        features = loaded.encoders.video(names["clips"].video)
        projection = loaded.encoders.project_video(features)
    np.testing.assert_allclose(names["features"], features.numpy(), atol=1e-4 * features.abs().max().item())
    np.testing.assert_allclose(names["projection"], projection.numpy(), atol=1e-4)
