"""Aggregation against slow numpy, what is said of a difference, the tables, the figure, and the way into the docs."""

import json
from dataclasses import replace
from io import StringIO
from xml.etree import ElementTree

import numpy as np
import pytest
from rich.console import Console

from evaluate.ablation.ablation_tables import ablation_markdown, comparison_lines, terminal_table
from evaluate.ablation.aggregate import Cell, Measured, aggregate, read_cells, row_order
from evaluate.ablation.comparison import Comparison, compare, pooled_sd
from evaluate.ablation.figure import write_figure
from evaluate.errors import AblationError, ResultsError
from evaluate.protocols.temporal_heads import temporal_results
from evaluate.publish import KINDS, fill_pages, publish
from evaluate.results.results import RESULTS_NAME, Result, read_header, read_results, write_results

SEEDS = (0, 1, 4)
COLUMNS = (
    ("retrieval", "video", "R@1"), ("retrieval", "audio", "R@1"), ("retrieval", "joint", "R@1"),
    ("retrieval", "joint", "R@5"), ("linear", "joint", "top-1"), ("pairs-time", "video", "R@1"),
    ("pairs-sound", "audio", "R@1"),
)  # fmt: skip
OBJECTIVES = ("whole", "avid", "without-speed", "temporal")
SVG = "{http://www.w3.org/2000/svg}"


def record(column, model, value, n=20):
    task, modality, metric = column
    return Result("world", task, 1, modality, model, metric, value, n)


def measured_runs(seed=0, objectives=OBJECTIVES, seeds=SEEDS):
    """Random numbers as `measure` gives them: baselines beside the first objective alone, chance beside all."""
    rng = np.random.default_rng(seed)
    runs = []
    for objective in objectives:
        for number in seeds:
            models = ["pretrained", "chance"]
            if objective == objectives[0]:
                models += ["untrained", "raw"] if number == seeds[0] else ["untrained"]
            results = [
                record(column, model, 0.1 if model == "chance" else float(rng.random()))
                for column in COLUMNS
                for model in models
            ]
            runs.append(Measured(objective, number, tuple(results)))
    return runs


def value_of(run, model, column):
    (found,) = [r.value for r in run.results if (r.model, r.task, r.modality, r.metric) == (model, *column)]
    return found


def test_means_and_spreads_agree_with_numpy():
    runs = measured_runs()
    results = aggregate(runs)
    assert len({r.identity for r in results}) == len(results)
    by_identity = {(r.model, r.task, r.modality, r.metric): r for r in results}
    for column in COLUMNS:
        task, modality, metric = column
        for row, model, of in [(o, "pretrained", o) for o in OBJECTIVES] + [("untrained", "untrained", "whole")]:
            values = np.array([value_of(run, model, column) for run in runs if run.objective == of])
            mean = by_identity[row, *column]
            sd = by_identity[row, task, modality, f"{metric} sd"]
            assert (mean.value, mean.n) == (pytest.approx(values.sum() / 3), 20)
            assert (sd.value, sd.n) == (pytest.approx(np.sqrt(((values - values.mean()) ** 2).sum() / 2)), 3)
            for number, value in zip(SEEDS, values, strict=True):
                assert by_identity[row, task, modality, f"{metric} seed {number}"].value == value
        raw = [r for r in results if r.model == "raw" and (r.task, r.modality) == (task, modality)]
        assert {r.metric for r in raw} == {c[2] for c in COLUMNS if c[:2] == (task, modality)}
    assert {r.split for r in results} == {1}


def test_pairs_are_named_only_where_there_are_some():
    with_pairs = ablation_markdown(aggregate(measured_runs()))
    assert with_pairs.startswith(
        "Retrieval, linear probe, and R@1 within pairs of classes that are each other reversed"
    )
    runs = [
        replace(run, results=tuple(r for r in run.results if not r.task.startswith("pairs") or r.model == "chance"))
        for run in measured_runs()
    ]
    assert ablation_markdown(aggregate(runs)).startswith("Retrieval, linear probe:\n")


