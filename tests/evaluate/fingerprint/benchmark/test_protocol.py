"""The rules of a plan, and the whole benchmark with real peers on a few small videos."""

import dataclasses
import json
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluate.errors import FingerprintError
from evaluate.fingerprint.benchmark import peers
from evaluate.fingerprint.benchmark.false_matches import Trial, false_matches_table, measure
from evaluate.fingerprint.benchmark.method import best_diagonal
from evaluate.fingerprint.benchmark.metrics import tasks_of
from evaluate.fingerprint.benchmark.ours import Avtempo
from evaluate.fingerprint.benchmark.peers import PEERS, make_peers
from evaluate.fingerprint.benchmark.protocol import Size, Video, make_plan, prepare
from evaluate.fingerprint.benchmark.query import Query
from evaluate.fingerprint.benchmark.render import render
from evaluate.fingerprint.benchmark.run import benchmark
from evaluate.fingerprint.benchmark.tables_and_figures import benchmark_tables, write_heat_map, write_roc
from evaluate.fingerprint.benchmark.truth import Piece
from evaluate.fingerprint.describe.encoder import load_encoder
from tests.preprocess.made_media import run_ffmpeg

SMALL = Size(n_queries=3, n_unmatched=2, n_background=2, length_seconds=3.0, tasks=("crop/light", "cut/medium"))


def ucf(n_groups=12, n_clips=3, seconds=6.0):
    return [
        Video(f"Surfing/v_Surfing_g{g:02d}_c{c:02d}.mp4", seconds + c / 10, has_audio=g % 4 != 0)
        for g in range(n_groups) for c in range(n_clips)
    ]  # fmt: skip


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**31), st.integers(11, 20), st.integers(1, 4))
def test_groups_never_cross_roles(seed, n_groups, n_clips):
    videos = {video.name: video for video in ucf(n_groups, n_clips)}
    plan = make_plan(list(videos.values()), SMALL, seed, "")
    roles = ("matched", "unmatched", "background")
    matched, unmatched, apart = ({videos[q.wanted.source].group for q in plan.of_role(role)} for role in roles)
    referenced = [videos[name].group for name in plan.references]
    assert not matched & unmatched
    assert not (unmatched | apart) & set(referenced)
    assert {videos[name].group for name in plan.background}.isdisjoint(unmatched | set(referenced))
    assert all(referenced.count(group) == 1 for group in matched)  # the source itself, none of its siblings
    for query in plan.queries:
        assert query.role != "matched" or query.wanted.source in plan.references
        assert query.wanted.end_seconds <= videos[query.wanted.source].seconds
        assert videos[query.wanted.source].has_audio
        assert query.host.source in plan.background
        assert query.host.source != query.wanted.source


def test_a_plan_follows_from_its_seed():
    plan = make_plan(ucf(), SMALL, 7, "")
    assert make_plan(list(reversed(ucf())), SMALL, 7, "") == plan
    assert make_plan(ucf(), SMALL, 8, "").queries != plan.queries


def test_lengths_go_as_far_as_the_sources():
    tasks = tasks_of(make_plan(ucf(), SMALL, 0, ""))
    assert [task for task in tasks if task.startswith("length/")] == [f"length/{n}s" for n in (1, 2, 3, 5, 6)]
    assert sum(query.role == "matched" for query in tasks["crop/light"]) == 3
    assert all(query.wanted.seconds == pytest.approx(5) for query in tasks["length/5s"])
    assert not any(query.task.startswith("length/") for query in tasks["all"])


def test_groups_go_by_names():
    names = ("-1pRmoJIGQc_000010.mp4", "-1pRmoJIGQc_000040.mp4", "v_Golf_g02_c01.avi", "a/clip.mp4")
    groups = [Video(name, 10, has_audio=True).group for name in names]
    assert groups == ["-1pRmoJIGQc", "-1pRmoJIGQc", "Golf_g02", "a/clip.mp4"]


