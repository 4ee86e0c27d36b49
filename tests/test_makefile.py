"""The Makefile and what is said of it: every target that is named exists, and every one that exists says what it does."""

import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest

from tests.processes import ROOT

MAKEFILE = (ROOT / "Makefile").read_text()
TARGETS = set(re.findall(r"^([a-z][a-z0-9-]*):", MAKEFILE, re.MULTILINE))
NAMING = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "Makefile", "pyproject.toml")),
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted(path for stage in ("preprocess", "train", "store", "evaluate") for path in (ROOT / stage).rglob("*.py")),
]
CALLS = re.compile(r"`make ([a-z][a-z0-9-]*)|^    make ([a-z][a-z0-9-]*)|make ([a-z][a-z0-9-]*) [A-Z_]+=", re.MULTILINE)


def named(path: Path) -> set[str]:
    """Targets called in code spans, in indented blocks, and wherever a variable follows."""
    return {"".join(groups) for groups in CALLS.findall(path.read_text())}


def test_every_target_that_is_named_exists():
    missing = {str(path.relative_to(ROOT)): named(path) - TARGETS for path in NAMING}
    assert {path: names for path, names in missing.items() if names} == {}
    assert len(named(ROOT / "README.md")) > 4, "else the pattern finds nothing"


def test_every_target_is_phony_and_help_lists_it():
    (phony,) = re.findall(r"^\.PHONY: (.*)$", MAKEFILE, re.MULTILINE)
    assert set(phony.split()) == TARGETS
    said = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert set(re.findall(r"^  make ([a-z0-9-]+) +\S", said, re.MULTILINE)) == TARGETS


def calls(*arguments: str) -> dict[str, list[str]]:
    """The commands that `make` would run, by stage and command: {"preprocess shards": its arguments}."""
    made = subprocess.run(["make", "-n", "-B", *arguments], cwd=ROOT, capture_output=True, text=True, check=True)
    words = [shlex.split(line) for line in made.stdout.replace("\\\n", "").splitlines() if " -m " in line]
    return {" ".join(line[2:4]): line[4:] for line in words if line[1] == "-m"}


@pytest.mark.parametrize(
    ("arguments", "shards", "run"),
    [
        ([], "--data data/sample --out shards/sample --preset sample", "--preset sample --run runs/sample"),
        (["DATA=data/sample/"], "--data data/sample/ --out shards/sample --preset sample", "--run runs/sample"),
        (["DATA=/videos/"], "--data /videos/ --out shards/videos --preset ucf-small", "--preset ucf-small --run runs/videos"),
        (["DATA=/my/sample"], "--data /my/sample --out shards/other-sample --preset ucf-small", "--run runs/other-sample"),
        (["DATA=/v", "RUN=runs/ucf"], "--data /v --out shards/ucf --preset ucf-small", "--run runs/ucf"),
        (["RUN=at/sample"], "--data data/sample --out shards/sample --preset sample", "--preset sample --run at/sample"),
        (["DATA=/v", "PRESET=ucf101"], "--data /v --out shards/v --preset default", "--preset ucf101 --run runs/v"),
    ],
)  # fmt: skip
def test_data_of_ones_own_share_neither_shards_nor_settings_with_the_sample(arguments, shards, run):
    made = calls("pretrain", *arguments)
    assert shards in " ".join(made["preprocess shards"])
    assert run in " ".join(made["train pretrain"])


def test_eval_hmdb_is_of_hmdb51_beside_another_target_too():
    made = calls("eval-hmdb", "finetune", "DATA=/videos")
    assert made["preprocess shards"][:4] == ["--dataset", "hmdb51", "--data", "/videos"]
    assert made["evaluate finetune"][:2] == ["--run", "runs/hmdb51"]


def test_folders_of_videos_may_have_spaces_in_their_names_and_those_that_make_makes_may_not(tmp_path):
    data, lists = tmp_path / "my videos", tmp_path / "my lists"
    data.mkdir()
    made = calls("eval-ucf", f"DATA={data}", f"SPLITS={lists}")
    assert {str(data), str(lists), "shards/my_videos"} <= set(made["preprocess shards"])
    assert str(data) in made["evaluate report"]
    for name in ("RUN", "SHARDS"):
        command = ["make", "-n", "shards", f"{name}=a b"]
        refused = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert refused.returncode == 2
        assert f'{name}="a b": choose a path without spaces' in refused.stderr


STAGE = """#!/bin/sh
echo "stage $3 $*"
case "$*" in *refused*) exit 2;; esac
[ "$3" = shards ] && file="$SHARDS/dataset.json" || file="$RUN/training.json"
mkdir -p "${file%/*}" && [ -f "$file" ] || touch "$file"
"""


def test_a_stage_runs_again_where_a_given_setting_differs_from_those_that_it_ran_with(tmp_path):
    python, run, shards = tmp_path / "bin/python", tmp_path / "run", tmp_path / "shards"
    python.parent.mkdir()
    python.write_text(STAGE)  # notes that it is called, and takes or refuses the settings
    python.chmod(0o700)

    def stages(*settings: str) -> list[str]:
        fixed = ("-o", ".venv/.ready", f"BIN={python.parent}", f"RUN={run}", f"SHARDS={shards}")
        environment = {**os.environ, "RUN": str(run), "SHARDS": str(shards)}
        command = ["make", "-s", *fixed, "pretrain", *settings]
        made = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        return re.findall(r"^stage (\S+)", made.stdout, re.MULTILINE)

    first = ["DATA=/my videos/", "CLASSES=a b", "SET=--set name='x y' --threads 1"]
    assert stages(*first) == ["shards", "pretrain"]
    assert stages(*first) == stages() == stages("DATA=/my videos") == stages("PRESET=ucf-small") == []
    assert stages("SET=--refused") == stages("SET=--refused") == ["pretrain"]
    assert (
        stages("DATA=/refused") == stages("DATA=/refused") == stages("DATA=/my videos", "CLASSES=refused") == ["shards"]
    )
    assert stages("CLASSES=refused") == [], "without data nothing can be made"
    assert stages("PRESET=ucf101", "DATA=/my videos") == ["shards", "pretrain"]
    assert stages("SET=--set steps=9", "PRESET=ucf101") == ["pretrain"]
    assert stages("SET=--set steps=9", "DATA=/my videos", "PRESET=ucf101") == []
    (tmp_path / "shards.settings").unlink()
    assert stages("DATA=/other") == [], "make did not make these shards"
