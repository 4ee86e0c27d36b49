"""Updates of an index: new files are added, changed ones indexed again, others removed on demand."""

import logging
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from pathlib import Path

from evaluate.errors import FingerprintError
from evaluate.fingerprint.describe.descriptors import Descriptors, make_rows
from evaluate.fingerprint.describe.encoder import DescriptorEncoder
from evaluate.fingerprint.describe.extract import ExtractOptions, MediaFile, describe_files
from evaluate.fingerprint.index.archive import PARTS_FOLDER, Archive, IndexedSource, Part
from evaluate.fingerprint.index.selection import chosen_names, refuse_other_root
from preprocess.catalogues.scan import Listing, first_names, scan
from preprocess.executors.processes import SerialExecutor
from preprocess.sources import Source
from store.format import Provenance
from store.writer import write_part

_log = logging.getLogger(__name__)

FILES_A_PART = 16
BYTES_A_PART = 2 << 30
"""Limits of a part. They bound the work lost when indexing is killed, and the disk space of temporary shards."""
CHANGED = "it was changed while it was indexed, or since; index again"


@dataclass(frozen=True)
class Growth:
    """The result of an update.

    Attributes:
        added, changed: names of sources that were read.
        removed: names of sources.
        unreadable: sources recorded as unreadable, by this update or an earlier one; and those that stay in the index
            although their files, which are listed, cannot be looked at now.
        gone: sources in the index whose files are no longer in the folder; they stay until they are removed.
        unreadable_folders: below the folder (of `Index.add` also of the background); their sources are not gone.
        n_sources, n_descriptors, media_seconds: size of the index after the update.
    """

    added: tuple[str, ...]
    changed: tuple[str, ...]
    removed: tuple[str, ...]
    unreadable: tuple[IndexedSource, ...]
    gone: tuple[str, ...]
    unreadable_folders: tuple[str, ...]
    n_sources: int
    n_descriptors: int
    media_seconds: float


def grow(
    archive: Archive,
    videos: Path | None,
    encoder: DescriptorEncoder,
    options: ExtractOptions,
    *,
    remove: Sequence[str] = (),
    retry_failed: bool = False,
    progress: Callable[[int, int, str], None] = lambda *_: None,
) -> Growth:
    """Remove sources, then add new and changed files; after a kill, the same call continues.

    Args:
        archive: the index.
        videos: folder of video and audio files; None to remove sources only.
        encoder: the one that the index was made with.
        options: how files are described.
        remove: names, or patterns of names such as "news/*"; files in the folder that fit one are not added.
        retry_failed: try unreadable files again.
        progress: called after every file with bytes done, all bytes, and a note.

    Raises:
        FingerprintError: a pattern fits nothing, or the index is of another folder.
        BusyError: another process is adding to this index.
        CatalogueError: there is no such folder, or it has no media files.
    """
    with archive.only_writer():
        (archive.folder / PARTS_FOLDER).mkdir(exist_ok=True)
        archive.tidy()
        listing = Listing(()) if videos is None else scan(videos, "video", "audio")
        found = {file.name: _indexed(file) for file in listing.without_links(archive.sources())}
        known = archive.sources()
        if videos is not None:
            refuse_other_root(archive, known, found, videos)
        unwanted = chosen_names(archive, remove, known.keys() | found.keys())
        _revise(archive, unwanted, found)
        todo = [
            file
            for name, file in found.items()
            if name not in unwanted and _is_due(known.get(name), file, retry_failed=retry_failed)
        ]
        _add(archive, todo, encoder, options, progress)
        archive.tidy()
    now = archive.sources()
    read = [file.name for file in todo if not now[file.name].reason]
    return Growth(
        added=tuple(name for name in read if name not in known),
        changed=tuple(name for name in read if name in known),
        removed=tuple(name for name in known if name in unwanted),
        unreadable=(
            *(source for source in now.values() if source.reason),
            *(each for name, each in found.items() if each.reason and not now.get(name, each).reason),
        ),
        gone=tuple(
            name for name in now if videos is not None and name not in found and not listing.is_below_unreadable(name)
        ),
        unreadable_folders=listing.unreadable,
        n_sources=sum(not source.reason for source in now.values()),
        n_descriptors=sum(source.n_descriptors for source in now.values()),
        media_seconds=sum(source.seconds for source in now.values()),
    )


def follow(
    archive: Archive, sources: Mapping[str, IndexedSource], encoder: DescriptorEncoder, options: ExtractOptions,
    progress: Callable[[int, int, str], None],
) -> None:  # fmt: skip
    """Let an archive hold the sources of another one, described in another way; the log names those that cannot be read.

    Raises:
        BusyError: another process is adding to this archive.
    """
    with archive.only_writer():
        (archive.folder / PARTS_FOLDER).mkdir(exist_ok=True)
        archive.tidy()
        known = archive.sources()
        _revise(archive, known.keys() - sources.keys(), sources)
        due = [each for name, each in sources.items() if _is_due(known.get(name), each, retry_failed=True)]
        _add(archive, [replace(each, n_descriptors=0, seconds=0.0) for each in due], encoder, options, progress)
        archive.tidy()
    unread = [f"{each.name} ({each.reason})" for each in archive.sources().values() if each.reason]
    if unread:
        _log.warning("%s: %d sources cannot be read now: %s", archive.folder, len(unread), first_names(unread))


