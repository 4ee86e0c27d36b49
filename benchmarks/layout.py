"""Asks whether training is faster with channels last in memory, and with more threads."""

import logging
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import torch

from benchmarks.step import bench_config, timed_step, trainer
from benchmarks.stopwatch import Stopwatch
from evaluate.results.results import Result
from train.config.schema import ModelConfig
from train.model.encoders import build_encoders

logger = logging.getLogger("benchmarks")

TASK = "layout"
ROUNDS, STEPS = 6, 4
LARGE_ROUNDS, LARGE_CLIPS = 3, 2
LARGE_SHAPE = (3, 16, 112, 112)
"""Of a clip at the paper's scale."""


@dataclass(frozen=True)
class Comparison:
    """Two layouts in turns: median seconds of a step in each, and the median of the ratios within a round."""

    what: str
    contiguous: float
    channels_last: float
    speed_up: float
    n: int


def compare_tiny(preset: str, shards: Path, threads: int, rounds: int = ROUNDS) -> Comparison:
    """Whole training steps of a preset."""
    with ExitStack() as stack, _threads(threads):
        runs = [
            stack.enter_context(trainer(bench_config(preset, shards, (f"optim.channels_last={value}",))))
            for value in ("false", "true")
        ]

        def step(which: int) -> float:
            watch = Stopwatch()
            for _ in range(STEPS + 1):
                timed_step(runs[which], watch)
            return median(watch.totals()[1:])

        return _in_turns(f"{preset}, {threads} thread{'s' if threads > 1 else ''}", step, rounds, STEPS)


def compare_large(threads: int, rounds: int = LARGE_ROUNDS) -> Comparison:
    """Forward and backward of r2plus1d_18 on a few clips of the paper's size."""
    nets = [build_encoders(ModelConfig(video="r2plus1d_18", audio="tiny")) for _ in range(2)]
    nets[1].channels_last()
    clips = torch.randn(LARGE_CLIPS, *LARGE_SHAPE)
    inputs = [clips, clips.contiguous(memory_format=torch.channels_last_3d)]

    def step(which: int) -> float:
        net = nets[which].video_net
        net.zero_grad(set_to_none=True)
        since = time.perf_counter()
        net(inputs[which]).square().mean().backward()
        return time.perf_counter() - since

    with _threads(threads):
        return _in_turns(f"r2plus1d_18, {LARGE_CLIPS} clips, {threads} threads", step, rounds, 1)


def compare_all(preset: str, shards: Path, rounds: int = ROUNDS) -> list[Comparison]:
    """The preset at one thread and at all, the large encoder at all."""
    cores = os.cpu_count() or 1
    found = [compare_tiny(preset, shards, threads, rounds) for threads in sorted({1, cores})]
    return [*found, compare_large(cores, min(rounds, LARGE_ROUNDS))]


@contextmanager
def _threads(count: int) -> Iterator[None]:
    """Torch's threads for a while."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _in_turns(what: str, step: Callable[[int], float], rounds: int, steps: int) -> Comparison:
    seconds = [(step(0), step(1)) for _ in range(rounds + 1)][1:]  # the first round warms up
    logger.info("layout: %s", what)
    return Comparison(
        what=what,
        contiguous=median(a for a, _ in seconds),
        channels_last=median(b for _, b in seconds),
        speed_up=median(a / b for a, b in seconds),
        n=rounds * steps,
    )


def records(comparisons: Sequence[Comparison]) -> list[Result]:
    """As records: three numbers a comparison."""
    return [
        Result("bench", TASK, None, "joint", c.what, metric, value, c.n)
        for c in comparisons
        for metric, value in (
            ("contiguous, seconds", c.contiguous), ("channels last, seconds", c.channels_last), ("speed-up", c.speed_up),
        )
    ]  # fmt: skip
