"""Copies, verdicts on them, and exports."""

import itertools
import json
import shutil
import subprocess
from pathlib import Path
from typing import get_args

import pytest

from evaluate.archive.duplicates import find_duplicates, last_duplicates
from evaluate.archive.keep import propose_kept
from evaluate.archive.last_run import LAST_RUN_FILE
from evaluate.archive.scope import Scope
from evaluate.fingerprint.api import Index
from evaluate.server.routes.duplicates import Form


def pairs(client, **query):
    return client.get("/api/duplicates", params=query).json()


def test_the_last_run_is_listed_as_it_was_found(made, client):
    index = Index.open(made.index)
    found = find_duplicates(index, since_last=True)
    listed = last_duplicates(Index.open(made.index))
    assert listed.pairs == found.pairs
    assert listed.groups == found.groups
    told = pairs(client)
    assert {(each["one"], each["other"]) for each in told["pairs"]} == {(each.one, each.other) for each in found.pairs}
    assert [each["group"] for each in told["pairs"]] == sorted(each["group"] for each in told["pairs"])
    assert [each["names"] for each in told["groups"]] == [list(names) for names in found.groups]
    assert len(pairs(client, limit=1, offset=1)["pairs"]) == 1
    assert pairs(client, agree="both")["n_pairs"] <= told["n_pairs"]


def test_a_run_of_a_scope_is_listed_with_it_and_no_run_is_none(own):
    index = Index.open(own.index)
    found = find_duplicates(index, scope=Scope(candidates=("web/small.mp4",)))
    assert last_duplicates(index).pairs == found.pairs
    assert len(found.pairs) == 1
    (own.index / LAST_RUN_FILE).write_text("{")
    with own.client() as client:
        assert client.get("/api/status").json()["last_scope"] is None
    assert len(find_duplicates(index).pairs) == 3  # of everything: it replaces the damaged one
    (own.index / LAST_RUN_FILE).unlink()
    assert last_duplicates(index) is None


def test_what_another_process_has_added_or_removed_is_left_out_until_it_is_read(own):
    index = Index.open(own.index)
    index.matcher()
    shutil.copy(own.videos / "0.mp4", own.videos / "again.mp4")
    Index.open(own.index).add(own.videos, remove=["web/old.avi"])
    find_duplicates(Index.open(own.index))
    others = [("0.mp4", "web/small.mp4"), ("1.mp4", "web/part.mkv")]
    for found in (last_duplicates(index), find_duplicates(index)):
        assert sorted((each.one, each.other) for each in found.pairs) == others
        assert len(propose_kept(found)) == 4
    assert {"again.mp4"} < {each.one for each in find_duplicates(Index.open(own.index), since_last=True).pairs}


def test_verdicts_go_round(client, ids):
    told = pairs(client)
    pair = next(each for each in told["pairs"] if each["other"] == "web/small.mp4")
    body = [{"kind": "different", "ids": [pair["one_id"], pair["other_id"]], "note": "two takes"}]
    answer = client.post("/api/verdicts", json=body).json()
    assert answer["verdicts"][0]["note"] == "two takes"
    after = pairs(client)
    assert (after["n_pairs"], after["n_open"], after["n_set_aside"]) == (told["n_pairs"], told["n_open"] - 1, 1)
    assert [each["id"] for each in pairs(client, verdict="decided")["pairs"]] == [pair["id"]]
    assert (after["pairs"][-1]["id"], after["pairs"][-1]["verdict"], after["pairs"][-1]["group"]) == (
        pair["id"], "different", None,
    )  # fmt: skip
    detail = client.get(f"/api/duplicates/pairs/{pair['id']}?verdict=open").json()
    assert (detail["verdict"], detail["position"], detail["n_pairs"]) == ("different", None, after["n_open"])
    assert (detail["kept"], detail["reason"]) == (None, "no proposal, it is different by verdict")
    exported = client.get("/api/verdicts/export")
    assert [json.loads(line)["note"] for line in exported.text.splitlines()][-1] == "two takes"
    undone = client.post("/api/verdicts", json=answer["undo"])
    assert undone.json()["verdicts"][0]["is_withdrawn"]
    assert pairs(client)["pairs"] == told["pairs"]
    assert client.post("/api/verdicts/import", content=exported.content).json() == {"n_new": 0}
    assert client.get("/api/verdicts").json() == []


