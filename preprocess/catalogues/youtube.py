"""VGG-Sound and Kinetics, excerpts of YouTube videos: file names hold id and seconds, csv files the labels.

A group is a YouTube video. Both data sets have one split only.
"""

from pathlib import Path

from preprocess.catalogues.files import Row, combine_rows, find_first, read_rows, read_table
from preprocess.errors import CatalogueError
from preprocess.sources import Catalogue


def open_vggsound(root: Path, csv: Path | None) -> Catalogue:
    """Read "id,start second,label,train|test" or "id_000030.mp4,label" (the official test.csv), files id_000030.mp4.

    Raises:
        CatalogueError: no csv, a csv that cannot be read, or no videos.
    """
    names = ("vggsound.csv", "test.csv")
    parents = (root, root.parent, root.parent / "splits/vggsound")
    places = [csv] if csv else [parent / name for parent in parents for name in names]
    path = find_first(places, root, "vggsound.csv", "--csv")
    rows = [_vggsound_row(cells, path) for cells in read_rows(path)]
    # YouTube ids differ in case alone: no match_key.
    return combine_rows("vggsound", root, path, rows, str, lambda file: file.stem)


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
    rows = [_kinetics_row(row, path) for row in read_table(path, ("youtube_id", "time_start", "time_end"))]
    return combine_rows("kinetics", root, path, rows, str, lambda file: file.stem)


def _kinetics_row(row: dict[str, str], path: Path) -> Row:
    try:
        start, end = int(float(row["time_start"])), int(float(row["time_end"]))
    except (ValueError, OverflowError) as error:  # the latter for "inf"
        raise CatalogueError(path, f"time_start and time_end must be numbers: {row}") from error
    youtube_id = row["youtube_id"]
    return f"{youtube_id}_{start:06d}_{end:06d}", row.get("label", ""), youtube_id, row.get("split", "")
