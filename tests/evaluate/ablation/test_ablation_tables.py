"""Aggregation against slow numpy, what a difference means, the tables, the figure, and the way into the docs."""

import itertools
import json
from xml.etree import ElementTree

import numpy as np
import pytest

from evaluate.ablation.aggregate import COMPARED, Cell, Comparison, aggregate, compare, pooled_sd, read_cells
from evaluate.ablation.tables_and_figure import ablation_markdown, write_figure
from evaluate.errors import AblationError, ResultsError
from evaluate.protocols.temporal_heads import temporal_results
from evaluate.publish import KINDS, draw_figures, fill_pages, publish
from evaluate.results.results import RESULTS_NAME, Result, read_header, read_results, write_results

SEEDS = (0, 1, 4)
COLUMNS = (
    *COMPARED.values(), ("retrieval", "joint", "R@5"), ("pairs-time", "video", "R@1"), ("pairs-sound", "audio", "R@1"),
)  # fmt: skip
OBJECTIVES = ("whole", "avid", "without-speed", "temporal")


def record(column, model, value, n=20):
    task, modality, metric = column
    return Result("world", task, 1, modality, model, metric, value, n, value / 2, 1.0)


def measured_runs(keep=lambda column: True):
    """Random numbers as `measure` gives them: baselines beside the first objective alone, chance beside all."""
    rng, runs = np.random.default_rng(0), {}
    for objective, seed in itertools.product(OBJECTIVES, SEEDS):
        models = ["pretrained", "chance"]
        if objective == OBJECTIVES[0]:
            models += ["untrained", "raw"] if seed == SEEDS[0] else ["untrained"]
        kept = [each for each in itertools.product(COLUMNS, models) if keep(each[0]) or each[1] == "chance"]
        runs[objective, seed] = [record(*each, 0.1 if each[1] == "chance" else float(rng.random())) for each in kept]
    return runs


def value_of(results, model, column):
    (found,) = [r.value for r in results if (r.model, r.task, r.modality, r.metric) == (model, *column)]
    return found


def test_means_and_spreads_agree_with_numpy_and_are_read_back_as_cells(tmp_path):
    runs = measured_runs()
    results = aggregate(runs)
    assert len({r.identity for r in results}) == len(results)
    write_results(tmp_path / "r.json", results, {"seeds": list(SEEDS)})
    cells = read_cells(read_results(tmp_path / "r.json"))
    assert list(cells) == ["whole", "without-speed", "avid", "temporal", "untrained", "raw", "chance"]
    for column in COLUMNS:
        for row, model, of in [(o, "pretrained", o) for o in OBJECTIVES] + [("untrained", "untrained", "whole")]:
            values = np.array([value_of(runs[of, seed], model, column) for seed in SEEDS])
            sd = np.sqrt(((values - values.mean()) ** 2).sum() / 2)
            by_seed = dict(zip(SEEDS, values, strict=True))
            assert cells[row][column] == Cell(pytest.approx(values.mean()), pytest.approx(sd), by_seed)
        assert cells["raw"][column] == Cell(value_of(runs["whole", SEEDS[0]], "raw", column))
    means = [r for r in results if r.model in OBJECTIVES and " seed " not in r.metric]
    assert {r.high for r in means} == {None}  # an interval is of one run's videos
    assert {(r.metric.endswith(" sd"), r.n) for r in means} == {(False, 20), (True, 3)}  # queries, seeds


def test_a_run_that_is_missing_leaves_the_others_and_one_seed_has_no_spread():
    runs = measured_runs()
    for missing in (("avid", 0), ("avid", 1), ("whole", 1)):
        del runs[missing]
    cells = read_cells(aggregate(runs))
    assert (cells["avid"][COLUMNS[0]].sd, set(cells["avid"][COLUMNS[0]].by_seed)) == (None, {4})
    assert set(cells["whole"][COLUMNS[0]].by_seed) == {0, 4}
    assert set(cells["temporal"][COLUMNS[0]].by_seed) == set(SEEDS)


def cell(*values):
    sd = float(np.std(values, ddof=1)) if len(values) > 1 else None
    return Cell(float(np.mean(values)), sd, dict(enumerate(values)))


def test_whole_is_compared_with_every_row_in_all_six_columns_by_the_spread():
    cells = read_cells(aggregate(measured_runs()))
    found = {(c.model, c.column): c for c in compare(cells)}
    assert list(found) == [(row, each) for row in ("without-speed", "avid", "temporal") for each in COMPARED.values()]
    for (model, column), comparison in found.items():
        assert comparison.difference == pytest.approx(cells["whole"][column].mean - cells[model][column].mean)
    assert compare({model: row for model, row in cells.items() if model != "whole"}) == ()
    verdicts = [Comparison("avid", COLUMNS[2], points, 0.04).verdict for points in (0.05, 0.04, -0.04, -0.05)]
    assert verdicts == ["better", "within", "within", "worse"]
    assert Comparison("avid", COLUMNS[2], 0.05, None).verdict == "one seed"


