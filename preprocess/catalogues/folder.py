"""Any folder of videos; a csv may add labels, groups and splits."""

import dataclasses
from pathlib import Path

from preprocess.catalogues.files import Entry, FoundFile, Listing, combine, match_key, read_table
from preprocess.sources import Catalogue


def open_folder(root: Path | str, csv: Path | None) -> Catalogue:
    """All videos below `root`, a folder or a URL.

    The csv has a column `path` (relative to `root`) and any of label, group, split.

    Folder names are no labels: in an archive they are dates or shelves. Same stems in two folders stay two sources.

    Raises:
        CatalogueError: the csv cannot be read, or there are no videos.
    """
    rows = read_table(csv, ("path",)) if csv else []
    label_names = sorted({row["label"] for row in rows if row.get("label")})
    labels = {name: label for label, name in enumerate(label_names)}
    entries = {}
    for row in rows:
        splits = {"1": row["split"]} if row.get("split") else {}
        entries[match_key(row["path"])] = Entry(
            row["path"], labels.get(row.get("label", ""), -1), row.get("group", ""), splits
        )

    def key(file: FoundFile) -> str:
        return match_key(file.name)

    def unlisted(file: FoundFile) -> Entry:
        return Entry(file.name)

    catalogue = combine(root, Listing("folder", "video", label_names, entries, key, unlisted))
    return catalogue if csv else dataclasses.replace(catalogue, extra=())  # without a list nothing is extra
