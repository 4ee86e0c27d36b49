"""An index follows its archive: new files are added, changed ones indexed again, others taken out."""

import fnmatch
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from evaluate.errors import FingerprintError
from evaluate.fingerprint.describe.descriptors import Descriptors, make_rows
from evaluate.fingerprint.describe.encoder import DescriptorEncoder
from evaluate.fingerprint.describe.extract import ExtractOptions, MediaFile, describe_files
from evaluate.fingerprint.index.archive import PARTS_FOLDER, Archive, IndexedSource
from preprocess.catalogues.files import scan
from preprocess.errors import CatalogueError
from preprocess.executors.processes import SerialExecutor
from store.format import Provenance
from store.writer import write_part

FILES_A_PART = 16
BYTES_A_PART = 2 << 30
"""Limits of a part. They bound the work lost when indexing is killed, and the disk space of temporary shards."""


@dataclass(frozen=True)
class Growth:
    """The result of a call.

    Attributes:
        added, changed, removed: names of sources.
        unreadable: sources recorded as unreadable, by this call or an earlier one.
        gone: sources in the index whose files are no longer in the folder; they stay until they are removed.
        n_sources, n_descriptors, media_seconds: size of the index after the call.
    """

    added: tuple[str, ...]
    changed: tuple[str, ...]
    removed: tuple[str, ...]
    unreadable: tuple[IndexedSource, ...]
    gone: tuple[str, ...]
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
    """Take out what `remove` names, then add what is new or changed in the folder; a killed call is just called again.

    Args:
        archive: the index.
        videos: folder of videos and sounds; None to take out only.
        encoder: the one that the index was made with.
        options: how files are described.
        remove: patterns of names such as "news/*"; files in the folder that fit one are not added.
        retry_failed: try unreadable files again.
        progress: told the bytes done, of how many, and a note, after every file.

    Raises:
        FingerprintError: a pattern fits nothing.
        BusyError: another process is adding to this index.
        CatalogueError: there is no such folder, or nothing in it.
    """
    with archive.only_writer():
        (archive.folder / PARTS_FOLDER).mkdir(exist_ok=True)
        archive.tidy()
        found = [] if videos is None else media_files(videos)
        removed = _remove(archive, remove, [file.name for file in found])
        known = archive.sources()
        files = [file for file in found if not _fits(file.name, remove)]
        todo = [file for file in files if _is_stale(file, known.get(file.name), retry_failed=retry_failed)]
        _add(archive, todo, encoder, options, progress)
        archive.tidy()
    names, now = {file.name for file in found}, archive.sources()
    return Growth(
        added=tuple(file.name for file in todo if file.name not in known),
        changed=tuple(file.name for file in todo if file.name in known),
        removed=removed,
        unreadable=tuple(source for source in now.values() if source.reason),
        gone=tuple(name for name in now if videos is not None and name not in names),
        n_sources=sum(not source.reason for source in now.values()),
        n_descriptors=sum(source.n_descriptors for source in now.values()),
        media_seconds=sum(source.seconds for source in now.values()),
    )


def media_files(folder: Path) -> list[MediaFile]:
    """List the videos and the audio files below the folder."""
    found = []
    refusals = []
    for media in ("video", "audio"):
        try:
            files, _ = scan(folder, media)  # type: ignore[arg-type]
            found += [MediaFile(file.name, file.path) for file in files]
        except CatalogueError as error:
            refusals.append(error)
    if not found:
        raise refusals[0]
    return sorted(found, key=lambda file: file.name)


