"""Asks how much faster segments are loaded if the frames that the planned views show are decoded and no others."""

import logging
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

from evaluate.results import Result
from train.loader import LoaderConfig, SegmentLoader
from train.planners import TwoViews
from train.settings import load_config

logger = logging.getLogger("benchmarks")

TASK = "loading"
ROUNDS, BATCHES, WARM_UP = 7, 16, 4
"""Turns of each loader, batches that are timed in a turn, and batches before them: those that lay decoded, and those that
the other loader decodes ahead in the meantime."""


@dataclass(frozen=True)
class Loading:
    """Segments a second, medians over the rounds, and the median of the ratios within a round.

    Attributes:
        what: preset and threads.
        planned: decoding the frames that two views show.
        whole: decoding whole windows.
        ratio: planned / whole.
        n: batches timed of each.
    """

    what: str
    planned: float
    whole: float
    ratio: float
    n: int


def measure(preset: str, shards: Path, threads: int, rounds: int = ROUNDS) -> Loading:
    """Draw from both loaders in turns and do nothing else."""
    config = load_config(preset, (f"data.shards={shards}",))
    data = config.data
    whole = LoaderConfig(
        shards=data.shards, batch_size=data.batch_size, frame_px=data.frame_px, window_frames=data.window_frames,
        shuffle=True, seed=config.seed, num_threads=threads, split=data.split,
    )  # fmt: skip
    loaders = SegmentLoader(replace(whole, clips=TwoViews(config.clip))), SegmentLoader(whole)
    rates = [tuple(_segments_a_second(loader, data.batch_size) for loader in loaders) for _ in range(rounds + 1)][1:]
    what = f"{preset}, {threads} thread{'s' if threads > 1 else ''}"
    logger.info("loading: %s", what)
    return Loading(
        what=what,
        planned=median(planned for planned, _ in rates),
        whole=median(whole for _, whole in rates),
        ratio=median(planned / whole for planned, whole in rates),
        n=rounds * BATCHES,
    )


def measure_all(preset: str, shards: Path) -> list[Loading]:
    """At one decoding thread and at one a core."""
    return [measure(preset, shards, threads) for threads in sorted({1, os.cpu_count() or 1})]


def _segments_a_second(loader: SegmentLoader, batch_size: int) -> float:
    for _ in range(WARM_UP):
        next(loader)
    since = time.perf_counter()
    for _ in range(BATCHES):
        next(loader)
    return BATCHES * batch_size / (time.perf_counter() - since)


def records(measured: Sequence[Loading]) -> list[Result]:
    """As records: three numbers a measurement."""
    return [
        Result("bench", TASK, None, "joint", each.what, metric, value, each.n)
        for each in measured
        for metric, value in (
            ("planned, segments a second", each.planned), ("whole windows, segments a second", each.whole),
            ("ratio", each.ratio),
        )
    ]  # fmt: skip
