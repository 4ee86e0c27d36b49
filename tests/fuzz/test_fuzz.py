"""Readers read mutated and hostile files or refuse them with a typed error; they do not crash, hang or touch other files.

`make fuzz` goes on for long. One case again: FUZZ_SEED=7 FUZZ_FIRST=4711 FUZZ_CASES=1 pytest tests/fuzz -k "refuse and store"
"""

import ctypes
import os
import time

import pytest

from preprocess.errors import PreprocessError
from tests.fuzz import hunt as hunting
from tests.fuzz.hunt import hunt
from tests.fuzz.targets import TARGETS, Target

CASES = dict.fromkeys(TARGETS, 150) | {"shards": 40, "store": 60, "index": 40, "media": 60, "resume": 40, "loader": 60}
FAST = ("shards", "store", "index")
"""Kinds whose cases take a few seconds; the others load torch or start ffmpeg."""
SEED, FIRST, ASKED = (int(os.environ.get(f"FUZZ_{name}", "0")) for name in ("SEED", "FIRST", "CASES"))


@pytest.mark.parametrize(
    "name", [name if name in FAST else pytest.param(name, marks=pytest.mark.slow) for name in CASES]
)
def test_readers_read_or_refuse(name, tmp_path):
    n_cases = ASKED or CASES[name]
    seen = hunt(TARGETS[name], tmp_path, SEED, FIRST, n_cases)
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
