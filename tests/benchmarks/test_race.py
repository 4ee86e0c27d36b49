"""Ways of a job in turns, their records, and the page that shows these."""

import shutil
from pathlib import Path

import pytest

from benchmarks.__main__ import keep
from benchmarks.page import BENCH, FIGURE, RESULTS, cases_of
from benchmarks.question import GOAL, OURS, RATIO, SECONDS, Setting, Way, race
from evaluate.publish import fill_pages
from evaluate.results.results import read_results
from tests.processes import ROOT

PAGE = Path("docs/results/benchmarks.md")
TOOK = {OURS: (9.0, 1.0, 2.0, 4.0), "other": (9.0, 3.0, 4.0, 4.0), "bare": (9.0, 0.5, 1.0, 5.0)}
"""Seconds of a warm-up round and of three rounds that count."""


@pytest.fixture
def raced():
    """Records of a race, and the order in which the ways ran."""
    order, clocks = [], {name: iter(seconds) for name, seconds in TOOK.items()}
    goals = {"other": 2.0, "bare": 0.8}
    ways = [
        Way(name, lambda name=name: order.append(name) or next(clocks[name]), goals.get(name)) for name in clocks
    ]  # fmt: skip
    return race("loading", "window", {"frames": 600.0}, ways, Setting(Path(), rounds=3)), order


def test_every_way_runs_once_a_round_and_the_warm_up_does_not_count(raced):
    results, order = raced
    assert order == [*TOOK, *reversed(TOOK), *TOOK, *reversed(TOOK)]
    ways = cases_of(results)["window"]
    assert ways[OURS] == {SECONDS: 2.0, "frames/s": 300.0}
    assert ways["other"] == {SECONDS: 4.0, "frames/s": 150.0, RATIO: 2.0, GOAL: 2.0}  # the median of 3, 2, 1
    assert ways["bare"] == {SECONDS: 1.0, "frames/s": 600.0, RATIO: 0.5, GOAL: 0.8}  # of 0.5, 0.5, 1.25
    assert {result.n for result in results} == {3}


@pytest.fixture
def repository(tmp_path):
    for path in (RESULTS, PAGE):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / path, tmp_path / path)
    return tmp_path


def test_answers_replace_those_of_the_same_question_and_the_page_follows(raced, repository):
    before, (results, _) = read_results(repository / RESULTS), raced
    keep(repository, "loading", results * 2)
    keep(repository, "loading", results)
    assert list(read_results(repository / RESULTS)) == [r for r in before if r.task != "loading"] + results
    fill_pages(repository, BENCH)
    assert "| window | bare | 1.000 | 600 | 0.50 | 0.80 | **missed** |" in (repository / PAGE).read_text()
    assert (repository / FIGURE).exists()


def test_the_page_of_the_repository_is_that_of_its_numbers(repository):
    """If not: `python -m benchmarks --page-only`."""
    pages = fill_pages(repository, BENCH, write=False)
    assert not any(pages.values())
    assert pages