def test_a_list_reads_back_to_the_cells_it_was_made_of(tmp_path):
    runs = measured_runs()
    write_results(tmp_path / "r.json", aggregate(runs), {"seeds": list(SEEDS)})
    cells = read_cells(read_results(tmp_path / "r.json"))
    assert list(cells) == ["whole", "without-speed", "avid", "temporal", "untrained", "raw", "chance"]
    for model, row in cells.items():
        assert set(row) == set(COLUMNS), model
    column = COLUMNS[2]
    values = {run.seed: value_of(run, "pretrained", column) for run in runs if run.objective == "avid"}
    assert cells["avid"][column] == Cell(
        pytest.approx(np.mean(list(values.values()))), pytest.approx(np.std(list(values.values()), ddof=1)), values, 20
    )
    assert cells["raw"][column].by_seed == {}
    assert cells["raw"][column].sd is None


def test_a_run_that_is_missing_leaves_the_others_and_one_seed_has_no_spread():
    runs = [run for run in measured_runs() if run.objective != "avid" or run.seed == 4]
    runs = [run for run in runs if (run.objective, run.seed) != ("whole", 1)]
    cells = read_cells(aggregate(runs))
    assert (cells["avid"][COLUMNS[0]].sd, set(cells["avid"][COLUMNS[0]].by_seed)) == (None, {4})
    assert set(cells["whole"][COLUMNS[0]].by_seed) == {0, 4}
    assert set(cells["temporal"][COLUMNS[0]].by_seed) == set(SEEDS)


def test_rows_stand_in_the_order_of_the_question():
    names = ["chance", "raw", "temporal-without-order", "untrained", "without-speed", "avid", "whole", "without-order"]
    assert row_order(names) == [
        "whole", "without-order", "without-speed", "avid", "temporal-without-order", "untrained", "raw", "chance",
    ]  # fmt: skip


def cell(*values):
    sd = float(np.std(values, ddof=1)) if len(values) > 1 else None
    return Cell(float(np.mean(values)), sd, dict(enumerate(values)))


def test_the_pooled_spread_is_that_of_both_samples_about_their_own_means():
    first, second = (0.5, 0.6, 0.9), (0.1, 0.4)
    deviations = [x - np.mean(first) for x in first] + [x - np.mean(second) for x in second]
    assert pooled_sd(cell(*first), cell(*second)) == pytest.approx(np.sqrt(np.sum(np.square(deviations)) / 3))
    assert pooled_sd(cell(0.3), cell(*second)) == pytest.approx(np.std(second, ddof=1))
    assert pooled_sd(cell(0.3), cell(0.4)) is None


@pytest.mark.parametrize(
    ("difference", "spread", "verdict"),
    [
        (0.05, 0.04, "better by more than the spread"),
        (0.04, 0.04, "within the spread"),
        (-0.04, 0.04, "within the spread"),
        (-0.05, 0.04, "worse"),
        (0.05, None, "one seed: no spread"),
    ],
)
def test_a_difference_is_judged_by_the_spread(difference, spread, verdict):
    assert Comparison("avid", COLUMNS[2], difference, spread).verdict == verdict


def test_whole_is_compared_with_every_objective_in_both_targets():
    cells = read_cells(aggregate(measured_runs()))
    found = compare(cells)
    assert [(c.model, c.column[0]) for c in found] == [
        (model, task) for model in ("without-speed", "avid", "temporal") for task in ("retrieval", "linear")
    ]
    joint = ("retrieval", "joint", "R@1")
    assert found[2].difference == pytest.approx(cells["whole"][joint].mean - cells["avid"][joint].mean)
    assert compare({model: row for model, row in cells.items() if model != "whole"}) == ()
    line = comparison_lines([Comparison("avid", joint, 0.0512, 0.013)])[0]
    assert line == "whole - avid, joint R@1: +5.1 (spread 1.3): better by more than the spread"


