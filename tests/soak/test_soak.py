"""A small soak, whole; and that what it checks would notice."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from evaluate.results.results import read_results
from store.format import Provenance
from store.writer import write_part
from tests.soak.__main__ import main
from tests.soak.checks import same_files, same_stores, segments_accounted_for, sources_accounted_for
from tests.soak.sources import plan_sources
from tests.soak.stages import FLAT_MIB, growth_mib
from tests.store.conftest import _make_rows
from tests.train.conftest import SMALL, write_shards


def test_what_is_lost_doubled_or_changed_is_noticed(tmp_path):
    shards = write_shards(tmp_path / "shards", 6, replace(SMALL, sources_per_shard=2))
    planned = [replace(source, name=f"{i}.mp4") for i, source in enumerate(plan_sources(6, 0.0, 0))]
    assert sources_accounted_for(shards, planned) == segments_accounted_for(shards, planned) == []
    assert "each once and in order" in sources_accounted_for(shards, [*planned[1:], planned[0]])[0]
    assert "3.mp4" in sources_accounted_for(shards, [*planned[:3], replace(planned[3], is_good=False), *planned[4:]])[0]
    copied = shutil.copytree(shards, tmp_path / "copied")
    shutil.copy(copied / "shard-000001.tar", copied / "shard-000002.tar")
    lines = segments_accounted_for(copied, planned)
    assert any("stored 2 times" in line for line in lines) and any("lost" in line for line in lines)
    assert [line.partition(":")[0] for line in same_files(shards, copied)] == ["shard-000002.tar"]


def test_stores_that_differ_are_noticed(tmp_path):
    provenance = Provenance("ab" * 32, {}, "cd" * 32, "sample", "pretrained")
    for name, stop, shift in (("a", 9, 0.0), ("rounded", 9, 1e-6), ("other", 9, 0.1), ("short", 8, 0.0)):
        rows = _make_rows(0, stop)
        vectors = rows.vectors["video/features"] + np.float32(shift)
        write_part(tmp_path / name, replace(rows, vectors={"video/x": vectors}), provenance)
    said = [same_stores(tmp_path / "a", tmp_path / name) for name in ("a", "rounded", "other", "short")]
    assert said[:2] == [[], []]
    assert "/video/x differs by 0.1" in said[2][0]
    assert "(8, 16)" in said[3][0]


def test_memory_that_grows_is_noticed():
    segments = range(100, 5100, 100)
    assert growth_mib(segments, [300 + 40 * np.exp(-n / 200) for n in segments]) < FLAT_MIB
    assert growth_mib(segments, [300 + 0.01 * n for n in segments]) > FLAT_MIB


@pytest.mark.slow
def test_a_small_soak_ends_as_if_nothing_had_happened(tmp_path):
    options = ["--sources", "18", "--bad-share", "0.3", "--kills", "2", "--steps", "12", "--segments", "800"]
    assert main([*options, "--out", str(tmp_path)]) == 0
    results = {(each.task, each.metric): each.value for each in read_results(tmp_path / "results.json")}
    n_kills = sum(value for (task, name), value in results.items() if task == "ingest" and name.startswith("kills"))
    assert 1 <= n_kills <= 2  # so few sources may be finished before the second
    breaches = [value for (_, name), value in results.items() if name.endswith(", breaches")]
    assert len(breaches) >= 9
    assert not any(breaches)
    kept = json.loads((tmp_path / "stages" / "training.json").read_text())
    assert main([*options, "--out", str(tmp_path)]) == 0  # nothing is run again
    assert json.loads((tmp_path / "stages" / "training.json").read_text()) == kept
