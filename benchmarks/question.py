"""What a benchmark may use, and the records that it answers with."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from evaluate.results.results import Result
from store.errors import AvtempoError

logger = logging.getLogger("benchmarks")


class BenchmarkError(AvtempoError):
    """A benchmark cannot be trusted: a tool failed or did another job, or times do not add up."""


@dataclass(frozen=True)
class Setting:
    """What a benchmark may use.

    Attributes:
        data: folder of made-up videos and everything made from them; it is kept.
        shards, preset: of the training step.
        rounds: repetitions that count.
        warm_up: rounds before them, which do not count.
        scale: share of the full size of a job, above 0 up to 1.
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
