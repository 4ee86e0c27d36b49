"""From single queries to numbers: what every test hands over, and the records that come of it.

A test says of each query whether it was answered rightly, and what chance expects of all. The value is the share of
hits, the mean over splits the plain mean, as the protocols have it. Beside each stands a 95 % interval: the percentile
bootstrap over queries (Efron, "Bootstrap Methods: Another Look at the Jackknife", Annals of Statistics 1979), for a mean
resampled within every split. It tells how far other test videos of the same kind could move the number, not what another
training run would give; where clips of one recording are alike, it is too narrow.
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
        hits: (n,) bool, which queries were answered rightly.
        chance: the share of hits that a random answer expects.
    """

    test: str
    task: str
    split: int
    modality: str
    model: str
    metric: str
    hits: np.ndarray
    chance: float

    @property
    def identity(self) -> Identity:
        """That of the record which comes of it."""
        return (self.test, self.task, self.split, self.modality, self.model, self.metric)

    def result(self) -> Result:
        """Return the share of hits with its interval."""
        return Result(*self.identity, float(np.mean(self.hits)), len(self.hits), *interval([self.hits]))

    def chance_result(self) -> Result:
        """Return what chance expects: it is computed, not sampled, and has no interval."""
        return Result(*replace(self, model=CHANCE).identity, self.chance, len(self.hits))


def interval(hits: Sequence[np.ndarray]) -> tuple[float, float]:
    """Percentile bootstrap of the mean over splits of the share of hits.

    Args:
        hits: of each split, (n,) bool, none empty.

    Returns:
        Both ends. Where all queries of all splits are hits, or none is, the two are equal: the bootstrap knows nothing
        of what it has not seen.
    """
    generator = np.random.default_rng(_SEED)
    # n draws with replacement from n queries of which h are hits hold Binomial(n, h / n) hits: the draws themselves,
    # 1,000 times thousands of them, need not be made.
    resampled = [generator.binomial(len(own), np.mean(own), RESAMPLES) / len(own) for own in hits]
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(np.mean(resampled, axis=0), (tail, 1 - tail))
    return float(low), float(high)


def to_results(outcomes: Iterable[Outcomes]) -> tuple[Result, ...]:
    """Return the records of all outcomes, then those of chance, then the means over splits in the same order.

    Of outcomes of one identity the last counts. Chance is the same for all models that are asked the same.
    """
    measured = {each.identity: each for each in outcomes}
    records = {identity: each.result() for identity, each in measured.items()}
    records |= {(row := each.chance_result()).identity: row for each in measured.values()}
    over_splits: dict[Identity, list[Identity]] = {}
    for identity, row in records.items():
        over_splits.setdefault(replace(row, split=None).identity, []).append(identity)
    means = []
    for mean, splits in over_splits.items():
        rows = [records[identity] for identity in splits]
        hits = [measured[identity].hits for identity in splits if identity in measured]
        ends = interval(hits) if hits else (None, None)
        means.append(Result(*mean, sum(row.value for row in rows) / len(rows), sum(row.n for row in rows), *ends))
    return (*records.values(), *means)


def mean_over_splits(results: Iterable[Result]) -> tuple[Result, ...]:
    """One record with `split` None for every group that differs in the split alone: the plain mean, `n` the sum.

    For numbers of several calls, whose single answers are no longer at hand: without an interval.
    """
    groups: dict[Identity, list[Result]] = {}
    for result in results:
        if result.split is not None:
            groups.setdefault(replace(result, split=None).identity, []).append(result)
    return tuple(
        Result(*identity, value=sum(r.value for r in members) / len(members), n=sum(r.n for r in members))
        for identity, members in groups.items()
    )
