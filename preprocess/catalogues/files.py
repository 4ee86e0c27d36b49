"""Entries of the official lists, and matching them with the files on disk."""

import csv
import logging
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from preprocess.catalogues.scan import first_names, scan
from preprocess.errors import CatalogueError
from preprocess.schema import Media
from preprocess.sources import Catalogue, Source

_log = logging.getLogger(__name__)
Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True)
class Entry:
    """The lists' facts about one file; `name` is written as in the lists."""

    name: str
    label: int = -1
    group: str = ""
    splits: dict[str, str] = field(default_factory=dict)


def match_key(text: str) -> str:
    """Fold a name for comparison: official lists and files on disk differ in case and in Unicode normal form.

    UCF101's lists write v_HandStandPushups, its files are called v_HandstandPushups.
    """
    return unicodedata.normalize("NFC", text).casefold()


def combine(
    dataset: str,
    root: Path | str,
    label_names: Sequence[str],
    entries: Mapping[Key, Entry],
    key_of: Callable[[Source], Key | None],
    *,
    unlisted: Callable[[Source], Entry] = lambda file: Entry(file.name),
    media: Media = "video",
) -> Catalogue:
    """Match the files below `root`, a folder or a URL, with the lists of a data set.

    `entries` are all files that the lists name; `Entry.label` is a place in `label_names`. `key_of` gives the key of a
    file on disk, and `unlisted` the entry of a file that no list names. Of several files of an entry, as in two formats, the
    first by name counts; the log names the others.

    Raises:
        CatalogueError, RemoteError: as `scan`.
    """
    listing = scan(root, media)
    sources, extra, used, again = list[Source](), list[str](), dict[Key, str](), list[str]()
    for file in listing.files:
        key = key_of(file)
        entry = None if key is None else entries.get(key)
        if key is not None and entry is not None and (first := used.setdefault(key, file.name)) != file.name:
            again.append(f"{file.name} = {first}")
            continue
        if entry is None:
            extra.append(file.name)
            entry = unlisted(file)
        name = label_names[entry.label] if entry.label >= 0 else ""
        number, group, splits = len(sources), entry.group, entry.splits
        sources.append(replace(file, index=number, label=entry.label, label_name=name, group=group, splits=splits))
    if again:
        _log.warning("%d files left out, the lists name them once: %s", len(again), first_names(again))
    missing = sorted(
        entry.name for key, entry in entries.items() if key not in used and not listing.is_below_unreadable(entry.name)
    )
    found = tuple(sources), tuple(label_names), tuple(missing), tuple(extra)
    return Catalogue(dataset, media, *found, listing.unreadable)


Row = tuple[str, str, str, str]
"""A file's name as its list writes it, then its label, group and part of the only split, each "" where unknown."""


def combine_rows(
    dataset: str,
    root: Path | str,
    csv: Path,
    rows: Sequence[Row],
    key: Callable[[str], str],
    name_of: Callable[[Source], str],
) -> Catalogue:
    """Match the files below `root` with a list of one row a file; labels count from 0 in alphabetical order.

    Two names are the same if `key` is the same; `name_of` a file on disk is compared with the list. Of several rows with
    its name, a file takes that with exactly its name, else that of the class that its folder is named after.

    Raises:
        CatalogueError: rows of `csv` contradict each other about a file; or as `scan`.
        RemoteError: as `scan`.
    """
    label_names = sorted({label for _, label, _, _ in rows if label})
    labels = {name: label for label, name in enumerate(label_names)}
    same = defaultdict[str, list[Row]](list)
    entries = dict[Row, Entry]()
    for row in dict.fromkeys(rows):
        name, label, group, part = row
        same[key(name)].append(row)
        entries[row] = Entry(name, labels.get(label, -1), group, {"1": part} if part else {})

    def row_of(file: Source) -> Row | None:
        found = same.get(key(name_of(file)), [])
        if len(found) > 1:
            exact = [row for row in found if row[0] == name_of(file)]
            own = [row for row in found if match_key(row[1]) == match_key(file.folder)]
            chosen = exact if len(exact) == 1 else own
            if len(chosen) != 1:
                two = " and ".join(",".join(row) for row in found[:2])
                reason = f"contradicts itself about {file.name}: {two}; keep one row, or move the file into its class's folder"
                raise CatalogueError(csv, reason)
            return chosen[0]
        return found[0] if found else None

    return combine(dataset, root, label_names, entries, row_of)


def find_first(places: Sequence[Path], root: Path, what: str, option: str) -> Path:
    """Return the first of `places` that exists.

    Raises:
        CatalogueError: none exists; names them and the option to give.
    """
    for path in places:
        if path.exists():
            return path
    tried = ", ".join(str(path) for path in places)
    raise CatalogueError(root, f"{what} found in none of {tried}; give the place with {option}")


def read_rows(path: Path) -> list[list[str]]:
    """Rows of a csv file, without empty ones.

    Raises:
        CatalogueError: the file cannot be read as UTF-8 csv.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            return [row for row in csv.reader(file) if any(cell.strip() for cell in row)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise CatalogueError(path, f"cannot be read as csv: {error}") from error


def read_table(path: Path, required: Sequence[str]) -> list[dict[str, str]]:
    """Rows of a csv file with a header line, as dictionaries without surrounding blanks.

    Raises:
        CatalogueError: it cannot be read, or it or one of its rows lacks one of the `required` columns.
    """
    rows = read_rows(path)
    header = [cell.strip() for cell in rows[0]] if rows else []
    absent = [name for name in required if name not in header]
    if absent:
        raise CatalogueError(path, f"needs the columns {', '.join(required)}; {', '.join(absent)} not there")
    table = [dict(zip(header, (cell.strip() for cell in row), strict=False)) for row in rows[1:]]
    if short := next((row for row in table if not row.keys() >= set(required)), None):
        raise CatalogueError(path, f"needs the columns {', '.join(required)} in every row; one has only {short}")
    return table


def read_lines(path: Path) -> list[str]:
    """Lines of a list file, stripped, without empty ones.

    Raises:
        CatalogueError: it cannot be read.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise CatalogueError(path, f"cannot be read as text: {error}") from error
    return [line.strip() for line in lines if line.strip()]
