"""Ingest, training and embedding, killed again and again: what they leave is what an undisturbed run leaves.

`make soak` runs it for hours, with larger numbers in the environment than these few.
"""

import os
import signal
import tempfile
from pathlib import Path

import numpy as np
import pytest

from preprocess.shards.manifest import read_segments, read_sources
from store.reader import EmbeddingStore
from tests import processes
from tests.preprocess.made_media import counter_frames, tone, write_clip
from tests.preprocess.whole_run import bytes_of
from tests.soak.disturb import Job, disturb
from tests.train.small_runs import assert_same_end, command, losses, records

pytestmark = pytest.mark.slow
SOURCES, KILLS, STEPS, SEED = (
    int(os.environ.get(f"SOAK_{name}", few))
    for name, few in {"SOURCES": 18, "KILLS": 2, "STEPS": 12, "SEED": 0}.items()
)
BAD_EVERY = 5
"""One source in so many lacks its index."""
SHARDS = {"short_side_px": 32, "segment_seconds": 1.0, "n_mels": 16, "fps": 8, "hop_length": 500, "win_length": 750}
TRAINING = ("data.num_threads=1", "data.batch_size=8", "bank.size=128", "clip.eval_speed=1")
STOPPED = 3
"""Exit status of a training run that a signal has stopped and that has saved."""
ROUNDING = 1e-4
"""Largest difference of a coordinate that counts as rounding; vectors have a length of about 1."""
KILL, TERM = ("main", signal.SIGKILL), ("main", signal.SIGTERM)
DISTURBED = {"whole": 0, "killed": KILLS}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("soak")


@pytest.fixture(scope="module")
def written(root):
    """Path of each source -> whether it can be read; clips of one and of two segments, some without audio."""
    (root / "sources").mkdir()
    sounds = [None, tone(1.0), tone(2.7)]
    clips = [write_clip(root / f"{n}.mp4", counter_frames(15 * (1 + n), 48, 64), 15, sounds[n]) for n in range(3)]
    written = {f"{number:06d}.mp4": number % BAD_EVERY > 0 for number in range(SOURCES)}
    for number, (name, is_good) in enumerate(written.items()):
        data = clips[number % 3].read_bytes()
        (root / "sources" / name).write_bytes(data if is_good else data[: data.rindex(b"moov") - 4])
    return written


@pytest.fixture(scope="module")
def shards(root, written):
    per_shard = max(2, min(16, SOURCES // (2 * KILLS + 2)))  # kills fall into different shards
    settings = [f"--set={key}={value}" for key, value in (SHARDS | {"sources_per_shard": per_shard}).items()]
    blows = (KILL, ("worker", signal.SIGKILL), TERM, ("ffmpeg", signal.SIGKILL), ("fork server", signal.SIGKILL))
    # Not in the soak's folder: the fork server keeps a socket there, and sockets have short paths only.
    with tempfile.TemporaryDirectory(prefix="soak-") as tmp:
        for name, n_kills in DISTURBED.items():
            out = root / f"shards-{name}"
            words = ["preprocess", "shards", "--dataset", "folder", "--data", root / "sources", "--out", out, *settings]
            words += ["--workers", 2, "--max-failed", SOURCES]
            job = Job(words, lambda out=out: len(list(out.glob("shard-*.parquet"))), -(-SOURCES // per_shard), blows,
                      root / f"{name}.log", 128 + signal.SIGTERM, {"TMPDIR": tmp})  # fmt: skip
            disturb(job, n_kills, np.random.default_rng(SEED))
            # A source whose decoder was killed has failed, and so has one whose reader was killed twice.
            job.command.append("--retry-failed")
            disturb(job, 0, np.random.default_rng(SEED))
        # A killed first process leaves the sockets of Python's fork servers behind; they do not count.
        assert not [path.name for path in Path(tmp).iterdir() if not path.name.startswith("pymp-")]
    return root / "shards-killed"


@pytest.fixture(scope="module")
def runs(root, shards):
    every = max(2, STEPS // (4 * KILLS + 4))
    for name, n_kills in DISTURBED.items():
        log = root / f"run-{name}" / "log.jsonl"
        settings = (*TRAINING, f"steps={STEPS}", f"checkpoint_every={every}", "seed=0")
        words = ["train", *command(log.parent, shards, *settings)]
        steps_logged = lambda log=log: log.read_bytes().count(b"\n") if log.exists() else 0  # noqa: E731
        job = Job(words, steps_logged, STEPS, (KILL, TERM, KILL), root / f"{name}.log", STOPPED)
        disturb(job, n_kills, np.random.default_rng(SEED))
    return [root / f"run-{name}" for name in DISTURBED]


def test_shards_are_the_undisturbed_runs_bytes_and_account_for_every_source(root, written, shards):
    assert bytes_of(shards) == bytes_of(root / "shards-whole")
    assert processes.run("-m", "preprocess", "verify", shards).returncode == 0
    sources, good = read_sources(shards), {name for name, is_good in written.items() if is_good}
    assert sources["source"].tolist() == list(written)
    assert set(sources["source"][sources["status"] == "ok"]) == good == set(read_segments(shards)["source"])
    assert all(sources["reason"][sources["status"] != "ok"])


def test_losses_and_weights_are_the_undisturbed_runs(runs):
    whole, killed = runs
    assert list(losses(whole)) == list(losses(killed)) == list(range(1, STEPS + 1))
    assert (killed / "log.jsonl").read_text().count("\n") == STEPS, "no step twice"
    for step, record in records(whole).items():
        assert [records(killed)[step][key] for key in ("terms", "metrics")] == [record["terms"], record["metrics"]]
    assert_same_end(killed, whole)


def test_embeddings_hold_the_same_clips_and_vectors_up_to_rounding(root, shards, runs):
    """A resumed run embeds only the missing shards, so its batches have other sizes, which add in another order."""
    for (name, n_kills), run in zip(DISTURBED.items(), runs, strict=True):
        words = ["evaluate", "embed", "--run", run, "--shards", shards, "--clips", 2, "--threads", 1, "--device", "cpu"]
        done = lambda run=run: len(list((run / "embeddings" / "parts").rglob("shard-*.h5")))  # noqa: E731
        job = Job(words, done, len(list(shards.glob("shard-*.tar"))), (KILL, TERM), root / f"{name}.log")
        disturb(job, n_kills, np.random.default_rng(SEED))
    stores = [run / "embeddings" / "folder.h5" for run in runs]
    assert processes.run("-m", "store", "verify", *stores).returncode == 0
    with EmbeddingStore(stores[0]) as one, EmbeddingStore(stores[1]) as other:
        assert one.frame().equals(other.frame())
        assert one.vector_names == other.vector_names
        for name in one.vector_names:
            np.testing.assert_allclose(one.vectors(name), other.vectors(name), rtol=0, atol=ROUNDING)
