"""The doctor finds this machine healthy and names what is missing or broken."""

import logging
import tempfile

import torch

from preprocess import doctor
from preprocess.__main__ import main
from preprocess.doctor import package


def test_this_machine_is_ready_and_the_command_says_so_in_a_line_each(capsys, caplog):
    caplog.set_level(logging.INFO)
    assert main(["doctor"]) == 0
    assert caplog.text == "", "faiss would log here which processor it found, if no test had loaded it before"
    lines = {line[7:24].strip(): line for line in capsys.readouterr().out.splitlines()}
    assert set(lines) >= {
        "Python", "torch", "torchvision", "torchaudio", "DALI", "webdataset", "h5py", "faiss-cpu", "ffmpeg", "GPU",
        "disk", "shared memory",
    }  # fmt: skip
    assert "CUDA build" in lines["DALI"]


def test_what_is_missing_or_broken_has_a_remedy(tmp_path, monkeypatch, choose_ffmpeg):
    missing = package("no-such-package-anywhere")
    assert (missing.status, missing.found) == ("broken", "not installed")
    assert "make setup" in missing.remedy
    (tmp_path / "breaks.py").write_text("raise OSError('libcudart.so.99: cannot open shared object file')\n")
    monkeypatch.syspath_prepend(tmp_path)
    broken = package("numpy", "breaks")
    assert broken.status == "broken"
    assert "libcudart.so.99" in broken.found
    choose_ffmpeg("/bin/false")
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setenv("TMPDIR", str(tmp_path / "none"))
    monkeypatch.setattr(torch.version, "cuda", "99.0")
    checks = {check.name: check for check in doctor.check()}
    assert [name for name, check in checks.items() if check.status == "broken"] == ["DALI", "ffmpeg", "temporary files"]
    assert checks["DALI"].found.endswith("torch for 99.0")
    assert "/bin/false does not run" in checks["ffmpeg"].found
    assert checks["temporary files"].found == f"{tmp_path}/none cannot be written, or is full"


def test_a_full_disk_and_small_shared_memory_are_notes(tmp_path, monkeypatch):
    monkeypatch.setattr(doctor, "LEAST_FREE_BYTES", 1 << 60)
    monkeypatch.setattr(doctor, "LEAST_SHM_BYTES", 1 << 60)
    disk = doctor.disk("disk", tmp_path / "not" / "yet", "free some")
    assert (disk.status, disk.remedy) == ("note", "free some")
    assert str(tmp_path) in disk.found
    assert doctor.shared_memory(tmp_path).status == "note"
    assert doctor.shared_memory(tmp_path / "none").status == "broken"


def test_below_a_closed_folder_the_disk_above_is_checked(tmp_path, nobody):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0)
    with nobody():
        assert str(closed / "shards") not in doctor.disk("disk", closed / "shards", "free some").found
