"""The doctor finds this machine healthy and names what it is told to miss."""

import subprocess
import sys
from pathlib import Path

import pytest

from preprocess.doctor import machine
from preprocess.doctor.checks import package
from preprocess.doctor.torch_family import release_problem

REPOSITORY = Path(__file__).parents[3]


def test_this_machine_is_ready():
    checks = {check.name: check for check in machine.check()}
    assert not [check for check in checks.values() if check.status == "broken"]
    assert set(checks) >= {
        "Python", "torch", "torchvision", "torchaudio", "DALI", "webdataset", "h5py", "ffmpeg", "GPU",
        "disk", "shared memory",
    }  # fmt: skip
    assert "CUDA build" in checks["torchaudio"].found


def test_missing_and_broken_packages_are_told_with_a_remedy(tmp_path, monkeypatch):
    missing = package("no-such-package-anywhere")
    assert (missing.status, missing.found) == ("broken", "not installed")
    assert "make setup" in missing.remedy
    (tmp_path / "breaks.py").write_text("raise OSError('libcudart.so.99: cannot open shared object file')\n")
    monkeypatch.syspath_prepend(tmp_path)
    broken = package("numpy", "breaks")
    assert broken.status == "broken"
    assert "libcudart.so.99" in broken.found


@pytest.mark.parametrize(
    ("name", "version", "requires", "torch_version", "words"),
    [
        ("torchvision", "0.29.1", ["numpy", "torch (>=2.14.0)"], "2.14.1+cu130", ""),
        ("torchvision", "0.29.1", ["numpy", "torch (>=2.14.0)"], "2.13.0", "needs torch >=2.14.0, not 2.13.0"),
        ("torchvision", "0.28.0", ["torch==2.13.0"], "2.14.1+cu130", "needs torch ==2.13.0"),
        ("torchaudio", "2.11.0", [], "2.14.1+cu130", ""),
        ("torchaudio", "2.11.0", [], "2.15.0", "needs torch <2.15,>=2.14, not 2.15.0"),
    ],
)
def test_releases_that_do_not_belong_together_are_told(name, version, requires, torch_version, words):
    problem = release_problem(name, version, requires, torch_version)
    assert problem.startswith(words) if words else problem == ""


def test_an_ffmpeg_that_does_not_run_is_told(tmp_path):
    fake = tmp_path / "ffmpeg"
    fake.write_text("#!/bin/sh\nexit 1\n")
    fake.chmod(0o755)
    code = "from preprocess.doctor.machine import _ffmpeg; c = _ffmpeg(); print(c.status, c.found, c.remedy)"
    answers = []
    for setting in (str(fake), str(tmp_path / "none")):
        environment = {"AVTEMPO_FFMPEG": setting, "PATH": "/usr/bin:/bin"}
        command = [sys.executable, "-c", code]
        answers.append(
            subprocess.run(command, env=environment, cwd=REPOSITORY, capture_output=True, text=True, check=True)
        )
    assert answers[0].stdout.startswith("broken")
    assert "does not run" in answers[0].stdout
    assert answers[1].stdout.startswith("broken")
    assert "is no executable" in answers[1].stdout


def test_full_disk_and_small_shared_memory_are_notes(tmp_path, monkeypatch):
    monkeypatch.setattr(machine, "LEAST_FREE_BYTES", 1 << 60)
    monkeypatch.setattr(machine, "LEAST_SHM_BYTES", 1 << 60)
    disk = machine._disk("disk", tmp_path / "not" / "yet", "free some")
    assert (disk.status, disk.remedy) == ("note", "free some")
    assert str(tmp_path) in disk.found
    assert machine._shared_memory(tmp_path).status == "note"
    assert machine._shared_memory(tmp_path / "none").status == "broken"
