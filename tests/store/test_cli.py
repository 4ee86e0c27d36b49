"""The commands as a user types them."""

import json
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest

from store.__main__ import main
from store.format import Provenance
from store.writer import write_part

ROOT = Path(__file__).parents[2]


@pytest.fixture
def path(tmp_path, make_rows, provenance):
    write_part(tmp_path / "a.h5", make_rows(0, 60), provenance)
    return tmp_path / "a.h5"


def test_info_says_what_it_holds_and_where_it_comes_from(path, capsys, provenance):
    assert main(["info", str(path)]) == 0
    shown = capsys.readouterr().out
    for text in ("60", "video/features", provenance.encoder_sha256, "pretrained", "tïny"):
        assert text in shown
    assert main(["info", str(path), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["rows"], facts["sources"], facts["with_audio"]) == (60, 15, 40)


def test_verify_tells_good_from_damaged(path, tmp_path, make_rows, provenance, capsys):
    write_part(tmp_path / "b.h5", make_rows(0, 60), provenance)
    with h5py.File(tmp_path / "b.h5", "r+") as file:
        file["label"][0] = 99
    assert main(["verify", str(path)]) == 0
    assert main(["verify", str(path), str(tmp_path / "b.h5")]) == 1
    shown = capsys.readouterr().out
    assert f"{path}: ok" in shown
    assert f"{tmp_path / 'b.h5'}: /label: does not match its recorded sha256; write the file again" in shown


def test_merge_and_its_refusal(path, tmp_path, make_rows, provenance, capsys):
    write_part(tmp_path / "b.h5", make_rows(60, 90), provenance)
    assert main(["merge", str(tmp_path / "b.h5"), str(path), "--out", str(tmp_path / "all.h5")]) == 0
    assert "90 rows from 2 parts" in capsys.readouterr().out
    write_part(tmp_path / "c.h5", make_rows(90, 99), Provenance(**{**provenance.__dict__, "model": "raw"}))
    assert main(["merge", str(path), str(tmp_path / "c.h5"), "--out", str(tmp_path / "no.h5")]) == 2
    message = capsys.readouterr().err
    assert message.startswith(f"error: {tmp_path / 'c.h5'}: attribute /model is 'raw', expected 'pretrained'; give")
    assert not (tmp_path / "no.h5").exists()


def test_export_by_suffix(path, tmp_path, capsys):
    assert main(["export", str(path), "--out", str(tmp_path / "a.parquet"), "--vectors", "audio/features"]) == 0
    assert len(pd.read_parquet(tmp_path / "a.parquet")) == 60
    assert main(["export", str(path), "--out", str(tmp_path / "a.npz")]) == 0
    assert np.load(tmp_path / "a.npz")["label"].shape == (60,)
    assert main(["export", str(path), "--out", str(tmp_path / "a.csv")]) == 2
    assert "end it in .parquet or .npz" in capsys.readouterr().err


@pytest.mark.parametrize("backend", ["exact", "faiss"])
def test_search_by_key_and_by_row(path, make_rows, capsys, backend):
    rows = make_rows(0, 60)
    unit = rows.vectors["video/features"] / np.linalg.norm(rows.vectors["video/features"], axis=1, keepdims=True)
    for query, row in (("00000005-00001", 11), ("11", 11)):
        assert main(["search", str(path), "--query", query, "--k", "3", "--json", "--backend", backend]) == 0
        found = json.loads(capsys.readouterr().out)
        similarity = np.where(rows.source == rows.source[row], -np.inf, unit @ unit[row])
        assert [each["row"] for each in found["neighbours"]] == np.argsort(-similarity)[:3].tolist()
        assert found["query"]["key"] == "00000005-00001"
        assert found["neighbours"][0]["start_seconds"] in (0.0, 4.0)
    assert main(["search", str(path), "--query", "11", "--k", "2", "--exclude", "row"]) == 0
    shown = capsys.readouterr().out
    assert "query" in shown
    assert "映画" in shown


def test_search_leaves_out_clips_without_sound(path, make_rows, capsys):
    rows = make_rows(0, 60)
    command = ["search", str(path), "--vectors", "audio/features", "--k", "60", "--json", "--query"]
    assert main([*command, "1", "--exclude", "group"]) == 0
    found = {each["row"] for each in json.loads(capsys.readouterr().out)["neighbours"]}
    assert found == set(np.flatnonzero(rows.has_audio & (rows.group != rows.group[1])))
    assert main([*command, "3"]) == 2
    assert "row 3 has no audio" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--query", "nobody"], "no clip has the key 'nobody'"),
        (["--query", "60"], "nor is it a row number below 60"),
        (["--query", "0", "--k", "0"], "k is 0"),
        (["--query", "0", "--vectors", "video/projections"], "choose from: audio/features, video/features"),
    ],
)
def test_search_refuses_with_a_reason(path, capsys, arguments, said):
    assert main(["search", str(path), *arguments]) == 2
    message = capsys.readouterr().err
    assert message.startswith("error: ")
    assert said in message


def test_names_cannot_write_to_the_terminal(tmp_path, make_rows, provenance, capsys):
    nasty = [f"\x1b[31m[bold]red\n{number}.mp4" for number in range(9)]
    write_part(tmp_path / "a.h5", make_rows(0, 9, source=nasty), provenance)
    assert main(["search", str(tmp_path / "a.h5"), "--query", "0"]) == 0
    shown = capsys.readouterr().out
    assert "\x1b[31m" not in shown
    assert "[bold]" in shown


def test_help_reads_well(capsys):
    with pytest.raises(SystemExit, match="0"):
        main(["--help"])
    shown = capsys.readouterr().out
    assert "examples:" in shown
    for command in ("info", "verify", "merge", "export", "search"):
        assert command in shown


@pytest.mark.parametrize("command", ["info", "verify", "merge", "export", "search"])
def test_every_command_shows_an_example(command, capsys):
    with pytest.raises(SystemExit, match="0"):
        main([command, "--help"])
    assert f"python -m store {command} " in capsys.readouterr().out


def test_a_missing_file_is_an_error_not_a_traceback():
    command = [sys.executable, "-m", "store", "info", "nowhere.h5"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert (
        done.stderr
        == "error: nowhere.h5: there is no such file; give the path of an embedding store, such as NAME.h5\n"
    )
