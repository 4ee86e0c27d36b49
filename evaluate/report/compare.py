"""Tables that compare runs: one row a run."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from evaluate.errors import ResultsError
from evaluate.report.result_tables import Table, build_tables
from evaluate.results.results import RESULTS_NAME, Result, read_results

MAIN_MODEL = "pretrained"


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
            raise ResultsError(run / RESULTS_NAME, "is missing or empty; evaluate the run before you compare it")
        found[run.name if names.count(run.name) == 1 else str(run)] = results
    return found


def compare_runs(runs: Mapping[str, Sequence[Result]], tests: Sequence[str]) -> dict[str, tuple[Table, ...]]:
    """Compare the tests that at least two runs have: {test: tables}, the first run on top.

    Rows are the pretrained model of each run. A test without this model shows all its models but chance.
    """
    made = {}
    for test in tests:
        own = [(run, r) for run, results in runs.items() for r in results if r.test == test and r.model != "chance"]
        if any(r.model == MAIN_MODEL for _, r in own):
            own = [(run, r) for run, r in own if r.model == MAIN_MODEL]
        if len({run for run, _ in own}) > 1:
            named = [replace(r, model=run if r.model == MAIN_MODEL else f"{run}: {r.model}") for run, r in own]
            made[test] = build_tables(named, list(dict.fromkeys(r.model for r in named)))
    return made
