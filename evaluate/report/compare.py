"""Runs side by side: the same numbers of each, and how far the others are from the first."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from evaluate.errors import ResultsError
from evaluate.report.result_tables import Column, column_order, mean_value, modality_order
from evaluate.results.results import RESULTS_NAME, Result, read_results

MAIN_MODEL = "pretrained"


@dataclass(frozen=True)
class Compared:
    """One number of every run, None where a run lacks it, and its difference to the first run's."""

    model: str
    column: Column
    values: tuple[float | None, ...]
    differences: tuple[float | None, ...]


@dataclass(frozen=True)
class Comparison:
    """One test: rows by modality, a value a run."""

    test: str
    runs: tuple[str, ...]
    groups: tuple[tuple[str, tuple[Compared, ...]], ...]


def load_runs(runs: Sequence[Path]) -> dict[str, tuple[Result, ...]]:
    """Read the results of runs, by the name of their folder, or by the whole path where two share a name.

    Raises:
        ResultsError: a run has no results.
    """
    names = [run.name for run in runs]
    found = {}
    for run in runs:
        results = read_results(run / RESULTS_NAME)
        if not results:
            raise ResultsError(run / RESULTS_NAME, "is not there or empty; evaluate the run before it is compared")
        found[run.name if names.count(run.name) == 1 else str(run)] = results
    return found


def compare_runs(runs: Mapping[str, Sequence[Result]], tests: Sequence[str]) -> list[Comparison]:
    """Compare the tests that two runs or more have; the first run is what the others are verified against.

    Rows are the pretrained model's numbers; of a test that has no such model, those of all but chance.
    """
    made = []
    for test in tests:
        own = {name: [r for r in results if r.test == test and r.model != "chance"] for name, results in runs.items()}
        if any(r.model == MAIN_MODEL for results in own.values() for r in results):
            own = {name: [r for r in results if r.model == MAIN_MODEL] for name, results in own.items()}
        if sum(bool(results) for results in own.values()) > 1:
            made.append(Comparison(test, tuple(own), _groups(own)))
    return made


def _groups(runs: Mapping[str, Sequence[Result]]) -> tuple[tuple[str, tuple[Compared, ...]], ...]:
    every = [result for results in runs.values() for result in results]
    modalities = sorted({result.modality for result in every}, key=modality_order)
    return tuple((modality, _rows(runs, [r for r in every if r.modality == modality])) for modality in modalities)


def _rows(runs: Mapping[str, Sequence[Result]], every: Sequence[Result]) -> tuple[Compared, ...]:
    """Rows of one modality, whose results of all runs are given."""
    keys = sorted({(r.model, (r.task, r.metric)) for r in every}, key=lambda key: (key[0], column_order(key[1])))
    modality = every[0].modality
    rows = []
    for model, column in keys:
        values = tuple(
            mean_value([r for r in results if (r.model, r.modality) == (model, modality)], column)
            for results in runs.values()
        )
        first = values[0]
        differences = tuple(None if value is None or first is None else value - first for value in values)
        rows.append(Compared(model, column, values, differences))
    return tuple(rows)
