"""Runs to rows: mean and spread over seeds, each seed, and the whole method compared with the other rows.

The record of a mean has the metric's own name and counts queries in `n`. "METRIC sd" is the sample standard deviation
over seeds; its `n` counts the seeds. "METRIC seed S" is the value of a seed. Baselines without a seed (raw input,
chance) have only a value.
"""

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache

from scipy.stats import t

from evaluate.protocols.video_features import MODALITY_ORDER, PARTS
from evaluate.results.results import Result
from train.config.load import load_config, objective_names
from train.model.spaces import MODALITIES

Column = tuple[str, str, str]
"""(task, modality, metric)."""
WHOLE = "whole"
COMPARED: Mapping[str, Column] = {
    f"{modality} {title}": (task, modality, metric)
    for title, task, metric in (("R@1", "retrieval", "R@1"), ("linear", "linear", "top-1"))
    for modality in MODALITY_ORDER
}
"""Columns in which the whole method is compared with the others, by title."""
_SEEDLESS = ("raw", "chance")
_NOT_LEARNT = ("untrained", *_SEEDLESS)


@dataclass(frozen=True)
class Cell:
    """One number of one row: the mean and sample standard deviation over seeds, and the value of each, if there are any."""

    mean: float
    sd: float | None = None
    by_seed: Mapping[int, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Comparison:
    """The whole method against the row of a model, in one column: whole - row, of the means over seeds.

    The spread is the pooled sample standard deviation over seeds; None if neither has two. `by_chance` is the probability
    that a difference exceeds it where the row is as good as the whole method: t distribution, for normal values of
    independent seeds; 0 without a spread.
    """

    model: str
    column: Column
    difference: float
    spread: float | None
    by_chance: float = 0.0

    @property
    def verdict(self) -> str:
        """Says whether the difference exceeds the spread."""
        if self.spread is None:
            return "one seed"
        if abs(self.difference) <= self.spread:
            return "within"
        return "better" if self.difference > 0 else "worse"


def aggregate(measured: Mapping[tuple[str, int], Sequence[Result]]) -> tuple[Result, ...]:
    """Merge the runs of each objective, given by objective and seed; rows in `row_order`.

    The models of a run are "pretrained", which its objective replaces, "untrained", "raw" and "chance".
    """
    rows: dict[tuple[str, Column], dict[int | None, Result]] = {}
    for (objective, run_seed), results in measured.items():
        for result in results:
            model = objective if result.model == "pretrained" else result.model
            seed = None if model in _SEEDLESS else run_seed
            column = (result.task, result.modality, result.metric)
            rows.setdefault((model, column), {})[seed] = replace(result, model=model)
    order = row_order(model for model, _ in rows)
    return tuple(r for model in order for key, by_seed in rows.items() if key[0] == model for r in _records(by_seed))


def _records(by_seed: Mapping[int | None, Result]) -> list[Result]:
    if None in by_seed:
        return [by_seed[None]]
    seeds = sorted(seed for seed in by_seed if seed is not None)
    values = [by_seed[seed].value for seed in seeds]
    # The interval of one run is over test videos; it does not hold for the mean over seeds.
    first = replace(by_seed[seeds[0]], low=None, high=None)
    records = [replace(first, value=statistics.fmean(values))]
    if len(values) > 1:
        records.append(replace(first, metric=f"{first.metric} sd", value=statistics.stdev(values), n=len(values)))
    return records + [replace(by_seed[seed], metric=f"{first.metric} seed {seed}") for seed in seeds]


def row_order(models: Iterable[str]) -> list[str]:
    """The whole method, the method without a term, rivals; then untrained, raw and chance."""

    def place(model: str) -> tuple[int, str]:
        if model in _NOT_LEARNT:
            return 3 + _NOT_LEARNT.index(model), model
        return (0 if model == WHOLE else 1 if model.startswith("without-") else 2), model

    return sorted(set(models), key=place)


@cache
def untrained_by(objective: str) -> tuple[str, ...]:
    """Name the encoders that no term of an objective trains; none for a row that is no objective."""
    if objective not in objective_names():
        return ()
    loss = load_config("sample", objective=objective).loss
    return tuple(each for each in MODALITIES if not loss.terms_of(each))


def read_cells(results: Sequence[Result]) -> dict[str, dict[Column, Cell]]:
    """Return the cells of an aggregated list, by model in `row_order` and by column.

    A row has none of a modality whose encoder its objective does not train.
    """
    cells: dict[str, dict[Column, Cell]] = {model: {} for model in row_order(r.model for r in results)}
    for r in results:
        if set(PARTS[r.modality]).intersection(untrained_by(r.model)):  # type: ignore[index]
            continue
        metric, _, seed = r.metric.partition(" seed ")
        row, column = cells[r.model], (r.task, r.modality, metric.removesuffix(" sd"))
        cell = row.get(column, Cell(0.0))
        if seed:
            row[column] = replace(cell, by_seed={**cell.by_seed, int(seed): r.value})
        elif metric.endswith(" sd"):
            row[column] = replace(cell, sd=r.value)
        else:
            row[column] = replace(cell, mean=r.value)
    return cells


def compare(cells: Mapping[str, Mapping[Column, Cell]]) -> tuple[Comparison, ...]:
    """Compare the whole method with every other objective, given cells by model and column; empty without it."""
    found = []
    for model, row in cells.items():
        for column in COMPARED.values():
            whole, other = cells.get(WHOLE, {}).get(column), row.get(column)
            if whole and other and model not in (WHOLE, *_NOT_LEARNT):
                counts = len(whole.by_seed), len(other.by_seed)
                spread, freedom = pooled_sd(whole, other), sum(counts) - 2
                # The difference of two means of such counts, over the spread, is t times the root of 1/n1 + 1/n2.
                by_chance = 2 * float(t.sf(sum(1 / n for n in counts) ** -0.5, freedom)) if spread is not None else 0.0
                found.append(Comparison(model, column, whole.mean - other.mean, spread, by_chance))
    return tuple(found)


def pooled_sd(first: Cell, second: Cell) -> float | None:
    """sqrt(((n1 - 1) s1^2 + (n2 - 1) s2^2) / (n1 + n2 - 2)); None if neither has two seeds."""
    freedom = [max(len(cell.by_seed) - 1, 0) for cell in (first, second)]
    if not sum(freedom):
        return None
    squares = sum(n * (cell.sd or 0.0) ** 2 for n, cell in zip(freedom, (first, second), strict=True))
    return math.sqrt(squares / sum(freedom))
