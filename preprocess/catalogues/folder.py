"""Any folder of videos; a csv may add labels, groups and splits."""

import dataclasses
import posixpath
from pathlib import Path

from preprocess.catalogues.files import combine_rows, match_key, read_table
from preprocess.sources import Catalogue


def open_folder(root: Path | str, csv: Path | None) -> Catalogue:
    """All videos below `root`, a folder or a URL.

    The csv has a column `path` (relative to `root`) and any of label, group, split.

    Folder names are not labels: in an archive they are dates or shelves. Files of the same stem in two folders stay two
    sources.

    Raises:
        CatalogueError: the csv cannot be read or contradicts itself, or there are no videos.
        RemoteError: the URL cannot be listed, or there are no videos.
    """
    table = read_table(csv, ("path",)) if csv else []
    rows = [
        (posixpath.normpath(row["path"]), row.get("label", ""), row.get("group", ""), row.get("split", ""))
        for row in table
    ]
    catalogue = combine_rows("folder", root, csv or Path(root), rows, match_key, lambda file: file.name)
    return catalogue if csv else dataclasses.replace(catalogue, extra=())  # without a list nothing is extra
