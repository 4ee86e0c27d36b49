"""Files behind URLs (s3://, gs://, https://, memory:// ...): the only place that knows of fsspec.

The stages read and write local files: ffmpeg gets an open descriptor and no network, DALI maps archives into memory.
So a source is fetched to a temporary file for as long as it is decoded, and a shard set is pushed or fetched whole.
"""

import contextlib
import hashlib
import re
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from preprocess.errors import MediaError, MediaLimitError, RemoteError, disk_errors
from preprocess.media.media_info import Limits
from preprocess.shards.manifest import DATASET_FILE, MANIFEST_FILE, DatasetInfo, part_path, read_dataset
from preprocess.shards.shard_files import shard_name
from preprocess.sources import RemoteFile, Source
from store.atomic_files import atomic_file

PIECE_BYTES = 1 << 22
_SHARD = re.compile(r"shard-\d{6,}\.tar")
"""What a set behind a URL may name: it must not choose where files are written here."""

Show = Callable[[int, int], None]
"""Told how many files are done, of how many."""


def is_url(text: str) -> bool:
    """Whether this names a place that is no local path."""
    return "://" in text


def list_files(url: str) -> dict[str, RemoteFile]:
    """Files below a URL by their names relative to it, sorted; hidden ones are left out.

    Raises:
        RemoteError: it cannot be listed.
    """
    fs, root = _open(url)
    with _named_errors(url):
        found = fs.find(root, detail=True)
    files = {}
    for path in sorted(found):
        name = path.removeprefix(root).lstrip("/")
        if not any(part.startswith(".") for part in name.split("/")):
            files[name] = RemoteFile(fs.unstrip_protocol(path), int(found[path].get("size") or 0))
    return files


@contextlib.contextmanager
def local_file(source: Source, limits: Limits) -> Iterator[Path]:
    """Yield a path at which a source can be opened: its own, or that of a temporary copy.

    Raises:
        MediaLimitError: it is larger than allowed; nothing beyond the limit is fetched.
        MediaError: it cannot be fetched.
    """
    if source.remote is None:
        yield source.path
        return
    with tempfile.NamedTemporaryFile(suffix=source.path.suffix) as copy:
        try:
            fs, path = _open(source.remote.url)
            with _named_errors(source.remote.url), fs.open(path, "rb") as file:
                n_bytes = 0
                while piece := file.read(PIECE_BYTES):
                    n_bytes += len(piece)
                    if n_bytes > limits.max_file_bytes:
                        raise MediaLimitError(source.path, f"more than {limits.max_file_bytes} bytes, the limit")
                    copy.write(piece)
                copy.flush()
        except RemoteError as error:
            raise MediaError(source.path, f"cannot be fetched: {error}") from error
        if n_bytes != source.remote.n_bytes:
            raise MediaError(source.path, f"{n_bytes} bytes came, {source.remote.n_bytes} were listed")
        yield Path(copy.name)


def push_set(folder: Path, url: str, show: Show = lambda done, total: None) -> None:
    """Copy a finished shard set to a URL, the mark that it is finished last; files there already are not sent again.

    Raises:
        ShardError: the set is not finished.
        RemoteError: the URL cannot be written.
    """
    info = read_dataset(folder)
    fs, root = _open(url)
    there = {name: file.n_bytes for name, file in list_files(url).items()} if fs.exists(root) else {}
    if DATASET_FILE in there and fs.cat_file(f"{root}/{DATASET_FILE}") != (folder / DATASET_FILE).read_bytes():
        raise RemoteError(url, "holds another shard set, or another state of this one: choose another URL")
    names = _names(info, folder)
    for done, name in enumerate(names, 1):
        with _named_errors(url):
            if there.get(name) != (folder / name).stat().st_size:
                fs.makedirs(root, exist_ok=True)
                fs.put_file(str(folder / name), f"{root}/{name}")
        show(done, len(names))


def fetch_set(url: str, folder: Path, show: Show = lambda done, total: None) -> DatasetInfo:
    """Copy a shard set to a folder, where training and evaluation read it; goes on where it was stopped.

    Archives are verified against their checksums, and the mark that the set is finished comes last.

    Raises:
        RemoteError: there is no finished set, or a file is not what the set says.
        DiskFullError: no space.
    """
    fs, root = _open(url)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as passing:
        with _named_errors(url):
            (Path(passing) / DATASET_FILE).write_bytes(fs.cat_file(f"{root}/{DATASET_FILE}"))
        info = read_dataset(Path(passing))
        if odd := [shard.name for shard in info.shards if not _SHARD.fullmatch(shard.name)]:
            raise RemoteError(url, f"names {odd[0]!r}, which is no shard: nothing was fetched")
        names = _names(info, None)
    checksums = {shard.name: shard.sha256 for shard in info.shards} | {MANIFEST_FILE: info.manifest_sha256}
    for done, name in enumerate(names, 1):
        if not _is_there(folder / name, checksums.get(name)):
            with _named_errors(url):
                _fetch(fs, f"{root}/{name}", folder / name, checksums.get(name))
        show(done, len(names))
    return info


def _names(info: DatasetInfo, folder: Path | None) -> list[str]:
    """Files of a set that readers need, the mark last; with a folder, those marks too that only resuming needs."""
    names = []
    for shard in info.shards:
        stem = Path(shard.name).stem
        names += [shard.name, f"{stem}.idx", f"{stem}.parquet"]
    if folder is not None:
        n_shards = -(-info.n_sources // info.params.sources_per_shard)
        marks = (part_path(folder, shard) for shard in range(n_shards) if f"{shard_name(shard)}.parquet" not in names)
        names += [path.name for path in marks if path.exists()]
    return [*names, MANIFEST_FILE, DATASET_FILE]


def _is_there(path: Path, sha256: str | None) -> bool:
    """Whether a file was fetched before; without a checksum it is fetched again, those files are small."""
    if sha256 is None or not path.is_file():
        return False
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == sha256


def _fetch(fs: Any, remote: str, path: Path, sha256: str | None) -> None:
    digest = hashlib.sha256()
    with fs.open(remote, "rb") as source, atomic_file(path, disk_errors) as file:
        while piece := source.read(PIECE_BYTES):
            digest.update(piece)
            file.write(piece)
        if sha256 is not None and digest.hexdigest() != sha256:
            raise RemoteError(remote, "is not what its data set says: push the set again")


def _open(url: str) -> tuple[Any, str]:
    """The file system of a URL, and the path in it."""
    import fsspec

    try:
        fs, path = fsspec.url_to_fs(url)
    except (ImportError, ValueError, OSError) as error:
        raise RemoteError(url, f"cannot be opened: {error}") from error
    return fs, path.rstrip("/")


@contextlib.contextmanager
def _named_errors(url: str) -> Iterator[None]:
    """Say which URL it was; what fsspec's file systems raise are mostly errors of the operating system's kind."""
    try:
        yield
    except (OSError, ValueError) as error:
        raise RemoteError(url, f"{type(error).__name__}: {error}") from error
