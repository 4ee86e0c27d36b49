"""Runs to rows: the mean over seeds, its spread, and each seed, as one list of records.

A record of the mean has the metric's own name and counts queries in `n`. Beside it stand "METRIC sd", the sample
standard deviation over seeds, whose `n` counts the seeds, and "METRIC seed S" for every seed. Baselines that know no
seed (raw input, chance) have a value alone.
"""

import re
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from evaluate.results.results import Result

Column = tuple[str, str, str]
"""(task, modality, metric)."""
WHOLE = "whole"
_SEEDLESS = ("raw", "chance")
_LAST = ("untrained", *_SEEDLESS)
_SD = " sd"
_SEED = re.compile(r"(?P<metric>.+) seed (?P<seed>\d+)")


@dataclass(frozen=True)
class Measured:
    """The records of one run, as measured: models "pretrained", "untrained", "raw", "chance"."""

    objective: str
    seed: int
    results: tuple[Result, ...]


@dataclass(frozen=True)
class Cell:
    """One number of one row.

    Attributes:
        mean: over seeds.
        sd: sample standard deviation over seeds; None of fewer than two.
        by_seed: seed -> value; empty for what knows no seed.
        n: queries.
    """

    mean: float
    sd: float | None = None
    by_seed: Mapping[int, float] = field(default_factory=dict)
    n: int = 0


def aggregate(measured: Iterable[Measured]) -> tuple[Result, ...]:
    """Set runs side by side, with the objective's name for "pretrained"; rows in `row_order`."""
    plain: dict[tuple[str, Column], Result] = {}
    seeded: dict[tuple[str, Column], dict[int, Result]] = {}
    for run in measured:
        for result in run.results:
            model = run.objective if result.model == "pretrained" else result.model
            key, named = (model, _column(result)), replace(result, model=model)
            if model in _SEEDLESS:
                plain.setdefault(key, named)
            else:
                seeded.setdefault(key, {})[run.seed] = named
    rows = {key: [result] for key, result in plain.items()}
    rows |= {key: _over_seeds(by_seed) for key, by_seed in seeded.items()}
    order = row_order(model for model, _ in rows)
    return tuple(result for model in order for key, results in rows.items() if key[0] == model for result in results)


def _over_seeds(by_seed: Mapping[int, Result]) -> list[Result]:
    values = [by_seed[seed].value for seed in sorted(by_seed)]
    # One run's interval is over test videos: it says nothing about the mean over seeds.
    first = replace(by_seed[min(by_seed)], low=None, high=None)
    results = [replace(first, value=statistics.fmean(values))]
    if len(values) > 1:
        results.append(replace(first, metric=f"{first.metric}{_SD}", value=statistics.stdev(values), n=len(values)))
    return results + [replace(by_seed[seed], metric=f"{first.metric} seed {seed}") for seed in sorted(by_seed)]


def row_order(models: Iterable[str]) -> list[str]:
    """The whole method, the method without a term, rivals; then untrained, raw and chance."""

    def place(model: str) -> tuple[int, str]:
        if model in _LAST:
            return 3 + _LAST.index(model), model
        return (0 if model == WHOLE else 1 if model.startswith("without-") else 2), model

    return sorted(set(models), key=place)


def read_cells(results: Sequence[Result]) -> dict[str, dict[Column, Cell]]:
    """Give the cells of an aggregated list, by model in `row_order` and by column."""
    means: dict[tuple[str, Column], Result] = {}
    sds: dict[tuple[str, Column], float] = {}
    seeds: dict[tuple[str, Column], dict[int, float]] = {}
    for result in results:
        task, modality, metric = _column(result)
        of_seed = _SEED.fullmatch(metric)
        if of_seed:
            key = (result.model, (task, modality, of_seed["metric"]))
            seeds.setdefault(key, {})[int(of_seed["seed"])] = result.value
        elif metric.endswith(_SD):
            sds[result.model, (task, modality, metric.removesuffix(_SD))] = result.value
        else:
            means[result.model, (task, modality, metric)] = result
    cells: dict[str, dict[Column, Cell]] = {model: {} for model in row_order(model for model, _ in means)}
    for (model, column), mean in means.items():
        key = (model, column)
        cells[model][column] = Cell(mean.value, sds.get(key), seeds.get(key, {}), mean.n)
    return cells


def _column(result: Result) -> Column:
    return (result.task, result.modality, result.metric)
