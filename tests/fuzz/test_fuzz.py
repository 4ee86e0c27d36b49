"""Readers read mutated and hostile files or refuse them with a typed error; they do not crash, hang or touch other files."""

import ctypes
import time

import pytest

from preprocess.errors import PreprocessError
from tests.fuzz import hunt as hunting
from tests.fuzz.hunt import hunt
from tests.fuzz.targets import TARGETS, Target

FAST = {"shards": 40, "store": 60, "index": 40}
"""How many cases take a few seconds; the other kinds load torch or start ffmpeg."""
SLOW = dict.fromkeys(TARGETS, 150) | {"media": 60, "resume": 40, "loader": 60}


@pytest.mark.parametrize(
    ("name", "seed", "n_cases"),
    [
        *((name, 0, n_cases) for name, n_cases in FAST.items()),
        *(pytest.param(name, 1, n_cases, marks=pytest.mark.slow) for name, n_cases in SLOW.items()),
    ],
)
def test_readers_read_or_refuse(name, seed, n_cases, tmp_path):
    seen = hunt(TARGETS[name], tmp_path, seed, 0, n_cases)
    assert [said for said in seen if said.startswith("FOUND")] == []
    assert len(seen) == n_cases


def _make(folder):
    (folder / "a.bin").write_bytes(bytes(100))


def _misbehave(case):
    """Break another rule each time, the last time none; the specimen itself is read as it should be."""
    counter = case.folder.parent / "tmp" / "count"
    if case.changed is None:
        return
    number = int(counter.read_text()) if counter.exists() else 1
    counter.write_text(str(number + 1))
    if number == 1:
        raise KeyError("untyped")
    if number == 2:
        ctypes.string_at(0)
    if number == 3:
        time.sleep(60)
    if number == 4:
        (case.folder.parent / "stray").write_text("x")
    if number == 5:
        bytes(1 << 44)
    (case.out / "result").write_text("x")


def test_everything_that_must_not_happen_is_found(tmp_path, monkeypatch):
    """Prove that the tests above would notice."""
    monkeypatch.setattr(hunting, "CASE_SECONDS", 3.0)
    seen = hunt(Target("misbehaving", _make, _misbehave, (PreprocessError,)), tmp_path, 0, 0, 6)
    expected = ("untyped KeyError", "crash, status -11", "hangs", "touched", "untyped MemoryError")
    assert [said.split(": ")[1][: len(start)] for said, start in zip(seen, expected, strict=False)] == list(expected)
    assert seen[5:] == ["read"]
