"""The media files below a folder or a URL, and what a scan could not read or passed over."""

import contextlib
import dataclasses
import logging
import os
import stat
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from preprocess.errors import CatalogueError, RemoteError
from preprocess.remote import list_files
from preprocess.schema import Media
from preprocess.sources import Source, escaped_name

_VIDEO = (
    ".mp4 .m4v .f4v .mov .qt .3gp .3gpp .3g2 .mkv .webm .avi .divx .mpg .mpeg .mpe .m1v .m2v .m2p .mod .tod .vob .ts .mts "
    ".m2t .m2ts .flv .swf .wmv .asf .rm .rmvb .ogv .ogm .mxf .dv .gif"
)
_AUDIO = (
    ".wav .w64 .flac .mp3 .mp2 .m4a .m4b .m4r .aac .ac3 .eac3 .amr .ogg .oga .opus .spx .mka .weba .wma .aif .aiff .aifc "
    ".caf .au"
)
_BESIDE_MEDIA = (
    ".txt .md .rst .csv .tsv .json .jsonl .xml .yaml .yml .toml .html .htm .pdf .doc .docx .log .nfo .ini .db .srt .vtt "
    ".ass .ssa .sub .idx .sup .lrc .cue .jpg .jpeg .png .bmp .webp .tif .tiff .heic .svg .psd .zip .tar .gz .7z .rar .md5 "
    ".sha1 .sha256 .torrent .xmp .thm .py .sh .bat .exe .h5 .npy .npz .parquet .faiss .pt"
)
EXTENSIONS: dict[Media, frozenset[str]] = {"video": frozenset(_VIDEO.split()), "audio": frozenset(_AUDIO.split())}
NOT_MEDIA = frozenset(_BESIDE_MEDIA.split())
"""What lies beside media. All other files without a known extension are named: they may be media."""
LOST_AND_FOUND = "lost+found"
"""A folder of the file system itself, which is closed to all but root."""
MAX_NAMES = 5
"""Names that a message gives; the others are counted."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Listing:
    """The media files below a root, without labels, and the folders that cannot be read, with the reason; sorted."""

    files: tuple[Source, ...]
    unreadable: tuple[str, ...] = ()

    def is_below_unreadable(self, name: str) -> bool:
        """Tell whether a file of this name would lie in a folder that cannot be read."""
        folders = [text.rpartition(" (")[0] for text in self.unreadable]
        return any(folder == "./" or name.startswith(folder) for folder in folders)

    def without_links(self, known: Collection[str]) -> tuple[Source, ...]:
        """Take one name of each file: one in `known`, else one that is no symbolic link, else the first. The log names others."""
        names: dict[tuple[int, int], str] = {}
        kept, links = [], []
        for file in sorted(self.files, key=lambda each: (each.name not in known, each.path.is_symlink())):
            with contextlib.suppress(OSError):  # a file that vanished fails later with a reason
                status = file.path.stat()
                if (name := names.setdefault((status.st_dev, status.st_ino), file.name)) != file.name:
                    links.append(f"{file.name} = {name}")
                    continue
            kept.append(file)
        if links:
            _log.warning("%d names are links of files that count already: %s", len(links), first_names(links))
        return tuple(sorted(kept, key=lambda each: each.name))


def scan(root: Path | str, *media: Media) -> Listing:
    """List all files below a folder or a URL with an extension of one of the `media`.

    In a folder, links to folders are followed, each folder once. Hidden files and folders are skipped, and lost+found.
    Dangling links and FIFOs are returned too: they fail later with a reason, instead of vanishing here. A dangling link
    that has no extension of media may be one to a folder, and counts as a folder that cannot be read. The log names
    these, and files that are passed over.

    Raises:
        CatalogueError: there is no such folder, or no such file in it.
        RemoteError: the URL cannot be listed, or there is no such file.
    """
    unreadable: list[str] = []
    if isinstance(root, str):
        files = [Source(0, Path(name), name, remote=remote) for name, remote in list_files(root).items()]
    else:
        _refuse_other_than_folder(root)
        files = [Source(0, path, _relative_name(path, root)) for path in _walk(root, unreadable)]
    kinds = " or ".join(media)
    extensions = frozenset[str]().union(*(EXTENSIONS[each] for each in media))
    found = sorted((file for file in files if file.path.suffix.lower() in extensions), key=lambda file: file.name)
    others = sorted(file.name for file in files if file.path.suffix.lower() not in extensions | NOT_MEDIA)
    numbered = tuple(dataclasses.replace(file, index=index) for index, file in enumerate(found))
    listing = Listing(numbered, tuple(sorted(unreadable)))
    named = {"folders cannot be read": listing.unreadable, f"files passed over, not {kinds} by name": others}
    notes = [f"{len(names)} {words}: {first_names(names)}" for words, names in named.items() if names]
    if not found:
        reason = "; ".join([f"no {kinds} files below it (looked for {' '.join(sorted(extensions))})", *notes])
        raise RemoteError(root, reason) if isinstance(root, str) else CatalogueError(root, reason)
    for note in notes:
        _log.warning("%s: %s", escaped_name(str(root)), note)
    return listing


def first_names(names: Sequence[str]) -> str:
    """Give the first names of a list, and "..." for others."""
    return ", ".join(names[:MAX_NAMES]) + ", ..." * (len(names) > MAX_NAMES)


def _refuse_other_than_folder(root: Path) -> None:
    try:
        is_folder = stat.S_ISDIR(root.stat().st_mode)
    except FileNotFoundError:
        is_folder = False
    except OSError as error:  # closed to this user, a loop of links, a name that is too long
        raise CatalogueError(root, f"cannot be read: {error.strerror}") from error
    if not is_folder:
        raise CatalogueError(root, "no such folder; give the data set's folder with --data")


def _walk(root: Path, unreadable: list[str]) -> Iterator[Path]:
    def note(error: OSError) -> None:
        unreadable.append(f"{_relative_name(Path(error.filename or root), root)}/ ({error.strerror})")

    seen, known = set[str](), NOT_MEDIA.union(*EXTENSIONS.values())
    for folder, folders, names in os.walk(root, onerror=note, followlinks=True):
        real = os.path.realpath(folder)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name != LOST_AND_FOUND)
        for path in (Path(folder, name) for name in names if not name.startswith(".")):
            if path.suffix.lower() not in known and path.is_symlink():
                try:
                    path.stat()
                except OSError as error:
                    note(error)
                    continue
            yield path


def _relative_name(path: Path, root: Path) -> str:
    return escaped_name(path.relative_to(root).as_posix())
