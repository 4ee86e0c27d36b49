"""docs/analysis.py as a reader runs it, on a small store."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from evaluate.protocols.video_features import l2_normalise
from store.format import Provenance, Rows
from store.writer import write_part

ROOT = Path(__file__).parents[2]
CLASSES = ("bell", "chime", "drum")


def write_store(path, *, media=("video", "audio")):
    """Two clips of each of 8 videos a class; "bell" and "chime" point nearly the same way, "drum" does not."""
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(3), 16)
    n = len(labels)
    centres = np.array([[1, 0, 0, 0], [0.9, 0.2, 0, 0], [0, 0, 1, 0.0]])
    vectors = {}
    for name in media:
        features = centres[labels] + 0.02 * rng.normal(size=(n, 4))
        vectors[f"{name}/features"] = features
        vectors[f"{name}/projections"] = l2_normalise(features)
    sources = [f"{CLASSES[label]}/{i // 2:02d}.mp4" for i, label in enumerate(labels)]
    rows = Rows(
        key=[f"{i:08d}" for i in range(n)], source=sources, label=labels, label_name=[CLASSES[i] for i in labels],
        group=[f"g{i // 4}" for i in range(n)], splits=[json.dumps({"1": "train"})] * n,
        start_seconds=np.zeros(n), end_seconds=np.ones(n), has_video=np.full(n, "video" in media),
        has_audio=np.full(n, "audio" in media), vectors=vectors,
    )  # fmt: skip
    write_part(path, rows, Provenance("", {}, "", "small", "pretrained"))


def run_script(*arguments):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "140"}
    command = [sys.executable, ROOT / "docs" / "analysis.py", *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, env=environment, check=False, cwd=arguments[0].parent
    )


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    path = tmp_path_factory.mktemp("store") / "small.h5"
    write_store(path)
    return path


def test_tables_and_figure(store):
    done = run_script(store)
    assert done.returncode == 0, done.stderr
    text = done.stdout
    video = next(line for line in text.splitlines() if re.search(r"\bvideo\b.*\b24\b", line))
    assert float(re.findall(r"[\d.]+", video)[-1]) == pytest.approx(1.0)
    assert "48 clips with picture and sound" in text
    first = text[text.index("alike by sound") :].splitlines()[4]
    assert "bell" in first
    assert "chime" in first
    figure = store.with_name("small-analysis.svg").read_text(encoding="utf-8")
    assert figure.count("<svg") == 1
    assert "<image" in figure


def test_pictures_alone_have_no_sound_to_compare(tmp_path):
    write_store(tmp_path / "silent.h5", media=("video",))
    done = run_script(tmp_path / "silent.h5", "--figure", tmp_path / "x.svg")
    assert done.returncode == 0, done.stderr
    assert "alike by look" in done.stdout
    assert "modality gap" not in done.stdout
    assert (tmp_path / "x.svg").exists()


def test_what_is_no_store_is_named(tmp_path):
    path = tmp_path / "no.h5"
    path.write_text("no store")
    done = run_script(path)
    assert done.returncode == 2
    assert str(path) in done.stderr