def test_too_few_videos_are_refused_and_few_distractors_are_logged(caplog):
    with pytest.raises(FingerprintError, match="fewer queries, or shorter"):
        make_plan(ucf(seconds=2.0), SMALL, 0, "")
    make_plan(ucf(), SMALL, 0, "")
    assert not caplog.records
    make_plan(ucf(), dataclasses.replace(SMALL, n_distractors=5), 0, "")
    assert "distractor segments" in caplog.text


def test_best_diagonal_equals_trying_every_offset():
    random = np.random.default_rng(0)
    for n_query, n_reference in ((4, 9), (9, 4), (1, 5), (6, 6)):
        similarity = random.random((n_query, n_reference))
        diagonals = {offset: np.diagonal(similarity, offset) for offset in range(1 - n_query, n_reference)}
        tried = {k: cells.mean() for k, cells in diagonals.items() if len(cells) >= min(n_query, n_reference) / 2}
        best = max(tried, key=tried.get)
        found = best_diagonal(similarity, 0.5, 1.0)
        assert found.score == pytest.approx(tried[best])
        assert found.reference_start_seconds - found.query_start_seconds == pytest.approx(0.5 * best)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Nine videos, each with its own blotches that drift, and its own band of pulsing noise."""
    folder = tmp_path_factory.mktemp("videos")
    for seed in range(1, 10):
        blotches = f"color=gray:s=12x8:r=12,noise=alls=100:all_seed={seed}"  # one pattern for all frames
        video = f"{blotches},scale=96:64:flags=bicubic,scroll=horizontal=0.002"
        tone = f"anoisesrc=r=16000:a=0.5:seed={seed},tremolo=f={seed / 2},bandpass=f={200 * seed}:w=300"
        coding = ["-t", 7, "-c:v", "libx264", "-c:a", "aac", "-threads", 1]
        run_ffmpeg("-f", "lavfi", "-i", video, "-f", "lavfi", "-i", tone, *coding, folder / f"{seed}.mp4")
    return folder


@pytest.mark.parametrize("name", [*PEERS, pytest.param("avtempo", marks=pytest.mark.slow)])
def test_each_method_finds_an_undistorted_clip_and_nothing_in_a_broken_file(folder, tmp_path, make_checkpoint, name):
    if name == "avtempo":
        encoder = load_encoder(
            make_checkpoint(tmp_path / "last.pt"), video_vectors="features", audio_vectors="features"
        )
        method = Avtempo(encoder, 0.5)
    else:
        (method,), _ = make_peers([name])
    files = {f"{i}.mp4": folder / f"{i}.mp4" for i in range(1, 10)}
    apart = {name: files.pop(name) for name in ("8.mp4", "9.mp4")}
    assert method.index(files, apart) > 0
    host = Piece("8.mp4", 0, 5, is_host=True)
    render(Query("query", "none", Piece("2.mp4", 1.5, 6.0), host, (), 0, "matched"), folder, tmp_path / "query.mp4")
    (tmp_path / "broken.mp4").write_bytes(b"no media")
    found = method.match({"query": tmp_path / "query.mp4", "broken": tmp_path / "broken.mp4"})
    best = max(found, key=lambda match: match.score)
    assert (best.query, best.reference) == ("query", "2.mp4")
    assert best.reference_start_seconds - best.query_start_seconds == pytest.approx(1.5, abs=0.5)
    assert not any(match.query == "broken" for match in found)


def test_a_plan_is_read_back_for_the_same_size_and_seed_and_refused_if_it_is_damaged(folder, tmp_path):
    size = dataclasses.replace(SMALL, n_queries=1, n_unmatched=1)
    plan = prepare(folder, tmp_path, size, 0)
    path = tmp_path / "plan.json"
    path.write_text(path.read_text().replace('"seed": 0', '"seed": 5', 1))  # only a plan that is read has this seed
    assert prepare(folder, tmp_path, size, 5) == dataclasses.replace(plan, seed=5)
    assert prepare(folder, tmp_path, size, 6).seed == 6
    for damaged in ("{", "[]", path.read_text().replace('"format": 1', '"format": 99')):
        path.write_text(damaged)
        with pytest.raises(FingerprintError, match="no plan of format 1"):
            prepare(folder, tmp_path, size, 6)


@pytest.mark.slow
def test_the_benchmark_from_a_folder_to_figures(folder, tmp_path):
    size = Size(2, 1, 2, length_seconds=4.0, tasks=("flip/medium", "volume/light"), lengths_seconds=(2.0,))
    methods, missing = make_peers(list(PEERS))
    assert not missing

    def measure(*methods):
        results = benchmark(prepare(folder, tmp_path, size, 0), folder, tmp_path, methods, 2, lambda *_: None)
        rendered = {path: path.stat().st_mtime_ns for path in (tmp_path / "queries").iterdir()}
        return results, {(r.model, r.task, r.metric): r.value for r in results}, rendered

    results, values, rendered = measure(*methods)
    for method in methods:
        assert values[method.name, "none", "top-1"] == 1, method.name
        assert values[method.name, "cost", "descriptor-bytes-per-hour"] > 0
    assert values["vpdq", "volume/light", "micro-AP"] == 1
    assert values["chromaprint", "flip/medium", "micro-AP"] == 1
    assert values["raw-pixels", "all", "median-localisation-error-seconds"] <= 0.5
    assert values["vpdq", "cost", "descriptor-bytes-per-hour"] == pytest.approx(32 * 3600, rel=0.02)
    assert len(json.loads((tmp_path / "matches-vpdq.json").read_text())) > 0
    (tmp_path / "queries" / "old-00000-abc.mp4").touch()
    again = measure(methods[1])
    assert again[2] == rendered
    assert all(values[key] == value for key, value in again[1].items() if key[1] != "cost")
    for write in (write_heat_map, write_roc):
        write(results, tmp_path / "figure.svg")
        assert "vpdq" in (tmp_path / "figure.svg").read_text()
    assert [len(table.rows) for table in benchmark_tables(results)] == [11, 5, 1]
    assert values["vpdq", "volume/light", "found-and-decided"] == 1
    with warnings.catch_warnings(action="error"):
        write_roc([], tmp_path / "empty.svg")


def test_without_chromaprint_the_other_methods_run(monkeypatch):
    monkeypatch.setattr(peers, "ffmpeg_executable", lambda: "true")
    made, missing = make_peers(["chromaprint", "raw-pixels"])
    assert [method.name for method in made] == ["raw-pixels"]
    assert "without chromaprint" in missing["chromaprint"]
    with pytest.raises(FingerprintError, match="there are avtempo, avtempo-compressed, chromaprint"):
        make_peers(["shazam"])


def test_unmatched_files_are_falsely_matched_with_an_archive_that_has_them_under_another_name(
    folder, tmp_path, shipped_encoder
):
    for number in range(1, 9):
        for take in "AB":  # two takes of one recording show one scene, and are never query and source
            (tmp_path / f"1-{number}-{take}-0.mp4").symlink_to(folder / f"{number}.mp4")
    trial = Trial(sizes=(2, 100), n_unmatched=3, streams=("audio",))  # few views, so quick

    def rates(videos):
        results, false = measure(videos, shipped_encoder, trial, lambda *_: None)
        assert {(r.modality, r.task, r.metric, r.n) for r in results} == {
            ("audio", "2 sources", metric, 3) for metric in ("share at 0.01", "share at 0.001")
        }
        return max(r.value for r in results), false, false_matches_table(results).rows

    _, false, _ = rates(tmp_path)  # 3 of 8 scenes are unmatched, no archive of 100 can be drawn
    assert not any(match.query[2] == match.reference[2] for match in false)
    renamed = tmp_path / "renamed"  # each scene has a copy that its name does not tell
    renamed.mkdir()
    for number in (1, 2):
        for copy in range(4):
            (renamed / f"{number}{copy}.mp4").symlink_to(folder / f"{number}.mp4")
    value, false, rows = rates(renamed)
    assert value > 0.5
    assert all(match.query[0] == match.reference[0] for match in false)
    assert [row[:2] for row in rows] == [("audio", "2 sources")]
    black = dataclasses.replace(trial, sizes=(1,), streams=("video",), fade_seconds=1e6)
    results, false = measure(renamed, shipped_encoder, black, lambda *_: None)
    assert not false and max(r.value for r in results) == 0