def test_the_spread_is_pooled_and_how_often_chance_exceeds_it_agrees_with_a_simulation():
    drawn = np.random.default_rng(0).normal(size=(100_000, 5))
    first, second = drawn[:, :3], drawn[:, 3:]
    pooled = np.sqrt((2 * first.var(1, ddof=1) + second.var(1, ddof=1)) / 3)
    beyond = np.mean(np.abs(first.mean(1) - second.mean(1)) > pooled)
    column = COMPARED["audio linear"]
    (found,) = compare({"whole": {column: cell(*first[0])}, "avid": {column: cell(*second[0])}})
    assert found.by_chance == pytest.approx(beyond, abs=0.005)
    assert found.spread == pytest.approx(pooled[0])
    assert pooled_sd(cell(0.3), cell(0.1, 0.4)) == pytest.approx(np.std((0.1, 0.4), ddof=1))
    assert pooled_sd(cell(0.3), cell(0.4)) is None


def test_an_encoder_that_a_row_does_not_train_is_untrained_and_not_compared():
    runs = measured_runs()
    runs |= {("video-only", seed): runs["temporal", seed] for seed in SEEDS}
    text = ablation_markdown(aggregate({run: runs[run] for run in runs if run[0] in ("whole", "video-only")}))
    rows = [line.split(" | ") for line in text.splitlines() if line.startswith("| video-only |")]
    untrained = [[number for number, cell in enumerate(row) if cell.startswith("audio untrained")] for row in rows]
    assert untrained == [[2, 3, 5, 6], [2, 3, 5, 6]]
    assert "\n\n2 comparisons, of which " in text


def test_comparisons_of_one_seed_are_not_counted_as_judged():
    runs = {run: results for run, results in measured_runs().items() if run[1] == SEEDS[0]}
    text = ablation_markdown(aggregate(runs))
    assert "one seed |" in text
    assert "no difference can be distinguished from chance" in text
    assert "comparisons, of which" not in text


def texts_of(path):
    return [text.text for text in ElementTree.parse(path).iter("{http://www.w3.org/2000/svg}text")]  # noqa: S314 - ours


def test_the_figure_has_every_row_and_the_same_bytes_each_time(tmp_path):
    results = aggregate(measured_runs())
    for name in ("figures/a.svg", "b.svg"):
        write_figure(results, tmp_path / name)
    assert (tmp_path / "figures" / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    texts = texts_of(tmp_path / "b.svg")
    rows = [text for text in texts if text in {*OBJECTIVES, "untrained", "raw"}]
    assert rows == 3 * ["whole", "without-speed", "avid", "temporal", "untrained", "raw"]
    assert {"joint R@1", "audio R@1", "joint linear probe", "video reversed pairs R@1"} <= set(texts)
    assert (tmp_path / "b.svg").read_text().count("fill-opacity: 0.6") >= 3 * (5 * len(SEEDS) + 1)  # a dot a seed
    write_figure(aggregate(measured_runs(lambda column: column[:2] == ("retrieval", "video"))), tmp_path / "video.svg")
    texts = texts_of(tmp_path / "video.svg")
    assert "video R@1" in texts
    assert not [text for text in texts if text and "pairs" in text]


def test_an_ablation_goes_into_the_docs_and_comes_out_the_same(tmp_path):
    folder, page, results = tmp_path / "runs" / "small", tmp_path / "docs" / "results.md", aggregate(measured_runs())
    header = {
        "command": "python -m evaluate ablate", "date": "2020-02-02", "commit": "abc1234", "machine": "a machine",
        "seeds": list(SEEDS), "steps": 30, "missing": [],
    }  # fmt: skip
    page.parent.mkdir()
    page.write_text("<!-- ablation: small -->\nold\n<!-- end ablation -->\n")
    write_results(folder / RESULTS_NAME, results, header | {"missing": ["avid-0"]})
    with pytest.raises(AblationError, match="lacks avid-0"):
        publish(folder, "small", "make ablate", tmp_path)
    with pytest.raises(ResultsError, match="does not exist"):
        fill_pages(tmp_path, KINDS)
    write_results(folder / RESULTS_NAME, results, header)
    path = publish(folder, "small", "make ablate", tmp_path)
    assert read_results(path) == results
    assert read_header(path) == header | {"command": "make ablate"}  # when and where the numbers were made
    fill_pages(tmp_path, KINDS)
    draw_figures(tmp_path)
    assert (tmp_path / "docs" / "figures" / "small.svg").exists()
    text, first = page.read_text(), read_cells(results)["avid"]["retrieval", "video", "R@1"]
    (row,) = [line for line in text.splitlines() if line.startswith("| avid |") and line.count("±") == 7]
    assert row.split(" | ")[1] == f"{100 * first.mean:.1f} ± {100 * first.sd:.1f}"
    assert "(figures/small.svg)" in text
    assert "`make ablate`, 30 steps, seeds 0, 1, 4" in text
    assert "a machine; 2020-02-02, commit abc1234, older than today's code ([data](results/small.json))" in text


def test_held_out_accuracies_are_those_named_last(tmp_path):
    def line(step, **metrics):
        return json.dumps({"step": step, "loss": 1.0, "terms": {}, "metrics": metrics, "seconds": 1.0}) + "\n"

    log = line(1, **{"heldout/speed_video": 0.1}) + line(2, **{"heldout/speed_video": 0.3, "heldout/order_video": None})
    log += '{"step": 4, "me\n'  # half a line of a killed run
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
