"""Mutated and hostile files: read or refused by a typed error, no crash, no hang, nothing touched outside of the output."""

import ctypes
import time

import numpy as np
import pytest

from tests.fuzz import hunt as hunting
from tests.fuzz.hunt import hunt
from tests.fuzz.mutate import mutate, mutate_values
from tests.fuzz.target import Target
from tests.fuzz.targets import TARGETS

FAST = {"shards": 40, "store": 60, "index": 40}
"""Cases that a few seconds are enough for; the other kinds load torch or start ffmpeg."""


@pytest.mark.parametrize("name", FAST)
def test_nothing_is_found_in_a_few(name, tmp_path):
    seen = hunt(name, tmp_path, 0, 0, FAST[name])
    assert [str(finding) for finding in seen.findings] == []
    assert seen.n_cases == FAST[name]


@pytest.mark.slow
@pytest.mark.parametrize("name", TARGETS)
def test_nothing_is_found_in_more(name, tmp_path):
    n_cases = {"media": 60, "resume": 40, "loader": 60}.get(name, 150)
    seen = hunt(name, tmp_path, 1, 0, n_cases)
    assert [str(finding) for finding in seen.findings] == []
    assert seen.n_cases == n_cases


def test_mutations_follow_from_the_generator_and_change_something():
    data = bytes(range(256)) * 8
    once, again = ([mutate(data, np.random.default_rng(number)) for number in range(50)] for _ in range(2))
    assert once == again
    assert data not in once
    assert len(set(once)) > 45
    values = {"a": [1, {"b": "x"}], "c": None}
    odd = [mutate_values(values, np.random.default_rng(number), "canary") for number in range(50)]
    assert len({repr(each) for each in odd}) > 20
    assert values == {"a": [1, {"b": "x"}], "c": None}


def _make(folder):
    (folder / "a.bin").write_bytes(bytes(100))


def _misbehave(folder, out):
    """Each time something else that must not happen; at last nothing."""
    counter = folder.parent / "tmp" / "count"
    number = int(counter.read_text()) if counter.exists() else 1
    counter.write_text(str(number + 1))
    if number == 1:
        raise KeyError("untyped")
    if number == 2:
        ctypes.string_at(0)
    if number == 3:
        time.sleep(60)
    if number == 4:
        (folder.parent / "stray").write_text("x")
    if number == 5:
        bytes(1 << 44)
    (out / "result").write_text("x")


MISBEHAVING = Target("misbehaving", _make, _misbehave, ("preprocess.errors:PreprocessError",))


def test_everything_that_must_not_happen_is_found(tmp_path, monkeypatch):
    """The proof that the tests above would notice."""
    monkeypatch.setattr(hunting, "CASE_SECONDS", 3.0)
    seen = hunt("tests.fuzz.test_fuzz:MISBEHAVING", tmp_path, 0, 0, 6)
    told = [finding.what for finding in seen.findings]
    beginnings = ("untyped KeyError", "crash, status -11", "hangs", "touched", "untyped MemoryError")
    assert [what[: len(start)] for what, start in zip(told, beginnings, strict=True)] == list(beginnings)
    assert seen.outcomes["read"] == 1
