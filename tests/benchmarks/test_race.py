"""Ways of a job in turns, and what is said of them."""

import json
import shutil
from pathlib import Path

import pytest

from benchmarks.__main__ import keep
from benchmarks.page import RESULTS, write_page
from benchmarks.questions import Answer
from benchmarks.race import OURS, Effort, Race, Way, race
from evaluate.results.results import read_header, read_results

ROOT = Path(__file__).parents[2]
PAGE = Path("docs/results/benchmarks.md")
FIXED = Race(
    "loading", "window", {"frames": 600.0},
    {OURS: (1.0, 2.0, 4.0), "other": (3.0, 4.0, 4.0), "bare": (0.5, 1.0, 5.0)},
    {"other": 2.0, "bare": 0.8}, {"absent": "not installed"},
)  # fmt: skip


def test_every_way_runs_once_a_round_and_the_warm_up_does_not_count():
    calls = []
    ways = [Way(name, lambda name=name: calls.append(name) or float(len(calls))) for name in (OURS, "other")]
    found = race("loading", "window", {}, [*ways, Way("absent", None, reason="why")], Effort(rounds=2, warm_up=1))
    assert calls == [OURS, "other", "other", OURS, OURS, "other"]
    assert found.seconds == {OURS: (4.0, 5.0), "other": (3.0, 6.0)}
    assert found.missing == {"absent": "why"}


def test_ratios_are_medians_of_ratios_within_a_round():
    values = {(record.model, record.metric): record.value for record in FIXED.records()}
    assert values[OURS, "window: seconds"] == 2.0
    assert values[OURS, "window: frames/s"] == 300.0
    assert (OURS, "window: our speed over it") not in values
    assert values["other", "window: our speed over it"] == 2.0  # of 3, 2, 1
    assert values["bare", "window: our speed over it"] == 0.5  # of 0.5, 0.5, 1.25
    assert {record.n for record in FIXED.records()} == {3}


@pytest.fixture
def repository(tmp_path):
    (tmp_path / PAGE).parent.mkdir(parents=True)
    shutil.copy(ROOT / PAGE, tmp_path / PAGE)
    shutil.copy(ROOT / RESULTS, tmp_path / RESULTS)
    return tmp_path


def test_an_answer_takes_the_place_of_its_own_kind_only(repository):
    before = read_results(repository / RESULTS)
    keep(repository, "loading", Answer(FIXED.records() * 2, {}))
    keep(repository, "loading", Answer(FIXED.records(), FIXED.missing))
    after = read_results(repository / RESULTS)
    assert [result for result in after if result.task != "loading"] == [
        result for result in before if result.task != "loading"
    ]
    assert [result for result in after if result.task == "loading"] == FIXED.records()
    assert set(read_header(repository / RESULTS)["questions"]) >= {"loading", "training-step"}


def test_the_page_shows_rates_ratios_goals_and_what_is_missing(repository):
    keep(repository, "loading", Answer(FIXED.records(), FIXED.missing))
    write_page(repository)
    text = (repository / PAGE).read_text()
    assert "| window | Avtempo | 2.000 | 300 |  |  |  |" in text
    assert "| window | other | 4.000 | 150 | 2.00 | 2.00 | met |" in text
    assert "| window | bare | 1.000 | 600 | 0.50 | 0.80 | **missed** |" in text
    assert "Not run: absent: not installed." in text
    assert b"<svg" in (repository / "docs/figures/bench-ratios.svg").read_bytes()


def test_the_page_of_the_repository_is_that_of_its_numbers(repository):
    write_page(repository)
    assert (repository / PAGE).read_text() == (ROOT / PAGE).read_text()
    assert json.loads((ROOT / RESULTS).read_text())[0]["header"]["questions"]
