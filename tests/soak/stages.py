"""The stages of a soak test: each runs once undisturbed and once with kills, then its invariants are checked."""

import re
import signal
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from tests.soak import checks
from tests.soak.disturb import Job, disturb, python
from tests.soak.sources import MadeSource, plan_sources, write_source
from tests.train.small_runs import SETTINGS

Show = Callable[[str], None]

SHARDS = {"short_side_px": 32, "segment_seconds": 1.0, "n_mels": 16, "fps": 8, "hop_length": 500, "win_length": 750}
TRAINING = (*SETTINGS, "data.num_threads=1", "data.batch_size=8", "bank.size=128", "clip.eval_speed=1")
STOPPED = 3
"""Exit status of a training run that a signal has stopped and that has saved."""
SAMPLES = 50
SETTLED_SHARE = 0.2
"""Of the segments, within which buffers fill and the allocator finds its size."""
FLAT_MIB = 16.0
"""How much the memory may grow from there to the end."""
BATCH = 8
KILL, TERM = ("main", signal.SIGKILL), ("main", signal.SIGTERM)


@dataclass(frozen=True)
class Plan:
    """The options of a soak test; `out` is the folder for all that it makes."""

    out: Path
    sources: int
    bad_share: float
    kills: int
    steps: int
    segments: int
    workers: int
    seed: int

    @property
    def planned(self) -> list[MadeSource]:
        """The files of the archive."""
        return plan_sources(self.sources, self.bad_share, self.seed)


@dataclass(frozen=True)
class Found:
    """What a stage found.

    Attributes:
        counts: numbers to report, by name.
        breaches: of each invariant that was checked, lines that tell how it is broken; empty where it holds.
    """

    counts: dict[str, float] = field(default_factory=dict)
    breaches: dict[str, list[str]] = field(default_factory=dict)


def _twice(job_of: Callable[[Plan, str], Job], plan: Plan, names: tuple[str, str], show: Show) -> dict[str, float]:
    """Run the jobs of both names, the second with kills; return the second's counts."""
    counts: dict[str, float] = {}
    for name, n_kills in zip(names, (0, plan.kills), strict=True):
        job = job_of(plan, name)
        show(f"{name}, {n_kills} kills")
        counts = disturb(job, n_kills, np.random.default_rng([plan.seed, *job.log.name.encode()]), show)
    return counts


def make_sources(plan: Plan, show: Show) -> Found:
    """Write the archive."""
    planned = plan.planned
    for index, source in enumerate(planned):
        write_source(plan.out / "sources", source, index, plan.seed)
        if index % 500 == 0:
            show(f"{index} of {len(planned)} sources written")
    return Found({"sources": len(planned), "bad sources": sum(not source.is_good for source in planned)})


def ingest(plan: Plan, show: Show) -> Found:
    """Make shards of the archive twice, then retry the sources that failed."""
    whole, shards = plan.out / "shards-whole", plan.out / "shards"
    # Not in the soak's folder: the fork server keeps a socket there, and sockets have short paths only.
    with tempfile.TemporaryDirectory(prefix="soak-") as tmp:

        def job_of(plan: Plan, name: str) -> Job:
            return replace(_ingest_job(plan, name), environment=(("TMPDIR", tmp),))

        counts = _twice(job_of, plan, (whole.name, shards.name), show)
        # A source whose decoder was killed has failed, and so has one whose reader was killed twice.
        job = job_of(plan, shards.name)
        disturb(replace(job, command=[*job.command, "--retry-failed"]), 0, np.random.default_rng(0), show)
        # A killed first process leaves the sockets of Python's fork servers behind; they do not count.
        left = [path.name for path in Path(tmp).iterdir() if not path.name.startswith("pymp-")]
    breaches = {
        "verify is clean": checks.commands_clean("preprocess", "verify", shards, "--workers", plan.workers),
        "shards are the undisturbed run's bytes": checks.same_files(whole, shards),
        "every source is read, or failed with a reason": checks.sources_accounted_for(shards, plan.planned),
        "no segment is lost or there twice": checks.segments_accounted_for(shards, plan.planned),
        "no decoded frames are left": left,
    }
    return Found(counts, breaches)


