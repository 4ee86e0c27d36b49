"""HMDB51: `class/name.avi` and the official lists `class_test_splitN.txt`, matched by class and file stem."""

import re
from pathlib import Path

from preprocess.catalogues.files import Entry, combine, find_first, match_key, read_lines
from preprocess.errors import CatalogueError
from preprocess.sources import Catalogue

LISTS_FOLDERS = ("testTrainMulti_7030_splits", "hmdb51_testTrainMulti_7030_splits", "hmdb51_splits")
_LIST_NAME = re.compile(r"(?P<label>.+)_test_split(?P<split>\d+)")
PARTS = {"1": "train", "2": "test"}
"""The lists' third value, 0, marks clips that a split leaves out."""


def open_hmdb51(root: Path, splits_dir: Path | None) -> Catalogue:
    """Read the lists and match them; labels count from 0 in alphabetical order.

    HMDB51 has no official groups: clips cut from one film share the part of their name before the class, which is the
    group here.

    Raises:
        CatalogueError: no lists, lists that cannot be read, or no videos.
    """
    what = "the official lists (brush_hair_test_split1.txt ...)"
    if splits_dir is not None:
        places = [*(splits_dir / name for name in LISTS_FOLDERS), splits_dir]
    else:
        places = [parent / name for parent in (root, root.parent, root.parent / "splits") for name in LISTS_FOLDERS]
    folder = find_first(places, root, what, "--splits")
    lists = [(path, found) for path in sorted(folder.glob("*.txt")) if (found := _LIST_NAME.fullmatch(path.stem))]
    if not lists:
        raise CatalogueError(folder, f"{what} are not in it")
    label_names = sorted({found["label"] for _, found in lists})
    labels = {match_key(name): label for label, name in enumerate(label_names)}
    entries: dict[str, Entry] = {}
    for path, found in lists:
        _read_split(path, found["label"], found["split"], labels, entries)
    return combine(
        "hmdb51", root, label_names, entries, lambda file: match_key(f"{file.folder}/{file.stem}"),
        unlisted=lambda file: _entry(file.folder, file.stem, file.name, labels),
    )  # fmt: skip


def _read_split(path: Path, label_name: str, split: str, labels: dict[str, int], entries: dict[str, Entry]) -> None:
    """Lines "name.avi 1"."""
    for line in read_lines(path):
        name, _, mark = line.rpartition(" ")
        name = name.strip()
        if not name or mark not in {"0", "1", "2"}:
            raise CatalogueError(path, f'lines must read "name.avi 1", not {line!r}')
        stem = Path(name).stem
        full = f"{label_name}/{name}"
        entry = entries.setdefault(match_key(f"{label_name}/{stem}"), _entry(label_name, stem, full, labels))
        if mark in PARTS and entry.splits.setdefault(split, PARTS[mark]) != PARTS[mark]:
            raise CatalogueError(path, f"{name} is in both the training and the test list of split {split}")


def _entry(label_name: str, stem: str, name: str, labels: dict[str, int]) -> Entry:
    film, separator, _ = stem.rpartition(f"_{label_name}_")
    return Entry(name, labels.get(match_key(label_name), -1), film if separator else stem)