def test_to_take_a_decision_back_leaves_what_was_decided_anew_since(client, ids):
    def decide(kind, **others):
        body = [{"kind": kind, "ids": [ids["0.mp4"], ids[name]]} for name in ("1.mp4", "2.mp4")]
        return client.post("/api/verdicts", json=[each | others for each in body]).json()

    def kinds():
        return [each["kind"] for each in client.get("/api/verdicts").json()]

    first, second = decide("different"), decide("same")
    other = [{"kind": "different", "ids": [ids["0.mp4"], ids["1.mp4"]]}]
    undo = client.post("/api/verdicts", json=other).json()["undo"]
    assert len(client.post("/api/verdicts", json=second["undo"]).json()["verdicts"]) == 1
    assert kinds() == ["different", "different"]
    client.post("/api/verdicts", json=undo)
    assert sorted(kinds()) == ["different", "same"]
    assert len(client.post("/api/verdicts", json=first["undo"]).json()["verdicts"]) == 1
    assert kinds() == ["same"]
    decide("same", withdraw=True)


def test_of_two_files_with_the_same_bytes_that_which_was_kept_is_kept_again(own):
    shutil.copy(own.videos / "3.mp4", own.videos / "same.mp4")
    Index.open(own.index).add(own.videos)
    with own.client() as client:
        first, second = (
            client.post("/api/verdicts", json=[{"kind": "keep", "names": [name]}]).json()
            for name in ("3.mp4", "same.mp4")
        )

        def kept():
            return [each["places"][0]["name"] for each in client.get("/api/verdicts").json()]

        assert kept() == ["same.mp4"]
        client.post("/api/verdicts", json=second["undo"])
        assert kept() == ["3.mp4"]
        client.post("/api/verdicts", json=first["undo"])
        assert kept() == []


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"kind": "same", "names": ["0.mp4"]}, 422), ({"kind": "same", "names": ["0.mp4", "nonsense"]}, 404),
        ({"kind": "keep", "ids": ["0123456789abcdef"]}, 404), ({"kind": "ignore", "names": ["0.mp4"]}, 422),
        ({"kind": "ignore", "names": ["0.mp4"], "start_seconds": 2, "end_seconds": 1}, 422),
        ({"kind": "keep", "names": ["0.mp4"], "start_seconds": 0, "end_seconds": 1}, 422), ({"kind": "delete"}, 422),
    ],
)  # fmt: skip
def test_verdicts_that_do_not_fit_are_refused(client, body, status):
    fits = {"kind": "keep", "names": ["0.mp4"]}  # what fits is not recorded either
    for bodies, expected in (([body], status), ([fits, body], status), ([body, fits], status), (fits, 422), ([], 422)):
        assert client.post("/api/verdicts", json=bodies).status_code == expected
    assert client.get("/api/verdicts").json() == []


@pytest.mark.slow
def test_a_group_is_decided_and_undone_in_one_request_each(own):
    """Two of its three files are equal; before, one of these was kept, and a pair was different."""
    shutil.copy(own.videos / "0.mp4", own.videos / "again.mp4")
    index = Index.open(own.index)
    index.add(own.videos)
    find_duplicates(index)

    def kept(client):
        rows = client.get("/api/duplicates/export?form=keep.json").json()
        return {row["name"]: row["keeps"] for row in rows if row["name"] in names}

    with own.client() as client:
        group = next(each for each in pairs(client)["groups"] if "again.mp4" in each["names"])
        names, ids = group["names"], group["ids"]
        assert (names, group["kept"]) == (["0.mp4", "again.mp4", "web/small.mp4"], [])
        pair = next(each for each in pairs(client)["pairs"] if each["one"] == "again.mp4")
        detail = client.get(f"/api/duplicates/pairs/{pair['id']}").json()
        assert (detail["kept"], detail["reason"].count("may go, as 0.mp4 is kept (")) == (None, 2)
        before = [{"kind": "keep", "ids": ids[:1]}, {"kind": "different", "ids": [ids[0], ids[2]], "note": "no"}]
        client.post("/api/verdicts", json=before)
        held, told = client.get("/api/verdicts").json(), pairs(client)
        assert next(each for each in told["groups"] if "0.mp4" in each["names"])["kept"] == ids[:1]
        same = [{"kind": "same", "ids": list(each)} for each in itertools.combinations(ids, 2)]
        keep = [{"kind": "keep", "ids": ids[:1], "withdraw": True}, {"kind": "keep", "ids": ids[1:2]}]
        answer = client.post("/api/verdicts", json=[*same, *keep]).json()
        assert len(answer["verdicts"]) == 5
        assert {each["verdict"] for each in pairs(client)["pairs"] if each["one"] in names} == {"same"}
        assert kept(client) == {"0.mp4": False, "again.mp4": True, "web/small.mp4": False}
        client.post("/api/verdicts", json=answer["undo"])
        assert pairs(client) == told
        times = {"made_at": ""}
        assert [each | times for each in client.get("/api/verdicts").json()] == [each | times for each in held]