def _is_due(before: IndexedSource | None, file: IndexedSource, *, retry_failed: bool) -> bool:
    """Whether a file is new or was changed, or is to be tried again; not if it cannot be looked at, as if its disk is away."""
    if before and file.reason:
        return False
    if before is None or (before.size_bytes, before.modified_ns) != (file.size_bytes, file.modified_ns):
        return True
    return retry_failed and bool(before.reason)


def _revise(archive: Archive, unwanted: Set[str], found: Mapping[str, IndexedSource]) -> None:
    """Take sources out, and record where the others are now."""
    for part in archive.parts():
        kept = tuple(
            replace(source, path=found.get(source.name, source).path)
            for source in part.sources
            if source.name not in unwanted
        )
        if kept != part.sources:
            archive.write_list(part.number, kept)


def _indexed(file: Source) -> IndexedSource:
    """Make the index's record of a file before it is read."""
    path = str(file.path.absolute())
    try:
        status = file.path.stat()
    except OSError as error:
        return IndexedSource(file.name, path, 0, 0, reason=error.strerror or str(error))
    return IndexedSource(file.name, path, status.st_size, status.st_mtime_ns)


@dataclass(frozen=True)
class PartTask:
    """What a process needs to make one part.

    Attributes:
        part: its number, and the records of its files from before they were read.
        path: where the part is written; nothing is, if none of the files can be read.
        provenance: of the part.
        encoder: what describes the files.
        options: how files are described.
    """

    part: Part
    path: Path
    provenance: Provenance
    encoder: DescriptorEncoder
    options: ExtractOptions


def describe_part(task: PartTask, report: Callable[[Part], None]) -> Part:
    """Describe the files and write the part: the work that is spread over processes.

    Args:
        task: the work.
        report: called after every file, with the files that are done.

    Returns:
        The part, with what was found out about its files.

    Raises:
        preprocess.errors.DiskFullError, train.errors.LoaderError, store.errors.StoreError: the message says what to do.
    """
    files = {source.name: source for source in task.part.sources}
    described, done = list[Descriptors](), Part(task.part.number, ())
    media = [MediaFile(source.name, Path(source.path)) for source in task.part.sources]
    for each in describe_files(media, task.encoder, task.options):
        source = files[each.source]
        if not isinstance(each, Descriptors):
            source = replace(source, reason=each.reason)
        elif not source.is_still(Path(source.path)):  # these descriptors would be taken for those of the file as it was
            source = replace(source, reason=CHANGED)
        else:
            described.append(each)
            source = replace(source, n_descriptors=len(each), seconds=float(each.end_seconds[-1]), reason="")
        done = replace(done, sources=(*done.sources, source))
        report(done)
    if described:
        rows = make_rows(described, task.encoder.video_dims, task.encoder.audio_dims)
        write_part(task.path, rows, task.provenance)
    return done


def _add(
    archive: Archive, files: Sequence[IndexedSource], encoder: DescriptorEncoder, options: ExtractOptions,
    progress: Callable[[int, int, str], None],
) -> None:  # fmt: skip
    """Describe files and write them one part at a time, in the order in which the parts get ready."""
    total = sum(file.size_bytes for file in files)
    started, done, deaths = time.perf_counter(), dict[str, IndexedSource](), Counter[int]()
    n_bytes, seconds = 0, 0.0

    def show(at: Part) -> None:
        nonlocal n_bytes, seconds
        for source in at.sources:
            if source.name not in done:
                done[source.name] = source
                n_bytes, seconds = n_bytes + source.size_bytes, seconds + source.seconds
        speed = seconds / max(time.perf_counter() - started, 1e-9)
        progress(n_bytes, total, f"{len(done)} of {len(files)} files, {speed:.1f} s of media a second")

    def after_death(task: PartTask, last: Part | None, how: str) -> PartTask:
        del last
        deaths[task.part.number] += 1
        if deaths[task.part.number] < 2:
            return task
        names = ", ".join(source.name for source in task.part.sources)
        raise FingerprintError(f"the process that described one of these ended twice ({how}): {names}")

    first = max((part.number for part in archive.parts()), default=0) + 1
    tasks = (
        PartTask(
            Part(number, tuple(batch)), archive.new_part_path(number), archive.provenance, encoder,
            replace(options, part_executor=None),
        )
        for number, batch in enumerate(_batches(files), first)
    )  # fmt: skip
    executor = options.part_executor or SerialExecutor()
    for ready in executor.run(describe_part, tasks, show, after_death):
        archive.add_part(ready)


def _batches(files: Sequence[IndexedSource]) -> list[list[IndexedSource]]:
    batches: list[list[IndexedSource]] = []
    held = 0
    for file in files:
        if not batches or len(batches[-1]) >= FILES_A_PART or held + file.size_bytes > BYTES_A_PART:
            batches.append([])
            held = 0
        batches[-1].append(file)
        held += file.size_bytes
    return batches