def _fits(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def _remove(archive: Archive, patterns: Sequence[str], there: Sequence[str]) -> tuple[str, ...]:
    removed = []
    for part in archive.parts():
        kept = [source for source in part.sources if not _fits(source.name, patterns)]
        if len(kept) < len(part.sources):
            removed += [source.name for source in part.sources if source not in kept]
            archive.write_list(part.number, kept)
    for pattern in patterns:
        if not any(fnmatch.fnmatchcase(name, pattern) for name in (*removed, *there)):
            raise FingerprintError(f"{archive.folder}: no source fits {pattern!r}; names are paths below the folder")
    return tuple(removed)


def _is_stale(file: MediaFile, known: IndexedSource | None, *, retry_failed: bool) -> bool:
    if known is None or (known.reason and retry_failed):
        return True
    return known.signature != _indexed(file).signature


def _indexed(file: MediaFile) -> IndexedSource:
    """What the index notes of a file; one that vanished fails later with its reason."""
    try:
        status = file.path.stat()
    except OSError:
        return IndexedSource(file.name, str(file.path.absolute()), 0, 0)
    return IndexedSource(file.name, str(file.path.absolute()), status.st_size, status.st_mtime_ns)


@dataclass(frozen=True)
class PartTask:
    """What a process needs to make one part.

    Attributes:
        number: of the part.
        files: what to describe.
        sources: what the index notes of each of them, as they were before they were read.
        path: where the part is written; nothing, if none of the files can be read.
        provenance: what stands in it.
        encoder: what describes; to another process it travels as the place of its weights.
        options: how files are described.
    """

    number: int
    files: tuple[MediaFile, ...]
    sources: tuple[IndexedSource, ...]
    path: Path
    provenance: Provenance
    encoder: DescriptorEncoder
    options: ExtractOptions


@dataclass(frozen=True)
class PartProgress:
    """How far a part is: counts since its beginning; `sources` are the files that are done."""

    number: int
    n_bytes: int = 0
    media_seconds: float = 0.0
    sources: tuple[IndexedSource, ...] = ()

    @property
    def n_files(self) -> int:
        """Files that are done."""
        return len(self.sources)


def describe_part(task: PartTask, report: Callable[[PartProgress], None]) -> PartProgress:
    """Describe the files and write the part: the work that is spread over processes.

    Raises:
        preprocess.errors.DiskFullError, train.errors.LoaderError, store.errors.StoreError: the message says what to do.
    """
    noted = {source.name: source for source in task.sources}
    described, progress = list[Descriptors](), PartProgress(task.number)
    for each in describe_files(task.files, task.encoder, task.options):
        source = noted[each.source]
        if isinstance(each, Descriptors):
            described.append(each)
            source = replace(source, n_descriptors=len(each), seconds=float(each.end_seconds[-1]))
        else:
            source = replace(source, reason=each.reason)
        progress = PartProgress(
            task.number, progress.n_bytes + source.size_bytes, progress.media_seconds + source.seconds,
            (*progress.sources, source),
        )  # fmt: skip
        report(progress)
    if described:
        rows = make_rows(described, task.encoder.picture_dims, task.encoder.sound_dims)
        write_part(task.path, rows, task.provenance)
    return progress


def _add(
    archive: Archive, files: Sequence[MediaFile], encoder: DescriptorEncoder, options: ExtractOptions,
    progress: Callable[[int, int, str], None],
) -> None:  # fmt: skip
    """Describe files and write them a part at a time, in the order in which the parts get ready."""
    noted = {file.name: _indexed(file) for file in files}  # before they are read: a later change is seen
    total = sum(source.size_bytes for source in noted.values())
    started, states, deaths = time.perf_counter(), dict[int, PartProgress](), Counter[int]()

    def show(at: PartProgress) -> None:
        states[at.number] = at
        n_files, n_bytes = (sum(getattr(each, name) for each in states.values()) for name in ("n_files", "n_bytes"))
        speed = sum(each.media_seconds for each in states.values()) / max(time.perf_counter() - started, 1e-9)
        progress(n_bytes, total, f"{n_files} of {len(files)} files, {speed:.1f} s of media a second")

    def after_death(task: PartTask, last: PartProgress | None, how: str) -> PartTask:
        del last
        deaths[task.number] += 1
        if deaths[task.number] < 2:
            return task
        names = ", ".join(source.name for source in task.sources)
        raise FingerprintError(f"the process that described one of these ended twice ({how}): {names}")

    first = max((part.number for part in archive.parts()), default=0) + 1
    tasks = (
        PartTask(
            number, tuple(batch), tuple(noted[file.name] for file in batch), archive.part_path(number),
            archive.provenance, encoder, replace(options, part_executor=None),
        )
        for number, batch in enumerate(_batches(files, noted), first)
    )  # fmt: skip
    executor = options.part_executor or SerialExecutor()
    for ready in executor.run(describe_part, tasks, show, after_death):
        archive.write_list(ready.number, ready.sources)  # the mark


def _batches(files: Sequence[MediaFile], noted: dict[str, IndexedSource]) -> list[list[MediaFile]]:
    batches: list[list[MediaFile]] = []
    held = 0
    for file in files:
        size = noted[file.name].size_bytes
        if not batches or len(batches[-1]) >= FILES_A_PART or held + size > BYTES_A_PART:
            batches.append([])
            held = 0
        batches[-1].append(file)
        held += size
    return batches
