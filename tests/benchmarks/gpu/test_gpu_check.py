"""The check for a GPU, tried without one: each part runs, says what it leaves out, and leaves what can be read elsewhere."""

import pytest

import store
import train
from benchmarks.gpu import check
from benchmarks.sources import collage, shards_of
from tests.processes import ROOT, run
from tests.train.conftest import SMALL
from tests.train.small_runs import SETTINGS

MISSING = ("faiss", "sklearn", "av", "imageio_ffmpeg")
"""Packages that a GPU machine without a registry lacks; it has no ffmpeg either."""


def test_without_a_gpu_it_names_the_way_to_try_it(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(check.torch.cuda, "is_available", lambda: False)
    assert check.main(["--shards", str(tmp_path), "--out", str(tmp_path / "out")]) == 2
    assert "--device cpu" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_the_whole_check_on_a_cpu_without_ffmpeg_faiss_and_scikit_learn(tmp_path):
    shards = shards_of(collage(tmp_path / "videos", 12, 2.0), tmp_path / "shards", SMALL)
    (tmp_path / "sitecustomize.py").write_text(f"import sys\nsys.modules.update(dict.fromkeys({MISSING}))\n")
    settings = [word for setting in SETTINGS for word in ("--set", setting)]
    words = ["--preset", "sample", *settings, "--batches", "4", "--steps", "1", "--seconds", "120", "--device", "cpu"]
    command = ("-m", "benchmarks.gpu.check", "--shards", shards, "--out", tmp_path / "out", *words)
    done = run(*command, PYTHONPATH=f"{tmp_path}:{ROOT}", PATH="/nowhere")
    assert done.returncode == 0, done.stdout + done.stderr
    report = (tmp_path / "out" / "gpu-check.md").read_text()
    assert [line.split(" (")[0][3:] for line in report.splitlines() if line.startswith("## ")] == list(check.SHARES)
    assert "failed" not in report
    assert "mixed | left out: no GPU" in report
    assert "bf16, channels last, batch 4 | " in report
    assert "left out, no time: bf16, channels last, batch 4, compiled" in report
    assert train.load_encoders(tmp_path / "out").loaded.step > 0
    assert len(store.open(tmp_path / "out" / "embeddings.h5")) == 12 * 4 * 2  # videos, segments, different clips
    assert (tmp_path / "out" / "log.jsonl").read_text()
