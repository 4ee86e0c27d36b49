"""From the answers to single queries to records with their intervals.

The value of a record is the share of queries answered correctly. The mean over splits is the plain mean. Each has a 95 %
interval, the percentile bootstrap over queries (Efron, "Bootstrap Methods: Another Look at the Jackknife", Annals of
Statistics 1979); for a mean, queries are resampled within every split. The interval shows how far other test videos of
the same kind could move the number, not the effect of another training run. It is too narrow where clips of one
recording are alike.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from evaluate.results.results import Identity, Result

CHANCE = "chance"
TOP_1 = "top-1"
CONFIDENCE = 0.95
RESAMPLES = 1_000
_SEED = 0


@dataclass(frozen=True, eq=False)
class Outcomes:
    """The answers to n queries of one test.

    Attributes:
        test, task, split, modality, model, metric: as in `Result`.
        hits: (n,) bool, which queries were answered correctly.
        chance: the expected share of hits of random answers.
    """

    test: str
    task: str
    split: int | None
    modality: str
    model: str
    metric: str
    hits: np.ndarray
    chance: float

    @property
    def identity(self) -> Identity:
        """Identity of the record."""
        return (self.test, self.task, self.split, self.modality, self.model, self.metric)

    def result(self) -> Result:
        """Return the share of hits with its interval."""
        return Result(*self.identity, float(np.mean(self.hits)), len(self.hits), *interval([self.hits]))

    def chance_result(self) -> Result:
        """Return the record of chance. It is computed, not sampled, and has no interval."""
        return Result(*replace(self, model=CHANCE).identity, self.chance, len(self.hits))


def interval(hits: Sequence[np.ndarray]) -> tuple[float, float]:
    """Return both ends of the interval of the share of hits, averaged over splits: of each (n,) bool, none empty."""
    return interval_of_shares([(float(np.mean(own)), len(own)) for own in hits])


def interval_of_shares(shares: Iterable[tuple[float, int]]) -> tuple[float, float]:
    """Bootstrap the share of hits, averaged over splits.

    Args:
        shares: of each split, the share of hits and the number of queries, above 0.

    Returns:
        Both ends of the interval. They are equal where all queries are hits, or none is.
    """
    generator = np.random.default_rng(_SEED)
    # n draws with replacement from n queries, h of them hits, contain Binomial(n, h / n) hits. Drawing that number
    # directly saves 1,000 times thousands of draws.
    resampled = [generator.binomial(n, share, RESAMPLES) / n for share, n in shares]
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(np.mean(resampled, axis=0), (tail, 1 - tail))
    return float(low), float(high)


def to_results(outcomes: Iterable[Outcomes]) -> tuple[Result, ...]:
    """Return the records of all outcomes, then those of chance, then the means over splits in the same order.

    Of outcomes with one identity the last counts. Chance is the same for all models with the same queries.
    """
    measured = {each.identity: each for each in outcomes}
    records = {identity: each.result() for identity, each in measured.items()}
    records |= {(row := each.chance_result()).identity: row for each in measured.values()}
    return (*records.values(), *mean_over_splits(records.values()))


def mean_over_splits(results: Iterable[Result]) -> tuple[Result, ...]:
    """Average records that differ only in their split: plain mean, `n` summed, `split` None.

    The mean has an interval where every split has one. It is the same however the records are ordered.
    """
    groups: dict[Identity, dict[int, Result]] = {}
    for result in results:
        if result.split is not None:
            groups.setdefault(replace(result, split=None).identity, {})[result.split] = result
    means = []
    for identity, of_split in groups.items():
        members = [of_split[split] for split in sorted(of_split)]
        value, n = sum(r.value for r in members) / len(members), sum(r.n for r in members)
        shares = [(r.value, r.n) for r in members if r.low is not None]
        low, high = interval_of_shares(shares) if len(shares) == len(members) else (None, None)
        means.append(Result(*identity, value, n, low, high))
    return tuple(means)