def _ingest_job(plan: Plan, name: str) -> Job:
    out = plan.out / name
    per_shard = max(2, min(16, plan.sources // (2 * plan.kills + 2)))  # kills fall into different shards
    settings = [f"--set={key}={value}" for key, value in (SHARDS | {"sources_per_shard": per_shard}).items()]
    command = python(
        "preprocess", "shards", "--dataset", "folder", "--data", plan.out / "sources", "--out", out, *settings,
        "--workers", plan.workers, "--max-failed", plan.sources,
    )  # fmt: skip
    worker, ffmpeg, server = ((kind, signal.SIGKILL) for kind in ("worker", "ffmpeg", "fork server"))
    return Job(
        command, lambda: len(list(out.glob("shard-*.parquet"))), -(-plan.sources // per_shard),
        (KILL, worker, TERM, ffmpeg, server), plan.out / f"{name}.log", stopped=128 + signal.SIGTERM,
    )  # fmt: skip


def train(plan: Plan, show: Show) -> Found:
    """Train on the shards twice."""
    counts = _twice(_train_job, plan, ("run-whole", "run"), show)
    whole, run = plan.out / "run-whole", plan.out / "run"
    breaches = {
        "losses equal the undisturbed run's, step for step": checks.same_losses(whole, run),
        "encoders equal the undisturbed run's": checks.same_weights(whole, run),
    }
    return Found({"steps": plan.steps} | counts, breaches)


def _train_job(plan: Plan, name: str) -> Job:
    log = plan.out / name / "log.jsonl"
    every = max(2, plan.steps // (4 * plan.kills + 4))
    settings = [f"--set={each}" for each in (*TRAINING, f"steps={plan.steps}", f"checkpoint_every={every}")]
    command = python(
        "train", "pretrain", "--preset", "sample", "--run", log.parent, "--shards", plan.out / "shards", "--device", "cpu",
        "--threads", 1, *settings,
    )  # fmt: skip

    def steps_logged() -> int:
        return log.read_bytes().count(b"\n") if log.exists() else 0

    return Job(command, steps_logged, plan.steps, (KILL, TERM, KILL), plan.out / f"{name}.log", STOPPED)


def embed(plan: Plan, show: Show) -> Found:
    """Embed the shards twice."""
    counts = _twice(_embed_job, plan, ("run-whole", "run"), show)
    whole, store = (plan.out / name / "embeddings" / "folder.h5" for name in ("run-whole", "run"))
    breaches = {
        "store verify is clean": checks.commands_clean("store", "verify", store),
        "no clip is lost or there twice; vectors equal up to rounding": checks.same_stores(whole, store),
    }
    return Found(counts, breaches)


def _embed_job(plan: Plan, name: str) -> Job:
    run, shards = plan.out / name, plan.out / "shards"
    command = python(
        "evaluate", "embed", "--run", run, "--shards", shards, "--clips", 2, "--threads", 1, "--device", "cpu"
    )
    parts, n_shards = run / "embeddings" / "parts", len(list(shards.glob("shard-*.tar")))
    return Job(
        command, lambda: len(list(parts.rglob("shard-*.h5"))), n_shards, (KILL, TERM), plan.out / f"{name}-embed.log"
    )


def load(plan: Plan, show: Show) -> Found:
    """Draw segments in a process of its own and watch the memory."""
    show(f"drawing {plan.segments} segments")
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        segments, own_mib = pool.submit(_draw, plan.out / "shards", plan.segments).result()
    grown = growth_mib(segments, own_mib)
    breaches = [f"grew by {grown:.1f} MiB over {segments[-1]} segments"] if grown >= FLAT_MIB else []
    counts = {"segments": segments[-1], "growth, MiB": grown, "peak, MiB": max(own_mib)}
    return Found(counts, {"memory of the loader is flat": breaches})


def _draw(shards: Path, n_segments: int) -> tuple[list[int], list[float]]:
    """Return the segments drawn at each sample, and the memory then without mapped files, in MiB."""
    from train.data.loader import LoaderConfig, SegmentLoader

    config = LoaderConfig(
        str(shards), batch_size=BATCH, frame_px=32, window_frames=8, shuffle=True, seed=0, num_threads=1
    )
    loader, segments, own_mib = SegmentLoader(config), list[int](), list[float]()
    n_batches = max(-(-n_segments // BATCH), SAMPLES)
    for number in range(1, n_batches + 1):
        next(loader)
        if number * SAMPLES // n_batches > len(segments):
            text = Path("/proc/self/status").read_text(encoding="utf-8")
            kib = {name: int(value) for name, value in re.findall(r"^(VmRSS|RssFile):\s+(\d+) kB$", text, re.MULTILINE)}
            segments.append(number * BATCH)
            own_mib.append((kib["VmRSS"] - kib["RssFile"]) / 1024)
    return segments, own_mib


def growth_mib(segments: Sequence[int], own_mib: Sequence[float]) -> float:
    """Return by how much a straight line through the settled samples rises."""
    settled = np.array(segments) >= SETTLED_SHARE * segments[-1]
    x = np.array(segments)[settled]
    slope = np.polyfit(x, np.array(own_mib)[settled], 1)[0]
    return float(slope * (x[-1] - x[0]))


STAGES: dict[str, Callable[[Plan, Show], Found]] = {
    "sources": make_sources, "ingest": ingest, "training": train, "embedding": embed, "loader memory": load,
}  # fmt: skip
