"""What the report computes, against slow versions and by scenarios; no files but small ones."""

import base64
import io
import itertools
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import yaml
from PIL import Image

from evaluate.protocols.retrieval import Neighbourhood
from evaluate.report.classes import Confusion, build_confusions, class_recalls
from evaluate.report.gallery import find_source, pick_queries
from evaluate.report.inputs import Model, search
from evaluate.report.map import align, build_map, project
from evaluate.report.papers import KINDS, PAPERS_FILE
from evaluate.report.result_tables import best, build_tables, compare_runs
from evaluate.report.section import is_sample
from evaluate.report.strips import Quality, Segment, logmel_image, shrink
from evaluate.results.results import Result
from tests.evaluate.conftest import build_videos


def neighbourhood(queries, nearest):
    """Queries of the given classes whose nearest reference is of the given class; references: one a class."""
    n = max(queries + nearest) + 1
    others = np.random.default_rng(0).integers(n, size=(len(queries), 2))
    names, references = (tuple(f"{letter}{i}.mp4" for i in range(k)) for letter, k in (("q", len(queries)), ("r", n)))
    indices, scores = np.column_stack([nearest, others]), np.full((len(queries), 3), 0.5, np.float32)
    classes = {i: f"class {i}" for i in range(n)}
    return Neighbourhood(names, np.array(queries), references, np.arange(n), indices, scores, classes)


def videos(n_classes=3, n_each=6, silent=()):
    rng = np.random.default_rng(1)
    labels = np.repeat(np.arange(n_classes), n_each)
    vectors = np.eye(n_classes, 8)[labels] + 0.1 * rng.normal(size=(len(labels), 8))
    has_audio = ~np.isin(np.arange(len(labels)), silent)
    sides = ["test" if i % 3 == 0 else "train" for i in range(len(labels))]
    return build_videos(labels, sides=sides, video=vectors, audio=vectors, has_audio=has_audio)


def test_picks_are_half_right_and_half_wrong_and_of_every_class():
    classes = [0, 1, 2, 3, 4, 5]
    found = neighbourhood(classes * 20, classes * 10 + [1, 2, 3, 4, 5, 0] * 10)
    picked = pick_queries(found, 6, seed=0)
    assert sorted(found.query_labels[picked]) == classes
    assert found.hits[picked, 0].tolist() == [True] * 3 + [False] * 3
    assert picked == pick_queries(found, 6, seed=0) != pick_queries(found, 6, seed=1)
    assert sorted(pick_queries(neighbourhood([0, 1, 2, 0], [0, 1, 2, 0]), 8, 0)) == [0, 1, 2, 3]


def test_class_recalls_pool_the_queries_of_all_splits_and_have_the_best_class_on_top():
    splits = neighbourhood([0, 1, 1], [1, 1, 0]), neighbourhood([1, 1], [0, 1])
    right = Model(videos(), {"video": splits, "audio": (neighbourhood([2], [2]),)})
    wrong = Model(videos(), {"video": (neighbourhood([0, 1, 1], [0, 0, 0]),)})
    found = class_recalls({"pretrained": right, "untrained": wrong})
    assert list(found.names.items()) == [(1, "class1"), (0, "class0"), (2, "class2")]
    assert found.pretrained == {"video": {0: (0.0, 1), 1: (0.5, 4)}, "audio": {2: (1.0, 1)}}
    assert found.untrained == {"video": {0: (1.0, 1), 1: (0.0, 2)}}


def test_confusion_is_judged_on_the_test_side_by_neighbour_and_probe():
    own = videos(n_each=9)
    found = list(build_confusions(Model(own, search(own))))
    titles = itertools.product(("video", "audio", "video + audio"), ("nearest neighbour", "linear probe"))
    assert [each.title for each in found] == [", ".join(each) for each in titles]
    assert {(each.counts.sum(), each.accuracy) for each in found} == {(9, 1.0)}
    matrix = Confusion("", "1", ("a", "b", "c"), np.array([[3, 1, 0], [1, 1, 0], [0, 0, 0]]))
    np.testing.assert_allclose(matrix.shares, [[0.75, 0.25, 0], [0.5, 0.5, 0], [0, 0, 0]])
    assert (matrix.accuracy, matrix.mixups) == (pytest.approx(4 / 6), [("b", "a", 0.5), ("a", "b", 0.25)])


def result(model, value, split=None, test="ucf101"):
    return Result(test, "retrieval", split, "video", model, "R@1", value, 10)


def test_a_stored_mean_goes_before_the_mean_of_splits():
    results = [result("pretrained", 0.2, 1), result("pretrained", 0.4, 2), result("raw", 0.1, 1), result("raw", 0.15)]
    (table,) = build_tables(results)
    column = ("retrieval", "R@1")
    values = {(m, s): r[column].value for m, splits in table.groups["video"].items() for s, r in splits.items()}
    assert values == {
        ("pretrained", None): pytest.approx(0.3), ("pretrained", 1): 0.2, ("pretrained", 2): 0.4,
        ("raw", None): 0.15, ("raw", 1): 0.1,
    }  # fmt: skip
    assert table.groups["video"]["pretrained"][None][column].n == 20
    assert best(table.groups["video"], column) == pytest.approx(0.3)


