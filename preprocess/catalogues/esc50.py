"""ESC-50: `audio/1-100032-A-0.wav` and esc50.csv with its five official folds; audio only."""

from pathlib import Path

from preprocess.catalogues.files import Entry, combine, find_first, match_key, read_table
from preprocess.errors import CatalogueError
from preprocess.sources import Catalogue

COLUMNS = ("filename", "fold", "target", "category")


def open_esc50(root: Path, csv: Path | None) -> Catalogue:
    """Read esc50.csv and match it by stem (.wav or .flac); groups are the Freesound recordings that clips come from.

    Raises:
        CatalogueError: no csv, a csv that cannot be read, or no recordings.
    """
    places = [csv] if csv else [root / "meta/esc50.csv", root / "esc50.csv", root.parent / "meta/esc50.csv"]
    path = find_first(places, root, "esc50.csv", "--csv")
    entries: dict[str, Entry] = {}
    names: dict[int, str] = {}
    for row in read_table(path, COLUMNS):
        if not row["target"].isdecimal() or not row["fold"].isdecimal():
            raise CatalogueError(path, f"fold and target must be whole numbers: {row}")
        stem, label = Path(row["filename"]).stem, int(row["target"])
        if names.setdefault(label, row["category"]) != row["category"]:
            raise CatalogueError(path, f"target {label} is both {names[label]} and {row['category']}")
        recording = row.get("src_file") or stem.split("-")[min(1, stem.count("-"))]
        entry = Entry(row["filename"], label, recording, {"fold": row["fold"]})
        if (other := entries.setdefault(match_key(stem), entry)) != entry:
            raise CatalogueError(path, f"contradicts itself: {other} and {entry}; keep one row")
    label_names = [names.get(label, "") for label in range(max(names, default=-1) + 1)]
    return combine("esc50", root, label_names, entries, lambda file: match_key(file.stem), media="audio")
