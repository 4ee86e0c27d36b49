"""docs/explanation/scale.md says what docs/results say, and says so where nobody has measured."""

import shutil
from pathlib import Path

import pytest

from benchmarks import embedding, ingest, sizes
from benchmarks.race import OURS, Race
from benchmarks.sizing import BENCH, COLLECTIONS, PAGE, UNKNOWN, Measured, tables, write_page
from evaluate.errors import ResultsError
from evaluate.results.results import Result, write_results

ROOT = Path(__file__).parents[2]


@pytest.fixture
def root(tmp_path):
    """A repository's docs with the real page and sizes, and a bench.json of our own."""
    (tmp_path / sizes.RESULTS).parent.mkdir(parents=True)
    for path in (PAGE, sizes.RESULTS):
        shutil.copy(ROOT / path, tmp_path / path)
    question = {"machine": "Some CPU, 4 cores, 8 GiB, Linux"}
    raced = [
        Race(ingest.TASK, ingest.CASE, {"clips": 360.0, "seconds of video": 3600.0}, {OURS: (36.0,)}),
        Race(embedding.TASK, "tiny encoder", {"clips": 400.0}, {OURS: (1.0,)}),
    ]
    results = [record for each in raced for record in each.records()]
    write_results(tmp_path / BENCH, results, {"questions": {each.task: question for each in raced}})
    return tmp_path


def test_the_page_is_up_to_date(tmp_path):
    """Run `python -m benchmarks.sizing` if it is not."""
    (tmp_path / sizes.RESULTS).parent.mkdir(parents=True)
    for path in (PAGE, sizes.RESULTS, BENCH):
        shutil.copy(ROOT / path, tmp_path / path)
    write_page(tmp_path)
    assert (tmp_path / PAGE).read_text() == (ROOT / PAGE).read_text()


def test_core_hours_follow_from_the_measured_speed_and_the_cores_it_was_measured_on(root):
    """36 s for an hour of video on 4 cores are 144 core seconds, a 25th of an hour."""
    assert Measured(root).core_hours_per_hour() == pytest.approx(1 / 25)
    assert Measured(root).core_hours_per_clip() == pytest.approx(1 / 100 / 3600)
    assert UNKNOWN not in tables(Measured(root))["training"]
    table = tables(Measured(root))["ingest"]
    assert UNKNOWN not in table
    (row,) = (line for line in table.splitlines() if line.startswith("| Kinetics-400"))
    assert row.endswith(f"| {240_000 * 10 / 3600 / 25:.0f} |")


def test_what_nobody_has_measured_is_said_so(root):
    write_results(root / BENCH, [Result("bench", "layout", None, "joint", "sample", "speed-up", 1.2, 5)], {})
    assert tables(Measured(root))["ingest"].count(UNKNOWN) == len(COLLECTIONS)
    (root / sizes.RESULTS).unlink()
    with pytest.raises(ResultsError, match=r"benchmarks\.sizes"):
        Measured(root)


def test_the_limits_stand_in_the_order_in_which_they_break(root):
    rows = [line.split("|") for line in tables(Measured(root))["limits"].splitlines()[2:]]
    hours = [int(row[3].strip().replace(",", "")) for row in rows]
    assert hours == sorted(hours)
    assert hours[0] > 1000
