"""Files on disk, entries of the official lists, and matching one with the other."""

import csv
import os
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from preprocess.errors import CatalogueError, RemoteError
from preprocess.remote import list_files
from preprocess.schema import Media
from preprocess.sources import Catalogue, RemoteFile, Source

VIDEO_EXTENSIONS = frozenset(
    (".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".divx", ".mpg", ".mpeg", ".vob", ".ts", ".mts", ".m2ts", ".flv")
) | {".wmv", ".asf", ".ogv", ".3gp", ".3g2", ".mxf"}
AUDIO_EXTENSIONS = frozenset(
    (".wav", ".w64", ".flac", ".mp3", ".m4a", ".aac", ".ogg", ".oga", ".opus", ".wma", ".aif", ".aiff", ".caf", ".au")
)


@dataclass(frozen=True)
class FoundFile:
    """A file below the data root; `name` is its posix path relative to the root, always valid UTF-8."""

    path: Path
    name: str
    remote: RemoteFile | None = None

    @property
    def folder(self) -> str:
        """Name of the folder that holds it, "" directly below the root."""
        return self.name.split("/")[-2] if "/" in self.name else ""

    @property
    def stem(self) -> str:
        """File name without its last extension."""
        return Path(self.name).stem


@dataclass(frozen=True)
class Entry:
    """The lists' facts about one file; `name` is written as in the lists."""

    name: str
    label: int = -1
    group: str = ""
    splits: dict[str, str] = field(default_factory=dict)


def scan(root: Path | str, media: Media) -> tuple[list[FoundFile], list[str]]:
    """All files below a folder or a URL with an extension of `media`, sorted by name, and the unreadable folders.

    In a folder, links to folders are followed, each folder once, and hidden files and folders are skipped. Dangling
    links and FIFOs are returned too: they fail later with a reason, instead of vanishing here.

    Raises:
        CatalogueError: there is no such folder, or no such file in it.
        RemoteError: the URL cannot be listed, or there is no such file.
    """
    unreadable: list[str] = []
    if isinstance(root, str):
        files = [FoundFile(Path(name), name, remote) for name, remote in list_files(root).items()]
    elif root.is_dir():
        files = [FoundFile(path, _relative_name(path, root)) for path in _walk(root, unreadable)]
    else:
        raise CatalogueError(root, "no such folder; give the data set's folder with --data")
    extensions = VIDEO_EXTENSIONS if media == "video" else AUDIO_EXTENSIONS
    found = [file for file in files if file.path.suffix.lower() in extensions]
    if not found:
        reason = f"no {media} files below it (looked for {' '.join(sorted(extensions))})"
        raise RemoteError(root, reason) if isinstance(root, str) else CatalogueError(root, reason)
    return sorted(found, key=lambda file: file.name), sorted(unreadable)


def _walk(root: Path, unreadable: list[str]) -> Iterator[Path]:
    def note(error: OSError) -> None:
        unreadable.append(f"{_relative_name(Path(error.filename), root)}/ ({error.strerror})")

    seen: set[str] = set()
    for folder, folders, names in os.walk(root, onerror=note, followlinks=True):
        real = os.path.realpath(folder)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(folder, name) for name in names if not name.startswith("."))


def _relative_name(path: Path, root: Path) -> str:
    return os.fsencode(path.relative_to(root).as_posix()).decode("utf-8", "backslashreplace")


def match_key(text: str) -> str:
    """Fold a name for comparison: official lists and files on disk differ in case and in Unicode normal form.

    UCF101's lists write v_HandStandPushups, its files are called v_HandstandPushups.
    """
    return unicodedata.normalize("NFC", text).casefold()


def combine(
    dataset: str,
    root: Path | str,
    label_names: Sequence[str],
    entries: Mapping[str, Entry],
    key_of: Callable[[FoundFile], str],
    *,
    unlisted: Callable[[FoundFile], Entry] = lambda file: Entry(file.name),
    media: Media = "video",
) -> Catalogue:
    """Match the files below `root` with the lists of a data set.

    Args:
        dataset: its name.
        root: its folder or URL.
        label_names: `Entry.label` is a place in them.
        entries: all files that the lists name, by key.
        key_of: key of a file on disk.
        unlisted: entry of a file that no list names; by default without label, group and splits.
        media: which files to look for.

    Raises:
        CatalogueError, RemoteError: as `scan`.
    """
    files, unreadable = scan(root, media)
    sources, extra, used = [], [], set()
    for index, file in enumerate(files):
        key = key_of(file)
        entry = entries.get(key)
        if entry is None:
            extra.append(file.name)
            entry = unlisted(file)
        used.add(key)
        label_name = label_names[entry.label] if entry.label >= 0 else ""
        splits = dict(entry.splits)
        sources.append(
            Source(index, file.path, file.name, entry.label, label_name, entry.group, splits, remote=file.remote)
        )
    missing = sorted(entry.name for key, entry in entries.items() if key not in used)
    return Catalogue(dataset, media, tuple(sources), tuple(label_names), (*missing, *unreadable), tuple(extra))


Row = tuple[str, str, str, str]
"""A file's name as its list writes it, then its label, group and part of the only split, each "" where unknown."""


def combine_rows(
    dataset: str, root: Path | str, rows: Sequence[Row], key: Callable[[str], str], name_of: Callable[[FoundFile], str]
) -> Catalogue:
    """Match the files below `root` with a list of one row a file; labels count from 0 in alphabetical order.

    Two names are the same if `key` is the same; `name_of` a file on disk is compared with the list.

    Raises:
        CatalogueError, RemoteError: as `scan`.
    """
    label_names = sorted({label for _, label, _, _ in rows if label})
    labels = {name: label for label, name in enumerate(label_names)}
    entries = {
        key(name): Entry(name, labels.get(label, -1), group, {"1": part} if part else {})
        for name, label, group, part in rows
    }
    return combine(dataset, root, label_names, entries, lambda file: key(name_of(file)))


def find_first(candidates: Iterable[Path], root: Path, what: str, option: str) -> Path:
    """Return the first of `candidates` that exists.

    Raises:
        CatalogueError: none exists; names them and the option to give.
    """
    tried = list(candidates)
    for path in tried:
        if path.exists():
            return path
    places = ", ".join(str(path) for path in tried)
    raise CatalogueError(root, f"{what} found in none of {places}; give the place with {option}")


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
        CatalogueError: it cannot be read, or lacks one of the `required` columns.
    """
    rows = read_rows(path)
    header = [cell.strip() for cell in rows[0]] if rows else []
    absent = [name for name in required if name not in header]
    if absent:
        raise CatalogueError(path, f"needs the columns {', '.join(required)}; {', '.join(absent)} not there")
    return [dict(zip(header, (cell.strip() for cell in row), strict=False)) for row in rows[1:]]


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