@pytest.mark.parametrize("body", [b"", b"\xff", b"{}", b'{"kind": "keep", "places": []}'])
def test_verdicts_that_cannot_be_read_are_not_imported(client, body):
    answer = client.post("/api/verdicts/import", content=body)
    assert (answer.status_code, "/tmp" in answer.text) == (422, False)
    assert client.get("/api/verdicts").json() == []


def test_ignored_seconds_take_a_pair_out(client, ids):
    told = pairs(client)
    place = {"id": ids["0.mp4"], "start_seconds": 0, "end_seconds": 8, "name": "0.mp4"}
    answer = client.post("/api/verdicts", json=[{"kind": "ignore", "places": [place]}])
    (pair,) = pairs(client, verdict="decided")["pairs"]
    assert (pair["one"], pair["verdict"]) == ("0.mp4", "ignored")
    assert client.post("/api/verdicts", json=answer.json()["undo"]).is_success
    assert pairs(client)["pairs"] == told["pairs"]


def test_neighbours_lead_through_the_list(client):
    told = [each["id"] for each in pairs(client)["pairs"]]
    found = {each: client.get(f"/api/duplicates/pairs/{each}").json() for each in told}
    assert [found[each]["position"] for each in told] == list(range(1, len(told) + 1))
    assert [found[each]["next_id"] for each in told] == [*told[1:], None]
    assert [found[each]["previous_id"] for each in told] == [None, *told[:-1]]
    assert [found[each]["next_open_id"] for each in told] == [*told[1:], told[0]]
    small = next(each for each in found.values() if each["other"] == "web/small.mp4")
    assert (small["kept"], "%" in small["reason"]) == ("0.mp4", True)
    assert client.get("/api/duplicates/pairs/0123456789abcdef").status_code == 404


@pytest.mark.parametrize("form", get_args(Form))
def test_exports_are_the_files_of_the_command(client, form, tmp_path):
    answer = client.get("/api/duplicates/export", params={"form": form})
    assert answer.status_code == 200
    assert answer.headers["content-disposition"] == f'attachment; filename="{form}"'
    assert "web/small.mp4" in answer.text
    if form == "keep.sh":
        (tmp_path / form).write_text(answer.text)
        shown = subprocess.run(["sh", tmp_path / form], capture_output=True, text=True, check=True).stdout
        assert "would mv" in shown
        assert "-copies/web/" in shown  # beside the archive, not in it
    refused = client.get("/api/duplicates/export", params={"form": form, "order": "beauty"})
    assert refused.status_code == (422 if form.startswith("keep") else 200)


@pytest.mark.parametrize("given", [".", "web/..", "/"])
def test_copies_are_moved_beside_the_archive_however_it_is_named(made, given, monkeypatch):
    monkeypatch.chdir(made.videos)
    with made.client(archive_folder=Path(given)) as client:
        answer = client.get("/api/duplicates/export?form=keep.sh")
    assert answer.status_code == (422 if given == "/" else 200)
    assert ("--moves-to" if given == "/" else f"{made.videos}-copies/web/small.mp4") in answer.text
