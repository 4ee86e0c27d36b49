"""Files behind URLs (s3://, gs://, https://, memory:// ...), through fsspec.

The stages read and write local files: ffmpeg gets an open descriptor and no network, and DALI maps archives into memory.
So a source is fetched to a temporary file while it is decoded, and a shard set is pushed or fetched whole.
"""

import contextlib
import hashlib
import sys
from collections.abc import Callable, Collection, Iterator
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from preprocess.errors import MediaError, MediaLimitError, RemoteError, disk_errors
from preprocess.held_folder import held_folder
from preprocess.media.media_info import Limits
from preprocess.shards.manifest import DATASET_FILE, MANIFEST_FILE, DatasetInfo, part_path, read_dataset
from preprocess.shards.shard_files import file_sha256
from preprocess.sources import RemoteFile, Source
from store.atomic_files import atomic_file, folder_lock, remove_temporaries

PIECE_BYTES = 1 << 22
HTTP = ("http://", "https://")
SHARD_SUFFIXES = (".tar", ".idx", ".parquet")
SUMS_FILE = "SHA256SUMS"
"""Beside a set behind a URL: the checksum of every other file, as `sha256sum --check` reads them."""

CLIENT_ERRORS = {
    "botocore.exceptions": ("BotoCoreError", "ClientError"),
    "google.auth.exceptions": ("GoogleAuthError",),
    "gcsfs.retry": ("HttpError",),
    "aiohttp": ("ClientError",),
}
"""By module, what the clients below s3fs and gcsfs raise that is not of the operating system's kind."""

Show = Callable[[int, int], None]
"""Receives the number of files done, and of how many."""


def list_files(url: str) -> dict[str, RemoteFile]:
    """Files below a URL by their names relative to it, sorted, without hidden ones.

    Raises:
        RemoteError: the URL cannot be listed.
    """
    with _file_system(url) as (fs, root):
        found = fs.find(root, detail=True)
    files = {}
    for path in sorted(found):
        name = path.removeprefix(root).lstrip("/")
        name = unquote(name, errors="backslashreplace") if root.startswith(HTTP) else name
        if not any(part.startswith(".") for part in name.split("/")):
            files[name] = RemoteFile(fs.unstrip_protocol(path), found[path].get("size"))
    return files


@contextlib.contextmanager
def local_file(source: Source, limits: Limits) -> Iterator[Path]:
    """Yield a path that opens a source: its own, or that of a temporary copy.

    Raises:
        MediaLimitError: the source is larger than allowed; nothing beyond the limit is fetched.
        MediaError: it cannot be fetched.
        DiskFullError, ShardError: the copy cannot be written.
    """
    if source.remote is None:
        yield source.path
        return
    with held_folder("source") as folder:
        path = folder / f"source{source.path.suffix}"
        try:
            with disk_errors(folder.parent), path.open("wb") as copy:
                for piece in _pieces(source.remote.url):
                    copy.write(piece)
                    if copy.tell() > limits.max_file_bytes:
                        raise MediaLimitError(source.path, f"more than {limits.max_file_bytes} bytes, the limit")
                n_bytes = copy.tell()
        except RemoteError as error:
            raise MediaError(source.path, f"cannot be fetched: {error}") from error
        if source.remote.n_bytes not in (None, n_bytes):
            raise MediaError(source.path, f"{n_bytes} bytes came, {source.remote.n_bytes} were listed")
        yield path


def push_set(folder: Path, url: str, show: Show = lambda done, total: None) -> None:
    """Copy a finished shard set to a URL, the mark that it is finished last; files that are there are not sent again.

    Raises:
        ShardError: the set is not finished.
        RemoteError: the URL cannot be written, or holds another set.
    """
    info = read_dataset(folder)
    names = _file_names(info, {path.name for path in folder.iterdir()})
    known = _known_sha256(info)
    sums = "".join(f"{known.get(name) or file_sha256(folder / name)}  {name}\n" for name in names).encode()
    with _file_system(url) as (fs, root):
        there = {name: file.n_bytes for name, file in list_files(url).items()} if fs.exists(root) else {}
        mark = (folder / DATASET_FILE).read_bytes()
        if DATASET_FILE in there and fs.cat_file(f"{root}/{DATASET_FILE}") != mark:
            raise RemoteError(url, "holds another shard set, or another state of this one: choose another URL")
        fs.makedirs(root, exist_ok=True)
        if SUMS_FILE not in there or fs.cat_file(f"{root}/{SUMS_FILE}") != sums:
            there = {}  # files of another state may have the same sizes
            fs.pipe_file(f"{root}/{SUMS_FILE}", sums)
        for done, name in enumerate(names, 1):
            if there.get(name) != (folder / name).stat().st_size:
                fs.put_file(str(folder / name), f"{root}/{name}")
            show(done, len(names))


