"""Data sets of YouTube excerpts, VGG-Sound and Kinetics: file names hold id and seconds, csv files the labels."""

from pathlib import Path

from preprocess.catalogues.files import Entry, FoundFile, Listing, combine, find_first, read_rows, read_table
from preprocess.errors import CatalogueError
from preprocess.sources import Catalogue

KINETICS_COLUMNS = ("youtube_id", "time_start", "time_end")
SPLIT = "1"
"""Both data sets have one split only."""
Row = tuple[str, str, str, str]
"""(file stem, label name or "", YouTube id, train/val/test or "")"""


def open_vggsound(root: Path, csv: Path | None) -> Catalogue:
    """Read "id,start second,label,train|test" or "id_000030.mp4,label" (the official test.csv), files id_000030.mp4.

    Raises:
        CatalogueError: no csv, a csv that cannot be read, or no videos.
    """
    names = ("vggsound.csv", "test.csv")
    parents = (root, root.parent, root.parent / "splits/vggsound")
    places = [csv] if csv else [parent / name for parent in parents for name in names]
    path = find_first(places, root, "vggsound.csv", "--csv")
    return _combine("vggsound", root, [_vggsound_row(cells, path) for cells in read_rows(path)])


def _vggsound_row(cells: list[str], path: Path) -> Row:
    cells = [cell.strip() for cell in cells]
    if len(cells) == 2:
        stem = Path(cells[0]).stem
        return stem, cells[1], stem.rpartition("_")[0], "test"
    if len(cells) == 4 and cells[1].isdecimal():
        return f"{cells[0]}_{int(cells[1]):06d}", cells[2], cells[0], cells[3]
    raise CatalogueError(path, f'rows must be "id,start second,label,split" or "file,label", not {cells}')


def open_kinetics(root: Path, csv: Path | None) -> Catalogue:
    """Read "label,youtube_id,time_start,time_end,split", files [label/]id_000010_000020.mp4; label may be missing.

    Raises:
        CatalogueError: no csv, a csv that cannot be read, or no videos.
    """
    parents = (root, root / "annotations", root.parent, root.parent / "annotations")
    names = [f"{root.name}.csv", "kinetics.csv", "train.csv", "validate.csv", "val.csv"]
    places = [csv] if csv else [parent / name for parent in parents for name in names]
    path = find_first(places, root, "the Kinetics csv", "--csv")
    return _combine("kinetics", root, [_kinetics_row(row, path) for row in read_table(path, KINETICS_COLUMNS)])


def _kinetics_row(row: dict[str, str], path: Path) -> Row:
    try:
        start, end = int(float(row["time_start"])), int(float(row["time_end"]))
    except (KeyError, ValueError) as error:
        raise CatalogueError(path, f"time_start and time_end must be numbers: {row}") from error
    youtube_id = row["youtube_id"]
    return f"{youtube_id}_{start:06d}_{end:06d}", row.get("label", ""), youtube_id, row.get("split", "")


def _combine(dataset: str, root: Path, rows: list[Row]) -> Catalogue:
    label_names = sorted({label for _, label, _, _ in rows if label})
    labels = {name: label for label, name in enumerate(label_names)}
    entries = {}
    for stem, label, youtube_id, part in rows:
        splits = {SPLIT: part} if part else {}
        entries[stem] = Entry(stem, labels.get(label, -1), youtube_id, splits)

    def key(file: FoundFile) -> str:
        return file.stem  # YouTube ids differ in case alone: no match_key

    def unlisted(file: FoundFile) -> Entry:
        return Entry(file.name)

    return combine(root, Listing(dataset, "video", label_names, entries, key, unlisted))
