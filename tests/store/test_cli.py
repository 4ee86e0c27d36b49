"""The commands as a user types them."""

import json

import h5py
import numpy as np
import pytest

from store.__main__ import main
from store.format import Provenance
from store.writer import write_part
from tests import processes
from tests.store.made_rows import PROVENANCE, build_rows, write_rows


@pytest.fixture
def path(tmp_path):
    return write_rows(tmp_path / "a.h5", 0, 60)


@pytest.fixture
def run(capsys):
    """Run a command; return the exit status, the output and the errors."""

    def run_command(*words):
        return (main([str(word) for word in words]), *capsys.readouterr())

    return run_command


def test_info_says_what_it_holds_and_where_it_comes_from_or_that_there_is_no_file(path, run):
    status, shown, _ = run("info", path)
    assert status == 0
    for text in ("60", "video/features", PROVENANCE.encoder_sha256, "pretrained", "tïny"):
        assert text in shown
    facts = json.loads(run("info", path, "--json")[1])
    assert (facts["rows"], facts["sources"], facts["with_audio"]) == (60, 15, 40)
    remedy = "give the path of an embedding store, such as NAME.h5"
    assert run("info", "nowhere.h5") == (2, "", f"error: nowhere.h5: there is no such file; {remedy}\n")


def test_verify_tells_good_from_damaged(path, tmp_path, run):
    damaged = write_rows(tmp_path / "b.h5", 0, 60)
    with h5py.File(damaged, "r+") as file:
        file["label"][0] = 99
    assert run("verify", path) == (0, f"{path}: ok\n", "")
    status, shown, _ = run("verify", path, damaged)
    assert status == 1
    assert f"{path}: ok" in shown
    assert f"{damaged}: /label: does not match its recorded sha256; write the file again" in shown


def test_merge_and_its_refusal(path, tmp_path, run):
    write_rows(tmp_path / "b.h5", 60, 90)
    out = tmp_path / "all.h5"
    assert run("merge", tmp_path / "b.h5", path, "--out", out) == (0, f"{out}: 90 rows from 2 parts\n", "")
    write_part(tmp_path / "c.h5", build_rows(90, 99), Provenance(**{**PROVENANCE.__dict__, "model": "raw"}))
    status, _, message = run("merge", path, tmp_path / "c.h5", "--out", tmp_path / "no.h5")
    assert status == 2
    assert message.startswith(f"error: {tmp_path / 'c.h5'}: attribute /model is 'raw', expected 'pretrained'; give")
    assert not (tmp_path / "no.h5").exists()


def test_export_of_chosen_vectors_and_its_refusal(path, tmp_path, run):
    assert run("export", path, "--out", tmp_path / "a.npz", "--vectors", "audio/features")[0] == 0
    assert [name for name in np.load(tmp_path / "a.npz") if "/" in name] == ["audio/features"]
    status, _, message = run("export", path, "--out", tmp_path / "a.csv")
    assert status == 2
    assert "end it in .parquet or .npz" in message


@pytest.mark.parametrize("query", ["00000005-00001", "11"])
def test_search_by_key_and_by_row(path, run, query):
    rows = build_rows(0, 60)
    unit = rows.vectors["video/features"] / np.linalg.norm(rows.vectors["video/features"], axis=1, keepdims=True)
    found = json.loads(run("search", path, "--query", query, "--k", "3", "--json")[1])
    similarity = np.where(rows.source == rows.source[11], -np.inf, unit @ unit[11])
    assert [each["row"] for each in found["neighbours"]] == np.argsort(-similarity)[:3].tolist()
    assert found["query"]["key"] == "00000005-00001"
    assert found["neighbours"][0]["score"] == pytest.approx(similarity.max(), abs=1e-6)
    shown = run("search", path, "--query", query, "--exclude", "row")[1]
    assert shown.count("映画") == 6, "the query and its neighbours"


def test_search_leaves_out_clips_without_audio(path, run):
    rows = build_rows(0, 60)
    command = ["search", path, "--vectors", "audio/features", "--k", 10**15, "--json", "--query"]
    found = json.loads(run(*command, "1", "--exclude", "group")[1])["neighbours"]
    assert {each["row"] for each in found} == set(np.flatnonzero(rows.has_audio & (rows.group != rows.group[1])))
    assert "row 3 has no audio" in run(*command, "3")[2]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--query", "nobody"], "no clip has the key 'nobody'"),
        (["--query", "60"], "nor is it a row number below 60"),
        (["--query", "0", "--vectors", "video/projections"], "choose from: audio/features, video/features"),
    ],
)
def test_search_refuses_with_a_reason(path, run, words, said):
    status, _, message = run("search", path, *words)
    assert status == 2
    assert message.startswith("error: ")
    assert said in message


def test_names_cannot_write_to_the_terminal(tmp_path, run):
    nasty = [f"\x1b[31m[bold]red\n{number}.mp4" for number in range(9)]
    write_rows(tmp_path / "a.h5", 0, 9, source=nasty)
    shown = run("search", tmp_path / "a.h5", "--query", "0")[1]
    assert "\x1b[31m" not in shown
    assert "[bold]red\\n" in shown


READ_WITH_FOUR_PACKAGES = """
import sys
from importlib.abc import MetaPathFinder

class Missing(MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name.partition(".")[0] in ("faiss", "torch", "rich", "sklearn", "nvidia", "pydantic", "scipy", "ffmpeg"):
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Missing())
import os
del os.sched_getaffinity
from store.__main__ import main
for words in (["info"], ["verify"], ["search", "--query", "0"], ["export", "--out", sys.argv[1] + ".parquet"]):
    assert main([words[0], sys.argv[1], *words[1:]]) == 0
import store
assert len(store.open(sys.argv[1]).videos("audio/features")) == 15
main(["--help"])
"""


def test_reading_needs_neither_the_pipelines_packages_nor_linux(path):
    done = processes.run("-c", READ_WITH_FOUR_PACKAGES, path, PATH="/nowhere")
    assert (done.returncode, done.stderr) == (0, "")
    assert "examples:" in done.stdout
