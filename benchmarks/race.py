"""Ways to do one job, timed in turns: a slow minute of the machine falls on all of them alike."""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median

from evaluate.results.results import Result

logger = logging.getLogger("benchmarks")

OURS = "Avtempo"
SECONDS, RATIO = "seconds", "our speed over it"

Run = Callable[[], float]
"""Does the job once; returns its seconds, what had to be set up left out."""


@dataclass(frozen=True)
class Effort:
    """How often a job is repeated, and how large it is.

    Attributes:
        rounds: repetitions that count.
        warm_up: rounds before that do not.
        scale: share of the full size of a job, above 0 up to 1.
    """

    rounds: int = 5
    warm_up: int = 1
    scale: float = 1.0

    def sized(self, full: int, least: int = 1) -> int:
        """A size of a job at this effort."""
        return max(least, round(full * self.scale))


FULL, QUICK = Effort(), Effort(rounds=1, warm_up=0, scale=0.1)


@dataclass(frozen=True)
class Way:
    """One way to do a job.

    Attributes:
        name: as in the table; `OURS` for this project's.
        run: does it; None where it cannot be run here.
        goal: least speed of ours over this one's, None where there is no goal.
        reason: why it cannot be run.
    """

    name: str
    run: Run | None
    goal: float | None = None
    reason: str = ""


@dataclass(frozen=True)
class Race:
    """What was measured of one job.

    Attributes:
        task: the question, such as "loading".
        case: which job of it.
        amounts: what one repetition works through, by unit ("frames": 4000).
        seconds: of every repetition, by way, in the order of the rounds.
        goals: least speed of ours over a way's.
        missing: why a way was not run.
    """

    task: str
    case: str
    amounts: dict[str, float]
    seconds: dict[str, tuple[float, ...]]
    goals: dict[str, float] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)

    def ratio(self, name: str) -> float:
        """How many times as fast as this way ours is: the median over rounds of its seconds by ours."""
        return median(theirs / ours for theirs, ours in zip(self.seconds[name], self.seconds[OURS], strict=True))

    def records(self) -> list[Result]:
        """As records: seconds, amounts a second, and ours beside every other way; `case` leads the metric."""
        found = []
        for name, seconds in self.seconds.items():
            middle = median(seconds)
            values = {SECONDS: middle} | {f"{unit}/s": amount / middle for unit, amount in self.amounts.items()}
            if name != OURS:
                values[RATIO] = self.ratio(name)
            if name in self.goals:
                values["goal"] = self.goals[name]
            found += [
                Result("bench", self.task, None, "joint", name, f"{self.case}: {metric}", value, len(seconds))
                for metric, value in values.items()
            ]
        return found


def race(task: str, case: str, amounts: dict[str, float], ways: Sequence[Way], effort: Effort) -> Race:
    """Run every way once a round, the rounds after the warm-up counting."""
    able = [(way.name, way.run) for way in ways if way.run is not None]
    seconds: dict[str, list[float]] = {name: [] for name, _ in able}
    for number in range(effort.warm_up + effort.rounds):
        order = able if number % 2 == 0 else able[::-1]  # who comes second finds warm files
        for name, run in order:
            took = run()
            if number >= effort.warm_up:
                seconds[name].append(took)
        logger.info("%s, %s: round %d of %d", task, case, number + 1, effort.warm_up + effort.rounds)
    return Race(
        task, case, amounts, {name: tuple(took) for name, took in seconds.items()},
        {way.name: way.goal for way in ways if way.goal is not None},
        {way.name: way.reason for way in ways if way.run is None},
    )  # fmt: skip


def timed(work: Callable[[], object]) -> Run:
    """A job whose whole call counts."""

    def run() -> float:
        since = time.perf_counter()
        work()
        return time.perf_counter() - since

    return run
