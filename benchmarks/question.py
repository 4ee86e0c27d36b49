"""What a benchmark may use: ways to do one job, timed in turns, and the records that it answers with.

A slow minute of the machine slows all ways alike.
"""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from evaluate.results.results import Result
from store.errors import AvtempoError

logger = logging.getLogger("benchmarks")

OURS = "Avtempo"
SECONDS, RATIO, GOAL = "seconds", "our speed over it", "goal"

Run = Callable[[], float]
"""Does the job once; returns its seconds without those of the preparation."""


class BenchmarkError(AvtempoError):
    """A benchmark cannot be trusted: a tool failed or did another job, or times do not add up."""


@dataclass(frozen=True)
class Setting:
    """What a benchmark may use: a folder of made-up data that is kept; shards and preset of the training step.

    The rounds of the warm-up do not count. The scale is the share of the full size of a job, above 0 up to 1.
    """

    data: Path
    shards: Path = Path("shards/sample")
    preset: str = "sample"
    rounds: int = 5
    warm_up: int = 1
    scale: float = 1.0

    def sized(self, full: int, least: int = 1) -> int:
        """Return the size of a job at this scale."""
        return max(least, round(full * self.scale))


def records(task: str, values: Mapping[tuple[str, str], float], n: int) -> list[Result]:
    """Make records of values by model and metric, each behind `n` repetitions."""
    return [Result("bench", task, None, "joint", model, name, value, n) for (model, name), value in values.items()]


@dataclass(frozen=True)
class Way:
    """One way to do a job: its name (`OURS` for this project's), and the least speed of ours over it, if there is a goal."""

    name: str
    run: Run
    goal: float | None = None


def race(task: str, case: str, amounts: Mapping[str, float], ways: Sequence[Way], setting: Setting) -> list[Result]:
    """Run every way once a round; the rounds after the warm-up count.

    The case, which job of a question it is, starts the metric's name. `amounts` are the units that one repetition works
    through, such as {"frames": 4000}.
    """
    seconds: dict[str, list[float]] = {way.name: [] for way in ways}
    n_rounds = setting.warm_up + setting.rounds
    for number in range(n_rounds):
        for way in ways if number % 2 == 0 else reversed(ways):  # the second finds warm files
            seconds[way.name].append(way.run())
        logger.info("%s, %s: round %d of %d", task, case, number + 1, n_rounds)
    found: dict[tuple[str, str], float] = {}
    for way in ways:
        ours, took = (seconds[name][setting.warm_up :] for name in (OURS, way.name))
        values = {SECONDS: median(took)} | {f"{unit}/s": amount / median(took) for unit, amount in amounts.items()}
        if way.name != OURS:
            values[RATIO] = median(one / other for one, other in zip(took, ours, strict=True))
        if way.goal is not None:
            values[GOAL] = way.goal
        found |= {(way.name, f"{case}: {metric}"): value for metric, value in values.items()}
    return records(task, found, setting.rounds)


def timed(work: Callable[[], object]) -> Run:
    """Time the whole call."""

    def run() -> float:
        since = time.perf_counter()
        work()
        return time.perf_counter() - since

    return run