def test_the_terminal_shows_mean_and_spread_in_per_cent():
    column = ("retrieval", "video", "R@1")
    runs = [Measured("whole", s, (record(column, "pretrained", v),)) for s, v in ((0, 0.4), (1, 0.5))]
    runs += [Measured("avid", 0, (record(column, "pretrained", 0.25), record(column, "chance", 0.1)))]
    console = Console(width=120, record=True, file=StringIO())
    console.print(terminal_table(read_cells(aggregate(runs)), "ablation"))
    text = console.export_text()
    assert "45.0±7.1" in text
    assert [line.split() for line in text.splitlines() if "avid" in line or "chance" in line] == [
        ["avid", "25.0"], ["chance", "10.0"],
    ]  # fmt: skip
    assert "joint" not in text  # nothing was measured there


def test_the_figure_has_every_row_a_dot_a_seed_and_the_same_bytes_each_time(tmp_path):
    results = aggregate(measured_runs())
    write_figure(results, tmp_path / "figures" / "a.svg")
    write_figure(results, tmp_path / "b.svg")
    assert (tmp_path / "figures" / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    root = ElementTree.parse(tmp_path / "b.svg").getroot()  # noqa: S314 - our own file
    assert float(root.attrib["width"].removesuffix("pt")) * 96 / 72 == pytest.approx(900)
    texts = [text.text for text in root.iter(f"{SVG}text")]
    rows = [text for text in texts if text in {*OBJECTIVES, "untrained", "raw"}]
    assert rows == ["whole", "without-speed", "avid", "temporal", "untrained", "raw"]
    assert {"joint retrieval R@1", "joint linear probe", "video reversed pairs R@1"} <= set(texts)
    dots = [
        use
        for line in root.iter(f"{SVG}g")
        if line.get("id", "").startswith("line2d")
        for use in line.findall(f"{SVG}g/{SVG}use")
    ]
    of_rows = [use for use in dots if "fill-opacity: 0.6" in use.get("style", "")]
    assert len(of_rows) == 3 * (5 * len(SEEDS) + 1)
    assert "<dc:date>" not in (tmp_path / "b.svg").read_text()


def test_the_figure_of_a_set_without_sound_or_pairs_shows_the_picture(tmp_path):
    columns = (("retrieval", "video", "R@1"), ("linear", "video", "top-1"))
    runs = [Measured("whole", s, tuple(record(c, "pretrained", 0.5) for c in columns)) for s in SEEDS]
    write_figure(aggregate(runs), tmp_path / "a.svg")
    texts = [t.text for t in ElementTree.parse(tmp_path / "a.svg").getroot().iter(f"{SVG}text")]  # noqa: S314
    assert {"video retrieval R@1", "video linear probe"} <= set(texts)
    assert not [text for text in texts if text and "pairs" in text]


PAGE = "# Results\n\n<!-- ablation: small -->\nold\n<!-- end ablation -->\n\ntail\n"
HEADER = {
    "command": "python -m evaluate ablate", "date": "2020-02-02", "commit": "abc1234", "machine": "a machine",
    "seeds": list(SEEDS), "steps": 30, "missing": [],
}  # fmt: skip


@pytest.fixture
def ablation(tmp_path):
    folder = tmp_path / "runs" / "small"
    write_results(folder / RESULTS_NAME, aggregate(measured_runs()), HEADER)
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "results.md").write_text(PAGE)
    return folder


