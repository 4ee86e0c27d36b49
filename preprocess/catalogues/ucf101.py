"""UCF101: `Class/v_Class_gXX_cYY.avi` and the three official train/test lists, matched by file stem."""

import re
from pathlib import Path, PurePosixPath

from preprocess.catalogues.files import Entry, combine, find_first, match_key, read_lines
from preprocess.errors import CatalogueError
from preprocess.sources import Catalogue

LISTS_FOLDER = "ucfTrainTestlist"
_STEM = re.compile(r"v_(?P<label>.+)_(?P<group>g\d+)_c\d+")


def open_ucf101(root: Path, splits_dir: Path | None) -> Catalogue:
    """Read the lists and match them; labels count from 0 in the order of classInd.txt, groups are "g01" to "g25".

    The lists lie in `splits_dir`, `root`/ucfTrainTestlist, or beside `root`.

    Raises:
        CatalogueError: no lists, lists that cannot be read, or no videos.
    """
    if splits_dir is not None:
        folders = [splits_dir, splits_dir / LISTS_FOLDER]
    else:
        folders = [root / LISTS_FOLDER, root, root.parent / LISTS_FOLDER, root.parent / "splits" / LISTS_FOLDER]
    places = [folder / "classInd.txt" for folder in folders]
    lists = find_first(places, root, "the official lists (classInd.txt, trainlist01.txt)", "--splits")
    label_names = _read_labels(lists)
    labels = {match_key(name): label for label, name in enumerate(label_names)}
    entries: dict[str, Entry] = {}
    for path in sorted(lists.parent.glob("*list*.txt")):
        if found := re.fullmatch(r"(train|test)list(\d+)", path.stem):
            _read_split(path, str(int(found[2])), found[1], labels, entries)
    return combine(
        "ucf101", root, label_names, entries, lambda file: match_key(file.stem),
        unlisted=lambda file: _entry(file.name, labels),
    )  # fmt: skip


def _read_labels(path: Path) -> list[str]:
    """Lines "1 ApplyEyeMakeup" -> names in order."""
    pairs = [line.split(maxsplit=1) for line in read_lines(path)]
    if not pairs or [pair[0] for pair in pairs if len(pair) == 2] != [str(number + 1) for number in range(len(pairs))]:
        raise CatalogueError(path, 'lines must read "1 FirstClass", "2 SecondClass" ... without gaps')
    return [pair[1] for pair in pairs]


def _read_split(path: Path, split: str, part: str, labels: dict[str, int], entries: dict[str, Entry]) -> None:
    """Lines "Class/v_Class_g08_c01.avi" or the same followed by a class number."""
    for line in read_lines(path):
        name = re.sub(r"\s+\d+$", "", line)
        key = match_key(PurePosixPath(name).stem)
        own = _entry(name, labels)
        entry = entries.setdefault(key, own)
        if entry.label != own.label:
            raise CatalogueError(path, f"{name} and {entry.name} are one name in two classes; keep one of the lines")
        if entry.splits.setdefault(split, part) != part:
            raise CatalogueError(path, f"{name} is in both the training and the test list of split {split}")


def _entry(name: str, labels: dict[str, int]) -> Entry:
    """Label from the folder, else from the file's own name."""
    path = PurePosixPath(name)
    found = _STEM.fullmatch(path.stem)
    by_name = labels.get(match_key(found["label"]), -1) if found else -1
    return Entry(name, labels.get(match_key(path.parent.name), by_name), found["group"] if found else "")
