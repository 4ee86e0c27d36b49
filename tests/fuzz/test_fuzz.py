"""Readers read mutated and hostile files or refuse them with a typed error; they do not crash, hang or touch other files.

`make fuzz` goes on for long. One case again: FUZZ_SEED=7 FUZZ_FIRST=4711 FUZZ_CASES=1 pytest tests/fuzz -k "refuse and store"
"""

import ctypes
import os
import time
from functools import partial

import pytest

from preprocess.errors import PreprocessError
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
    assert hunt(TARGETS[name], tmp_path, SEED, range(FIRST, FIRST + (ASKED or CASES[name]))) == ""


def _make(kind, folder):
    (folder / "kind").write_text(kind)
    (folder / "a.bin").write_bytes(bytes(100))


MISDEEDS = {
    "untyped KeyError": lambda case: {}["nothing"],
    "crash, status -11": lambda case: ctypes.string_at(0),
    "hangs": lambda case: time.sleep(60),
    "touched": lambda case: (case.folder.parent / "stray").write_text("x"),
    "untyped MemoryError": lambda case: bytes(1 << 44),
    "": lambda case: (case.out / "result").write_text("x"),
}


def _misbehave(case):
    """Break the rule that is named beside the specimen, which itself is read as it should be."""
    if case.changed:
        MISDEEDS[(case.folder / "kind").read_text()](case)


@pytest.mark.parametrize("kind", MISDEEDS)
def test_everything_that_must_not_happen_is_found(kind, tmp_path):
    """Prove that the tests above would notice."""
    target = Target("misbehaving", partial(_make, kind), _misbehave, (PreprocessError,), "a.bin")
    assert hunt(target, tmp_path, 0, range(3, 5), seconds_a_case=3)[: len(kind)] == kind
