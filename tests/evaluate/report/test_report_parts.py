"""What the report computes, against slow versions and by scenarios; no files but small ones."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import yaml

from evaluate.protocols.retrieval import Neighbourhood
from evaluate.protocols.retrieval import neighbourhood as take_neighbours
from evaluate.protocols.video_features import Part, Videos, l2_normalise
from evaluate.report.audio_clips import find_source
from evaluate.report.compare import compare_runs
from evaluate.report.confusion import build_confusions, count_confusion, first_split, probe_labels
from evaluate.report.gallery import pick_queries
from evaluate.report.inputs import Model, folds_as_splits
from evaluate.report.map import align, build_map, project
from evaluate.report.papers import KINDS, PAPERS_FILE, build_papers
from evaluate.report.provenance import read_config, setting
from evaluate.report.result_tables import MAX_COLUMNS, build_tables, column_title
from evaluate.report.section import build_headline, class_bars, is_sample, pooled_recall
from evaluate.report.strips import Quality, Segment, pick_frames, shrink, sound_picture
from evaluate.report.template import clock
from evaluate.results.results import Result


def neighbourhood(queries: list[int], nearest: list[int], seed: int = 0) -> Neighbourhood:
    """Queries of the given classes whose nearest reference is of the given class; references: one a class."""
    n = max(queries + nearest) + 1
    others = np.random.default_rng(seed).integers(n, size=(len(queries), 2))
    return Neighbourhood(
        query_sources=tuple(f"q{i}.mp4" for i in range(len(queries))),
        query_labels=np.array(queries),
        reference_sources=tuple(f"r{i}.mp4" for i in range(n)),
        reference_labels=np.arange(n),
        indices=np.column_stack([nearest, others]),
        scores=np.full((len(queries), 3), 0.5, np.float32),
        label_names={i: f"class {i}" for i in range(n)},
    )


def videos(n_classes: int = 3, n_each: int = 6, silent: tuple[int, ...] = ()) -> Videos:
    rng = np.random.default_rng(1)
    labels = np.repeat(np.arange(n_classes), n_each)
    vectors = l2_normalise(np.eye(n_classes, 8)[labels] + 0.1 * rng.normal(size=(len(labels), 8)))
    heard = ~np.isin(np.arange(len(labels)), silent)
    return Videos(
        sources=tuple(f"v{i}.mp4" for i in range(len(labels))),
        labels=labels,
        label_names=tuple(f"class {i}" for i in labels),
        groups=("",) * len(labels),
        splits=tuple({"1": "test" if i % 3 == 0 else "train"} for i in range(len(labels))),
        parts={
            "video": Part(vectors, np.ones(len(labels), bool)),
            "audio": Part(vectors * heard[:, None], heard),
        },
    )


class TestPicks:
    def test_half_right_half_wrong_and_every_class_once(self):
        found = neighbourhood(
            queries=[0, 1, 2, 3, 4, 5] * 20, nearest=[0, 1, 2, 3, 4, 5] * 10 + [1, 2, 3, 4, 5, 0] * 10
        )
        picked = pick_queries(found, 6, seed=0)
        assert sorted(found.query_labels[picked]) == [0, 1, 2, 3, 4, 5]
        assert found.hits[picked, 0].tolist() == [True] * 3 + [False] * 3

    def test_the_seed_decides(self):
        found = neighbourhood([0, 1, 2] * 30, [0, 2, 2] * 30)
        assert pick_queries(found, 4, 0) == pick_queries(found, 4, 0)
        assert any(pick_queries(found, 4, 0) != pick_queries(found, 4, seed) for seed in range(1, 5))

    def test_right_ones_fill_up_where_none_is_wrong(self):
        found = neighbourhood([0, 1, 2, 0], [0, 1, 2, 0])
        assert sorted(pick_queries(found, 8, 0)) == [0, 1, 2, 3]


class TestClasses:
    def test_recall_pools_queries_of_all_splits(self):
        splits = [neighbourhood([0, 0, 1], [0, 1, 1]), neighbourhood([0, 1, 2, 2], [0, 0, 2, 1])]
        pairs = [(0, 0), (0, 1), (1, 1), (0, 0), (1, 0), (2, 2), (2, 1)]
        for label, (recall, n) in pooled_recall(splits).items():
            mine = [found == label for query, found in pairs if query == label]
            assert n == len(mine)
            assert recall == pytest.approx(sum(mine) / len(mine))

    def test_confusion_counts_every_query_once(self):
        matrix = count_confusion(
            {3: "a", 7: "b"}, np.array([3, 3, 7]), np.array([3, 7, 7]), modality="video", judge="linear", split="1"
        )
        assert {(cell.row, cell.column): (cell.count, cell.share) for cell in matrix.cells} == {
            (0, 0): (1, 0.5),
            (0, 1): (1, 0.5),
            (1, 1): (1, 1.0),
        }
        assert [(cell.row, cell.column) for cell in matrix.mixups] == [(0, 1)]
        assert matrix.accuracy == pytest.approx(2 / 3)

    def test_the_probe_is_judged_on_the_test_side_alone(self):
        own = videos(n_each=9)
        split = first_split(own, "video")
        assert split is not None
        assert probe_labels(own, split, "video").tolist() == own.labels[split.test].tolist()
        matrices = build_confusions(Model("pretrained", own, {}, {}), ("video",))
        assert matrices == []
        found = take_neighbours(own, split, "video", 3)
        matrices = build_confusions(Model("pretrained", own, {"video": (found,)}, {}), ("video", "audio"))
        assert [(m.modality, m.judge, m.n_queries, m.accuracy) for m in matrices] == [
            ("video", "nearest", 9, 1.0),
            ("video", "linear", 9, 1.0),
        ]

    def test_bars_stand_beside_the_untrained_ones_best_first(self):
        right = Model("pretrained", videos(), {"video": (neighbourhood([0, 1, 1], [1, 1, 0]),)}, {})
        wrong = Model("untrained", videos(), {"video": (neighbourhood([0, 1, 1], [0, 0, 0]),)}, {})
        rows = class_bars({"pretrained": right, "untrained": wrong}, ("video",))
        assert [(row.name, row.bars[0].recall, row.bars[0].untrained) for row in rows if row.bars[0]] == [
            ("class 1", 0.5, 0.0),
            ("class 0", 0.0, 1.0),
        ]


class TestSettings:
    @pytest.mark.parametrize("text", ["clip: {speeds: 3}", "clip: 1", "no: [yaml", "- 1", ""])
    def test_settings_that_are_not_there_are_the_default(self, tmp_path: Path, text: str):
        (tmp_path / "config.yaml").write_text(text)
        assert setting(read_config(tmp_path)[1], "clip", "speeds", [1]) == [1]
        (tmp_path / "config.yaml").write_text("clip: {speeds: [1, 2]}")
        assert setting(read_config(tmp_path)[1], "clip", "speeds", [1]) == [1, 2]

    def test_clock(self):
        assert [clock(s) for s in (12, 250, 3900)] == ["12 s", "4 min", "1 h 05 min"]


def result(model: str, value: float, split: int | None = None, metric: str = "R@1", **rest: str) -> Result:
    task, modality, test = (
        rest.get(k, d) for k, d in (("task", "retrieval"), ("modality", "video"), ("test", "ucf101"))
    )
    return Result(test, task, split, modality, model, metric, value, 10)


class TestTables:
    def test_stored_mean_goes_before_the_mean_of_splits(self):
        results = [
            result("pretrained", 0.2, 1),
            result("pretrained", 0.4, 2),
            result("raw", 0.1, 1),
            result("raw", 0.15),
        ]
        table = build_tables(results, "ucf101")[0]
        rows = {row.model: row for row in table.groups[0][1]}
        assert rows["pretrained"].mean.values == (pytest.approx(0.3),)
        assert rows["raw"].mean.values == (0.15,)
        assert [line.values for line in rows["pretrained"].splits] == [(0.2,), (0.4,)]
        assert rows["pretrained"].mean.n == 20

    def test_order_of_everything(self):
        results = [
            result("chance", 0.1, metric="R@50"),
            result("zeta", 0.1),
            result("pretrained", 0.1, metric="R@5", modality="audio"),
            result("pretrained", 0.1),
            result("pretrained", 0.1, task="linear", metric="top-1"),
            result("pretrained", 0.9, test="esc50"),
        ]
        (first,) = build_tables(results, "ucf101")
        (second,) = build_tables(results, "esc50")
        assert (first.test, second.test) == ("ucf101", "esc50")
        assert [column_title(column) for column in first.columns] == ["R@1", "R@5", "R@50", "linear top-1"]
        assert [modality for modality, _ in first.groups] == ["video", "audio"]
        assert [row.model for row in first.groups[0][1]] == ["pretrained", "zeta", "chance"]

    def test_best_is_marked_in_each_modality(self):
        rows = build_tables([result("pretrained", 0.2), result("untrained", 0.5)], "ucf101")[0].groups[0][1]
        assert [row.mean.best for row in rows] == [(False,), (True,)]

    def test_many_columns_are_cut_between_tasks(self):
        tasks = [f"task {i:02d}" for i in range(9)]
        results = [result("pretrained", 0.1, task=task, metric=f"top-{k}") for task in tasks for k in (1, 5)]
        tables = build_tables(results, "ucf101")
        assert [column for table in tables for column in table.columns] == [
            (t, f"top-{k}") for t in tasks for k in (1, 5)
        ]
        assert [len(table.columns) for table in tables] == [MAX_COLUMNS, 6]

    def test_tasks_without_a_modality_in_common_stand_apart(self):
        results = [result("pretrained", 0.1), result("pretrained", 0.2, task="sorting", modality="joint")]
        assert [table.columns for table in build_tables(results, "ucf101")] == [
            (("retrieval", "R@1"),),
            (("sorting", "R@1"),),
        ]

    def test_the_interval_of_a_record_stands_beside_its_own_value(self):
        wide = Result("ucf101", "retrieval", None, "video", "pretrained", "R@1", 0.4, 10, low=0.3, high=0.5)
        rows = build_tables([wide, result("untrained", 0.2)], "ucf101")[0].groups[0][1]
        assert [row.mean.intervals for row in rows] == [((0.3, 0.5),), (None,)]

    def test_unknown_modalities_follow(self):
        results = [result("pretrained", 0.1, modality=name) for name in ("joint", "video")]
        assert [name for name, _ in build_tables(results, "ucf101")[0].groups] == ["video", "joint"]

    def test_headline(self):
        results = [result("pretrained", 0.2), result("raw", 0.05), result("raw", 0.04, modality="audio")]
        headline = build_headline(build_tables(results, "ucf101"))
        assert headline is not None
        assert headline.main is not None
        assert headline.main.value == 0.2
        assert [bar.title for bar in headline.others] == ["raw pixels"]
        assert [bar.title for bar in headline.bars[1][1]] == ["mean log-mel"]
        assert build_headline([]) is None


class TestMap:
    def test_align_undoes_rotation_and_mirroring(self):
        points = np.random.default_rng(0).normal(size=(20, 2))
        turn = np.array([[0.6, 0.8], [0.8, -0.6]])
        np.testing.assert_allclose(align(points @ turn, points), points, atol=1e-9)

    def test_silent_videos_have_no_place_among_sounds_and_equal_runs_give_equal_maps(self):
        models = {"pretrained": Model("pretrained", videos(silent=(2, 5)), {}, {})}
        first, again = build_map(models), build_map(models)
        assert first is not None
        assert first == again
        audio = first.layouts["pretrained audio"]
        assert [i for i, point in enumerate(audio) if point is None] == [2, 5]
        assert None not in first.layouts["pretrained video"]
        assert {point[1] for point in first.points} == {0, 1}

    def test_classes_stay_together(self):
        made = build_map({"pretrained": Model("pretrained", videos(3, 15), {}, {})})
        assert made is not None
        points = np.array(made.layouts["pretrained video"], float)
        labels = np.array([point[0] for point in made.points])
        distance = np.linalg.norm(points[:, None] - points[None], axis=2) + np.eye(len(points)) * 1e9
        assert (labels[distance.argmin(axis=1)] == labels).mean() > 0.9
        assert points.min() >= 0
        assert points.max() <= 1000

    @pytest.mark.parametrize("n", [1, 2, 5])
    def test_few_points(self, n: int):
        assert project(np.random.default_rng(0).normal(size=(n, 6))).shape == (n, 2)


class TestStrips:
    def test_frames_are_spread_over_the_whole(self):
        assert pick_frames(np.arange(10), 5).tolist() == [0, 2, 4, 6, 8]
        assert pick_frames(np.arange(3), 5).tolist() == [0, 1, 2]

    def test_no_frame_bleeds_into_the_next(self):
        colours = np.array([[255, 0, 0], [0, 0, 255]] * 8, np.uint8)
        frames = np.broadcast_to(colours[:, None, None], (16, 160, 120, 3))
        made = shrink(Segment("a", 1.0, frames, None), Quality(16, 48, 90))
        strip = decode(made.film).reshape(16, 48, 36, 3).astype(int)
        inner = strip[:, 1:-1]  # decoders smooth the halved chroma over one row at the seam
        np.testing.assert_allclose(inner, np.broadcast_to(colours[:, None, None], inner.shape), atol=12)
        assert (made.n_frames, made.height_px, made.width_px, made.sound) == (16, 48, 36, "")

    def test_low_tones_stand_at_the_bottom(self):
        logmel = np.full((64, 128), np.log(1e-8), np.float16)
        logmel[:8, 64:] = 0
        picture = np.asarray(sound_picture(logmel).convert("L")).astype(int)
        assert picture[-3:, 70:].min() > picture[-3:, :60].max() + 50
        assert np.ptp(picture[:20]) == 0


def decode(uri: str) -> np.ndarray:
    import base64
    import io

    from PIL import Image

    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))))


class TestPapers:
    def test_ours_stand_on_top_by_the_same_kinds_of_number(self):
        results = [result("pretrained", 0.7), result("pretrained", 0.9, modality="audio"), result("untrained", 0.8)]
        papers = build_papers(results, "ucf101", "mine")
        assert papers is not None
        assert papers.columns == ("fine-tune", "linear", "R@1")
        assert papers.entries[0].values == (None, None, 0.7)
        assert [entry.is_ours for entry in papers.entries] == [True] + [False] * (len(papers.entries) - 1)
        assert build_papers(results, "unheard of", "mine") is None
        assert build_papers(results, "hmdb51", "mine") is None

    def test_every_number_says_where_it_was_read(self):
        listed = yaml.safe_load(PAPERS_FILE.read_text(encoding="utf-8"))
        sources = listed.pop("sources")
        for row in (row for rows in listed.values() for row in rows):
            assert row["source"] in sources
            values = [row[kind] for kind in KINDS if kind in row]
            assert values
            assert all(0 < value < 100 for value in values)


class TestComparison:
    def test_differences_are_to_the_first_run(self):
        runs = {
            "a": [result("pretrained", 0.5), result("untrained", 0.9), result("pretrained", 0.1, metric="R@5")],
            "b": [result("pretrained", 0.3, 1), result("pretrained", 0.5, 2)],
            "c": [result("pretrained", 0.6)],
        }
        (comparison,) = compare_runs(runs, ["ucf101", "esc50"])
        ((modality, rows),) = comparison.groups
        assert (modality, comparison.runs) == ("video", ("a", "b", "c"))
        assert [row.column for row in rows] == [("retrieval", "R@1"), ("retrieval", "R@5")]
        assert rows[0].values == pytest.approx((0.5, 0.4, 0.6))
        assert rows[0].differences == pytest.approx((0.0, -0.1, 0.1))
        assert rows[1].differences == (0.0, None, None)

    def test_a_test_without_a_pretrained_model_compares_all_but_chance(self):
        results = [result("avtempo", 0.5), result("chance", 0.1)]
        (comparison,) = compare_runs({"a": results, "b": results}, ["ucf101"])
        assert [row.model for _, rows in comparison.groups for row in rows] == ["avtempo"]


class TestFolds:
    def test_each_fold_is_tested_once_by_the_others(self):
        own = replace(videos(), splits=tuple({"fold": str(i % 3 + 1)} for i in range(18)))
        made = folds_as_splits(own).splits
        for i, splits in enumerate(made):
            assert splits == {str(fold): "test" if fold == i % 3 + 1 else "train" for fold in (1, 2, 3)}

    def test_official_splits_stay(self):
        assert folds_as_splits(videos()).splits == videos().splits


class TestSounds:
    def test_names_that_lead_out_of_the_folder_are_not_followed(self, tmp_path: Path):
        (tmp_path / "in").mkdir()
        (tmp_path / "secret.wav").write_bytes(b"x")
        (tmp_path / "in" / "a.wav").write_bytes(b"x")
        assert find_source([tmp_path / "in"], "a.wav") == tmp_path / "in" / "a.wav"
        assert find_source([tmp_path / "in"], "../secret.wav") is None
        assert find_source([tmp_path / "in"], str(tmp_path / "secret.wav")) is None
        assert find_source([], "a.wav") is None


def test_the_sample_world_is_told_from_the_data_set_whose_layout_it_has():
    def model(*names):
        return SimpleNamespace(videos=SimpleNamespace(label_names=names))

    assert is_sample(model("Rising", "Falling", "Rising"))
    assert not is_sample(model("Rising", "Archery"))
    assert not is_sample(None)
