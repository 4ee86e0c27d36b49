"""Records of results.json as the rows and columns of the page's tables: of one run, and of runs beside each other."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from evaluate.errors import ResultsError
from evaluate.protocols.bootstrap import mean_over_splits
from evaluate.protocols.result_table import model_order
from evaluate.results.results import MODALITIES, RESULTS_NAME, Result, merge_results, read_results

RAW_TITLES = {"video": "raw pixels", "audio": "mean log-mel", "joint": "pixels + log-mel"}
TASK_ORDER = ("retrieval", "knn", "linear", "svm", "finetune")
"""Tasks that come first, in this order. Any other task follows by name."""
MAIN_MODEL = "pretrained"
"""The model that stands for its run beside other runs and papers. Beside papers, so do models whose names begin so."""
TEST_TITLES = {"ucf101": "UCF101", "hmdb51": "HMDB51", "esc50": "ESC-50"}

Column = tuple[str, str]
"""(task, metric)."""
Cells = Mapping[Column, Result]
"""The record of each measured column."""
Group = Mapping[str, Mapping[int | None, Cells]]
"""Model -> split -> its records; split None is the mean over splits."""


@dataclass(frozen=True)
class Table:
    """One test: its models, grouped by modality."""

    columns: tuple[Column, ...]
    groups: Mapping[str, Group]


def test_title(test: str) -> str:
    """Return the name of a test for readers."""
    return TEST_TITLES.get(test, test)


def modality_title(modality: str) -> str:
    """Return the name of a modality for readers."""
    return "video + audio" if modality == "joint" else modality.replace("-", " ")


def model_title(model: str, modality: str) -> str:
    """Return the name of a model for readers."""
    return RAW_TITLES.get(modality, model) if model == "raw" else model


def column_title(column: Column) -> str:
    """Return the title of a column, such as "R@5" or "linear top-1"."""
    task, metric = column
    return metric if task == "retrieval" else f"{task} {metric}"


def column_order(column: Column) -> tuple[int, str, int]:
    """Return a sort key: known tasks first, others by name; metrics by the number in their name."""
    task, metric = column
    place = TASK_ORDER.index(task) if task in TASK_ORDER else len(TASK_ORDER)
    return place, task, int("".join(re.findall(r"\d+", metric)[:1]) or 0)


def means(results: Iterable[Result]) -> tuple[Result, ...]:
    """Return the means over splits: the stored record, or else one computed from the splits."""
    known = list(results)
    return merge_results(mean_over_splits(known), (r for r in known if r.split is None))


def build_tables(results: Sequence[Result], models: Sequence[str] = ()) -> tuple[Table, ...]:
    """Make the tables of one test: one for video, audio and both, one for cross-modal search.

    `models` is the order of the rows; by default pretrained models come first, baselines last.
    """
    order = models or model_order([r.model for r in results])

    def place(r: Result) -> tuple[int, int, int]:
        return MODALITIES.index(r.modality), order.index(r.model), r.split or 0

    tables = []
    for is_cross_modal in (False, True):
        own = [r for r in results if ("-to-" in r.modality) == is_cross_modal]
        groups: dict[str, dict[str, dict[int | None, dict[Column, Result]]]] = {}
        for r in sorted([*means(own), *(r for r in own if r.split is not None)], key=place):
            splits = groups.setdefault(r.modality, {}).setdefault(r.model, {})
            splits.setdefault(r.split, {})[r.task, r.metric] = r
        if own:
            tables.append(Table(tuple(sorted({(r.task, r.metric) for r in own}, key=column_order)), groups))
    return tuple(tables)


def best(group: Group, column: Column) -> float | None:
    """Return the largest mean of a column over all models."""
    return max((splits[None][column].value for splits in group.values() if column in splits[None]), default=None)


def load_runs(runs: Sequence[Path]) -> dict[str, tuple[Result, ...]]:
    """Read the results of runs, by the name of their folder, or by the whole path where two share a name.

    ResultsError if a run has none.
    """
    names, found = [run.name for run in runs], {}
    for run in runs:
        if not (results := read_results(run / RESULTS_NAME)):
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
