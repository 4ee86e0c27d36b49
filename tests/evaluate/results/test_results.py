import json
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from evaluate.errors import ResultsError
from evaluate.protocols.bootstrap import interval, mean_over_splits
from evaluate.results.results import Result, merge_results, read_header, read_results, update_results, write_results
from tests.processes import ROOT


def make(split=1, model="pretrained", metric="R@1", value=0.5, n=10, **others):
    rest = {"test": "ucf101", "task": "retrieval", "modality": "video", **others}
    return Result(**rest, split=split, model=model, metric=metric, value=value, n=n)


def test_records_have_exactly_the_agreed_fields_of_which_old_lists_lack_the_interval(tmp_path):
    path = tmp_path / "results.json"
    record = {
        "test": "ucf101", "task": "retrieval", "split": None, "modality": "video", "model": "pretrained",
        "metric": "R@1", "value": 0.5, "n": 10,
    }  # fmt: skip
    for low, high in ((None, None), (0.25, 0.75)):
        write_results(path, [make(None, low=low, high=high)])
        assert json.loads(path.read_text()) == [record | {"low": low, "high": high}]
        assert read_results(path) == (make(None, low=low, high=high),)
    path.write_text(json.dumps([record]))
    assert read_results(path) == (make(None),)
    for published in sorted((ROOT / "docs/results").glob("*.json")):
        assert read_results(published)


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"low": 0.1}, "low"), ({"high": 0.1}, "low"), ({"low": float("nan"), "high": 1.0}, "low"),
        *(({"value": value}, "value") for value in (float("nan"), float("inf"), True, "0.5")),
    ],
)  # fmt: skip
def test_a_value_and_both_ends_of_its_interval_are_finite_numbers(wrong, named):
    with pytest.raises(ValueError, match=named):
        make(**wrong)


def test_newer_record_of_the_same_identity_replaces_the_older_in_place(tmp_path):
    path = tmp_path / "deep" / "results.json"
    write_results(path, [make(1), make(2), make(1, "größer")])
    merged = update_results(path, [make(1, value=0.75, n=11), make(3)])
    assert merged == (make(1, value=0.75, n=11), make(2), make(1, "größer"), make(3)) == read_results(path)
    assert {"commit", "code", "machine"} < set(read_header(path))


def test_the_header_names_commits_of_numbers_that_are_left(tmp_path):
    path = tmp_path / "results.json"
    write_results(path, [make(1), make(2), make(None)], {"commit": "before"})
    update_results(path, [make(1)], mean_over_splits)
    assert read_header(path)["older_commits"] == ["before"]
    update_results(path, [make(3)], mean_over_splits)
    assert read_header(path)["older_commits"] == ["before"]
    update_results(path, [make(split) for split in (1, 2, 3)], mean_over_splits)
    assert "older_commits" not in read_header(path)


def test_means_cover_the_splits_of_earlier_calls_too(tmp_path):
    path = tmp_path / "results.json"
    for split, share in ((2, 0.5), (1, 1.0)):
        new = [make(split, value=share, low=share, high=share), make(split, "chance", value=share / 2)]
        merged = {(r.split, r.model): r for r in update_results(path, new, mean_over_splits)}
    mean, chance = merged[None, "pretrained"], merged[None, "chance"]
    assert (mean.value, mean.n, chance.value, chance.n, chance.low) == (0.75, 20, 0.375, 20, None)
    assert (mean.low, mean.high) == interval([np.ones(10, bool), np.arange(10) < 5])  # in the order of the splits


def test_commands_that_end_together_lose_nothing(tmp_path):
    path = tmp_path / "results.json"
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda split: update_results(path, [make(split)]), range(1, 5)))
    assert {r.split for r in read_results(path)} == {1, 2, 3, 4}


def test_any_other_field_makes_it_another_record():
    changes = {"split": None, "model": "raw", "metric": "R@5", "modality": "joint", "task": "linear", "test": "hmdb51"}
    for name, value in changes.items():
        other = make(**{"split": 1, name: value})
        assert merge_results([make(1)], [other]) == (make(1), other)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("not json", "is not JSON"),
        ("{}", "not a list"),
        ("[1]", "record 0"),
        ('[{"test": "ucf101"}]', "record 0: task: Field required"),
        (json.dumps([{**make().__dict__, "value": None}]), "record 0: value.*valid number"),
        (json.dumps([{**make().__dict__, "split": "1"}]), "split"),
        (json.dumps([make().__dict__, {**make().__dict__, "modality": "smell"}]), "record 1"),
    ],
)
def test_damaged_file_is_refused_by_name_and_left_alone(tmp_path, text, words):
    path = tmp_path / "results.json"
    path.write_text(text)
    with pytest.raises(ResultsError, match=words) as caught:
        update_results(path, [make()])
    assert str(path) in str(caught.value)
    assert path.read_text() == text
