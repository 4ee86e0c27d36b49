"""Folders made to mislead: files that are whole of their kind, and say what nobody should believe.

Each craft changes a specimen in place. The canary is a file outside of the folder that hostile paths point to.
"""

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

from tests.fuzz.mutate import mutate_values

Craft = Callable[[Path, np.random.Generator, Path], None]
"""Given the folder, a generator and the canary."""

MARK = ".mutated"
"""Names the file that a case has changed; of archives it says that their bytes differ."""


def note_mutated(folder: Path, path: Path) -> None:
    """Remember which file was changed."""
    (folder / MARK).write_text(path.relative_to(folder).as_posix(), encoding="utf-8")


def mutated_file(folder: Path) -> Path:
    """The file that was changed."""
    return folder / (folder / MARK).read_text(encoding="utf-8")


def archives_changed(folder: Path) -> bool:
    """Whether it is an archive or an index of members, of which every byte counts."""
    return mutated_file(folder).suffix in (".tar", ".idx")


def pick(folder: Path, pattern: str, rng: np.random.Generator) -> Path:
    found = sorted(folder.rglob(pattern))
    path = found[rng.integers(len(found))]
    note_mutated(folder, path)
    return path


class Trap:
    """A pickle that writes to the canary when it is loaded."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (f"echo sprung >> {self.canary}",)


def odd_json(folder: Path, rng: np.random.Generator, canary: Path) -> None:
    """One value of a JSON file is odd."""
    path = pick(folder, "*.json", rng)
    path.write_text(json.dumps(mutate_values(json.loads(path.read_text()), rng, str(canary))))


def nested_json(folder: Path, rng: np.random.Generator, canary: Path) -> None:
    """A JSON file nested deeper than the parser's stack."""
    del canary
    pick(folder, "*.json", rng).write_text("[" * 100_000)


def links(folder: Path, rng: np.random.Generator, canary: Path) -> None:
    """A link in place of a file: to the canary, to itself, to nowhere, to a device that never ends, to a folder."""
    path = pick(folder, "*.*", rng)
    path.unlink()
    targets = (canary, path, path.with_name("nowhere"), Path("/dev/zero"), Path("/dev/null"), path.parent)
    path.symlink_to(targets[rng.integers(len(targets))])


def no_file(folder: Path, rng: np.random.Generator, canary: Path) -> None:
    """A folder in place of a file, or nothing."""
    del canary
    path = pick(folder, "*.*", rng)
    path.unlink()
    if rng.integers(2):
        path.mkdir()


def planted_links(folder: Path, rng: np.random.Generator, canary: Path) -> None:
    """Links to the canary under names that locks, logs and unfinished files take."""
    names = (
        ".lock",
        "log.jsonl.partial",
        "config.yaml.partial",
        "last.pt.partial",
        "training.json.partial",
        ".a.h5.lock",
    )
    folders = [folder, *sorted(path for path in folder.rglob("*") if path.is_dir())]
    for where in folders:
        path = where / names[rng.integers(len(names))]
        path.unlink(missing_ok=True)
        path.symlink_to(canary)
    note_mutated(folder, path)


ANY: tuple[Craft, ...] = (links, no_file)
JSON: tuple[Craft, ...] = (odd_json, odd_json, odd_json, nested_json, *ANY)
