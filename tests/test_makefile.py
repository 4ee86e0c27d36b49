"""The Makefile and what is said of it: every target that is named exists, and every one that exists says what it does."""

import re
import subprocess
from pathlib import Path

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
