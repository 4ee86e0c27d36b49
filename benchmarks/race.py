"""Ways to do one job, timed in turns: a slow minute of the machine slows all of them alike."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from benchmarks.question import Setting, logger, records
from evaluate.results.results import Result

OURS = "Avtempo"
SECONDS, RATIO, GOAL = "seconds", "our speed over it", "goal"

Run = Callable[[], float]
"""Does the job once; returns its seconds without those of the preparation."""


@dataclass(frozen=True)
class Way:
    """One way to do a job: its name (`OURS` for this project's), and the least speed of ours over it, if there is a goal."""

    name: str
    run: Run
    goal: float | None = None


def race(task: str, case: str, amounts: Mapping[str, float], ways: Sequence[Way], setting: Setting) -> list[Result]:
    """Run every way once a round; the rounds after the warm-up count.

    Args:
        task: the question, such as "loading".
        case: which job of it; it starts the metric's name.
        amounts: units that one repetition works through ("frames": 4000).
        ways: this project's and others.
        setting: how many rounds.
    """
    seconds: dict[str, list[float]] = {way.name: [] for way in ways}
    n_rounds = setting.warm_up + setting.rounds
    for number in range(n_rounds):
        for way in ways if number % 2 == 0 else reversed(ways):  # the second finds warm files
            took = way.run()
            if number >= setting.warm_up:
                seconds[way.name].append(took)
        logger.info("%s, %s: round %d of %d", task, case, number + 1, n_rounds)
    found: dict[tuple[str, str], float] = {}
    for way in ways:
        took = seconds[way.name]
        values = {SECONDS: median(took)} | {f"{unit}/s": amount / median(took) for unit, amount in amounts.items()}
        if way.name != OURS:
            values[RATIO] = median(theirs / ours for theirs, ours in zip(took, seconds[OURS], strict=True))
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
