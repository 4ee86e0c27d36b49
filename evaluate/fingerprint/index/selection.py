"""The folder that an update accepts, and the names that it takes out."""

import fnmatch
from collections.abc import Mapping, Sequence, Set
from pathlib import Path

from evaluate.errors import FingerprintError
from evaluate.fingerprint.index.archive import Archive, IndexedSource


def refuse_other_root(
    archive: Archive, known: Mapping[str, IndexedSource], found: Mapping[str, IndexedSource], videos: Path
) -> None:
    """Refuse a second folder: names are paths below the folder, so its files would replace others of the same name.

    An archive that has moved holds most of the indexed files, with the same names and sizes. Whether the old folder is
    still there says nothing: it may be a copy, or a disk that is not mounted now.

    Raises:
        FingerprintError: the index is of another folder.
    """
    roots = {source.root for source in known.values()}
    others = [root for root in roots if not (Path(root) == videos.absolute() or _is_same(Path(root), videos))]
    n_here = sum(name in found and found[name].size_bytes == source.size_bytes for name, source in known.items())
    if others and 2 * n_here < len(known):
        raise FingerprintError(
            f"{archive.folder}: is of {min(others)}, and {videos} has {n_here} of its {len(known)} files; an index is of "
            "one folder: index this one into another index, or a folder above both into a new one"
        )


def _is_same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:  # it is no longer there
        return False


def chosen_names(archive: Archive, patterns: Sequence[str], names: Set[str]) -> set[str]:
    """Return the names that fit; a pattern that is a name, such as "Fire [abc].mp4", means this name only.

    Raises:
        FingerprintError: a pattern fits nothing.
    """
    chosen = set[str]()
    for pattern in patterns:
        fit = {pattern} if pattern in names else {name for name in names if fnmatch.fnmatchcase(name, pattern)}
        if not fit:
            raise FingerprintError(f"{archive.folder}: no source fits {pattern!r}; names are paths below the folder")
        chosen |= fit
    return chosen
