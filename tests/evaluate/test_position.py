"""docs/position.py as a reader runs it: a place that stands in the way of retrieval, and features that know of none."""

import json

import numpy as np
import pytest

from tests.evaluate.conftest import write_store
from tests.processes import run

N_CLASSES, N_VIDEOS = 40, 160


def placed_store(path, place_weight):
    """A clip a video at a random place; the features are the class, the place on one axis, and a little noise."""
    rng = np.random.default_rng(0)
    labels = np.arange(N_VIDEOS) % N_CLASSES
    start = rng.uniform(0, 10, N_VIDEOS)
    axis = rng.normal(size=16)
    features = rng.normal(size=(N_CLASSES, 16))[labels] + 0.05 * rng.normal(size=(N_VIDEOS, 16))
    features += place_weight * (start[:, None] - 5) * axis
    sides = ["train" if number < N_VIDEOS // 2 else "test" for number in range(N_VIDEOS)]
    write_store(
        path, [f"{i:03d}.mp4" for i in range(N_VIDEOS)], {"video/features": features.astype(np.float32)}, label=labels,
        splits=[json.dumps({"1": side}) for side in sides], start_seconds=start, end_seconds=start + 1,
        has_audio=np.zeros(N_VIDEOS, bool),
    )  # fmt: skip


def test_what_the_features_know_of_the_place_is_found_and_taken_out(tmp_path):
    placed_store(tmp_path / "placed.h5", place_weight=2.0)
    placed_store(tmp_path / "free.h5", place_weight=0.0)
    done = run("docs/position.py", tmp_path / "placed.h5", tmp_path / "free.h5", COLUMNS="90")
    assert done.returncode == 0, done.stdout + done.stderr
    cells = [[cell.strip() for cell in line.split("│")] for line in done.stdout.splitlines() if "│" in line]
    assert "".join(row[1] for row in cells) == f"{tmp_path}/placed.h5{tmp_path}/free.h5", "no name is cut short"
    (placed, before, after), (free, free_before, _) = ([float(cell) for cell in row[3:6]] for row in cells if row[2])
    assert placed > 90
    assert before < 50
    assert after > 75
    assert free < 10
    assert free_before == pytest.approx(100)
