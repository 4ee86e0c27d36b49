"""Asks how time and memory grow with the number of sources: the same small videos once, ten and a hundred times.

Every stage runs in a process of its own, `python -m benchmarks.growth STAGE SIZE FOLDER`, which says what it took.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks.memory import PeakMemory
from benchmarks.race import Effort, logger
from evaluate.results.results import Result

TASK = "growth"
TIMES = (1, 10, 100)
ROUNDS = 5
SECONDS, MEBIBYTES = "seconds", "MiB at its peak"
_VIDEOS, _ENCODER = "AVTEMPO_GROWTH_VIDEOS", "AVTEMPO_GROWTH_ENCODER"
"""Environment variables that tell a stage's process where the videos and the encoder are."""


@dataclass(frozen=True)
class Stage:
    """A stage of the pipeline.

    Attributes:
        unit: what `base` counts.
        base: size of the smallest job.
        prepare: makes the job in a folder, before the clock runs, and returns what does it.
    """

    unit: str
    base: int
    prepare: Callable[[Path, int], Callable[[], object]]


def _linked(folder: Path, n: int, data: Path) -> Path:
    """A folder of n videos, hard links to a few."""
    originals = sorted(data.glob("*.mp4"))
    out = folder / "videos"
    out.mkdir()
    for number in range(n):
        os.link(originals[number % len(originals)], out / f"{number:06d}.mp4")
    return out


def _shards(folder: Path, n: int) -> Callable[[], object]:
    from benchmarks.sources import CORES, FPS
    from preprocess.build.pipeline import build
    from preprocess.catalogues.open_catalogue import open_catalogue
    from preprocess.schema import ShardParams

    videos = _linked(folder, n, _data())
    params = ShardParams(fps=FPS, short_side_px=96, sources_per_shard=4)
    return lambda: build(open_catalogue("folder", videos, None, None), folder / "shards", params, workers=CORES)


def _manifest(folder: Path, n: int) -> Callable[[], object]:
    """Parts of 100 sources each, joined."""
    from preprocess.schema import ShardParams
    from preprocess.shards.manifest import Part, join_parts, write_part
    from preprocess.shards.manifest_rows import Row
    from preprocess.shards.recipe import Recipe
    from preprocess.sources import Catalogue, Source

    sources = tuple(Source(number, folder / f"{number:07d}.mp4", f"{number:07d}.mp4") for number in range(n))
    recipe = Recipe.of(Catalogue("benchmark", "video", sources), ShardParams(sources_per_shard=100), "benchmark")
    for shard in range(recipe.n_shards):
        own = sources[100 * shard : 100 * (shard + 1)]
        rows = [Row("source", each.index, each.name) for each in own]
        rows += [
            Row(
                "segment", each.index, each.name, has_audio=True, key=each.name, shard="shard-000000.tar",
                segment_id=each.index, start_seconds=0.0, end_seconds=10.0, n_frames=125, n_columns=1000,
            )
            for each in own
        ]  # fmt: skip
        write_part(folder, Part(shard, recipe, None, len(own), 0), rows)
    return lambda: join_parts(folder, recipe.n_shards)


def _index(folder: Path, n: int) -> Callable[[], object]:
    from evaluate.fingerprint.api import Index

    videos = _linked(folder, n, _data())
    return lambda: Index.open(folder / "index", encoder=os.environ[_ENCODER]).add(videos)


def _store(folder: Path, n: int) -> Callable[[], object]:
    """Parts of 500 rows each, joined."""
    from benchmarks.storing import PROVENANCE, make_rows
    from store.writer import join_parts, write_part

    parts = []
    for number in range(-(-n // 500)):
        parts.append(folder / f"part-{number:04d}.h5")
        write_part(parts[-1], make_rows(min(500, n), f"part-{number:04d}"), PROVENANCE)
    return lambda: join_parts(parts, folder / "whole.h5")


def _search(folder: Path, n: int) -> Callable[[], object]:
    """64 queries over a store that is read a block at a time."""
    from store.reader import EmbeddingStore
    from store.search import nearest

    _store(folder, n)()
    queries = np.random.default_rng(1).standard_normal((64, 512), np.float32)
    return lambda: nearest(queries, EmbeddingStore(folder / "whole.h5").sliceable("video/features"), 10)


STAGES = {
    "shards": Stage("sources", 2, _shards),
    "manifest": Stage("sources", 1000, _manifest),
    "index": Stage("sources", 2, _index),
    "store": Stage("rows", 1000, _store),
    "search": Stage("rows", 1000, _search),
}


def _data() -> Path:
    return Path(os.environ[_VIDEOS])


def measure(folder: Path, effort: Effort) -> list[Result]:
    """Every stage at every size, sizes in turns; quickly the larger sizes once at most, and fewer."""
    from benchmarks.sources import collage
    from benchmarks.untaught import fingerprint_checkpoint

    data = collage(folder, 4, 1.0)[0].parent
    encoder = fingerprint_checkpoint(folder)
    found = []
    for name, stage in STAGES.items():
        times = TIMES if effort.scale == 1 else TIMES[:2]
        base = stage.base if effort.scale == 1 else max(2, round(stage.base * effort.scale))
        runs: dict[int, list[dict[str, float]]] = {factor: [] for factor in times}
        for number in range(min(effort.rounds, ROUNDS)):
            for factor in times:
                runs[factor].append(in_process(name, factor * base, data, encoder))
            logger.info("growth, %s: round %d of %d", name, number + 1, effort.rounds)
        found += [record for factor, each in runs.items() for record in _records(name, stage, factor, base, each)]
    return found


def _records(name: str, stage: Stage, factor: int, base: int, runs: Sequence[dict[str, float]]) -> list[Result]:
    values = {key: median(run[key] for run in runs) for key in (SECONDS, MEBIBYTES)} | {stage.unit: factor * base}
    return [
        Result("bench", TASK, None, "joint", name, f"{factor}x: {metric}", value, len(runs))
        for metric, value in values.items()
    ]


def in_process(name: str, size: int, data: Path, encoder: Path) -> dict[str, float]:
    """One run of a stage in a process of its own: its seconds and its largest memory."""
    with tempfile.TemporaryDirectory(prefix="growth-", dir=data.parent) as folder:  # where hard links can be made
        environment = {**os.environ, _VIDEOS: str(data.absolute()), _ENCODER: str(encoder.absolute())}
        command = [sys.executable, "-m", "benchmarks.growth", name, str(size), folder]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def main(arguments: Sequence[str]) -> int:
    """Run one stage; say its seconds and the largest memory of its processes together."""
    name, size, folder = arguments
    work = STAGES[name].prepare(Path(folder), int(size))
    with PeakMemory() as peak:
        since = time.perf_counter()
        work()
        seconds = time.perf_counter() - since
    print(json.dumps({SECONDS: seconds, MEBIBYTES: peak.mebibytes}))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
