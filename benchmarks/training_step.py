"""Asks which part of a training step takes how long, and whether the sum agrees with the trainer's own clock."""

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

from benchmarks.step import OVERHEAD, PARTS, WAIT, bench_config, timed_step, trainer
from benchmarks.stopwatch import Stopwatch
from evaluate.results.results import Result
from train.config.schema import Config
from train.run.run_log import LOG_NAME

logger = logging.getLogger("benchmarks")

TASK = "training-step"
ROUNDS, STEPS, WARM_UP = 6, 12, 4
"""Rounds of a block of steps composed and a block of the trainer's, steps a block, steps before that do not count."""


@dataclass(frozen=True)
class StepTimes:
    """Seconds a step.

    Attributes:
        parts: median of each part over the blocks' medians.
        composed: median step of the composed loop.
        loop: median step by the trainer's own clock.
        n: steps composed and timed.
    """

    parts: dict[str, float]
    composed: float
    loop: float
    n: int

    @property
    def overhead(self) -> float:
        """Seconds that are not the network's."""
        return sum(self.parts[name] for name in OVERHEAD)


def measure(preset: str, shards: Path, rounds: int = ROUNDS, steps: int = STEPS) -> StepTimes:
    """Time both loops in turns on this machine."""
    config = bench_config(preset, shards)
    blocks: list[Stopwatch] = []
    loops: list[float] = []
    with trainer(config) as run:
        for _ in range(config.bank.size // config.data.batch_size + 1):  # until the bank is full
            timed_step(run, Stopwatch())
        for number in range(rounds):
            for _ in range(WARM_UP):
                timed_step(run, Stopwatch())
            blocks.append(Stopwatch())
            for _ in range(steps):
                timed_step(run, blocks[-1])
            loops.append(_loop_seconds(config, steps))
            logger.info("training step, round %d of %d", number + 1, rounds)
    by_block = [block.medians(PARTS) for block in blocks]
    return StepTimes(
        parts={name: median(block[name] for block in by_block) for name in PARTS},
        composed=median(median(block.totals()) for block in blocks),
        loop=median(loops),
        n=rounds * steps,
    )


def _loop_seconds(config: Config, steps: int) -> float:
    """Median seconds a step of a whole `Trainer.train()`, from its log: one record a step, the first ones left out."""
    config = replace(config, steps=WARM_UP + steps, log_every=1, checkpoint_every=10**9)
    with trainer(config) as run:
        run.train()
        lines = (run.run_dir / LOG_NAME).read_text(encoding="utf-8").splitlines()
    seconds = [json.loads(line)["seconds"] for line in lines]
    return median(after - before for before, after in zip(seconds[WARM_UP - 1 :], seconds[WARM_UP:], strict=False))


def records(preset: str, times: StepTimes) -> Sequence[Result]:
    """As records: seconds a step, and shares of the composed step."""
    values = {f"{name}, seconds": value for name, value in times.parts.items()}
    values |= {f"{name}, share": value / times.composed for name, value in times.parts.items()}
    values |= {
        "step, seconds": times.composed,
        "trainer loop, seconds": times.loop,
        "overhead, share": times.overhead / times.composed,
        "data wait, share": times.parts[WAIT] / times.composed,
    }
    return [Result("bench", TASK, None, "joint", preset, metric, value, times.n) for metric, value in values.items()]