def test_an_ablation_goes_into_the_docs_and_comes_out_the_same(ablation, tmp_path):
    path = publish(ablation, "small", "make ablate", tmp_path)
    assert read_results(path) == aggregate(measured_runs())
    assert read_header(path) == HEADER | {
        "command": "make ablate"
    }  # when and where the numbers were made, not published
    page = tmp_path / "docs" / "results.md"
    assert fill_pages(tmp_path, KINDS) == {page: True}
    text = page.read_text()
    figure = tmp_path / "docs" / "figures" / "small.svg"
    assert "(figures/small.svg)" in text
    before = figure.read_bytes()
    write_figure(read_results(path), figure)
    assert figure.read_bytes() == before
    cells = read_cells(read_results(path))
    first = cells["avid"]["retrieval", "video", "R@1"]
    (row,) = [line for line in text.splitlines() if line.startswith("| avid |") and line.count("±") == 5]
    assert row.split(" | ")[1] == f"{100 * first.mean:.1f} ± {100 * first.sd:.1f}"
    assert "`make ablate`, 30 steps, seeds 0, 1, 4" in text
    assert "a machine; 2020-02-02, commit abc1234 ([data](results/small.json))" in text
    assert "old" not in text
    assert text.endswith("\n\ntail\n")
    assert fill_pages(tmp_path, KINDS) == {page: False}


def test_columns_that_chance_alone_fills_are_left_out():
    runs = [Measured("whole", 0, (record(COLUMNS[0], "pretrained", 0.5), record(COLUMNS[-2], "chance", 0.5)))]
    assert "pairs-time" not in ablation_markdown(aggregate(runs))


def test_an_unfinished_ablation_and_an_unknown_one_are_not_published(ablation, tmp_path):
    write_results(ablation / RESULTS_NAME, aggregate(measured_runs()), HEADER | {"missing": ["avid-0"]})
    with pytest.raises(AblationError, match="lacks avid-0"):
        publish(ablation, "small", "make ablate", tmp_path)
    with pytest.raises(ResultsError, match="does not exist"):
        fill_pages(tmp_path, KINDS)


def test_held_out_accuracies_are_those_named_last(tmp_path):
    def line(step, **metrics):
        return json.dumps({"step": step, "loss": 1.0, "terms": {}, "metrics": metrics, "seconds": 1.0}) + "\n"

    log = line(1, **{"heldout/speed_video": 0.1}) + line(2, **{"heldout/speed_video": 0.3, "heldout/order_video": None})
    log += line(2, **{"heldout/speed_video": 0.4, "heldout/order_video_audio": 0.5, "heldout/order_video": None})
    (tmp_path / "log.jsonl").write_text(log + line(3, lr=0.1))
    results = temporal_results(tmp_path, "world", 1, n_speeds=4)
    assert [(r.task, r.modality, r.model, r.value) for r in results] == [
        ("temporal-speed", "video", "pretrained", 0.4),
        ("temporal-speed", "video", "chance", 0.25),
        ("temporal-order-video-audio", "joint", "pretrained", 0.5),
        ("temporal-order-video-audio", "joint", "chance", pytest.approx(1 / 3)),
    ]
    assert {(r.metric, r.split, r.test) for r in results} == {("accuracy", 1, "world")}
    (tmp_path / "log.jsonl").write_text(line(3, lr=0.1))
    assert temporal_results(tmp_path, "world", 1, n_speeds=4) == []


def test_an_older_record_of_a_seed_does_not_count_twice():
    runs = measured_runs()
    again = replace(runs[0], results=tuple(replace(r, value=0.0) for r in runs[0].results))
    cells = read_cells(aggregate([again, *runs]))
    assert cells["whole"][COLUMNS[0]].by_seed[0] == value_of(runs[0], "pretrained", COLUMNS[0])


def test_a_mean_over_seeds_has_no_interval_of_one_run():
    runs = [
        Measured("whole", seed, (Result("t", "linear", 1, "video", "pretrained", "top-1", 0.5, 9, 0.4, 0.6),))
        for seed in (0, 1)
    ]
    assert all((r.low, r.high) == (None, None) for r in aggregate(runs) if " seed " not in r.metric)
