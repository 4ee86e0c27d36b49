"""The doctor finds this machine healthy and names what is missing or broken."""

from preprocess.doctor import machine, packages
from preprocess.doctor.packages import package, torch_family


def test_this_machine_is_ready():
    checks = {check.name: check for check in machine.check()}
    assert not [check for check in checks.values() if check.status == "broken"]
    assert set(checks) >= {
        "Python", "torch", "torchvision", "torchaudio", "DALI", "webdataset", "h5py", "ffmpeg", "GPU",
        "disk", "shared memory",
    }  # fmt: skip
    assert "CUDA build" in checks["torchaudio"].found


def test_missing_and_broken_packages_have_a_remedy(tmp_path, monkeypatch):
    missing = package("no-such-package-anywhere")
    assert (missing.status, missing.found) == ("broken", "not installed")
    assert "make setup" in missing.remedy
    (tmp_path / "breaks.py").write_text("raise OSError('libcudart.so.99: cannot open shared object file')\n")
    monkeypatch.syspath_prepend(tmp_path)
    broken = package("numpy", "breaks")
    assert broken.status == "broken"
    assert "libcudart.so.99" in broken.found


def test_packages_of_another_cuda_release_are_broken(monkeypatch):
    monkeypatch.setattr(packages, "_torch_cuda", lambda: "99.0")
    statuses = {check.name: (check.status, check.found) for check in torch_family()}
    assert statuses["torch"][0] == "ok"
    for name in ("torchvision", "torchaudio", "DALI"):
        status, found = statuses[name]
        assert status == "broken"
        assert found.endswith("torch for 99.0")


def test_an_ffmpeg_that_does_not_run_is_broken(choose_ffmpeg):
    choose_ffmpeg("/bin/false")
    check = machine._ffmpeg()
    assert check.status == "broken"
    assert "/bin/false does not run" in check.found


def test_a_full_disk_and_small_shared_memory_are_notes(tmp_path, monkeypatch):
    monkeypatch.setattr(machine, "LEAST_FREE_BYTES", 1 << 60)
    monkeypatch.setattr(machine, "LEAST_SHM_BYTES", 1 << 60)
    disk = machine._disk("disk", tmp_path / "not" / "yet", "free some")
    assert (disk.status, disk.remedy) == ("note", "free some")
    assert str(tmp_path) in disk.found
    assert machine._shared_memory(tmp_path).status == "note"
    assert machine._shared_memory(tmp_path / "none").status == "broken"