def fetch_set(url: str, folder: Path, show: Show = lambda done, total: None) -> DatasetInfo:
    """Copy a shard set to a folder for training and evaluation; a second call continues where the first was stopped.

    All files are verified against their checksums. The mark that the set is finished comes last. Of another set, which the
    folder held before, the mark goes first, then the shards that this set lacks.

    Raises:
        RemoteError: there is no finished set, or a file does not match the description of the set.
        ShardError: another run is at work in the folder, or it cannot be written.
        DiskFullError: no space.
    """
    with _file_system(url) as (fs, root):
        try:
            mark = fs.cat_file(f"{root}/{DATASET_FILE}")
            sums_text = fs.cat_file(f"{root}/{SUMS_FILE}").decode()
        except FileNotFoundError as error:
            raise RemoteError(url, "holds no finished shard set that `push` has copied there") from error
        sums = [line.split("  ", 1) for line in sums_text.splitlines()]
        checksums = {name: sha256 for sha256, name in sums}
    with held_folder("set") as passing, disk_errors(passing.parent):
        (passing / DATASET_FILE).write_bytes(mark)
        info = read_dataset(passing)  # which refuses names that lead out of the folder
    checksums |= _known_sha256(info)
    names = _file_names(info, checksums)
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    with folder_lock(folder, disk_errors) as is_locked:
        if is_locked:
            remove_temporaries(folder)
        with disk_errors(there := folder / DATASET_FILE):
            if there.is_file() and there.read_bytes() != mark:
                there.unlink()
        with disk_errors(folder):
            there_too = {path.name for path in folder.glob("shard-*") if path.suffix in SHARD_SUFFIXES}
            for name in there_too.difference(names):
                (folder / name).unlink()
        for done, name in enumerate(names, 1):
            path, checksum = folder / name, checksums.get(name, "")
            with disk_errors(path):
                if not path.is_file() or file_sha256(path) != checksum:
                    _fetch(url, path, checksum)
            show(done, len(names))
    return info


def _file_names(info: DatasetInfo, there: Collection[str]) -> list[str]:
    """Files of a set, the mark that it is finished last.

    Of a shard without an archive, the table is named if it is `there`: resuming and `verify` need it, readers do not.
    """
    stems = dict.fromkeys(Path(shard.name).stem for shard in info.shards)
    names = [stem + suffix for stem in stems for suffix in SHARD_SUFFIXES]
    n_shards = min(info.n_shards, len(there))  # a damaged count may claim any number
    tables = [part_path(Path(), shard) for shard in range(n_shards)]
    alone = [table.name for table in tables if table.name in there and table.stem not in stems]
    return [*alone, *names, MANIFEST_FILE, DATASET_FILE]


def _known_sha256(info: DatasetInfo) -> dict[str, str]:
    """Checksums that the description of the set gives."""
    return {shard.name: shard.sha256 for shard in info.shards} | {MANIFEST_FILE: info.manifest_sha256}


def _fetch(url: str, path: Path, sha256: str) -> None:
    name, digest = f"/{path.name}", hashlib.sha256()
    with atomic_file(path, disk_errors) as file:
        for piece in _pieces(url, name):
            digest.update(piece)
            file.write(piece)
        if digest.hexdigest() != sha256:
            reason = "does not match the description of its set: remove it there and push the set again"
            raise RemoteError(url + name, reason)


def _pieces(url: str, name: str = "") -> Iterator[bytes]:
    """Yield the bytes of a file; errors of the caller, such as a full disk, are not those of the URL."""
    with _file_system(url, name) as (fs, path), fs.open(path, "rb") as file:
        while piece := file.read(PIECE_BYTES):
            yield piece


@contextlib.contextmanager
def _file_system(url: str, name: str = "") -> Iterator[tuple[Any, str]]:
    """Give the file system of a URL and the path in it, of `name` below it; errors in the block name the URL.

    Raises:
        RemoteError: no such file system, or it fails.
    """
    import fsspec

    from preprocess.http_files import HttpFiles

    try:
        fs, path = (HttpFiles(), url) if url.startswith(HTTP) else fsspec.url_to_fs(url)
        yield fs, path.rstrip("/") + name
    except (ImportError, OSError, ValueError, NotImplementedError, HTTPException) as error:
        raise RemoteError(url + name, f"{type(error).__name__}: {error}") from error
    except _client_errors() as error:
        reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
        raise RemoteError(url + name, f"{reason}; check the URL, your credentials and the network") from error


def _client_errors() -> tuple[type[Exception], ...]:
    """Give CLIENT_ERRORS of the clients that are loaded: no other one can have failed."""
    return tuple(
        getattr(sys.modules[module], name)
        for module, names in CLIENT_ERRORS.items()
        if module in sys.modules
        for name in names
    )
