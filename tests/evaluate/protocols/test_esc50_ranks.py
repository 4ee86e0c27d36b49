"""ESC-50 from scratch on two ranks: they share the training, and one of them tests, writes and prints."""

import subprocess
import sys
from pathlib import Path

import pytest

from evaluate.__main__ import main
from evaluate.results.results import read_results
from tests.evaluate.conftest import build_esc50
from tests.evaluate.protocols.test_esc50_runs import CLASSES, pretrain

ROOT = Path(__file__).parents[3]


@pytest.mark.slow
def test_two_ranks_train_and_one_tests_and_writes(tmp_path):
    shards, run = build_esc50(tmp_path / "esc50", CLASSES, 5) / "shards", tmp_path / "run"
    pretrain(run, shards, "steps=1")
    command = ["esc50-scratch", "--run", str(run), "--shards", str(shards), "--folds", "1,2", "--steps", "2"]
    launch = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node",
        "2",
        "-m",
        "--",
        "evaluate",
    ]
    done = subprocess.run(
        [*launch, *command, "--device", "cpu"], cwd=ROOT, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("esc50: top-1") == 1, done.stdout
    rows = {row.split: row.n for row in read_results(run / "results.json") if row.task == "supervised"}
    assert rows == {1: 4, 2: 4, None: 8}


def test_a_command_that_does_not_use_ranks_refuses_several(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert main(["match", "clip.mp4", "--index", str(tmp_path)]) == 2
    assert "torchrun started this several times" in capsys.readouterr().err
