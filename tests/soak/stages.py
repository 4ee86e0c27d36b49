"""The stages of a soak, each once in peace and once under fire, and what was found afterwards."""

import os
import signal
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from tests.soak import checks
from tests.soak.disturb import Disturbance, Job, disturb
from tests.soak.loader_memory import memory_over
from tests.soak.processes import ingest_victims
from tests.soak.sources import MadeSource, plan_sources, write_source

Show = Callable[[str], None]

SHARDS = {"short_side_px": 32, "segment_seconds": 1.0, "n_mels": 16, "fps": 8, "hop_length": 500, "win_length": 750}
TRAINING = (
    "data.split=''", "heldout.split=''", "data.batch_size=8", "data.frame_px=32", "data.window_frames=8",
    "data.num_threads=1", "clip.n_frames=4", "clip.crop_px=24", "clip.speeds=[1, 2]", "clip.eval_speed=1",
    "model.tiny_width=4", "model.head_hidden=16", "model.projection_hidden=16", "model.projection_dim=8", "bank.size=128",
    "bank.negative_rank_low=8", "bank.negative_rank_high=64", "bank.n_negatives=8", "bank.warmup_steps=10", "log_every=1",
    "optim.warmup_steps=5", "optim.lr=0.001",
)  # fmt: skip
STOPPED = 3
"""Exit status of a training that a signal has stopped and that has saved."""