def test_runs_are_compared_in_the_tests_that_two_have():
    runs = {
        "b": [result("pretrained", 0.5), result("untrained", 0.9), result("pretrained", 0.1, test="esc50")],
        "a": [result("pretrained", 0.3, 1), result("pretrained", 0.5, 2), result("chance", 0.9)],
    }
    compared = compare_runs(runs, ["ucf101", "esc50"])
    assert list(compared) == ["ucf101"]
    group = compared["ucf101"][0].groups["video"]
    values = [(run, splits[None]["retrieval", "R@1"].value) for run, splits in group.items()]
    assert values == [("b", 0.5), ("a", pytest.approx(0.4))]
    other = [result("avtempo", 0.5), result("chance", 0.1)]
    (table,) = compare_runs({"a": other, "b": other}, ["ucf101"])["ucf101"]
    assert list(table.groups["video"]) == ["a: avtempo", "b: avtempo"]


def test_aligning_undoes_rotation_and_mirroring():
    points = np.random.default_rng(0).normal(size=(20, 2))
    turn = np.array([[0.6, 0.8], [0.8, -0.6]])
    np.testing.assert_allclose(align(points @ turn, points), points, atol=1e-9)


def test_the_map_keeps_classes_together_and_leaves_out_what_a_video_lacks():
    models = {"pretrained": Model(videos(3, 15, silent=(2, 5)), {})}
    made = build_map(models)
    assert made == build_map(models)
    layouts = made["layouts"]["pretrained"]
    assert [i for i, point in enumerate(layouts["audio"]) if point is None] == [2, 5]
    points = np.array(layouts["video"], float)
    labels = np.array([point[0] for point in made["points"]])
    distance = np.linalg.norm(points[:, None] - points[None], axis=2) + np.eye(len(points)) * 1e9
    assert (labels[distance.argmin(axis=1)] == labels).mean() > 0.9
    assert (points.min(), points.max()) == (0, 1000)
    assert {point[1] for point in made["points"]} == {0, 1}
    own = videos()
    for others, wanted in (({"10": "test", "2": "train"}, [1, 0]), ({"1": "train", "2": "train"}, [2, 0])):
        sides = ({"2": "test"}, *[others] * (len(own) - 1))  # split 2 comes before 10; it is not the first beside 1
        roles = [point[1] for point in build_map({"pretrained": Model(replace(own, splits=sides), {})})["points"]]
        assert roles == wanted + wanted[1:] * (len(own) - 2)
    for dead in (np.zeros((24, 64)), np.ones((24, 64))):  # of which t-SNE crashes
        assert np.allclose(project(dead), 0)
    for n in (1, 2, 5):  # too few for t-SNE, or for PCA
        assert project(np.random.default_rng(0).normal(size=(n, 6))).shape == (n, 2)


def test_a_film_is_evenly_chosen_frames_of_which_none_bleeds_into_the_next():
    colours = np.array([[255, 0, 0], [0, 0, 255]] * 8, np.uint8)
    frames = np.broadcast_to(colours.repeat(2, axis=0)[:, None, None], (32, 160, 120, 3))
    made = shrink(Segment("a", 1.0, frames, None), Quality(16, 48, 90))
    strip = np.asarray(Image.open(io.BytesIO(base64.b64decode(made.film.partition(",")[2]))))
    inner = strip.reshape(16, 48, 36, 3).astype(int)[:, 1:-1]  # decoders smooth the halved chroma at the seam
    np.testing.assert_allclose(inner, np.broadcast_to(colours[:, None, None], inner.shape), atol=12)
    assert (made.n_frames, made.height_px, made.width_px, made.logmel) == (16, 48, 36, "")


def test_low_frequencies_are_at_the_bottom():
    logmel = np.full((64, 128), np.log(1e-8), np.float16)
    logmel[:8, 64:] = 0
    picture = np.asarray(logmel_image(logmel).convert("L")).astype(int)
    assert picture[-3:, 70:].min() > picture[-3:, :60].max() + 50
    assert np.ptp(picture[:20]) == 0


def test_every_number_of_a_paper_says_where_it_was_read():
    listed = yaml.safe_load(PAPERS_FILE.read_text(encoding="utf-8"))
    sources = listed.pop("sources")
    for row in (row for rows in listed.values() for row in rows):
        values = [row[kind] for kind in KINDS if kind in row]
        assert row["source"] in sources
        assert values
        assert all(0 < value < 100 for value in values)


def test_names_that_lead_out_of_the_data_folder_are_not_followed(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    for path in (tmp_path / "secret.wav", folder / "a.wav"):
        path.write_bytes(b"x")
    assert find_source([folder], "a.wav") == folder / "a.wav"
    for folders, name in (([folder], "../secret.wav"), ([folder], str(tmp_path / "secret.wav")), ([], "a.wav")):
        assert find_source(folders, name) is None


def test_the_sample_world_is_distinguished_from_ucf101():
    sample, other = (Model(SimpleNamespace(label_names=each), {}) for each in (("Rising",), ("Rising", "Archery")))
    assert [is_sample(models, None) for models in ([sample], [other], [])] == [True, False, False]
