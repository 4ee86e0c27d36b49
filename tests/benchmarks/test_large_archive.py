"""Simulated sources are like real ones in all but what they show; what is matched with them is counted."""

import numpy as np
import pytest

from benchmarks import large_archive
from benchmarks.large_archive import run, simulated
from evaluate.fingerprint.api import SHIPPED_ENCODER
from evaluate.fingerprint.describe.encoder import load_encoder
from evaluate.fingerprint.describe.extract import ExtractOptions, MediaFile, describe_files
from evaluate.results.results import RESULTS_NAME, read_results
from preprocess.executors.processes import SerialExecutor
from tests.evaluate.fingerprint.conftest import Signal, describe, write_video


def spread(vectors):
    """Variances along the principal components, (d,), falling."""
    return np.linalg.eigvalsh(np.cov(np.asarray(vectors, np.float64).T))[::-1]


def test_simulated_sources_have_the_means_and_the_spread_of_real_ones_and_show_something_else():
    real = [
        describe(f"r{i}", Signal(i, 30).at, 30, audio=Signal(1000 + i, 30).at if i % 3 else None) for i in range(30)
    ]
    made = list(simulated(real, 300, np.random.default_rng(0)))
    assert len({each.source for each in made}) == 300
    shown = np.concatenate([each.video for each in made]).astype(np.float32)
    of_all = np.concatenate([each.video for each in real])
    assert np.linalg.norm(shown, axis=1) == pytest.approx(1, abs=2e-3)
    assert np.linalg.norm(shown.mean(axis=0) - of_all.mean(axis=0)) < 0.05
    assert spread(shown) == pytest.approx(spread(of_all), rel=0.15)
    alike = [np.sum(each.video * real[number % 30].video, axis=1).mean() for number, each in enumerate(made)]
    assert np.abs(alike).max() < 0.9
    # Within a source the changes over time are as large as in the real one, in other directions.
    changes = [np.square(np.diff(each.video.astype(np.float32), axis=0)).sum() for each in (made[0], real[0])]
    assert changes[0] == pytest.approx(changes[1], rel=0.1)
    assert [each.audio is None for each in made[:30]] == [each.audio is None for each in real]


@pytest.mark.slow
def test_queries_that_an_archive_holds_are_counted_and_others_are_not(tmp_path, monkeypatch):
    (tmp_path / "videos").mkdir()
    videos = [write_video(tmp_path / f"videos/{seed}.mp4", seed, 8.0, audio=seed % 2 == 0) for seed in range(6)]
    run(tmp_path / "videos", tmp_path / "out", 40)
    found = {(each.modality, each.metric): each for each in read_results(tmp_path / "out" / RESULTS_NAME)}
    assert set(found) == {(m, f"share at {rate}") for m in ("joint", "video", "audio") for rate in (0.01, 0.001)}
    assert {each.task for each in found.values()} == {"40 simulated"}
    assert found["joint", "share at 0.01"].n == found["video", "share at 0.01"].n == 3
    assert all(each.value == 0 for each in found.values())
    files = [MediaFile(path.name, path) for path in videos]
    options = ExtractOptions(large_archive.HOP_SECONDS, executor=SerialExecutor())
    held = list(describe_files(files, load_encoder(SHIPPED_ENCODER), options))
    monkeypatch.setattr(large_archive, "simulated", lambda *_: held)
    run(tmp_path / "videos", tmp_path / "held", 6)
    assert all(each.value == 1 for each in read_results(tmp_path / "held" / RESULTS_NAME))
