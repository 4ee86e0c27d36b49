"""Lists the files of a data set, with the labels, groups and splits of its official lists."""

from pathlib import Path
from typing import TYPE_CHECKING

from preprocess.errors import CatalogueError, RemoteError

if TYPE_CHECKING:
    from preprocess.sources import Catalogue

DATASETS = ("ucf101", "hmdb51", "esc50", "vggsound", "kinetics", "folder")


def open_catalogue(
    dataset: str, root: Path | str, splits_dir: Path | None = None, csv: Path | None = None
) -> "Catalogue":
    """List the sources of a data set below `root`, sorted by name, with labels, groups and official splits.

    A `root` that is a str is a URL. `splits_dir` holds the official lists of UCF101 and HMDB51, `csv` those of the
    others; where they are None the usual places are searched. Files that are listed but not there, or there but not
    listed, are named in the catalogue.

    Raises:
        CatalogueError: no such data set, folder, lists or files; or lists of the kind that the data set does not have.
    """
    from preprocess.catalogues.esc50 import open_esc50
    from preprocess.catalogues.folder import open_folder
    from preprocess.catalogues.hmdb51 import open_hmdb51
    from preprocess.catalogues.ucf101 import open_ucf101
    from preprocess.catalogues.youtube import open_kinetics, open_vggsound

    official = {"ucf101": open_ucf101, "hmdb51": open_hmdb51}
    unread, option = (csv, "--splits") if dataset in official else (splits_dir, "--csv")
    if unread is not None:
        raise CatalogueError(unread, f"is not read: the lists of --dataset {dataset} are given with {option}")
    if dataset == "folder":
        return open_folder(root, csv)
    if isinstance(root, str):
        raise RemoteError(root, f"only --dataset folder reads from a URL; copy {dataset} to a local folder first")
    if dataset in official:
        return official[dataset](root, splits_dir)
    if dataset in (tables := {"esc50": open_esc50, "vggsound": open_vggsound, "kinetics": open_kinetics}):
        return tables[dataset](root, csv)
    raise CatalogueError(root, f"no data set is called {dataset!r}; there are {', '.join(DATASETS)}")