@dataclass(frozen=True)
class Plan:
    """What a soak is asked to do; `folder` holds all that it makes."""

    folder: Path
    n_sources: int
    bad_share: float
    n_kills: int
    n_steps: int
    n_segments: int
    workers: int
    seed: int

    @property
    def sources(self) -> list[MadeSource]:
        """The files of the archive."""
        return plan_sources(self.n_sources, self.bad_share, self.seed)

    @property
    def sources_per_shard(self) -> int:
        """Some shards at least for every kill, so that kills fall into different ones."""
        return max(2, min(16, self.n_sources // (2 * self.n_kills + 2)))

    def path(self, name: str) -> Path:
        """A folder of this soak."""
        return self.folder / name


@dataclass(frozen=True)
class Found:
    """What a stage found.

    Attributes:
        counts: numbers to tell, by name.
        breaches: of each invariant that was checked, what breaks it; empty where it holds.
    """

    counts: dict[str, float] = field(default_factory=dict)
    breaches: dict[str, list[str]] = field(default_factory=dict)


def make_sources(plan: Plan, show: Show) -> Found:
    """Write the archive."""
    planned = plan.sources
    for index, source in enumerate(planned):
        write_source(plan.path("sources"), source, index, plan.seed)
        if index % 500 == 0:
            show(f"{index} of {len(planned)} sources written")
    return Found({"sources": len(planned), "bad sources": sum(not source.is_good for source in planned)})


def ingest(plan: Plan, show: Show) -> Found:
    """Make shards of it, in peace and under fire, and retry in the end what failed."""
    names, planned = ("shards-whole", "shards"), plan.sources
    done = {}
    # Not in the soak's folder: the fork server keeps a socket there, and those have short paths only.
    with tempfile.TemporaryDirectory(prefix="soak-") as tmp:
        for name, n_kills in zip(names, (0, plan.n_kills), strict=True):
            job = _ingest_job(plan, name, tmp)
            done[name] = disturb(job, n_kills, _rng(plan, name), show)
        # A decoder that was killed is a source that failed; so is a source whose reader was killed twice.
        disturb(replace(job, command=[*job.command, "--retry-failed"]), 0, _rng(plan, ""), show)
        left = _left(Path(tmp))
    whole, shards = (plan.path(name) for name in names)
    return Found(
        _counts(done["shards"]),
        {
            "verify is clean": checks.commands_clean(
                "preprocess", "verify", str(shards), "--workers", str(plan.workers)
            ),
            "shards are the undisturbed run's bytes": checks.same_files(whole, shards),
            "every source is read, or failed with a reason": checks.sources_accounted_for(shards, planned),
            "no segment is lost or there twice": checks.segments_accounted_for(shards, planned),
            "no decoded frames are left": left,
        },
    )


def _ingest_job(plan: Plan, name: str, tmp: str) -> Job:
    out = plan.path(name)
    settings = [f"--set={key}={value}" for key, value in SHARDS.items()]
    command = [
        sys.executable, "-m", "preprocess", "shards", "--dataset", "folder", "--data", str(plan.path("sources")), "--out",
        str(out), *settings, f"--set=sources_per_shard={plan.sources_per_shard}", "--workers", str(plan.workers),
        "--max-failed", str(plan.n_sources),
    ]  # fmt: skip
    return Job(
        command=command,
        folder=checks.ROOT,
        done=lambda: len(list(out.glob("shard-*.parquet"))),
        total=-(-plan.n_sources // plan.sources_per_shard),
        victims=ingest_victims,
        blows=(
            ("main", signal.SIGKILL), ("worker", signal.SIGKILL), ("main", signal.SIGTERM), ("ffmpeg", signal.SIGKILL),
            ("fork server", signal.SIGKILL),
        ),
        ended_by_signal=frozenset({128 + signal.SIGTERM}),
        log=plan.path(f"{name}.log"),
        environment=_environment() | {"TMPDIR": tmp},
    )  # fmt: skip


def train(plan: Plan, show: Show) -> Found:
    """Train on the shards, in peace and under fire."""
    names = ("run-whole", "run")
    done = {}
    for name, n_kills in zip(names, (0, plan.n_kills), strict=True):
        show(f"training {name}, {plan.n_steps} steps")
        done[name] = disturb(_train_job(plan, name), n_kills, _rng(plan, name), show)
    whole, run = (plan.path(name) for name in names)
    return Found(
        {"steps": plan.n_steps} | _counts(done["run"]),
        {
            "losses equal the undisturbed run's, step for step": checks.same_losses(whole, run),
            "encoders equal the undisturbed run's": checks.same_weights(whole, run),
        },
    )


def _train_job(plan: Plan, name: str) -> Job:
    run = plan.path(name)
    settings = (
        *TRAINING,
        f"steps={plan.n_steps}",
        f"checkpoint_every={max(2, plan.n_steps // (4 * plan.n_kills + 4))}",
    )
    command = [
        sys.executable, "-m", "train", "pretrain", "--preset", "sample", "--run", str(run), "--shards",
        str(plan.path("shards")), "--device", "cpu", "--threads", "1", *(f"--set={setting}" for setting in settings),
    ]  # fmt: skip

    def steps_logged() -> int:
        log = run / "log.jsonl"
        return log.read_bytes().count(b"\n") if log.exists() else 0

    return Job(
        command=command, folder=checks.ROOT, done=steps_logged, total=plan.n_steps,
        victims=lambda main: {"main": [main]},
        blows=(("main", signal.SIGKILL), ("main", signal.SIGKILL), ("main", signal.SIGTERM)),
        ended_by_signal=frozenset({STOPPED}), log=plan.path(f"{name}.log"), environment=_environment(),
    )  # fmt: skip


def embed(plan: Plan, show: Show) -> Found:
    """Embed the shards with the encoders, in peace and under fire."""
    names, done = ("run-whole", "run"), {}
    for name, n_kills in zip(names, (0, plan.n_kills), strict=True):
        show(f"embedding with {name}")
        done[name] = disturb(_embed_job(plan, name), n_kills, _rng(plan, f"embed {name}"), show)
    stores = [plan.path(name) / "embeddings" / "folder.h5" for name in names]
    return Found(
        _counts(done["run"]),
        {
            "store verify is clean": checks.commands_clean("store", "verify", str(stores[1])),
            "no clip is lost or there twice; vectors equal up to rounding": checks.same_stores(*stores),
        },
    )


def _embed_job(plan: Plan, name: str) -> Job:
    parts = plan.path(name) / "embeddings" / "parts"
    command = [
        sys.executable, "-m", "evaluate", "embed", "--run", str(plan.path(name)), "--shards", str(plan.path("shards")),
        "--clips", "2", "--threads", "1", "--device", "cpu",
    ]  # fmt: skip
    return Job(
        command=command, folder=checks.ROOT, done=lambda: len(list(parts.rglob("shard-*.h5"))),
        total=len(list(plan.path("shards").glob("shard-*.tar"))), victims=lambda main: {"main": [main]},
        blows=(("main", signal.SIGKILL), ("main", signal.SIGTERM)), ended_by_signal=frozenset(),
        log=plan.path(f"{name}-embed.log"), environment=_environment(),
    )  # fmt: skip


def load(plan: Plan, show: Show) -> Found:
    """Draw segments and watch the memory."""
    curve = memory_over(plan.path("shards"), plan.n_segments, show)
    return Found(
        {"segments": curve.segments[-1], "growth, MiB": curve.growth_mib, "peak, MiB": max(curve.own_mib)},
        {"memory of the loader is flat": curve.breaches},
    )


STAGES: Sequence[tuple[str, Callable[[Plan, Show], Found]]] = (
    ("sources", make_sources), ("ingest", ingest), ("training", train), ("embedding", embed), ("loader memory", load),
)  # fmt: skip


def _counts(done: Disturbance) -> dict[str, float]:
    return {"starts": done.n_starts, **{f"kills, {kind}": n for kind, n in done.kills.items()}}


def _left(folder: Path) -> list[str]:
    """Temporary files; but for the sockets of Python's fork servers, which a kill of the first process leaves behind."""
    return [path.name for path in folder.iterdir() if not path.name.startswith("pymp-")]


def _rng(plan: Plan, name: str) -> np.random.Generator:
    return np.random.default_rng([plan.seed, *name.encode()])


def _environment() -> dict[str, str]:
    return {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join([str(checks.ROOT), os.environ.get("PYTHONPATH", "")])}
